package io.gatun.daemon.bench;

import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * What to measure; the constructor refuses what cannot be, with {@link IllegalArgumentException} that names the option.
 *
 * @param socket where the server listens, or connects to
 * @param listen whether the generator makes the socket and waits for the server
 * @param mode what is sent and expected
 * @param sizeBytes of each packet sent, from the Ethernet header on, without frame check sequence
 * @param queues queue pairs, one thread each
 * @param packed packed rings instead of split ones
 * @param inOrder VIRTIO_F_IN_ORDER
 * @param mergeable VIRTIO_NET_F_MRG_RXBUF
 * @param verify whether every byte of every packet that comes is checked
 * @param window packets of each queue that may be on their way, in {@link Mode#ECHO}
 * @param time how long to measure
 * @param ramp how long to run before measuring, so that the JIT compiler is done
 * @param cores where the queues' threads are pinned, in turn; empty: not at all
 * @param hugepages where the packets lie
 * @param timeout how long the server may take for an answer, and to come
 * @param patience how long nothing may come before what is on its way counts as lost, in {@link Mode#ECHO}
 */
public record NetBenchOptions(
        Path socket,
        boolean listen,
        Mode mode,
        int sizeBytes,
        int queues,
        boolean packed,
        boolean inOrder,
        boolean mergeable,
        boolean verify,
        int window,
        Duration time,
        Duration ramp,
        List<Integer> cores,
        Hugepages hugepages,
        Duration timeout,
        Duration patience) {
    /** Descriptors per ring. */
    static final int RING_SIZE = 256;

    /** The largest Ethernet frame that networks carry, without frame check sequence. */
    private static final int MAX_BYTES = 9018;

    /** What is sent and expected. */
    public enum Mode {
        /** Sends as fast as the server takes. */
        TX,
        /** Takes what the server sends. */
        RX,
        /** Sends, and expects each packet back: loss and round-trip times. */
        ECHO;

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
            throw new IllegalArgumentException("'" + label + "' is none of tx, rx, echo");
        }
    }

    /** One split queue pair at a socket, 64-byte packets there and back for five seconds. */
    public static NetBenchOptions of(Path socket) {
        return new NetBenchOptions(
                socket, false, Mode.ECHO, 64, 1, false, false, true, false, 128, Duration.ofSeconds(5),
                Duration.ofSeconds(1), List.of(), Hugepages.AUTO, Duration.ofSeconds(10), Duration.ofMillis(500));
    }

    public NetBenchOptions {
        Objects.requireNonNull(socket, "socket");
        require(
                sizeBytes >= PacketStamps.LEAST_BYTES && sizeBytes <= MAX_BYTES,
                "size",
                sizeBytes,
                PacketStamps.LEAST_BYTES + " to " + MAX_BYTES + " bytes");
        require(queues >= 1 && queues <= 128, "queues", queues, "1 to 128");
        require(window >= 1 && window <= RING_SIZE, "window", window, "1 to " + RING_SIZE);
        require(time.isPositive(), "time", time, "more than nothing");
        require(!ramp.isNegative(), "ramp", ramp, "not less than nothing");
        require(timeout.isPositive(), "timeout", timeout, "more than nothing");
        require(patience.isPositive(), "patience", patience, "more than nothing");
        require(!verify || mode != Mode.TX, "verify", verify, "modes rx and echo, where packets come");
        cores = List.copyOf(cores);
        require(cores.stream().allMatch(c -> c >= 0), "cores", cores, "numbers of processors");
    }

    private static void require(boolean fulfilled, String option, Object value, String accepted) {
        if (!fulfilled) {
            throw new IllegalArgumentException(option + " " + value + ": accepted is " + accepted);
        }
    }

    public NetBenchOptions withMode(Mode value, int packetBytes, boolean verified) {
        return new NetBenchOptions(
                socket, listen, value, packetBytes, queues, packed, inOrder, mergeable, verified, window, time, ramp,
                cores, hugepages, timeout, patience);
    }

    public NetBenchOptions withRings(int pairs, boolean packedRings, boolean ordered, boolean mergeableBuffers) {
        return new NetBenchOptions(
                socket, listen, mode, sizeBytes, pairs, packedRings, ordered, mergeableBuffers, verify, window, time,
                ramp, cores, hugepages, timeout, patience);
    }

    public NetBenchOptions withListen(boolean value) {
        return new NetBenchOptions(
                socket, value, mode, sizeBytes, queues, packed, inOrder, mergeable, verify, window, time, ramp, cores,
                hugepages, timeout, patience);
    }

    public NetBenchOptions withWindow(int packets) {
        return new NetBenchOptions(
                socket, listen, mode, sizeBytes, queues, packed, inOrder, mergeable, verify, packets, time, ramp,
                cores, hugepages, timeout, patience);
    }

    public NetBenchOptions withTimes(Duration measured, Duration before, Duration serverTimeout) {
        return new NetBenchOptions(
                socket, listen, mode, sizeBytes, queues, packed, inOrder, mergeable, verify, window, measured, before,
                cores, hugepages, serverTimeout, patience);
    }

    public NetBenchOptions withPlaces(List<Integer> processors, Hugepages pages) {
        return new NetBenchOptions(
                socket, listen, mode, sizeBytes, queues, packed, inOrder, mergeable, verify, window, time, ramp,
                processors, pages, timeout, patience);
    }

    public NetBenchOptions withPatience(Duration value) {
        return new NetBenchOptions(
                socket, listen, mode, sizeBytes, queues, packed, inOrder, mergeable, verify, window, time, ramp, cores,
                hugepages, timeout, value);
    }
}
