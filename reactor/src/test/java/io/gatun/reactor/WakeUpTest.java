package io.gatun.reactor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * No wake-up is lost: a reactor without a time-out answers everything that is asked, however the asking meets its
 * falling asleep.
 */
@Timeout(120)
class WakeUpTest {
    @Test
    void commandsWakeASleeper() throws Exception {
        commands(3_000);
    }

    @Test
    @Tag("stress")
    void commandsWakeASleeperForLong() throws Exception {
        commands(300_000);
    }

    @Test
    void descriptorsWakeASleeper() throws Exception {
        descriptors(3_000);
    }

    @Test
    @Tag("stress")
    void descriptorsWakeASleeperForLong() throws Exception {
        descriptors(300_000);
    }

    @Test
    void aSignalBeforeTheWatchIsSeen() throws Exception {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                EventFd kick = EventFd.create()) {
            kick.signal();
            Mailbox mailbox = new Mailbox(reactor);
            mailbox.asked.incrementAndGet();
            reactor.execute(() -> {
                reactor.watch(kick.fd().value());
                reactor.add(mailbox);
            });
            mailbox.awaitAnswer(1);
            reactor.submit(() -> mailbox.remove(kick)).join();
        }
    }

    @Test
    void nothingIsAllocatedPerCycleNorPerSleep() throws Exception {
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                EventFd kick = EventFd.create()) {
            CompletableFuture<Long> id = new CompletableFuture<>();
            Mailbox mailbox = new Mailbox(reactor);
            reactor.submit(() -> {
                        id.complete(Thread.currentThread().threadId());
                        reactor.watch(kick.fd().value());
                        reactor.add(mailbox);
                    })
                    .join();
            long thread = id.join();
            long sleeps = reactor.counters().sleeps();
            long allocated = -1;
            // Interpreted method handles allocate: the first batches are for the compiler.
            for (int batch = 0; batch < 40 && allocated != 0; batch++) {
                long before = threads.getThreadAllocatedBytes(thread);
                ask(mailbox, kick, 500);
                allocated = threads.getThreadAllocatedBytes(thread) - before;
            }
            assertEquals(0, allocated, "bytes allocated by the reactor's thread in 500 rounds");
            assertTrue(reactor.counters().sleeps() > sleeps + 250, "too few sleeps to prove anything");
            reactor.submit(() -> mailbox.remove(kick)).join();
        }
    }

    private static void commands(int rounds) throws Exception {
        SplittableRandom random = new SplittableRandom(1);
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            for (int i = 0; i < rounds; i++) {
                reactor.submit(() -> {}).get(10, TimeUnit.SECONDS);
                aroundTheSpin(random);
            }
            assertTrue(reactor.counters().sleeps() > rounds / 20, "too few sleeps to prove anything");
        }
    }

    private static void descriptors(int rounds) throws Exception {
        SplittableRandom random = new SplittableRandom(2);
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                EventFd kick = EventFd.create()) {
            Mailbox mailbox = new Mailbox(reactor);
            reactor.submit(() -> {
                        reactor.watch(kick.fd().value());
                        reactor.add(mailbox);
                    })
                    .join();
            for (int i = 0; i < rounds; i++) {
                ask(mailbox, kick, 1);
                aroundTheSpin(random);
            }
            assertTrue(reactor.counters().sleeps() > rounds / 20, "too few sleeps to prove anything");
            reactor.submit(() -> mailbox.remove(kick)).join();
        }
    }

    private static void ask(Mailbox mailbox, EventFd kick, int times) throws Exception {
        for (int i = 0; i < times; i++) {
            long number = mailbox.asked.incrementAndGet();
            if (mailbox.armed) {
                kick.signal();
            }
            mailbox.awaitAnswer(number);
            if (times > 1) {
                LockSupport.parkNanos(80_000);
            }
        }
    }

    /**
     * Waits about as long as the reactor spins before it sleeps, so that the next question meets it on its way to bed.
     */
    private static void aroundTheSpin(SplittableRandom random) {
        long until = System.nanoTime() + Reactor.SPIN_NANOS - 20_000 + random.nextLong(60_000);
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
    }

    /** What a ring is to a reactor: memory that is polled, and a descriptor that is written to only while armed. */
    private static final class Mailbox implements Poller {
        final AtomicLong asked = new AtomicLong();
        volatile long answered;
        volatile boolean armed;
        private final Reactor reactor;

        Mailbox(Reactor reactor) {
            this.reactor = reactor;
        }

        @Override
        public int poll() {
            long now = asked.get();
            if (now == answered) {
                return 0;
            }
            answered = now;
            return 1;
        }

        @Override
        public boolean arm() {
            armed = true;
            return asked.get() == answered;
        }

        @Override
        public void disarm() {
            armed = false;
        }

        void remove(EventFd kick) {
            reactor.unwatch(kick.fd().value());
            reactor.remove(this);
        }

        void awaitAnswer(long number) {
            long deadline = System.nanoTime() + 10_000_000_000L;
            while (answered < number) {
                assertTrue(System.nanoTime() < deadline, "question " + number + " was never answered: a lost wake-up");
                LockSupport.parkNanos(1_000);
            }
        }
    }
}
