/**
 * PCI functions in user space: what sysfs says of them, how VFIO or UIO hands them over, and the memory they reach.
 *
 * <p>Nothing here knows what a function is for; a driver ({@code io.gatun.nvme}) is built on top.
 */
package io.gatun.vfio;
