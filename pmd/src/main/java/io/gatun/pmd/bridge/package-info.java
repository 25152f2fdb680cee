/**
 * A learning Ethernet switch (IEEE 802.1D, 802.1Q) between ports.
 *
 * <p>{@link io.gatun.pmd.bridge.Bridge} has ports added and removed while traffic runs. Each receive queue of a port
 * has a lane: what the queue's owner needs to sort a burst, private to it. Lanes share a snapshot of the ports, which
 * is replaced and never changed, and {@link io.gatun.pmd.bridge.MacTable the MAC table}, which is read without locks.
 *
 * <p>A burst is looked up packet by packet and then sent once per destination. The fast path is a burst that goes to
 * one port: nothing is sorted, and the packets are copied from the sender's buffers into the receiver's.
 *
 * <p>Read in this order: {@code BridgePortOptions}, {@code MacTable}, {@code Lane}, {@code VlanLane}, {@code Bridge}.
 */
package io.gatun.pmd.bridge;
