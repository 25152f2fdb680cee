package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Packets for a queue of another reactor. */
@Timeout(60)
class HandoverTest {
    private static final int LENGTH = 100;

    private final int mappings = Mapping.openCount();
    private final Mapping memory = Mapping.anonymous(1 << 20);
    private final Reactor owner = Reactor.start("owner", -1, IdlePolicy.ADAPTIVE);
    private final Reactor other = Reactor.start("other", -1, IdlePolicy.ADAPTIVE);
    private final Frames frames = new Frames();
    private final CollectingPort port = new CollectingPort(owner, frames);
    private final Burst burst = new Burst();
    private final Burst otherBurst = new Burst();

    @AfterEach
    void close() {
        port.close();
        port.close();
        burst.close();
        otherBurst.close();
        memory.close();
        owner.close();
        other.close();
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void theOwnReactorSendsAtOnce() {
        fill(burst, 0, 0, 10);
        owner.submit(() -> {
                    port.tx.send(burst);
                    assertEquals(10, port.tx.counters().packets());
                })
                .join();
        assertNull(port.tx.handover());
    }

    @Test
    void twoReactorsKeepTheOrderOfTheirFlowsAndLeaveNoBufferBehind() throws InterruptedException {
        long rounds = 3_000;
        Thread first = Thread.ofPlatform().start(() -> sendAll(burst, 0, rounds));
        other.submit(() -> sendAll(otherBurst, 1, rounds)).join();
        first.join();
        awaitReceived(2 * rounds * 16);
        assertNull(frames.fault);
        assertEquals(rounds * 16, frames.next[0]);
        assertEquals(rounds * 16, frames.next[1]);
        assertEquals(2 * rounds * 16, port.tx.counters().packets());
        assertEquals(Handover.BUFFERS, port.tx.handover().pool().free());
    }

    @Test
    void offloadsAndLengthsComeAlong() {
        long offload = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_NONE, 0, 0, 34);
        port.setMtu(9000);
        burst.add(memory.address(), 5000);
        burst.offloads[0] = offload;
        burst.checksumOffsets[0] = 16;
        port.tx.send(burst);
        awaitReceived(1);
        assertEquals(offload, port.lastOffload);
        assertEquals(5000, port.tx.counters().bytes());
        assertEquals(16, port.lastChecksumOffset);
    }

    @Test
    void aFullQueueAndAnEmptyPoolDropAndAreCounted() {
        CountDownLatch release = new CountDownLatch(1);
        owner.execute(() -> awaitUninterruptibly(release));
        for (int i = 0; i < 20; i++) {
            burst.clear();
            fill(burst, 0, i * 64L, 64);
            port.tx.send(burst);
        }
        burst.clear();
        burst.add(memory.address(), LENGTH);
        port.tx.send(burst);
        release.countDown();
        awaitReceived(Handover.PACKETS);
        awaitDrops(Drop.QUEUE_FULL, 20 * 64 + 1 - Handover.PACKETS);

        CountDownLatch again = new CountDownLatch(1);
        owner.execute(() -> awaitUninterruptibly(again));
        burst.clear();
        for (int i = 0; i < 40; i++) {
            burst.add(memory.address(), 65_000);
        }
        port.tx.send(burst);
        again.countDown();
        int fit = Handover.BUFFERS / 32;
        awaitDrops(Drop.NO_MEMORY, 40 - fit);
        assertEquals(Handover.BUFFERS, port.tx.handover().pool().free());
    }

    @Test
    void whatIsQueuedIsSentBeforeThePortCloses() {
        CountDownLatch release = new CountDownLatch(1);
        owner.execute(() -> awaitUninterruptibly(release));
        fill(burst, 0, 0, 64);
        port.tx.send(burst);
        release.countDown();
        port.close();
        assertEquals(64, frames.received);
        port.tx.send(burst);
        assertEquals(64, frames.received);
    }

    @Test
    void aClosedReactorLosesPacketsAndNothingElse() {
        fill(burst, 0, 0, 1);
        port.tx.send(burst);
        awaitReceived(1);
        owner.close();
        for (int i = 0; i < 3; i++) {
            port.tx.send(burst);
        }
        assertEquals(1, frames.received);
    }

    /** What was taken before is sent all the same. In compiled code the error comes late (Memory). */
    @ParameterizedTest(name = "after {0} bursts")
    @ValueSource(ints = {0, 30_000})
    void aSenderWhoseMemoryVanishesLeavesNothingBehind(int warmUp) {
        long received = 0;
        fill(burst, 0, 0, 16);
        for (int i = 0; i < warmUp; i++) {
            frames.next[0] = 0;
            port.tx.send(burst);
            received += 16;
            while (frames.received < received) {
                // Where both threads have one core, waiting for its turn to end takes long.
                LockSupport.parkNanos(1_000);
                spin();
            }
        }
        for (int round = 0; round < 300; round++) {
            try (MemoryFile file = MemoryFile.create("sender", 8192);
                    Mapping sender = file.map()) {
                otherBurst.clear();
                otherBurst.add(memory.address(), LENGTH);
                for (int i = 0; i < 8; i++) {
                    otherBurst.add(sender.address() + 4096, LENGTH);
                }
                file.setLength(4096);
                assertThrows(InternalError.class, () -> {
                    port.tx.send(otherBurst);
                    Memory.settle();
                });
            }
            owner.submit(() -> {}).join();
        }
        assertTrue(frames.received >= received + 300, frames.received + " received");
        assertEquals(Handover.BUFFERS, port.tx.handover().pool().free());
    }

