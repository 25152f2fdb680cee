package io.gatun.benchmarks;

import io.gatun.nvme.CompletionBurst;
import io.gatun.nvme.IoQueue;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeNamespace;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.software.SoftwareController;
import io.gatun.nvme.software.SoftwareMemory;
import io.gatun.nvme.software.SoftwareNamespace;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.vfio.DmaBuffer;
import java.util.List;
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
 * What a 4 KiB read costs the NVMe driver, from the call that starts it to its identifier's return: bursts of 32, one
 * doorbell each, against a controller in memory that completes at once and moves no data. Driver and controller are on
 * one thread, so the controller's share is in the number.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class NvmeBenchmark {
    private static final int BURST = 32;
    private static final int BLOCK_BYTES = 4096;
    private static final long BLOCKS = 1L << 20;

    /** Whether doorbells go through memory as well. */
    @Param({"false", "true"})
    public boolean shadow;

    private SoftwareNamespace medium;
    private SoftwareController model;
    private NvmeController controller;
    private NvmeNamespace namespace;
    private IoQueue queue;
    private DmaBuffer buffer;
    private final CompletionBurst burst = new CompletionBurst(BURST);
    private long random = 0x9e3779b97f4a7c15L;
    private long bursts;

    /** Attaches the controller. */
    @Setup
    public void attach() {
        medium = SoftwareNamespace.withoutMedium(BLOCKS * BLOCK_BYTES, 12);
        SoftwareOptions options = SoftwareOptions.DEFAULTS.withShadowDoorbells(shadow);
        model = new SoftwareController(new SoftwareMemory(false), options, List.of(medium));
        controller = NvmeController.attach(model, NvmeOptions.DEFAULTS);
        namespace = controller.namespaces().getFirst();
        buffer = controller.memory().allocate(BURST * BLOCK_BYTES);
        queue = controller.openQueue(null);
        while (!queue.isLive()) {
            Thread.onSpinWait();
        }
    }

    /** Detaches it, and checks that a burst was one doorbell. */
    @TearDown
    public void detach() {
        if (model.tailWrites() != bursts) {
            throw new IllegalStateException(model.tailWrites() + " doorbells for " + bursts + " bursts");
        }
        queue.close();
        controller.close();
        medium.close();
    }

    /** A burst of reads: started, sent, completed. */
    @Benchmark
    @OperationsPerInvocation(BURST)
    public int read() {
        for (int i = 0; i < BURST; i++) {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            int identifier =
                    queue.read(namespace, random & (BLOCKS - 1), 1, buffer.address() + (long) i * BLOCK_BYTES);
            if (identifier < 0) {
                throw new IllegalStateException("errno " + identifier);
            }
        }
        queue.flush();
        bursts++;
        int done = 0;
        while (done < BURST) {
            int count = queue.poll(burst);
            for (int i = 0; i < count; i++) {
                if (burst.statuses[i] != 0) {
                    throw new IllegalStateException("status " + burst.statuses[i]);
                }
                queue.release(burst.identifiers[i]);
            }
            done += count;
        }
        return done;
    }
}
