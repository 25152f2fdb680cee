/**
 * The driver's end of a vhost-user network device, as a port: what DPDK calls virtio-user.
 *
 * <p>{@link io.gatun.pmd.user.VirtioUserPort} keeps the connection; {@code UserSession} is one connection; its {@code
 * ReceiveRing} and {@code TransmitRing} are a queue pair's rings. Each id of a ring has its own buffer, so that
 * descriptors of a split ring are written once and stay in both sides' caches.
 */
package io.gatun.pmd.user;
