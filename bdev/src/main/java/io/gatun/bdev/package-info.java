/**
 * Block devices: {@link io.gatun.bdev.MallocBdev RAM}, {@link io.gatun.bdev.FileBdev files} and {@link
 * io.gatun.bdev.NullBdev nothing at all}, behind one asynchronous interface.
 *
 * <p>A {@link io.gatun.bdev.Bdev} is opened once per queue: a {@link io.gatun.bdev.BdevChannel} belongs to one reactor
 * thread and takes {@link io.gatun.bdev.BdevRequest}s whose segments are host addresses, usually a guest's own pages.
 * Whether a request is done when {@code submit} returns is the medium's choice; there is no thread and no lock between
 * the two.
 */
package io.gatun.bdev;
