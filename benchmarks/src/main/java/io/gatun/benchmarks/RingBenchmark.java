package io.gatun.benchmarks;

import io.gatun.vring.DescriptorChain;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.DriverQueue;
import java.util.concurrent.TimeUnit;
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
 * What the rings cost without a second core: one thread is driver and device in turn, in bursts.
 *
 * <p>{@code roundTrip} is a buffer's whole life: added, published, popped, put used, published, collected. Its score is
 * for one buffer.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class RingBenchmark {
    private static final int BUFFERS = 32;

    /** The ring's layout. */
    @Param({"split", "packed"})
    public String layout;

    /** Buffers between two publications. */
    @Param({"1", "8", "32"})
    public int burst;

    /** Descriptors of each buffer. */
    @Param({"1", "3"})
    public int segments;

    private RingPair pair;

    /** Makes the two queues. */
    @Setup
    public void connect() {
        pair = new RingPair(layout.equals("packed"));
    }

    /** Releases their memory. */
    @TearDown
    public void disconnect() {
        pair.close();
    }

    /** A buffer's whole life, in bursts. */
    @Benchmark
    @OperationsPerInvocation(BUFFERS)
    public long roundTrip() {
        DriverQueue driver = pair.driver;
        DeviceQueue device = pair.device;
        DescriptorChain chain = pair.chain;
        long sum = 0;
        for (int done = 0; done < BUFFERS; done += burst) {
            for (int i = 0; i < burst; i++) {
                driver.add(pair.addresses, pair.lengths, 0, segments - 1, 1);
            }
            driver.publishAvailable();
            while (device.pop(chain)) {
                device.putUsed(chain, chain.writableBytes);
            }
            device.publishUsed();
            while (driver.popUsed() >= 0) {
                sum += driver.usedLength();
            }
        }
        return sum;
    }
}
