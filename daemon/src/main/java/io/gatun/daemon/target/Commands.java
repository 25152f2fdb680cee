package io.gatun.daemon.target;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * What other threads have for the one that calls methods: only there may a target be touched. They run in the order
 * they came, when that thread waits in {@link #await}, or is told to by whatever serves methods.
 *
 * <p><b>Thread-safety:</b> {@link #execute} is for any thread, the rest for the one that calls methods.
 */
final class Commands implements Executor {
    private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
    private volatile Executor server = _ -> {};

    @Override
    public void execute(Runnable command) {
        queue.add(command);
        server.execute(this::runAll);
    }

    /** From now on {@code server}'s thread is the one that calls methods, and runs what comes. */
    void runBy(Executor server) {
        this.server = server;
        server.execute(this::runAll);
    }

    /** Waits for an answer and runs what comes meanwhile. */
    <T> T await(CompletionStage<T> answer) {
        CompletableFuture<T> future = answer.toCompletableFuture();
        CompletableFuture<?> _ = future.whenComplete((_, _) -> queue.add(() -> {}));
        boolean interrupted = false;
        while (!future.isDone()) {
            try {
                queue.take().run();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return future.join();
    }

    private void runAll() {
        for (Runnable command = queue.poll(); command != null; command = queue.poll()) {
            command.run();
        }
    }
}
