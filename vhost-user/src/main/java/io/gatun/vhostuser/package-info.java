/**
 * The vhost-user protocol, both ends, and the device SPI.
 *
 * <p>Reading order: {@link io.gatun.vhostuser.VirtioDevice} and {@link io.gatun.vhostuser.QueueHandler} (what a device
 * is), {@code MessageLayout} and {@code RequestRule} (what is on the wire and when it is legal), {@code Session} (what
 * a connection does with it), {@code VringWorker} (a ring's life on its reactor), {@link
 * io.gatun.vhostuser.VhostUserBackend} (the socket), {@link io.gatun.vhostuser.VhostUserFrontend} (the other end).
 *
 * <p><b>Threads.</b> All sockets of back-ends belong to the one thread of a {@link io.gatun.vhostuser.ControlLoop},
 * which never waits: a message whose answer depends on a ring parks its session until the ring's reactor has confirmed.
 * A started ring belongs to the thread of one reactor. The two talk through commands in both directions and share no
 * mutable state.
 */
package io.gatun.vhostuser;
