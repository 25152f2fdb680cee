package io.gatun.nvme;

import io.gatun.nvme.spec.Registers;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Looks after a controller on a thread of its own, so that no reactor ever waits for it: creates and deletes I/O
 * queues, takes events, aborts what is late, resets the controller where that does not help, and tries again, once a
 * second, as long as it does not come back.
 *
 * <p><b>A reset.</b> Queues leave their rings; the controller is disabled (by its registers, else by a reset of the
 * function, and where neither helps it loses access to memory); queues empty their rings; the controller is enabled and
 * told of each queue again. If it does not come back in time, or is gone, what waits for it fails. Who asked for the
 * reset is told once all queues are back whose owners poll.
 *
 * <p><b>Thread-safety:</b> {@link #requestReset}, {@link #reset()}, {@link #wake}, {@link #tick} and the list of queues
 * are for any thread; the rest is its own.
 */
final class ControllerWatch implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(ControllerWatch.class);

    /** Why a controller is reset that nothing is wrong with. */
    private static final String ASKED = "was asked to";

    /** How long a reset waits for owners to leave their rings: one that does not poll must not stop the others. */
    private static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    private final NvmeController controller;
    private final NvmeTransport transport;
    private ControllerLife life;
    private final long tickNanos;
    private final Thread thread;
    private final List<IoQueue> queues = new CopyOnWriteArrayList<>();
    private final ResetRequests requests = new ResetRequests();
    private final CountDownLatch shutDown = new CountDownLatch(1);

    private volatile int tick = 1;
    private volatile boolean closing;
    private volatile boolean woken;
    private volatile long resets;

    private long tickedAt = System.nanoTime();

    /** Since when the controller has not answered, or 0. */
    private long troubleSince;

    private long retryAt;
    private long resetEndedAt;

    ControllerWatch(NvmeController controller) {
        this.controller = controller;
        transport = controller.transport();
        tickNanos = controller.options().tick().toNanos();
        thread = Thread.ofPlatform().name("nvme-" + transport.name()).daemon(true).unstarted(this);
    }

    void start() {
        life = controller.life();
        thread.start();
    }

    /** The clock of all time-outs. */
    int tick() {
        return tick;
    }

    /** The clock's only writer is the watch itself. */
    private void advance() {
        int now = tick;
        tick = now + 1;
    }

    /** How often the controller was reset. */
    long resets() {
        return resets;
    }

    void add(IoQueue queue) {
        queues.add(queue);
        wake();
    }

    List<IoQueue> queues() {
        return queues;
    }

    /** Has the controller reset soon, for the first reason that comes. */
    void requestReset(String reason) {
        requests.request(reason);
        wake();
    }

    /** Has the controller reset soon; leads to null once it works again, to an {@link NvmeException} if it does not. */
    CompletionStage<Void> reset() {
        CompletionStage<Void> answer = requests.ask(ASKED, transport.name() + " is detached");
        wake();
        return answer;
    }

    /** There is something to do before the next tick. */
    void wake() {
        woken = true;
        LockSupport.unpark(thread);
    }

    /** Shuts the controller down; waits for that, but not for queues that are still open. */
    void close() {
        closing = true;
        wake();
        boolean interrupted = false;
        while (true) {
            try {
                shutDown.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void run() {
        while (!closing) {
            pause();
            try {
                cycle();
            } catch (RuntimeException e) {
                LOG.warn("{}: {}", transport.name(), e.getMessage());
                LOG.debug("{} failed here", transport.name(), e);
                requestReset("does not work: " + e.getMessage());
            }
        }
        finish();
    }

    private void pause() {
        long left = tickNanos - (System.nanoTime() - tickedAt);
        if (left > 0 && !woken) {
            LockSupport.parkNanos(this, left);
        }
        woken = false;
    }

    private void cycle() {
        long now = System.nanoTime();
        boolean ticked = now - tickedAt >= tickNanos;
        if (ticked) {
            tickedAt = now;
            advance();
            queues.stream().filter(q -> q.inFlight() != 0).forEach(IoQueue::wakeOwner);
        }
        if (troubleSince != 0) {
            freeClosed();
            if (now - retryAt >= 0) {
                reset("is still not there");
            }
            return;
        }
        if (ticked) {
            lookAtStatus();
        }
        String reason = requests.reason();
        if (reason != null) {
            reset(reason);
            return;
        }
        life.takeEvents();
        queues.forEach(this::serve);
        // Owners that do not poll are not waited for.
        if (requests.isAnswerDue()
                && (queues.stream().noneMatch(IoQueue::isAway) || now - resetEndedAt >= LEAVE_NANOS)) {
            requests.succeeded();
        }
    }

    private void lookAtStatus() {
        int status = transport.readInt(Registers.CSTS);
        if (status == Registers.ALL_ONES) {
            requestReset("is gone: its registers read as all ones");
        } else if ((status & Registers.CSTS_CFS) != 0) {
            requestReset("reports a fatal status (CSTS.CFS)");
        }
    }

    private void serve(IoQueue queue) {
        int late = queue.abortWanted();
        if (late >= 0 && queue.state() == IoQueue.LIVE) {
            LOG.warn("{}: command {} on queue {} is late and aborted", transport.name(), late, queue.id());
            life.queueCommands().abort(queue, late);
            queue.abortDone();
        }
        if (queue.isClosing()) {
            if (queue.state() == IoQueue.LIVE) {
                life.queueCommands().delete(queue);
            }
            forget(queue);
        } else if (queue.state() == IoQueue.CLEAN) {
            create(queue);
        }
    }

    private void create(IoQueue queue) {
        try {
            queue.created(life.queueCommands().create(queue));
        } catch (NvmeException e) {
            if (e.status() < 0) {
                throw e;
            }
            // The controller is well, but does not want this queue.
            LOG.error("{}", e.getMessage());
            queue.setDown();
            queue.refused();
        }
    }

    private void forget(IoQueue queue) {
        queues.remove(queue);
        queue.free();
        controller.freeQueueId(queue.id());
    }

    private void freeClosed() {
        // A queue that the controller knew has been emptied by its owner, or its owner is gone; the controller is off.
        queues.stream().filter(IoQueue::isClosing).forEach(this::forget);
    }

    private void reset(String reason) {
        boolean again = troubleSince != 0;
        long startNanos = System.nanoTime();
        if (!again) {
            Level level = reason.equals(ASKED) ? Level.INFO : Level.WARN;
            LOG.atLevel(level).log("{} {}: resetting it", transport.name(), reason);
        }
        life.stopAdmin();
        queues.forEach(IoQueue::halt);
        awaitOwners();
        String failure = life.restart();
        queues.forEach(IoQueue::drain);
        requests.ended();
        resets = resets() + 1;
        resetEndedAt = System.nanoTime();
        if (failure == null) {
            if (again || troubleSince != 0) {
                LOG.warn("{} is back", transport.name());
            }
            troubleSince = 0;
            if (life.needsReset()) {
                requestReset("lost an admin command while it was reset");
            }
            wake();
            return;
        }
        requests.failed(transport.name() + " does not come back from its reset: " + failure
                + "; it is tried again every second");
        retryAt = resetEndedAt + RETRY_NANOS;
        if (!again) {
            LOG.error("{}: {}; trying again every second", transport.name(), failure);
            // A controller that is waited for in vain for as long as it announces has used up that much time already.
            troubleSince = Math.max(1, startNanos);
        }
        boolean late = System.nanoTime() - troubleSince >= controller.options().failAfter().toNanos();
        if (late || life.isGone()) {
            queues.forEach(IoQueue::setDown);
        }
    }

    /** Gives owners a moment to leave their rings. */
    private void awaitOwners() {
        long deadline = System.nanoTime() + LEAVE_NANOS;
        for (IoQueue queue : queues) {
            while (queue.state() == IoQueue.HALT && !queue.isClosing() && System.nanoTime() - deadline < 0) {
                LockSupport.parkNanos(STEP_NANOS);
            }
        }
    }

    /** The end: the controller is shut down, then what queues still hold is freed as they close. */
    private void finish() {
        try {
            life.stopAdmin();
            queues.forEach(IoQueue::halt);
            awaitOwners();
            life.shutDown();
        } catch (RuntimeException e) {
            LOG.warn("{}: {}", transport.name(), e.getMessage());
        }
        requests.close(transport.name() + " was detached before its reset had ended");
        queues.forEach(q -> {
            q.drain();
            q.setDown();
        });
        freeClosed();
        if (!queues.isEmpty()) {
            shutDown.countDown();
            while (!queues.isEmpty()) {
                LockSupport.parkNanos(this, tickNanos);
                advance();
                freeClosed();
            }
        }
        life.release();
        // Who has closed all queues before finds the controller free to be taken by someone else.
        shutDown.countDown();
    }
}
