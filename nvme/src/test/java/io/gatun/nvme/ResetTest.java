package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A controller that is late, hostile, broken or gone. */
class ResetTest {
    @Test
    void aLateCommandIsAborted() {
        try (Drive drive = new Drive()) {
            drive.model.aborts = true;
            drive.model.frozen = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            assertEquals(NvmeStatus.ABORT_REQUESTED, NvmeStatus.code(drive.complete(identifier)));
            assertTrue(NvmeStatus.isRetryable(drive.burst.statuses[0]));
            assertEquals(List.of(identifier), drive.model.aborted());
            assertEquals(0, drive.controller.resets());
        }
    }

    @Test
    void aCommandAfterALongIdleTimeIsNotLate() throws InterruptedException {
        try (Drive drive = new Drive()) {
            drive.model.aborts = true;
            drive.model.frozen = true;
            // Longer than two time-outs, without a poll.
            Thread.sleep(300);
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            drive.queue.flush();
            for (int i = 0; i < 20; i++) {
                assertEquals(0, drive.queue.poll(drive.burst));
                Thread.sleep(1);
            }
            assertEquals(List.of(), drive.model.aborted());
            assertEquals(0, drive.controller.resets());
            drive.model.answerHeld(NvmeStatus.SUCCESS);
            assertEquals(0, drive.complete(identifier));
        }
    }