    @Test
    void aSleepingOwnerIsWoken() {
        for (int i = 1; i <= 50; i++) {
            burst.clear();
            fill(burst, 0, i, 1);
            port.tx.send(burst);
            awaitReceived(i);
            LockSupport.parkNanos(1_000_000);
        }
        assertTrue(owner.counters().sleeps() > 10);
    }

    @Test
    void nothingIsAllocatedOnEitherSide() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        AtomicLong ownerId = new AtomicLong();
        owner.submit(() -> ownerId.set(Thread.currentThread().threadId())).join();
        fill(burst, 0, 0, 16);
        long least = Long.MAX_VALUE;
        long received = 0;
        // On a busy machine the owner sleeps between bursts, by code that takes its time to be compiled.
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (least >= 2_000 && System.nanoTime() < deadline) {
            long before = threads.getCurrentThreadAllocatedBytes() + threads.getThreadAllocatedBytes(ownerId.get());
            for (int i = 0; i < 2_000; i++) {
                frames.next[0] = 0;
                port.tx.send(burst);
                received += 16;
                while (frames.received < received) {
                    Thread.onSpinWait();
                }
            }
            long after = threads.getCurrentThreadAllocatedBytes() + threads.getThreadAllocatedBytes(ownerId.get());
            least = Math.min(least, after - before);
        }
        // Per packet there is nothing; the few bytes are the JVM's own, for reading the counters.
        assertTrue(least < 2_000, "bytes allocated by 2000 bursts: " + least);
        assertNotNull(port.tx.handover());
    }

    private void sendAll(Burst own, int flow, long rounds) {
        for (long i = 0; i < rounds; i++) {
            own.clear();
            fill(own, flow, i * 16, 16);
            port.tx.send(own);
            // Never more under way than the queue holds.
            while (i * 16 - frames.next[flow] > Handover.PACKETS / 4) {
                Thread.onSpinWait();
                Memory.acquireFence();
            }
        }
    }

    private void fill(Burst into, int flow, long number, int count) {
        for (int i = 0; i < count; i++) {
            long address = memory.address() + flow * 65536L + into.count * 512L;
            Frames.number(address, flow, number + i);
            into.add(address, LENGTH);
        }
    }

    private void awaitReceived(long count) {
        while (frames.received < count) {
            spin();
        }
        // The last of them is being counted, and its buffer given back.
        owner.submit(() -> {}).join();
        owner.submit(() -> {}).join();
        assertEquals(count, frames.received);
    }

    private void awaitDrops(Drop cause, long count) {
        while (port.tx.counters().dropped(cause) < count) {
            spin();
        }
        owner.submit(() -> {}).join();
        assertEquals(count, port.tx.counters().dropped(cause));
    }

    /** Once around a wait that the test's timeout ends. */
    private static void spin() {
        assertFalse(Thread.currentThread().isInterrupted(), "timed out");
        Thread.onSpinWait();
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        while (latch.getCount() != 0) {
            LockSupport.parkNanos(100_000);
        }
    }

    /** A port whose transmit queue shows what it is given to {@link Frames}. */
    private static final class CollectingPort extends Port {
        final Tx tx;
        volatile int lastChecksumOffset;
        volatile long lastOffload;
        private final Frames frames;

        CollectingPort(Reactor owner, Frames frames) {
            super("p");
            this.frames = frames;
            this.tx = new Tx(this, owner);
        }

        @Override
        public String type() {
            return "test";
        }

        @Override
        public List<RxQueue> rxQueues() {
            return List.of();
        }

        @Override
        public List<Tx> txQueues() {
            return List.of(tx);
        }

        @Override
        public TxQueue txFor(int hash) {
            return tx;
        }

        @Override
        public boolean linkUp() {
            return true;
        }

        @Override
        protected void release() {}

        private static final class Tx extends TxQueue {
            private final CollectingPort port;

            Tx(CollectingPort port, Reactor owner) {
                super(port, 0, owner);
                this.port = port;
            }

            @Override
            public long offloads() {
                return Offloads.ALL;
            }

            @Override
            protected int transmit(Burst burst, int[] which, int count) {
                counters().count(burst, which, count);
                port.lastChecksumOffset = burst.checksumOffsets[0];
                port.lastOffload = burst.offloads[0];
                port.frames.forward(null, burst);
                return count;
            }
        }
    }
}
