package io.gatun.reactor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose memory vanishes is removed, and nobody else, though compiled code reports the fault in another one's call. */
class VanishedMemoryTest {
    private static final int PEERS = 4;

    /** Long enough for C2 to compile the duty cycle with the pollers inside. */
    private static final int COMPILED = 3_000_000;

    private static final class Peer implements Poller {
        private final long address;
        private final boolean readsWhenPolled;
        private int sum;
        volatile int polls;
        volatile Throwable failure;

        Peer(long address, boolean readsWhenPolled) {
            this.address = address;
            this.readsWhenPolled = readsWhenPolled;
        }

        @Override
        @SuppressWarnings("NonAtomicVolatileUpdate") // one writer
        public int poll() {
            polls++;
            if (readsWhenPolled) {
                sum += Memory.loadAcquireShort(address);
            }
            return 0;
        }

        @Override
        public boolean arm() {
            Memory.putShort(address, sum);
            return true;
        }

        @Override
        public void failed(Throwable cause) {
            failure = cause;
        }
    }

    @ParameterizedTest
    @EnumSource(IdlePolicy.class)
    void blamesTheRightPoller(IdlePolicy idle) throws Exception {
        List<AutoCloseable> resources = new ArrayList<>();
        List<MemoryFile> files = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        try (Reactor reactor = Reactor.start("r", -1, idle)) {
            for (int i = 0; i < PEERS; i++) {
                MemoryFile file = MemoryFile.create("peer " + i, 4096);
                Mapping mapping = file.map();
                Peer peer = new Peer(mapping.address(), idle == IdlePolicy.POLL);
                resources.add(file);
                resources.add(mapping);
                files.add(file);
                peers.add(peer);
                reactor.submit(() -> reactor.add(peer)).join();
            }
            warmUp(reactor, idle, peers.getFirst());
            for (int vanishing : new int[] {1, 3}) {
                files.get(vanishing).setLength(0);
                Peer peer = peers.get(vanishing);
                long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
                while (peer.failure == null && System.nanoTime() < deadline) {
                    reactor.submit(() -> {}).join();
                    Thread.sleep(1);
                }
                assertTrue(peer.failure instanceof InternalError, () -> "peer " + vanishing + ": " + peer.failure);
                Thread.sleep(20);
            }
            reactor.submit(() -> {
                        reactor.remove(peers.get(0));
                        reactor.remove(peers.get(2));
                    })
                    .join();
            assertEquals(null, peers.get(0).failure);
            assertEquals(null, peers.get(2).failure);
            assertEquals(2, reactor.counters().failures());
        } finally {
            for (AutoCloseable resource : resources) {
                resource.close();
            }
        }
    }

    /** A request is read once: if nobody were blamed at once, its answer would just never come. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void blamesAtOnce(int pollers) throws Exception {
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                MemoryFile file = MemoryFile.create("peer", 4096);
                Mapping mapping = file.map()) {
            Once once = new Once(mapping.address());
            List<Poller> others = new ArrayList<>();
            reactor.submit(() -> {
                        reactor.add(once);
                        for (int i = 1; i < pollers; i++) {
                            Poller other = () -> 0;
                            others.add(other);
                            reactor.add(other);
                        }
                    })
                    .join();
            file.setLength(0);
            once.armed = true;
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
            while (once.failure == null && System.nanoTime() < deadline) {
                reactor.submit(() -> {}).join();
            }
            assertTrue(once.failure instanceof InternalError, String.valueOf(once.failure));
            assertEquals(1, reactor.counters().failures());
            reactor.submit(() -> others.forEach(reactor::remove)).join();
        }
    }

    /** Touches its peer's memory a single time. */
    private static final class Once implements Poller {
        private final long address;
        volatile boolean armed;
        volatile Throwable failure;

        Once(long address) {
            this.address = address;
        }

        @Override
        public int poll() {
            if (!armed) {
                return 0;
            }
            armed = false;
            Memory.putLong(address, 1);
            return 1;
        }

        @Override
        public void failed(Throwable cause) {
            failure = cause;
        }
    }

    private static void warmUp(Reactor reactor, IdlePolicy idle, Peer peer) throws InterruptedException {
        if (idle == IdlePolicy.ADAPTIVE) {
            for (int i = 0; i < 200; i++) {
                reactor.submit(() -> {}).join();
            }
            return;
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
        while (peer.polls < COMPILED && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
    }
}
