package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class RingPortTest {
    private final int mappings = Mapping.openCount();
    private final Mapping memory = Mapping.anonymous(1 << 16);
    private final Burst burst = new Burst();
    private final Frames frames = new Frames();

    @AfterEach
    void close() {
        burst.close();
        memory.close();
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void whatOneEndSendsTheOtherReceives() {
        try (RingPort.Pair pair = RingPort.pair("a", List.of(), "b", List.of(), RingOptions.DEFAULT)) {
            pair.second().forwardTo(frames);
            fill(0, 10);
            pair.first().txFor(7).send(burst);
            assertEquals(10, pair.second().poll(0));
            assertEquals(10, frames.next[0]);
            assertEquals(10, pair.first().txQueues().getFirst().counters().packets());
            assertEquals(10, pair.second().rxQueues().getFirst().counters().packets());
            assertEquals(1024, pair.first().pool(0).free());
        }
    }

    @Test
    void aFullRingDropsWhatItHasNoRoomFor() {
        try (RingPort.Pair pair =
                RingPort.pair("a", List.of(), "b", List.of(), RingOptions.DEFAULT.withDepth(32))) {
            pair.second().forwardTo(frames);
            fill(0, 50);
            pair.first().txFor(0).send(burst);
            QueueCounters counters = pair.first().txQueues().getFirst().counters();
            assertEquals(32, counters.packets());
            assertEquals(18, counters.dropped(Drop.NO_BUFFER));
            assertEquals(32, pair.second().poll(0));
            burst.clear();
            pair.first().setMtu(60_000);
            burst.add(memory.address(), 60_000);
            burst.add(memory.address(), 60_000);
            burst.add(memory.address(), 60_000);
            pair.first().txFor(0).send(burst);
            assertEquals(1, counters.dropped(Drop.NO_MEMORY));
        }
    }

    /** Else it would lie there until the next one comes, uncounted. */
    @Test
    void whatWasTakenBeforeTheSendersMemoryVanishedArrives() {
        try (Reactor one = Reactor.start("one", -1, IdlePolicy.ADAPTIVE);
                RingPort.Pair pair = RingPort.pair("a", List.of(), "b", List.of(one), RingOptions.DEFAULT);
                MemoryFile file = MemoryFile.create("sender", 8192);
                Mapping sender = file.map()) {
            pair.second().forwardTo(frames);
            fill(0, 1);
            burst.add(sender.address() + 4096, 64);
            file.setLength(4096);
            TxQueue queue = pair.first().txFor(0);
            assertThrows(InternalError.class, () -> {
                queue.send(burst);
                Memory.settle();
            });
            awaitReceived(1);
            assertEquals(1, queue.counters().packets());
        }
    }

    @Test
    void anEndThatIsClosedTakesNothing() {
        RingPort.Pair pair = RingPort.pair("a", List.of(), "b", List.of(), RingOptions.DEFAULT);
        fill(0, 4);
        pair.first().txFor(0).send(burst);
        assertTrue(pair.first().linkUp());
        pair.second().close();
        assertFalse(pair.first().linkUp());
        pair.first().txFor(0).send(burst);
        assertEquals(4, pair.first().txQueues().getFirst().counters().dropped(Drop.LINK_DOWN));
        pair.close();
    }

    @Test
    void twoReactorsAndAThreadOfNoneExchangePacketsInOrder() {
        try (Reactor one = Reactor.start("one", -1, IdlePolicy.ADAPTIVE);
                Reactor two = Reactor.start("two", -1, IdlePolicy.ADAPTIVE);
                RingPort.Pair pair = RingPort.pair(
                        "a", List.of(one), "b", List.of(two), RingOptions.DEFAULT.withQueues(2))) {
            pair.second().forwardTo((from, packets) -> {
                assertTrue(two.inReactorThread());
                frames.forward(from, packets);
            });
            for (int i = 0; i < 5_000; i++) {
                burst.clear();
                fill(i * 8L, 8);
                pair.first().txFor(0).send(burst);
                if (i % 16 == 15) {
                    awaitReceived((i + 1) * 8L);
                }
            }
            awaitReceived(40_000);
            assertNull(frames.fault);
            assertEquals(40_000, frames.next[0]);
        }
    }

    private void awaitReceived(long count) {
        while (frames.received < count) {
            assertFalse(Thread.currentThread().isInterrupted(), "timed out");
            Thread.onSpinWait();
        }
    }

    private void fill(long number, int count) {
        for (int i = 0; i < count; i++) {
            long address = memory.address() + burst.count * 512L;
            Frames.number(address, 0, number + i);
            burst.add(address, 64);
        }
    }
}