    @Test
    void aCommandThatCannotBeAbortedCostsAReset() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.complete(identifier));
            drive.model.frozen = false;
            drive.awaitLive();
            assertEquals(1, drive.controller.resets());
            assertWorks(drive);
        }
    }

    @Test
    void everyCommandInFlightComesBackFromAReset() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            for (int i = 0; i < 100; i++) {
                assertTrue(drive.queue.read(drive.namespace(1), i, 1, drive.buffer.address()) >= 0);
            }
            drive.queue.flush();
            assertEquals(100, drive.model.heldCount());
            drive.controller.reset();
            boolean[] seen = new boolean[drive.queue.depth()];
            int[] done = {0};
            Drive.await("all to come back", () -> {
                int count = drive.queue.poll(drive.burst);
                for (int i = 0; i < count; i++) {
                    int identifier = drive.burst.identifiers[i];
                    assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.burst.statuses[i]);
                    assertFalse(seen[identifier]);
                    seen[identifier] = true;
                    drive.queue.release(identifier);
                }
                done[0] += count;
                return done[0] == 100;
            });
            drive.model.frozen = false;
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void whatCompletedBeforeTheResetCountsAsCompleted() {
        try (Drive drive = new Drive()) {
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            drive.queue.flush();
            drive.controller.reset();
            // Polled only once the controller is being reset: the completion is in memory all the time.
            Drive.await("the watch waits for us", () -> drive.queue.state() == IoQueue.HALT);
            drive.awaitCompletion();
            assertEquals(identifier, drive.burst.identifiers[0]);
            assertEquals(NvmeStatus.SUCCESS, drive.burst.statuses[0]);
            drive.queue.release(identifier);
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void manyResetsOneAfterTheOther() {
        try (Drive drive = new Drive()) {
            for (int i = 1; i <= 64; i++) {
                int wanted = i;
                drive.controller.reset();
                drive.pollUntil("reset " + i, () -> drive.controller.resets() == wanted && drive.queue.isLive());
                assertWorks(drive);
            }
        }
    }

    @Test
    void aFatalStatusIsRepairedByAReset() {
        try (Drive drive = new Drive()) {
            drive.model.failFatally();
            awaitResets(drive, 1);
            assertWorks(drive);
        }
    }

    @Test
    void completionsOfCommandsThatWereNotSentAreIgnoredAndCostAReset() {
        for (int hostile : new int[] {0, 1, 127, 128, 0x7fff, 0xffff}) {
            try (Drive drive = new Drive()) {
                drive.model.answer(1, hostile, NvmeStatus.SUCCESS);
                assertEquals(0, drive.queue.poll(drive.burst));
                awaitResets(drive, 1);
                assertWorks(drive);
            }
        }
    }

    @Test
    void aQueueFullOfOnesIsSurvived() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            drive.queue.flush();
            drive.model.tolerant = true;
            drive.model.fillCompletions(1, (byte) 0xff);
            for (int i = 0; i < 10; i++) {
                assertEquals(0, drive.queue.poll(drive.burst), "a poll ends, and nothing has completed");
            }
            drive.awaitCompletion();
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.burst.statuses[0]);
            drive.queue.release(identifier);
            drive.model.frozen = false;
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void aRemovedControllerFailsItsCommandsAndIsTakenAgain() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            drive.queue.flush();
            drive.model.gone = true;
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.complete(identifier));
            Drive.await("it is given up", drive.queue::isDown);
            assertEquals(-Errno.ENODEV, drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address()));
            assertTrue(drive.controller.isGone());
            drive.model.frozen = false;
            drive.model.gone = false;
            drive.awaitLive();
            assertFalse(drive.controller.isGone() || drive.queue.isDown());
            assertWorks(drive);
        }
    }

    @Test
    void anotherDriveInItsPlaceIsNotTaken() {
        try (Drive drive = new Drive()) {
            drive.model.gone = true;
            drive.pollUntil("it is given up", () -> drive.queue.isDown());
            drive.model.serial = "SOFT0002";
            int before = drive.model.enabled.get();
            drive.model.gone = false;
            Drive.await("it was looked at", () -> drive.model.enabled.get() > before);
            assertFalse(drive.queue.isLive());
            drive.model.serial = "SOFT0001";
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void aControllerThatStaysBusyIsResetByItsFunction() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            drive.model.neverOff = true;
            drive.model.functionReset = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.complete(identifier));
            drive.awaitLive();
            assertEquals(1, drive.model.functionResets.get());
            assertWorks(drive);
        }
    }

    @Test
    void ioWaitsForAControllerAndThenFails() {
        try (Drive drive = new Drive()) {
            drive.model.neverReady = true;
            drive.controller.reset();
            drive.pollUntil("it is off", () -> drive.controller.resets() != 0);
            Drive.await("it is given up", drive.queue::isDown);
            drive.model.neverReady = false;
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void anAdminCommandThatDoesNotComeBackCostsAReset() {
        try (Drive drive = new Drive()) {
            drive.model.ignoredAdmin = 0x02;
            NvmeException e = assertThrows(
                    NvmeException.class, () -> drive.controller.health());
            assertTrue(e.getMessage().contains("has not completed after"), e.getMessage());
            drive.model.ignoredAdmin = -1;
            awaitResets(drive, 1);
            assertWorks(drive);
            assertEquals(27, drive.controller.health().temperatureCelsius());
        }
    }

    @Test
    void aQueueThatIsClosedDuringAResetIsFreed() {
        try (Drive drive = new Drive()) {
            IoQueue other = drive.controller.openQueue(null);
            Drive.await("it is live", other::isLive);
            drive.controller.reset();
            other.close();
            awaitResets(drive, 1);
            Drive.await("it is freed", () -> drive.controller.openQueueCount() == 1);
            assertWorks(drive);
        }
    }

    @Test
    void detachingFailsOpenQueuesAndWaitsForTheirClose() {
        try (Drive drive = new Drive()) {
            drive.model.frozen = true;
            int identifier = drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address());
            drive.queue.flush();
            Thread closer = Thread.ofPlatform().start(drive.controller::close);
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.complete(identifier));
            assertEquals(-Errno.ENODEV, drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address()));
            assertFalse(drive.model.isClosed());
            Drive.await("close returns", () -> !closer.isAlive());
        }
    }

    @Test
    void aResetAnswersWhenTheControllerWorksAgain() throws Exception {
        try (Drive drive = new Drive()) {
            CountDownLatch gate = new CountDownLatch(1);
            drive.model.identity = (_, _, _) -> await(gate);
            CompletableFuture<Void> first = drive.controller.reset().toCompletableFuture();
            drive.pollUntil("it is being reset", () -> drive.model.enabled.get() == 2);
            CompletableFuture<Void> second = drive.controller.reset().toCompletableFuture();
            assertFalse(first.isDone() || second.isDone());
            gate.countDown();
            drive.pollUntil("both are answered, by one reset", () -> first.isDone() && second.isDone());
            first.get();
            second.get();
            assertTrue(drive.queue.isLive());
            assertEquals(1, drive.controller.resets());
            assertWorks(drive);
        }
    }

    @Test
    void aResetAnswersThoughNobodyPollsAQueue() throws Exception {
        try (Drive drive = new Drive()) {
            drive.controller.reset().toCompletableFuture().get(10, TimeUnit.SECONDS);
            assertFalse(drive.queue.isLive());
            assertEquals(27, drive.controller.health().temperatureCelsius());
        }
    }

    @Test
    void aResetThatFailsSaysWhy() {
        try (Drive drive = new Drive()) {
            drive.model.neverReady = true;
            assertFailed(drive, "does not become ready within 1000 ms (CAP.TO); it is tried again every second");
            assertFailed(drive, "does not become ready within");
            drive.model.gone = true;
            assertFailed(drive, "does not come back from its reset: it is gone");
            drive.model.gone = false;
            drive.model.neverReady = false;
            drive.awaitLive();
            assertWorks(drive);
        }
    }

    @Test
    void aResetIsNotAnsweredByTheOneBefore() {
        try (Drive drive = new Drive()) {
            for (int i = 1; i <= 20; i++) {
                CompletableFuture<Void> answer = drive.controller.reset().toCompletableFuture();
                drive.pollUntil("reset " + i, () -> answer.isDone());
                assertFalse(answer.isCompletedExceptionally());
                assertEquals(i, drive.controller.resets());
            }
        }
    }

    @Test
    void whoWaitsForAResetHearsOfADetach() {
        Drive drive = new Drive();
        CountDownLatch gate = new CountDownLatch(1);
        drive.model.identity = (_, _, _) -> await(gate);
        CompletableFuture<Void> answer = drive.controller.reset().toCompletableFuture();
        drive.queue.close();
        Drive.await("it is being reset", () -> drive.model.enabled.get() == 2);
        Thread closer = Thread.ofPlatform().start(drive.controller::close);
        Drive.await("it waits", () -> closer.getState() == Thread.State.WAITING);
        gate.countDown();
        drive.close();
        assertTrue(failure(answer).contains("was detached before its reset had ended"));
        CompletableFuture<Void> late = drive.controller.reset().toCompletableFuture();
        assertTrue(failure(late).contains("is detached"));
    }

    @Test
    void anAdminCommandThatIsLostDuringAResetCostsAnother() {
        try (Drive drive = new Drive()) {
            // Someone who is told of a change asks the controller, which is silent just then.
            drive.controller.onNamespacesChanged(() -> {
                drive.model.ignoredAdmin = 0x02;
                NvmeException e = assertThrows(
                        NvmeException.class, () -> drive.controller.health());
                assertTrue(e.getMessage().contains("has not completed after"), e.getMessage());
                drive.model.ignoredAdmin = -1;
            });
            drive.media.getFirst().resize(8);
            // No queue is to be told of to the controller, which would show that it does not listen.
            drive.queue.close();
            Drive.await("it is closed", () -> drive.controller.openQueueCount() == 0);
            CompletableFuture<Void> answer = drive.controller.reset().toCompletableFuture();
            Drive.await("it is answered", answer::isDone);
            assertEquals(2, drive.controller.resets());
            assertFalse(answer.isCompletedExceptionally());
            assertEquals(27, drive.controller.health().temperatureCelsius());
        }
    }

    private static void assertFailed(Drive drive, String part) {
        CompletableFuture<Void> answer = drive.controller.reset().toCompletableFuture();
        drive.pollUntil("an answer", () -> answer.isDone());
        String said = failure(answer);
        assertTrue(said.contains(part), said);
    }

    private static String failure(CompletableFuture<Void> answer) {
        return assertInstanceOf(NvmeException.class, answer.exceptionNow())
                .getMessage();
    }

    private static void await(CountDownLatch gate) {
        try {
            gate.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitResets(Drive drive, int count) {
        drive.pollUntil("a reset", () -> drive.controller.resets() == count && drive.queue.isLive());
    }

    private static void assertWorks(Drive drive) {
        Drive.pattern(drive.buffer.address(), 8192, (int) System.nanoTime());
        assertEquals(0, drive.complete(drive.queue.write(drive.second, 3, 2, drive.buffer.address())));
        long to = drive.buffer.address() + 65536;
        assertEquals(0, drive.complete(drive.queue.read(drive.second, 3, 2, to)));
        assertTrue(Drive.same(drive.buffer.address(), to, 8192));
        assertEquals(0, drive.queue.inFlight());
    }
}
