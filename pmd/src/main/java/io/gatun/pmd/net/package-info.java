/**
 * The virtio-net device behind a vhost-user socket, as a port: the guest's NIC is the other end of a {@link
 * io.gatun.pmd.net.VhostPort}.
 *
 * <p>The guest's {@code transmitq} is where this port receives: {@code RxRing} takes bursts of chains, looks at each
 * virtio-net header, and delivers views of the guest's own pages. The guest's {@code receiveq} is where it sends:
 * {@code TxRing} copies packets straight into the buffers that the guest posted. Both rings of a queue pair belong to
 * one reactor.
 *
 * <p><b>Whose fault.</b> A packet from guest A to guest B is copied in the poll of A's ring. If memory vanishes on the
 * way (see {@link io.gatun.linux.Memory}), {@code TxRing} finds out whose it was, and breaks only that guest's ring.
 *
 * <p><b>The control queue</b> is the front-end's: vhost-user has no message for what a guest asks there. So
 * {@code VIRTIO_NET_F_CTRL_GUEST_OFFLOADS} is not offered: a guest's wish to lose an offload would never arrive here.
 */
package io.gatun.pmd.net;
