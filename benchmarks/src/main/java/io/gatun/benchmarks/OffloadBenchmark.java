package io.gatun.benchmarks;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.offload.InternetChecksum;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What a receiver without offloads costs: a checksum, and a large packet cut into segments with theirs. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class OffloadBenchmark {
    private static final int HEADER_BYTES = 54;

    /** Bytes of the packet. */
    @Param({"64", "1514", "65000"})
    public int length;

    private final SinkPort port = new SinkPort("sink");
    private Mapping memory;
    private Burst burst;

    /** A TCP packet over IPv4 in one run. */
    @Setup
    public void populate() {
        memory = Mapping.anonymous(1 << 16);
        burst = new Burst();
        Memory.fill(memory.address(), 1 << 16, (byte) 0x5a);
        Memory.putShort(memory.address() + 12, 0x0008);
        Memory.putByte(memory.address() + 14, (byte) 0x45);
        Memory.putShort(memory.address() + 20, 0);
        Memory.putByte(memory.address() + 23, (byte) 6);
        Memory.putByte(memory.address() + 46, (byte) 0x50);
    }

    /** Frees everything. */
    @TearDown
    public void release() {
        port.close();
        burst.close();
        memory.close();
    }

    /** The sum alone. */
    @Benchmark
    public long sum() {
        return InternetChecksum.sum(memory.address(), length);
    }

    /** A packet whose checksum is missing, or one that becomes segments of 1448 bytes with theirs. */
    @Benchmark
    public void finish() {
        burst.clear();
        burst.add(memory.address(), length);
        int type = length > 1514 ? NetHeader.GSO_TCPV4 : NetHeader.GSO_NONE;
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, type, HEADER_BYTES, 1448, 34);
        burst.checksumOffsets[0] = 16;
        port.txFor(0).send(burst);
    }
}
