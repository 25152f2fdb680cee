/**
 * Poll-mode ports: packets move in bursts of views, from the queue that received them to the queues that send them.
 *
 * <p>A {@link Port} has receive queues and transmit queues, seen from Gatun: what a guest transmits is received here.
 * Each queue has one owner, a reactor. The owner of a receive queue polls it, fills a {@link Burst} with views of the
 * packets where they lie (a guest's own pages, for instance), and hands it to the port's {@link Forwarder}: a switch, a
 * loop, or an application. Within that call the forwarder {@linkplain TxQueue#send sends} packets to transmit queues,
 * which copy them at once: one copy between two guests. After the call the views end, and the receive queue gives the
 * buffers back.
 *
 * <p>Views are read-only. Who changes a packet asks the burst for a private copy of its head ({@link Burst#editHead}).
 * A packet that must outlive the burst is copied into a pool buffer: for instance on its way to a queue that another
 * reactor owns. Such a queue has its own small {@link PacketPool}; who floods it loses its own packets. The owner is
 * told by a command, so that a queue that nobody hands over to costs nothing.
 *
 * <p>Read in this order: {@code Burst}, {@code NetHeader}, {@code RxQueue}, {@code TxQueue}, {@code Port}, {@code
 * Handover}.
 */
package io.gatun.pmd;
