package io.gatun.daemon.target;

import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Supplier;

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

    /**
     * Has something that waits done meanwhile, by a thread of its own, which must not touch the target: what comes next
     * does so as a command. Throws {@link RpcException} where there is no thread.
     *
     * @param what whom it is for, such as {@code nvme-nv0}
     */
    static <T> CompletableFuture<T> elsewhere(String what, Supplier<T> work) {
        try {
            return CompletableFuture.supplyAsync(
                    work, command -> Thread.ofPlatform().daemon().name(what).start(command));
        } catch (OutOfMemoryError e) {
            throw RpcException.errno(
                    Errno.EAGAIN, what + ": " + e.getMessage() + "; allow more threads (ulimit -u, pids.max)");
        }
    }

    private void runAll() {
        for (Runnable command = queue.poll(); command != null; command = queue.poll()) {
            command.run();
        }
    }
}
