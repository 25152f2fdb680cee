package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.reactor.Reactor;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.QueueConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A ring on its reactor, with handlers that do what they should not. */
@Timeout(20)
class VringWorkerTest {
    private static final long FEATURES = 1L << 32;
    private static final long BASE = 0x10000;

    private final Mapping memory = Mapping.anonymous(1 << 20);
    private final DriverQueue driver = DriverQueue.create(false, 8, FEATURES, memory.address(), BASE);
    private final EventFd kick = EventFd.create();
    private final EventFd call = EventFd.create();
    private final EventFd error = EventFd.create();
    private final VringCounters counters = new VringCounters();
    private final AtomicReference<String> broken = new AtomicReference<>();
    private final Reactor reactor = Reactor.start("worker-test", -1, Reactor.IdlePolicy.ADAPTIVE);

    @AfterEach
    void close() {
        reactor.close();
        kick.close();
        call.close();
        error.close();
        memory.close();
    }

    /** A handler that takes chains and keeps them; everything it does can be made to fail. */
    private static final class Odd implements QueueHandler {
        final Vring vring;
        final AtomicInteger inFlight = new AtomicInteger();
        final AtomicInteger polls = new AtomicInteger();
        final AtomicInteger failuresLeft = new AtomicInteger(Integer.MAX_VALUE);
        volatile Error failure;
        volatile Error enableFailure;
        volatile Error closeFailure;
        volatile int wakeFd = -1;
        volatile boolean closed;

        Odd(Vring vring) {
            this.vring = vring;
        }

        @Override
        public int poll(int maxChains) {
            polls.incrementAndGet();
            if (failure != null && failuresLeft.getAndDecrement() > 0) {
                throw failure;
            }
            DescriptorChain chain = new DescriptorChain(8);
            int taken = 0;
            while (taken < maxChains && vring.queue().pop(chain)) {
                taken++;
                inFlight.incrementAndGet();
            }
            return taken;
        }

        @Override
        public boolean enable(boolean enabled) {
            if (enableFailure != null) {
                throw enableFailure;
            }
            return enabled;
        }

        @Override
        public int wakeFd() {
            return wakeFd;
        }

        @Override
        public int inFlight() {
            return inFlight.get();
        }

        @Override
        public boolean arm() {
            return inFlight.get() == 0;
        }

        @Override
        public void close() {
            closed = true;
            if (closeFailure != null) {
                throw closeFailure;
            }
        }
    }

    private final AtomicReference<Odd> handler = new AtomicReference<>();

    /** What is to go wrong with the next handler. */
    private Consumer<Odd> spoiled = odd -> {};

    private VirtioDevice device() {
        return new TestDevice(1) {
            @Override
            public QueueHandler startQueue(int index, Vring vring) {
                Odd odd = new Odd(vring);
                spoiled.accept(odd);
                handler.set(odd);
                return odd;
            }
        };
    }

    private QueueConfig config(long descriptors) {
        GuestMemory guest =
                GuestMemory.of(List.of(new GuestMemory.Region(BASE, 1 << 20, BASE, memory.address())));
        return new QueueConfig(8, FEATURES, descriptors, driver.availAddress(), driver.usedAddress(), 0, guest);
    }

    private CompletableFuture<VringWorker> start(QueueConfig config, int kickFd) {
        return VringWorker.start(
                reactor,
                device(),
                new VringWorker.Start(
                        "test ring",
                        0,
                        config,
                        kickFd,
                        call.fd().value(),
                        error.fd().value(),
                        true,
                        4,
                        counters,
                        broken::set));
    }

    private VringWorker start() {
        return start(config(driver.descriptorAddress()), kick.fd().value()).join();
    }

    private void offer() {
        assertTrue(driver.add(new long[] {BASE + (512 << 10)}, new int[] {512}, 0, 0, 1) >= 0);
        driver.publishAvailable();
        kick.signal();
    }

    @Test
    void aRingThatCannotStartLeavesNothingBehind() {
        CompletionException refused = assertThrows(
                CompletionException.class, () -> start(config(0x10), kick.fd().value()).join());
        assertTrue(refused.getCause() instanceof IllegalArgumentException, refused.toString());
        assertNull(handler.get());
        assertNothingIsLeft();
    }

    /** The next start watches the same descriptor, which would fail if it were still watched. */
    private void assertNothingIsLeft() {
        assertEquals(0, counters.starts());
        spoiled = odd -> {};
        assertEquals(0, start().stop().join());
        assertEquals(1, counters.starts());
    }

    private Throwable refusal() {
        int fd = kick.fd().value();
        return assertThrows(
                        CompletionException.class,
                        () -> start(config(driver.descriptorAddress()), fd).join())
                .getCause();
    }

    @Test
    void aDeviceThatRefusesToStartLeavesNothingBehind() {
        spoiled = odd -> {
            throw new IllegalStateException("no descriptors left");
        };
        assertEquals("no descriptors left", refusal().getMessage());
        assertNothingIsLeft();
    }

    @Test
    void aHandlerThatCannotBeEnabledIsClosedAgain() {
        spoiled = odd -> odd.enableFailure = new StackOverflowError("a bug");
        assertEquals("a bug", refusal().getMessage());
        assertTrue(handler.get().closed);
        assertNothingIsLeft();
    }

