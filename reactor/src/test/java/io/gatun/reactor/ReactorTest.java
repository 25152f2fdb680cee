package io.gatun.reactor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Scheduling;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ReactorTest {
    @Test
    void runsCommandsInOrderOnItsOwnThread() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            List<Integer> seen = new ArrayList<>();
            for (int i = 0; i < 1000; i++) {
                int n = i;
                reactor.execute(() -> {
                    assertTrue(reactor.inReactorThread());
                    seen.add(n);
                });
            }
            reactor.submit(() -> {}).join();
            assertEquals(1000, seen.size());
            for (int i = 0; i < 1000; i++) {
                assertEquals(i, seen.get(i));
            }
            assertFalse(reactor.inReactorThread());
            assertEquals(1001, reactor.counters().commands());
        }
    }

    @Test
    void pinsItsThreadAndOnlyThat() {
        int cpu = Scheduling.allowedCpus().nextSetBit(0);
        int before = Scheduling.allowedCpus().cardinality();
        try (Reactor reactor = Reactor.start("pinned", cpu, IdlePolicy.ADAPTIVE)) {
            AtomicReference<String> allowed = new AtomicReference<>();
            reactor.submit(() -> allowed.set(Scheduling.allowedCpus().toString())).join();
            assertEquals("{" + cpu + "}", allowed.get());
            assertEquals(before, Scheduling.allowedCpus().cardinality());
        }
    }

    @Test
    void refusesACoreItMayNotUse() {
        int fds = Fd.openCount();
        LinuxException e =
                assertThrows(LinuxException.class, () -> Reactor.start("lost", 8000, IdlePolicy.ADAPTIVE));
        assertTrue(e.getMessage().contains("core 8000"), e.getMessage());
        assertTrue(e.getMessage().contains("choose one of the cores {"), e.getMessage());
        assertEquals(fds, Fd.openCount());
    }

    @Test
    void removesAPollerThatThrowsAndGoesOnWithTheOthers() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.POLL)) {
            CompletableFuture<Throwable> failure = new CompletableFuture<>();
            Poller good = new Counting();
            InternalError thrown = new InternalError("a fault occurred in an unsafe memory access operation");
            Poller bad = new Poller() {
                @Override
                public int poll() {
                    throw thrown;
                }

                @Override
                public void failed(Throwable cause) {
                    failure.complete(cause);
                }
            };
            reactor.execute(() -> {
                reactor.add(bad);
                reactor.add(good);
            });
            assertSame(thrown, failure.join());
            assertEquals(1, reactor.counters().failures());
            int before = ((Counting) good).polls;
            awaitTrue(() -> ((Counting) good).polls > before + 100);
            reactor.submit(() -> reactor.remove(good)).join();
        }
    }

    @Test
    void aPollerThatFailsToArmOrToFailIsRemovedToo() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            CompletableFuture<Void> failed = new CompletableFuture<>();
            reactor.execute(() -> reactor.add(new Poller() {
                @Override
                public int poll() {
                    return 0;
                }

                @Override
                public boolean arm() {
                    throw new IllegalStateException("cannot arm");
                }

                @Override
                public void failed(Throwable cause) {
                    failed.complete(null);
                    throw new IllegalStateException("cannot even fail");
                }
            }));
            failed.join();
            reactor.submit(() -> {}).join();
            awaitTrue(() -> reactor.counters().sleeps() > 0);
        }
    }

    @Test
    void aCommandThatThrowsIsReportedAndTheReactorGoesOn() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            CompletableFuture<Void> result = reactor.submit(() -> {
                throw new IllegalStateException("no");
            });
            CompletionException e = assertThrows(CompletionException.class, result::join);
            assertEquals("no", e.getCause().getMessage());
            reactor.execute(() -> {
                throw new AssertionError("neither");
            });
            reactor.submit(() -> {}).join();
            assertEquals(2, reactor.counters().failures());
        }
    }

    @Test
    void aRemovedPollerIsNotPolledAgainEvenInTheSameCycle() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.POLL)) {
            Counting second = new Counting();
            Poller first = new Poller() {
                @Override
                public int poll() {
                    reactor.remove(second);
                    reactor.remove(this);
                    return 1;
                }
            };
            reactor.submit(() -> {
                        reactor.add(first);
                        reactor.add(second);
                    })
                    .join();
            Reactor.quiesce(List.of(reactor)).join();
            long epoch = reactor.epoch();
            awaitTrue(() -> reactor.epoch() > epoch + 10);
            assertEquals(0, second.polls);
        }
    }

    @Test
    void quiesceWaitsUntilEveryReactorHasLeftItsPollers() throws Exception {
        Reactor stuck = Reactor.start("stuck", -1, IdlePolicy.ADAPTIVE);
        Reactor asleep = Reactor.start("asleep", -1, IdlePolicy.ADAPTIVE);
        Reactor closed = Reactor.start("closed", -1, IdlePolicy.ADAPTIVE);
        closed.close();
        awaitTrue(() -> asleep.counters().sleeps() > 0);
        CompletableFuture<Void> entered = new CompletableFuture<>();
        CompletableFuture<Void> mayLeave = new CompletableFuture<>();
        stuck.execute(() -> stuck.add(new Poller() {
            @Override
            public int poll() {
                entered.complete(null);
                mayLeave.join();
                stuck.remove(this);
                return 1;
            }
        }));
        entered.join();
        CompletableFuture<Void> quiet = Reactor.quiesce(List.of(stuck, asleep, closed));
        Thread.sleep(20);
        assertFalse(quiet.isDone());
        mayLeave.complete(null);
        quiet.get(5, TimeUnit.SECONDS);
        stuck.close();
        asleep.close();
    }

    @Test
    void afterCloseCommandsAreRejectedAndNothingLeaks() {
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
        List<Integer> ran = new ArrayList<>();
        reactor.execute(() -> ran.add(1));
        reactor.execute(() -> reactor.execute(() -> ran.add(2)));
        reactor.close();
        reactor.close();
        assertTrue(ran.contains(1));
        RejectedExecutionException e =
                assertThrows(RejectedExecutionException.class, () -> reactor.execute(() -> {}));
        assertEquals("reactor r is closed", e.getMessage());
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void cannotBeClosedByItself() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            CompletionException e =
                    assertThrows(CompletionException.class, reactor.submit(reactor::close)::join);
            assertTrue(e.getCause() instanceof IllegalStateException);
        }
    }

    @Test
    void anIdleReactorCostsNoProcessorTime() throws Exception {
        try (Reactor reactor = Reactor.start("idle", -1, IdlePolicy.ADAPTIVE)) {
            Counting poller = new Counting();
            reactor.submit(() -> reactor.add(poller)).join();
            AtomicReference<Long> nanos = new AtomicReference<>();
            Runnable readClock = () -> nanos.set(java.lang.management.ManagementFactory.getThreadMXBean()
                    .getCurrentThreadCpuTime());
            reactor.submit(readClock).join();
            long before = nanos.get();
            Thread.sleep(500);
            reactor.submit(readClock).join();
            long spent = nanos.get() - before;
            assertTrue(spent < 10_000_000, "500 ms of idleness cost " + spent + " ns");
            assertTrue(reactor.counters().idleNanos() > 400_000_000);
            reactor.submit(() -> reactor.remove(poller)).join();
        }
    }

    @Test
    void aPollingReactorNeverSleeps() {
        try (Reactor reactor = Reactor.start("poll", -1, IdlePolicy.POLL)) {
            long epoch = reactor.epoch();
            awaitTrue(() -> reactor.epoch() > epoch + 100_000);
            assertEquals(0, reactor.counters().sleeps());
        }
    }

    @Test
    void armingThatFindsWorkPreventsTheSleep() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            List<String> calls = new ArrayList<>();
            CompletableFuture<Void> done = new CompletableFuture<>();
            Poller poller = new Poller() {
                private boolean work;

                @Override
                public int poll() {
                    if (work) {
                        calls.add("poll");
                        reactor.remove(this);
                        done.complete(null);
                        return 1;
                    }
                    return 0;
                }

                @Override
                public boolean arm() {
                    calls.add("arm");
                    work = true;
                    return false;
                }

                @Override
                public void disarm() {
                    calls.add("disarm");
                }
            };
            reactor.execute(() -> reactor.add(poller));
            done.join();
            assertEquals(List.of("arm", "disarm", "poll"), calls);
        }
    }

    @Test
    void theLongestCycleShowsAStall() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE)) {
            reactor.submit(() -> {
                        try {
                            Thread.sleep(30);
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                    })
                    .join();
            awaitTrue(() -> reactor.counters().longestCycleNanos() >= 30_000_000);
            assertTrue(reactor.counters().busyNanos() >= 30_000_000);
        }
    }

    @Test
    void aWatchedDescriptorHasToBeOneThatCanBeWaitedFor() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                EventFd fd = EventFd.create()) {
            CompletionException e =
                    assertThrows(CompletionException.class, reactor.submit(() -> reactor.watch(9999))::join);
            assertTrue(e.getCause().getMessage().startsWith("watch fd 9999: EBADF"), e.getCause().getMessage());
            reactor.submit(() -> {
                        reactor.watch(fd.fd().value());
                        reactor.unwatch(fd.fd().value());
                    })
                    .join();
        }
    }

    private static void awaitTrue(java.util.function.BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "did not become true within 10 s");
            Thread.onSpinWait();
        }
    }

    /** Never has work; counts how often it was asked. */
    private static final class Counting implements Poller {
        volatile int polls;

        @Override
        @SuppressWarnings("NonAtomicVolatileUpdate")
        public int poll() {
            polls++;
            return 0;
        }
    }
}
