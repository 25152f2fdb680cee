package io.gatun.nvme;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Overwrites the same blocks of a controller's first namespace again and again, on a thread of its own; what is
 * acknowledged must be there at the end.
 */
final class Load {
    private static final int REQUESTS = 64;

    final AtomicLong acknowledged = new AtomicLong();
    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private Thread thread;

    static Load start(NvmeController controller) {
        Load load = new Load();
        load.thread = Thread.ofPlatform().name("load").daemon().start(() -> load.run(controller));
        return load;
    }

    private void run(NvmeController controller) {
        NvmeNamespace namespace = controller.namespaces().getFirst();
        try (VerifiedIo io = new VerifiedIo(controller, namespace, 16, 4096, 0).resending()) {
            long generation = 0;
            while (!over.get()) {
                generation++;
                io.write(0, REQUESTS, generation);
                acknowledged.addAndGet(REQUESTS);
                io.verify(0, REQUESTS, generation);
            }
            io.verify(0, REQUESTS, generation);
        } catch (Throwable t) {
            failure.set(t);
        }
    }

    boolean failed() {
        return failure.get() != null;
    }

    void stopAndVerify() throws InterruptedException {
        over.set(true);
        thread.join();
        if (failed()) {
            throw new AssertionError("the load failed", failure.get());
        }
    }
}
