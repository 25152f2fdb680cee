package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class NullPortTest {
    @Test
    void aGeneratorBroadcastsFramesOfTheLengthAskedFor() {
        try (NullPort port = new NullPort("n", new NullOptions(1, 64, 0), List.of())) {
            long[] first = new long[2];
            port.forwardTo((from, burst) -> {
                assertEquals(64, burst.lengths[burst.count - 1]);
                first[0] = Memory.getLong(burst.addresses[0]);
                first[1] = Memory.getUnsignedInt(burst.addresses[0] + 10);
            });
            assertEquals(Burst.CAPACITY, port.poll(0));
            assertEquals(0x0002_ffff_ffff_ffffL, first[0]);
            assertEquals(0xb588_0100L, first[1]);
        }
    }

    @Test
    void aRateIsKept() {
        Pace pace = new Pace(1_000_000);
        int taken = pace.take(1);
        for (int i = 1; i <= 10_000; i++) {
            taken += pace.take(1 + i * 10_000L);
        }
        assertEquals(100_000, taken, 1);
        assertEquals(Burst.CAPACITY, pace.take(1_000_000_000_000L));
    }

    @Test
    void onePortSwallowsWhatAnotherGenerates() {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                NullPort sink = new NullPort("sink", NullOptions.SINK, List.of(reactor));
                NullPort source = new NullPort("source", new NullOptions(2, 100, 0), List.of(reactor))) {
            source.forwardTo((from, burst) -> sink.txFor(0).send(burst));
            QueueCounters swallowed = sink.txQueues().getFirst().counters();
            while (swallowed.packets() < 100_000) {
                Thread.onSpinWait();
            }
            assertTrue(source.rxQueues().get(1).counters().packets() > 0);
            assertEquals(0, swallowed.dropped());
        }
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new NullOptions(0, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new NullOptions(1, 13, 0));
        assertThrows(IllegalArgumentException.class, () -> new NullOptions(1, 64, -1));
    }
}
