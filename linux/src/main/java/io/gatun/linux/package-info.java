/**
 * All native access of Gatun: one class per area of the kernel's interface, and {@link io.gatun.linux.Memory}, the one
 * door to memory that is shared with a peer.
 *
 * <p>A wrapper of a system call returns its value or {@code -errno}; it neither throws nor allocates. Factories that
 * set something up throw {@link io.gatun.linux.LinuxException} with what was tried, why it failed and the remedy.
 */
package io.gatun.linux;
