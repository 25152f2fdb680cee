package io.gatun.benchmarks;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.bridge.Bridge;
import io.gatun.pmd.bridge.BridgeOptions;
import io.gatun.pmd.bridge.BridgePortOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What the switch adds to the copy: look up, learn and sort a burst of 64-byte packets, and hand it to ports that only
 * count. The score is for one packet.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class SwitchBenchmark {
    private static final int PACKETS = 32;
    private static final int PACKET_BYTES = 64;
    private static final int PORTS = 5;
    private static final int[] IDENTITY = IntStream.range(0, PACKETS).toArray();

    /**
     * {@code flow}: all packets from one station to one; {@code stations}: from and to a different one each, at one
     * port; {@code ports}: to four ports in turn; {@code tagged}: one flow from an access port to a trunk.
     */
    @Param({"flow", "stations", "ports", "tagged"})
    public String traffic;

    private final List<SinkPort> ports = new ArrayList<>();
    private Bridge bridge;
    private Mapping memory;
    private Burst burst;

    /** Makes the ports known to the switch. */
    @Setup
    public void connect() {
        boolean tagged = traffic.equals("tagged");
        bridge = new Bridge("br0", BridgeOptions.DEFAULT);
        memory = Mapping.anonymous((long) PACKETS * PACKET_BYTES);
        burst = new Burst();
        for (int i = 0; i < PORTS; i++) {
            SinkPort port = new SinkPort("p" + i);
            ports.add(port);
            BridgePortOptions options = BridgePortOptions.DEFAULT;
            bridge.addPort(port, !tagged || i == 1 ? options : options.withAccess(1));
        }
        for (int i = 0; i < PACKETS; i++) {
            int port = traffic.equals("ports") ? 1 + i % 4 : 1;
            long station = traffic.equals("stations") ? i : port;
            // The station says something, so that the switch knows where it is.
            long address = memory.address() + (long) i * PACKET_BYTES;
            put(address, 0x77, station << 8 | 2);
            if (tagged) {
                Memory.putInt(address + 12, 0x0100_0081);
            }
            burst.clear();
            burst.add(address, PACKET_BYTES);
            ports.get(port).rx.deliver(burst);
            Memory.putInt(address + 12, 0);
            put(address, station << 8 | 2, (traffic.equals("stations") ? i : 0) << 8 | 0x10002);
        }
    }

    private static void put(long address, long destination, long source) {
        Memory.putLong(address, destination);
        Memory.putInt(address + 6, (int) source);
        Memory.putShort(address + 10, (int) (source >>> 32));
    }

    /** Frees everything. */
    @TearDown
    public void disconnect() {
        bridge.close();
        ports.forEach(SinkPort::close);
        burst.close();
        memory.close();
    }

    /** From the receive queue of port 0 to the counters of the others. */
    @Benchmark
    @OperationsPerInvocation(PACKETS)
    public void forward() {
        burst.clear();
        for (int i = 0; i < PACKETS; i++) {
            burst.add(memory.address() + (long) i * PACKET_BYTES, PACKET_BYTES);
        }
        ports.getFirst().rx.deliver(burst);
    }

    /** What of that is the burst and the counters: the same to a port without a switch. */
    @Benchmark
    @OperationsPerInvocation(PACKETS)
    public void sendOnly() {
        burst.clear();
        for (int i = 0; i < PACKETS; i++) {
            burst.add(memory.address() + (long) i * PACKET_BYTES, PACKET_BYTES);
        }
        ports.getFirst().rx.counters().count(burst, IDENTITY, PACKETS);
        ports.getLast().txFor(0).send(burst);
    }
}
