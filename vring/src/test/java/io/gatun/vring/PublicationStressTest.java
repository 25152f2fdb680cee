package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A driver thread and a device thread over one ring, for as long as it takes to see a store overtake another.
 *
 * <p>Each request carries a number in its readable bytes; the device answers with its complement in the writable ones.
 * A number read before it was written, or an answer seen before it was, is a missing or misplaced fence. Both sides
 * sleep whenever arming says that they may, and are woken only by the notifications the ring asks for: a lost wake-up
 * is a sleep that nobody ends.
 */
class PublicationStressTest {
    /** Longer than any honest wait on a loaded machine; an eternity for a wake-up. */
    private static final long LOST_WAKE_UP_SECONDS = 20;

    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (long features : RingKinds.FEATURES) {
                for (int size : new int[] {2, 4, 64}) {
                    cases.add(Arguments.of(packed, features, size));
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} features={1} size={2}")
    @MethodSource("rings")
    void everyRequestArrivesWholeAndNoWakeUpIsLost(boolean packed, long features, int size) throws Exception {
        run(packed, features, size, 3_000);
    }

    @Tag("stress")
    @ParameterizedTest(name = "packed={0} features={1} size={2}")
    @MethodSource("rings")
    void everyRequestArrivesWholeAndNoWakeUpIsLostForLong(boolean packed, long features, int size) throws Exception {
        run(packed, features, size, 2_000_000);
    }

    private static void run(boolean packed, long features, int size, int requests) throws Exception {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            Exchange exchange = new Exchange(sides, requests);
            FutureTask<Void> device = new FutureTask<>(exchange::device, null);
            FutureTask<Void> driver = new FutureTask<>(exchange::driver, null);
            List<Thread> threads = List.of(
                    Thread.ofPlatform().daemon().name("device").start(device),
                    Thread.ofPlatform().daemon().name("driver").start(driver));
            try {
                finish(driver);
                finish(device);
            } finally {
                exchange.stop();
                for (Thread thread : threads) {
                    assertTrue(thread.join(Duration.ofSeconds(LOST_WAKE_UP_SECONDS)), "a thread does not end");
                }
            }
            assertNull(sides.driver.brokenReason());
            assertNull(sides.device.brokenReason());
        }
    }

    private static void finish(FutureTask<Void> task) throws InterruptedException, TimeoutException {
        try {
            task.get(10 * 60, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        }
    }

    /** One run: what the two threads share besides the ring are the two semaphores that stand for eventfds. */
    private static final class Exchange {
        private final TwoSides sides;
        private final int requests;
        private final int depth;
        private final long[] questions;
        private final long[] answers;
        private final Semaphore kicks = new Semaphore(0);
        private final Semaphore calls = new Semaphore(0);
        private volatile boolean stopped;

        Exchange(TwoSides sides, int requests) {
            this.sides = sides;
            this.requests = requests;
            depth = sides.driver.size() / 2;
            questions = new long[depth];
            answers = new long[depth];
            for (int i = 0; i < depth; i++) {
                questions[i] = sides.buffer(8);
                answers[i] = sides.buffer(8);
            }
        }

        void stop() {
            stopped = true;
            kicks.release(2);
            calls.release(2);
        }

        void driver() {
            long[] addresses = new long[2];
            int[] lengths = {8, 8};
            int[] slotOf = new int[sides.driver.size()];
            long[] numberOf = new long[depth];
            boolean[] busy = new boolean[depth];
            int sent = 0;
            int answered = 0;
            while (answered < requests && !stopped) {
                sides.driver.suppressCalls();
                for (int slot = 0; slot < depth && sent < requests; slot++) {
                    if (!busy[slot]) {
                        addresses[0] = questions[slot];
                        addresses[1] = answers[slot];
                        Memory.putLong(sides.guest.host(questions[slot]), sent);
                        Memory.putLong(sides.guest.host(answers[slot]), 0);
                        int id = sides.driver.add(addresses, lengths, 0, 1, 1);
                        if (id < 0) {
                            break;
                        }
                        slotOf[id] = slot;
                        numberOf[slot] = sent++;
                        busy[slot] = true;
                    }
                }
                if (sides.driver.publishAvailable()) {
                    kicks.release();
                }
                int done = 0;
                for (int id = sides.driver.popUsed(); id >= 0; id = sides.driver.popUsed()) {
                    int slot = slotOf[id];
                    assertEquals(~numberOf[slot], Memory.getLong(sides.guest.host(answers[slot])));
                    assertEquals(8, sides.driver.usedLength());
                    busy[slot] = false;
                    done++;
                }
                assertNull(sides.driver.brokenReason());
                answered += done;
                if (done == 0 && sides.driver.armCalls()) {
                    sleep(calls, "driver", answered);
                }
            }
        }

        void device() {
            DescriptorChain chain = sides.chain;
            int answered = 0;
            while (answered < requests && !stopped) {
                sides.device.suppressKicks();
                int popped = 0;
                // Smaller than some rings' depth, so that publication happens in the middle of a burst too.
                while (popped < 16 && sides.device.pop(chain)) {
                    long number = Memory.getLong(chain.addresses[0]);
                    Memory.putLong(chain.addresses[1], ~number);
                    sides.device.putUsed(chain, 8);
                    popped++;
                }
                assertNull(sides.device.brokenReason());
                if (sides.device.publishUsed()) {
                    calls.release();
                }
                answered += popped;
                if (popped == 0 && sides.device.armKicks()) {
                    sleep(kicks, "device", answered);
                }
            }
        }

        private void sleep(Semaphore wakeUps, String side, int answered) {
            try {
                boolean woken = wakeUps.tryAcquire(LOST_WAKE_UP_SECONDS, TimeUnit.SECONDS);
                assertTrue(woken || stopped, side + " slept for good after " + answered + " requests");
                wakeUps.drainPermits();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
