/**
 * Guest memory and virtqueues (VIRTIO 1.3 §2.6–2.8): rings and memory, no sockets and no devices.
 *
 * <p>Read {@link io.gatun.vring.GuestMemory}, then {@link io.gatun.vring.SplitLayout} beside
 * {@link io.gatun.vring.SplitDeviceQueue}; everything else follows their pattern.
 *
 * <p><b>What is trusted.</b> Nothing in shared memory is. Each field the other side writes is fetched once into a
 * local, validated, and only then used; an address is checked once, by {@link io.gatun.vring.GuestMemory}, and is a
 * plain host address from there on. A violation makes the queue <em>broken</em>, with a reason in words; a broken queue
 * pops and publishes nothing more.
 *
 * <p><b>Dirty logging</b> has one place to go: whatever a device queue writes to guest memory passes through {@code
 * putUsed}, {@code publishUsed}, {@code armKicks} and {@code suppressKicks} of its class.
 */
package io.gatun.vring;
