package io.gatun.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One end of a vhost-user network device as testpmd is to play it.
 *
 * @param end which end
 * @param socket where the ends meet
 * @param listens whether testpmd makes the socket and waits; else it connects
 * @param queues queue pairs, all of them on the one forwarding core
 * @param packed packed rings; the driver's choice
 * @param inOrder VIRTIO_F_IN_ORDER; the driver's choice
 * @param mergeable VIRTIO_NET_F_MRG_RXBUF; the driver's choice
 * @param vectorized the driver's vector path, where DPDK has one for these rings
 * @param forward the forward mode: {@code io}, {@code macswap}, {@code rxonly}, {@code txonly}, {@code flowgen} …
 * @param packetBytes the length of packets that {@code txonly} makes
 * @param core the processor that both of its threads are pinned to
 * @param hugepages whether packets lie on hugepages (faster; they must be reserved) or on ordinary pages
 * @param more further options of the application, such as {@code --tx-ip=198.18.0.1,198.18.0.2}
 */
public record TestpmdSpec(
        End end,
        Path socket,
        boolean listens,
        int queues,
        boolean packed,
        boolean inOrder,
        boolean mergeable,
        boolean vectorized,
        String forward,
        int packetBytes,
        int core,
        boolean hugepages,
        List<String> more) {
    /** An end of the socket. */
    public enum End {
        /** {@code net_vhost}: the device, DPDK's vhost library. */
        DEVICE,
        /** {@code net_virtio_user}: the driver, as a guest would be. */
        DRIVER
    }

    /** A device that listens, with one queue pair, swaps addresses and sends back. */
    public static TestpmdSpec device(Path socket) {
        return new TestpmdSpec(
                End.DEVICE, socket, true, 1, false, false, true, false, "macswap", 64, 0, false, List.of());
    }

    /** A driver that connects, with one split queue pair, and sends what it receives anew. */
    public static TestpmdSpec driver(Path socket) {
        return new TestpmdSpec(
                End.DRIVER, socket, false, 1, false, false, true, false, "flowgen", 64, 1, false, List.of());
    }

    public TestpmdSpec withListening(boolean value) {
        return new TestpmdSpec(
                end, socket, value, queues, packed, inOrder, mergeable, vectorized, forward, packetBytes, core,
                hugepages, more);
    }

    public TestpmdSpec withQueues(int value) {
        return new TestpmdSpec(
                end, socket, listens, value, packed, inOrder, mergeable, vectorized, forward, packetBytes, core,
                hugepages, more);
    }

    /** What a driver asks for. */
    public TestpmdSpec withRings(RingKind kind) {
        return new TestpmdSpec(
                end, socket, listens, queues, kind.packed(), kind.inOrder(), kind.mergeable(), kind.vectorized(),
                forward, packetBytes, core, hugepages, more);
    }

    public TestpmdSpec withForward(String mode) {
        return new TestpmdSpec(
                end, socket, listens, queues, packed, inOrder, mergeable, vectorized, mode, packetBytes, core,
                hugepages, more);
    }

    public TestpmdSpec withPacketBytes(int value) {
        return new TestpmdSpec(
                end, socket, listens, queues, packed, inOrder, mergeable, vectorized, forward, value, core, hugepages,
                more);
    }

    public TestpmdSpec withCore(int value) {
        return new TestpmdSpec(
                end, socket, listens, queues, packed, inOrder, mergeable, vectorized, forward, packetBytes, value,
                hugepages, more);
    }

    public TestpmdSpec withHugepages(boolean value) {
        return new TestpmdSpec(
                end, socket, listens, queues, packed, inOrder, mergeable, vectorized, forward, packetBytes, core,
                value, more);
    }

    public TestpmdSpec withMore(String... options) {
        return new TestpmdSpec(
                end, socket, listens, queues, packed, inOrder, mergeable, vectorized, forward, packetBytes, core,
                hugepages, List.of(options));
    }

    /** The rings that a driver asks for. */
    public record RingKind(boolean packed, boolean inOrder, boolean mergeable, boolean vectorized) {
        @Override
        public String toString() {
            return (packed ? "packed" : "split")
                    + (inOrder ? ", in order" : "")
                    + (mergeable ? ", mergeable" : "")
                    + (vectorized ? ", vectorized" : "");
        }
    }

    /** The arguments after the program's name; {@code filePrefix} is unique on this machine. */
    List<String> arguments(String filePrefix) {
        List<String> arguments = new ArrayList<>(List.of("--lcores", "0@%d,1@%d".formatted(core, core), "--no-pci"));
        // Without hugepages memory is an ordinary memory file, which can be shared just as well.
        arguments.addAll(hugepages
                ? List.of("-m", "64", "--in-memory", "--single-file-segments")
                : List.of("-m", "128", "--no-huge", "--file-prefix", filePrefix));
        arguments.add("--no-telemetry");
        if (vectorized && packed) {
            arguments.add("--force-max-simd-bitwidth=512");
        }
        arguments.addAll(List.of("--vdev", end == End.DEVICE ? device() : driver(), "--", "-i"));
        arguments.addAll(List.of(
                "--nb-cores=1",
                "--total-num-mbufs=" + (hugepages ? 16384 : 20480),
                "--rxq=" + queues,
                "--txq=" + queues,
                "--txpkts=" + packetBytes,
                "--forward-mode=" + forward));
        arguments.addAll(more);
        return arguments;
    }

    private String device() {
        return "net_vhost0,iface=%s,queues=%d,client=%d".formatted(socket, queues, bit(!listens));
    }

    private String driver() {
        return "net_virtio_user0,path=%s,queues=%d,server=%d,packed_vq=%d,in_order=%d,mrg_rxbuf=%d,vectorized=%d"
                .formatted(socket, queues, bit(listens), bit(packed), bit(inOrder), bit(mergeable), bit(vectorized));
    }

    private static int bit(boolean value) {
        return value ? 1 : 0;
    }
}
