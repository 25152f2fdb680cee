/**
 * The virtio-blk device model (VIRTIO 1.3 §5.2): any {@link io.gatun.bdev.Bdev} as a disk of a guest.
 *
 * <p>Read {@link io.gatun.bdev.virtio.VirtioBlk} for the numbers, {@link io.gatun.bdev.virtio.VirtioBlkDevice} for
 * features and configuration, {@link io.gatun.bdev.virtio.VirtioBlkQueue} for the path of a request.
 */
package io.gatun.bdev.virtio;
