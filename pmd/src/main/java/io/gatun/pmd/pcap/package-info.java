/**
 * Packets in files, in the format that tcpdump and Wireshark share: {@link io.gatun.pmd.pcap.PcapPort} writes what is
 * sent to it and replays what a file holds, {@link io.gatun.pmd.pcap.Capture} listens at a port of any kind.
 *
 * <p>Files are written by threads of their own, which packets reach through a pool: a reactor never waits for a disk,
 * and what a slow disk cannot take is dropped and counted. Files to be replayed are read into memory whole.
 */
package io.gatun.pmd.pcap;
