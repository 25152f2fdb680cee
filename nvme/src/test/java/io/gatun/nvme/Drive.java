package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.nvme.software.BentController;
import io.gatun.nvme.software.SoftwareMemory;
import io.gatun.nvme.software.SoftwareNamespace;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.vfio.DmaBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A software controller, driven: one namespace of 512-byte blocks and one of 4096, one queue, one buffer. */
final class Drive implements AutoCloseable {
    static final long BYTES = 16 << 20;
    static final long BUFFER_BYTES = 4 << 20;

    /** Time-outs of a few ticks, so that tests of them are quick. */
    static final NvmeOptions QUICK = NvmeOptions.DEFAULTS
            .withTick(Duration.ofMillis(5))
            .withTimeouts(Duration.ofMillis(60), Duration.ofSeconds(2))
            .withFailAfter(Duration.ofMillis(200));

    final List<SoftwareNamespace> media = List.of(
            SoftwareNamespace.ofMemory(BYTES, 9), SoftwareNamespace.ofMemory(BYTES, 12));
    final BentController model;
    final NvmeController controller;
    final IoQueue queue;
    final DmaBuffer buffer;
    /** The namespace of 4096-byte blocks. */
    final NvmeNamespace second;
    final CompletionBurst burst = new CompletionBurst(64);

    Drive() {
        this(SoftwareOptions.DEFAULTS, QUICK, false);
    }

    Drive(SoftwareOptions options, NvmeOptions driver, boolean scattered) {
        model = new BentController(new SoftwareMemory(scattered), options, media);
        controller = NvmeController.attach(model, driver);
        buffer = controller.memory().allocate(BUFFER_BYTES);
        queue = controller.openQueue(null);
        second = namespace(2);
        awaitLive();
    }

    NvmeNamespace namespace(int id) {
        return controller.namespaces().get(id - 1);
    }

    /** Polls until the queue takes commands. */
    void awaitLive() {
        await("the queue is live", () -> {
            int count = queue.poll(burst);
            for (int i = 0; i < count; i++) {
                queue.release(burst.identifiers[i]);
            }
            return queue.isLive();
        });
    }

    /** Sends what was started, waits for one completion, and gives its identifier back; its status. */
    int complete(int identifier) {
        assertTrue(identifier >= 0, "not started: " + identifier);
        queue.flush();
        awaitCompletion();
        assertTrue(burst.count == 1 && burst.identifiers[0] == identifier, "another command completed");
        queue.release(identifier);
        return burst.statuses[0];
    }

    void awaitCompletion() {
        await("a completion", () -> queue.poll(burst) != 0);
    }

    /** Polls the queue, which has nothing to complete, until the condition holds. */
    void pollUntil(String what, BooleanSupplier condition) {
        await(what, () -> {
            int ignored = queue.poll(burst);
            return condition.getAsBoolean();
        });
    }

    static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - deadline < 0, "waited in vain: " + what);
            Thread.onSpinWait();
        }
    }

    /** Fills memory with bytes that depend on their position and {@code seed}. */
    static void pattern(long address, int bytes, int seed) {
        byte[] data = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            data[i] = (byte) (i * 31 + (i >>> 9) + seed);
        }
        Memory.copyFromArray(data, 0, address, bytes);
    }

    static boolean same(long first, long second, int bytes) {
        return Arrays.equals(bytes(first, bytes), bytes(second, bytes));
    }

    static byte[] bytes(long address, int bytes) {
        byte[] data = new byte[bytes];
        Memory.copyToArray(address, data, 0, bytes);
        return data;
    }

    @Override
    public void close() {
        queue.close();
        controller.close();
        await("the transport is closed", model::isClosed);
        media.forEach(SoftwareNamespace::close);
    }
}