    /** As if descriptors that epoll takes had run out. */
    @Test
    void aHandlerWhoseCompletionsCannotBeWatchedIsClosedAgain(@TempDir Path folder) throws IOException {
        Path file = Files.createFile(folder.resolve("no-eventfd"));
        try (Fd fd = FileIo.open(file.toString(), FileIo.O_RDONLY, 0)) {
            spoiled = odd -> odd.wakeFd = fd.value();
            assertInstanceOf(LinuxException.class, refusal());
        }
        assertTrue(handler.get().closed);
        assertNothingIsLeft();
    }

    @Test
    void aKickDescriptorThatCannotBeWatchedClosesTheHandler() {
        VringWorker first = start();
        assertInstanceOf(LinuxException.class, refusal());
        assertTrue(handler.get().closed);
        first.stop().join();
    }

    @Test
    void whatFailsWhileAStartIsUndoneHidesNeitherTheReasonNorTheRest() {
        spoiled = odd -> {
            odd.enableFailure = new StackOverflowError("the reason");
            odd.closeFailure = new StackOverflowError("and then this");
        };
        assertEquals("the reason", refusal().getMessage());
        assertNothingIsLeft();
    }

    @Test
    void aHandlerThatCannotBeClosedDoesNotKeepItsRing() {
        spoiled = odd -> odd.closeFailure = new StackOverflowError("a bug");
        VringWorker worker = start();
        offer();
        BackendLab.await("the request", () -> handler.get().inFlight() == 1);
        CompletableFuture<Integer> base = worker.stop();
        handler.get().inFlight.set(0);
        assertEquals(1, base.join());
        assertEquals(0, reactor.counters().failures());
    }

    @Test
    void whatFailsOnceTheRingHasDrainedIsToldToWhoWaits() {
        VringWorker worker = start();
        offer();
        BackendLab.await("the request", () -> handler.get().inFlight() == 1);
        CompletableFuture<Void> replaced = worker.replaceMemory(null, true);
        handler.get().inFlight.set(0);
        CompletionException failed = assertThrows(CompletionException.class, replaced::join);
        assertInstanceOf(NullPointerException.class, failed.getCause());
        worker.stop().join();
    }

    @Test
    void stoppingTwiceIsHarmless() {
        VringWorker worker = start();
        offer();
        BackendLab.await("the request", () -> handler.get().inFlight() == 1);
        CompletableFuture<Integer> first = worker.stop();
        CompletableFuture<Integer> second = worker.stop();
        assertFalse(first.isDone());
        handler.get().inFlight.set(0);
        assertEquals(1, first.join());
        assertEquals(1, second.join());
        assertEquals(1, worker.stop().join());
        assertTrue(handler.get().closed);
        // Late commands of a session find a stopped ring and do nothing.
        worker.setEnabled(true).join();
        worker.replaceCall(-1).join();
        worker.replaceKick(kick.fd().value()).join();
        worker.replaceMemory(GuestMemory.EMPTY, true).join();
    }

    @Test
    void anErrorOfItsHandlerBreaksTheRingOnceAndLeavesTheReactorAlone() {
        VringWorker worker = start();
        handler.get().failure = new StackOverflowError("a bug");
        kick.signal();
        BackendLab.await("the error eventfd", () -> error.drain() > 0);
        assertTrue(broken.get().contains("handler"), broken.get());
        assertEquals(1, counters.broken());
        int polls = handler.get().polls.get();
        reactor.submit(() -> {}).join();
        reactor.submit(() -> {}).join();
        assertEquals(polls, handler.get().polls.get(), "a broken ring with nothing in flight is not polled");
        worker.stop().join();
        assertEquals(1, counters.broken());
    }

    @Test
    void aBrokenRingCompletesWhatIsInFlight() {
        VringWorker worker = start();
        offer();
        BackendLab.await("the request", () -> handler.get().inFlight() == 1);
        handler.get().failuresLeft.set(3);
        handler.get().failure = new StackOverflowError("a passing one");
        BackendLab.await("the break", () -> broken.get() != null);
        int polls = handler.get().polls.get();
        BackendLab.await("polls", () -> handler.get().polls.get() > polls + 3);
        CompletableFuture<Integer> stopped = worker.stop();
        handler.get().inFlight.set(0);
        stopped.join();
    }

    @Test
    void aHandlerThatNeverRecoversIsGivenUpAndItsRingNeverStops() throws Exception {
        VringWorker worker = start();
        offer();
        BackendLab.await("the request", () -> handler.get().inFlight() == 1);
        handler.get().failure = new StackOverflowError("for good");
        BackendLab.await("the end of patience", () -> {
            int polls = handler.get().polls.get();
            reactor.submit(() -> {}).join();
            reactor.submit(() -> {}).join();
            return polls > 900 && polls == handler.get().polls.get();
        });
        CompletableFuture<Integer> stopped = worker.stop();
        assertThrows(TimeoutException.class, () -> stopped.get(30, TimeUnit.MILLISECONDS));
        // Only for this test, so that its reactor can be closed.
        handler.get().inFlight.set(0);
        worker.stop().join();
    }

    @Test
    void counterOfKicksCountsWakingUpForWork() {
        VringWorker worker = start();
        for (int i = 0; i < 5; i++) {
            // Far longer than a reactor spins: it is asleep by then, at least one time of these.
            LockSupport.parkNanos(20_000_000);
            offer();
            BackendLab.await("the request", () -> handler.get().inFlight() == 1);
            handler.get().inFlight.set(0);
        }
        assertTrue(counters.kicks() >= 1);
        handler.get().inFlight.set(0);
        worker.stop().join();
    }
}
