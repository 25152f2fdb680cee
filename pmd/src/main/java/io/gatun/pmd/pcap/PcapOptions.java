package io.gatun.pmd.pcap;

import java.nio.file.Path;

/**
 * What a {@link PcapPort} does; at least one of the files is there.
 *
 * @param write the file for everything that is sent to the port, made anew; null for none
 * @param replay the file whose packets the port receives; null for none
 * @param rounds how often they are received; 0 for again and again
 * @param originalTiming whether they come as far apart as they were captured
 * @param packetsPerSecond how many come per second otherwise; 0 for as many as the reactor can
 * @param snapLength the most bytes of a packet that are written, 14 to 262144
 */
public record PcapOptions(
        Path write, Path replay, long rounds, boolean originalTiming, long packetsPerSecond, int snapLength) {

    public PcapOptions {
        if (write == null && replay == null) {
            throw new IllegalArgumentException("a pcap port needs a file to write, or one to replay");
        }
        if (write != null && replay != null
                && write.toAbsolutePath().normalize().equals(replay.toAbsolutePath().normalize())) {
            throw new IllegalArgumentException(replay + " cannot be replayed and written: it would be made anew");
        }
        if (rounds < 0 || packetsPerSecond < 0) {
            throw new IllegalArgumentException("rounds and packets per second cannot be negative");
        }
        if (originalTiming && packetsPerSecond != 0) {
            throw new IllegalArgumentException("packets come as they were captured, or at a rate: not both");
        }
    }

    /** Writes what is sent, and receives nothing. */
    public static PcapOptions writing(Path file) {
        return new PcapOptions(file, null, 1, false, 0, PcapLayout.MAX_SNAP_LENGTH);
    }

    /** Receives a file's packets once, as fast as it can. */
    public static PcapOptions replaying(Path file) {
        return new PcapOptions(null, file, 1, false, 0, PcapLayout.MAX_SNAP_LENGTH);
    }

    public PcapOptions withRounds(long count) {
        return new PcapOptions(write, replay, count, originalTiming, packetsPerSecond, snapLength);
    }

    public PcapOptions withOriginalTiming() {
        return new PcapOptions(write, replay, rounds, true, 0, snapLength);
    }

    public PcapOptions withRate(long perSecond) {
        return new PcapOptions(write, replay, rounds, false, perSecond, snapLength);
    }
}
