package io.gatun.benchmarks;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
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

/** What a copy costs: the floor under a RAM disk and under a switch. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class CopyBenchmark {
    private static final long AREA_BYTES = 256L << 20;

    /** Bytes per copy: a small packet, an Ethernet frame, a page, a large request. */
    @Param({"64", "1518", "4096", "131072"})
    public int length;

    private Mapping area;
    private Mapping target;
    private long state = 0x9e3779b97f4a7c15L;

    /** Touches every page, so that the benchmark measures copies and not faults. */
    @Setup
    public void populate() {
        area = Mapping.anonymous(AREA_BYTES);
        target = Mapping.anonymous(length);
        Memory.fill(area.address(), AREA_BYTES, (byte) 1);
        Memory.fill(target.address(), length, (byte) 1);
    }

    /** Unmaps both areas. */
    @TearDown
    public void release() {
        area.close();
        target.close();
    }

    /** Source and target stay in the first-level cache as far as they fit. */
    @Benchmark
    public void hot() {
        Memory.copy(area.address(), target.address(), length);
    }

    /** Each source is a random page-aligned place: what a random read from a RAM disk does. */
    @Benchmark
    public void randomPage() {
        state ^= state << 13;
        state ^= state >>> 7;
        state ^= state << 17;
        long slots = (AREA_BYTES - length) >> 12;
        long offset = Long.remainderUnsigned(state, slots) << 12;
        Memory.copy(area.address() + offset, target.address(), length);
    }
}
