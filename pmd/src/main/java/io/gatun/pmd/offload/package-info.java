/**
 * What a packet asks of its receiver, done in software where the receiver cannot do it: missing checksums and the
 * segmentation of large TCP and UDP packets.
 *
 * <p>{@link SoftwareOffload} is what a transmit queue uses; {@link InternetChecksum} and {@link PacketHeaders} are for
 * whoever changes packets. Everything in a packet is a guest's word: headers are copied first and read in the copy,
 * every length and offset is compared with the packet, and what does not fit is dropped and counted.
 */
package io.gatun.pmd.offload;
