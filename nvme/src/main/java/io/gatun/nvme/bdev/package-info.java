/**
 * NVMe namespaces as block devices: {@link io.gatun.nvme.bdev.NvmeDrive} makes a {@link io.gatun.nvme.bdev.NvmeBdev} of
 * each namespace of a controller.
 */
package io.gatun.nvme.bdev;
