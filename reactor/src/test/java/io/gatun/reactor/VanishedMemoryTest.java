package io.gatun.reactor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A peer truncates the memory under one poller: that one fails, whoever runs beside it goes on. The error must not
 * surface late, in the next poller, however far the compiler has got.
 */
@Timeout(60)
class VanishedMemoryTest {
    private static final int ROUNDS = 12;
    private static final int NEIGHBOURS = 3;

    @Test
    void onlyThePollerWhoseMemoryVanishedFails() throws Exception {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.POLL)) {
            for (int round = 0; round < ROUNDS; round++) {
                oneRound(reactor, round);
            }
            assertEquals(ROUNDS, reactor.counters().failures());
        }
    }

    private static void oneRound(Reactor reactor, int round) throws Exception {
        List<Reading> pollers = new ArrayList<>();
        for (int i = 0; i <= NEIGHBOURS; i++) {
            pollers.add(new Reading());
        }
        Reading victim = pollers.get(round % pollers.size());
        reactor.submit(() -> pollers.forEach(reactor::add)).join();
        // Later rounds meet compiled code.
        long epoch = reactor.epoch();
        while (reactor.epoch() < epoch + 5_000) {
            Thread.onSpinWait();
        }
        assertEquals(0, victim.file.setLength(0));
        assertInstanceOf(InternalError.class, victim.failure.get(10, TimeUnit.SECONDS));
        epoch = reactor.epoch();
        while (reactor.epoch() < epoch + 1_000) {
            Thread.onSpinWait();
        }
        for (Reading poller : pollers) {
            assertEquals(poller == victim, poller.failure.isDone(), "poller " + pollers.indexOf(poller));
        }
        assertTrue(victim.polls > 0);
        reactor.submit(() -> pollers.forEach(reactor::remove)).join();
        pollers.forEach(Reading::close);
    }

    /** Looks at a word of shared memory, as a ring's poller does. */
    private static final class Reading implements Poller {
        final MemoryFile file = MemoryFile.create("gatun-test", 4096);
        final Mapping mapping = file.map();
        final CompletableFuture<Throwable> failure = new CompletableFuture<>();
        long polls;

        @Override
        public int poll() {
            polls++;
            return Memory.loadAcquireShort(mapping.address() + 2) != 0 ? 1 : 0;
        }

        @Override
        public void failed(Throwable cause) {
            failure.complete(cause);
        }

        void close() {
            mapping.close();
            file.close();
        }
    }
}
