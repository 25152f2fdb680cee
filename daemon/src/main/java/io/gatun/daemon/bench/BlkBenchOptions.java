package io.gatun.daemon.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * What to measure; {@link Builder#build} refuses what cannot be, with {@link IllegalArgumentException} that names the
 * option.
 *
 * @param device what answers
 * @param socket where the vhost-user-blk server listens; null unless {@code device} is {@link Device#VHOST_USER}
 * @param mode the mix and order of requests
 * @param readPercent the share of reads in {@link Mode#RANDRW}
 * @param blockSizeBytes bytes per request, a multiple of 512 up to 4 MiB, and no more than the server takes
 * in one segment; requests are aligned to it
 * @param queueDepth requests in flight on each queue
 * @param queues how many queues, one thread each; the disk is divided among them
 * @param time how long to measure
 * @param ramp how long to run before measuring, so that the JIT compiler is done
 * @param packed packed rings instead of split ones
 * @param eventIdx whether VIRTIO_F_EVENT_IDX is negotiated where offered
 * @param inOrder whether VIRTIO_F_IN_ORDER is negotiated where offered
 * @param verify whether every block carries a stamp that reads check; overwrites the disk
 * @param cores where the queues' threads are pinned, in turn; empty: not at all
 * @param hugepages where the data lies
 * @param spanBytes how much of the disk is used, from its start; 0: all of it, or 256 MiB to verify
 * @param burst completions taken before requests are published; 0: chosen by queue depth
 * @param seed of the random order
 * @param timeout how long the device may take for anything
 */
public record BlkBenchOptions(
        Device device,
        Path socket,
        Mode mode,
        int readPercent,
        int blockSizeBytes,
        int queueDepth,
        int queues,
        Duration time,
        Duration ramp,
        boolean packed,
        boolean eventIdx,
        boolean inOrder,
        boolean verify,
        List<Integer> cores,
        Hugepages hugepages,
        long spanBytes,
        int burst,
        long seed,
        Duration timeout) {

    /** What answers the requests. */
    public enum Device {
        /** A vhost-user-blk server. */
        VHOST_USER,
        /** A block device of this process. */
        BDEV,
        /** A copy to or from RAM in the client's own thread: what no device that moves data can exceed. */
        MEMCPY,
        /** Nothing, at once: what the client itself costs. */
        NOTHING
    }

    /** The mix and order of requests, named as in fio. */
    public enum Mode {
        RANDREAD(true, 100),
        RANDWRITE(true, 0),
        READ(false, 100),
        WRITE(false, 0),
        RANDRW(true, 50);

        final boolean random;
        final int readPercent;

        Mode(boolean random, int readPercent) {
            this.random = random;
            this.readPercent = readPercent;
        }

        /** The name on the command line. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The mode of a {@link #label}; throws {@link IllegalArgumentException} that says what there is. */
        public static Mode of(String label) {
            for (Mode mode : values()) {
                if (mode.label().equals(label)) {
                    return mode;
                }
            }
            throw new IllegalArgumentException(
                    "'" + label + "' is none of randread, randwrite, read, write, randrw");
        }
    }

    /** Whether the client's memory lies on hugepages. */
    public enum Hugepages {
        /** If enough are free. */
        AUTO,
        ALWAYS,
        NEVER
    }

    private static final int SECTOR = 512;
    private static final int MAX_BLOCK = 4 << 20;

    /** Three descriptors a request, and rings of at most 32768. */
    private static final int MAX_DEPTH = 8192;

    public BlkBenchOptions {
        require(
                (device == Device.VHOST_USER) == (socket != null),
                "socket",
                socket,
                "a path, for a vhost-user device only");
        require(
                blockSizeBytes >= SECTOR && blockSizeBytes <= MAX_BLOCK && blockSizeBytes % SECTOR == 0,
                "block size",
                blockSizeBytes,
                "a multiple of 512 up to 4 MiB");
        require(queueDepth >= 1 && queueDepth <= MAX_DEPTH, "queue depth", queueDepth, "1 to " + MAX_DEPTH);
        require(queues >= 1 && queues <= 256, "queues", queues, "1 to 256");
        require(readPercent >= 0 && readPercent <= 100, "read percentage", readPercent, "0 to 100");
        require(time.isPositive(), "time", time, "more than nothing");
        require(!ramp.isNegative(), "ramp", ramp, "not less than nothing");
        require(timeout.isPositive(), "timeout", timeout, "more than nothing");
        require(spanBytes >= 0, "span", spanBytes, "bytes, or 0 for the whole disk");
        require(burst >= 0, "burst", burst, "a number of completions, or 0");
        require(
                !verify || device != Device.NOTHING,
                "verify",
                verify,
                "false without a device that keeps data");
        cores = List.copyOf(cores);
        require(cores.stream().allMatch(c -> c >= 0), "cores", cores, "numbers of processors");
    }

    private static void require(boolean fulfilled, String option, Object value, String accepted) {
        if (!fulfilled) {
            throw new IllegalArgumentException(option + " " + value + ": accepted is " + accepted);
        }
    }

    /** Options for a vhost-user-blk server: 4 KiB random reads, 32 at a time on one queue, for five seconds. */
    public static Builder of(Path socket) {
        return new Builder(Device.VHOST_USER, socket);
    }

    /** Options for a block device of this process, or for the client's own ceiling. */
    public static Builder of(Device device) {
        return new Builder(device, null);
    }

    /** Collects options; each method returns this. */
    public static final class Builder {
        private final Device device;
        private final Path socket;
        private Mode mode = Mode.RANDREAD;
        private int readPercent = -1;
        private int blockSizeBytes = 4096;
        private int queueDepth = 32;
        private int queues = 1;
        private Duration time = Duration.ofSeconds(5);
        private Duration ramp = Duration.ofSeconds(1);
        private boolean packed;
        private boolean eventIdx = true;
        private boolean inOrder;
        private boolean verify;
        private List<Integer> cores = List.of();
        private Hugepages hugepages = Hugepages.AUTO;
        private long spanBytes;
        private int burst;
        private long seed = 1;
        private Duration timeout = Duration.ofSeconds(10);

        private Builder(Device device, Path socket) {
            this.device = device;
            this.socket = socket;
        }

        public Builder mode(Mode value) {
            mode = value;
            return this;
        }

        public Builder readPercent(int value) {
            readPercent = value;
            return this;
        }

        public Builder blockSizeBytes(int value) {
            blockSizeBytes = value;
            return this;
        }

        public Builder queueDepth(int value) {
            queueDepth = value;
            return this;
        }

        public Builder queues(int value) {
            queues = value;
            return this;
        }

        public Builder time(Duration value) {
            time = value;
            return this;
        }

        public Builder ramp(Duration value) {
            ramp = value;
            return this;
        }

        public Builder packed(boolean value) {
            packed = value;
            return this;
        }

        public Builder eventIdx(boolean value) {
            eventIdx = value;
            return this;
        }

        public Builder inOrder(boolean value) {
            inOrder = value;
            return this;
        }

        public Builder verify(boolean value) {
            verify = value;
            return this;
        }

        public Builder cores(List<Integer> value) {
            cores = value;
            return this;
        }

        public Builder hugepages(Hugepages value) {
            hugepages = value;
            return this;
        }

        public Builder spanBytes(long value) {
            spanBytes = value;
            return this;
        }

        public Builder burst(int value) {
            burst = value;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        public Builder timeout(Duration value) {
            timeout = value;
            return this;
        }

        /** The options, checked. */
        public BlkBenchOptions build() {
            return new BlkBenchOptions(
                    device,
                    socket,
                    mode,
                    readPercent < 0 || mode != Mode.RANDRW ? mode.readPercent : readPercent,
                    blockSizeBytes,
                    queueDepth,
                    queues,
                    time,
                    ramp,
                    packed,
                    eventIdx,
                    inOrder,
                    verify,
                    cores,
                    hugepages,
                    spanBytes,
                    burst,
                    seed,
                    timeout);
        }
    }
}
