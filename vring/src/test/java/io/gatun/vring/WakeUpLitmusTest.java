package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The race that loses wake-ups, again and again: one thread publishes and looks whether the other sleeps, while the
 * other goes to sleep and looks whether something was published. They may both see each other; that neither does is
 * what the full fences forbid (VIRTIO 1.3 §2.7.13.4.1, §2.7.14, §2.8.21.3.1, §2.8.22).
 *
 * <p>The race takes a few nanoseconds, so this is most telling without checked mode's slow accesses:
 * {@code -Dtest.groups=stress -Dtest.jvm.args=-Dgatun.memory.checked=false}.
 */
class WakeUpLitmusTest {
    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (long features : new long[] {0, VirtioFeatures.EVENT_IDX}) {
                cases.add(Arguments.of(packed, features));
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} features={1}")
    @MethodSource("rings")
    @Timeout(60)
    void noWakeUpIsLost(boolean packed, long features) {
        run(packed, features, 200);
    }

    @Tag("stress")
    @ParameterizedTest(name = "packed={0} features={1}")
    @MethodSource("rings")
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void noWakeUpIsLostInManyRaces(boolean packed, long features) {
        run(packed, features, 500_000);
    }

    private static void run(boolean packed, long features, int rounds) {
        try (TwoSides sides = new TwoSides(packed, 4, features)) {
            long buffer = sides.buffer(16);
            try (Race kicks = new Race(sides.device::armKicks)) {
                for (int i = 0; i < rounds; i++) {
                    sides.device.suppressKicks();
                    int id = sides.addOne(buffer);
                    kicks.start();
                    boolean kick = sides.driver.publishAvailable();
                    boolean asleep = kicks.finish();
                    assertTrue(kick || !asleep, "round " + i + ": the device sleeps, and nobody kicks it");
                    serve(sides, id);
                }
            }
            try (Race calls = new Race(sides.driver::armCalls)) {
                for (int i = 0; i < rounds; i++) {
                    sides.driver.suppressCalls();
                    int id = sides.addOne(buffer);
                    sides.driver.publishAvailable();
                    assertTrue(sides.pop());
                    sides.device.putUsed(sides.chain, 0);
                    calls.start();
                    boolean call = sides.device.publishUsed();
                    boolean asleep = calls.finish();
                    assertTrue(call || !asleep, "round " + i + ": the driver sleeps, and nobody calls it");
                    assertEquals(id, sides.driver.popUsed());
                }
            }
        }
    }

    private static void serve(TwoSides sides, int id) {
        assertTrue(sides.pop());
        sides.device.putUsed(sides.chain, 0);
        sides.device.publishUsed();
        assertEquals(id, sides.driver.popUsed());
    }

    /** A second thread that does one thing at the same time as the first, once per round. */
    private static final class Race implements AutoCloseable {
        private final AtomicInteger started = new AtomicInteger();
        private final AtomicInteger ready = new AtomicInteger();
        private final AtomicInteger finished = new AtomicInteger();
        private boolean answer;
        private int round;

        Race(BooleanSupplier action) {
            Thread.ofPlatform().daemon().name("other side").start(() -> {
                for (int mine = 1; ; mine++) {
                    await(started, mine);
                    if (started.get() < 0) {
                        return;
                    }
                    ready.set(mine);
                    // The first thread learns of it some time later: meet it at a different point in every round.
                    for (int delay = mine & 127; delay > 0 && ready.getOpaque() > 0; delay--) {}
                    answer = action.getAsBoolean();
                    finished.set(mine);
                }
            });
        }

        /** Returns when the other thread is on its way. */
        void start() {
            round++;
            started.set(round);
            await(ready, round);
        }

        boolean finish() {
            await(finished, round);
            return answer;
        }

        private static void await(AtomicInteger value, int wanted) {
            for (int spins = 0; value.get() < wanted && value.get() >= 0; spins++) {
                if (spins < 2_000) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(1);
                }
            }
        }

        @Override
        public void close() {
            // It looks at nothing else after this, so nobody waits for it.
            started.set(-1);
        }
    }
}
