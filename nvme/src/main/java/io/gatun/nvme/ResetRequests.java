package io.gatun.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Why a controller is to be reset, and who waits for that: everyone who asked before a reset ended is answered by it.
 *
 * <p><b>Thread-safety:</b> any thread requests, without a lock, or asks; the rest is for the watch.
 */
final class ResetRequests {
    private final AtomicReference<String> reason = new AtomicReference<>();

    /** Who waits for a reset that has not ended; guarded by this object, as is {@link #over}. */
    private final List<CompletableFuture<Void>> asked = new ArrayList<>();

    private boolean over;

    /** Who asked for a reset that has ended, and has no answer yet. */
    private final List<CompletableFuture<Void>> unanswered = new ArrayList<>();

    /** Notes why a reset is needed, unless there is a reason already. */
    void request(String why) {
        reason.compareAndSet(null, why);
    }

    /** As {@link #request}; leads to null after the reset, or to an {@link NvmeException}. */
    CompletionStage<Void> ask(String why, String refusal) {
        CompletableFuture<Void> answer = new CompletableFuture<>();
        synchronized (this) {
            if (!over) {
                asked.add(answer);
                request(why);
                return answer.minimalCompletionStage();
            }
        }
        return CompletableFuture.failedStage(new NvmeException(refusal));
    }

    /** Why a reset is needed, or null. */
    String reason() {
        return reason.get();
    }

    /** A reset has ended: what was requested until now is done, and is to be answered. */
    synchronized void ended() {
        reason.set(null);
        unanswered.addAll(asked);
        asked.clear();
    }

    /** Whether someone waits for the answer to a reset that has ended. */
    boolean isAnswerDue() {
        return !unanswered.isEmpty();
    }

    /** The controller works again. */
    void succeeded() {
        List<CompletableFuture<Void>> all = List.copyOf(unanswered);
        unanswered.clear();
        all.forEach(answer -> answer.complete(null));
    }

    /** The controller has not come back. */
    void failed(String why) {
        List<CompletableFuture<Void>> all = List.copyOf(unanswered);
        unanswered.clear();
        all.forEach(answer -> answer.completeExceptionally(new NvmeException(why)));
    }

    /** There are no more resets. */
    void close(String why) {
        synchronized (this) {
            over = true;
        }
        ended();
        failed(why);
    }
}
