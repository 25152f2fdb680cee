/**
 * Forwarders that do one simple thing, as testpmd's forward modes do: for measurements, tests, and as the shortest
 * examples of a {@link io.gatun.pmd.Forwarder}.
 *
 * <p>A port's receive queue {@code i} is answered on transmit queue {@code i} (modulo their number), so a packet stays
 * on its reactor. Nothing is allocated per packet, and everything in a packet is taken for hostile: what is to be
 * decided on is copied into a private head first.
 *
 * <p>Every forwarder of this package is for the ports that it was made with, and no others.
 */
package io.gatun.pmd.loop;
