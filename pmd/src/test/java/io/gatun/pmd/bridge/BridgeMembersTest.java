package io.gatun.pmd.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.RingOptions;
import io.gatun.pmd.RingPort;
import io.gatun.pmd.RxQueue;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ports that come and go while packets cross between two reactors. */
@Timeout(60)
class BridgeMembersTest {
    private static final int ROUNDS = 100;
    private static final int PACKETS = 16;
    private static final int PACKET_BYTES = 64;

    @Test
    void portsComeAndGoUnderTraffic() throws InterruptedException {
        int mappings = Mapping.openCount();
        try (Reactor left = Reactor.start("left", -1, IdlePolicy.ADAPTIVE);
                Reactor right = Reactor.start("right", -1, IdlePolicy.ADAPTIVE)) {
            RingPort.Pair from = pair("from", left);
            RingPort.Pair to = pair("to", right);
            Order order = new Order();
            to.second().forwardTo(order);
            try (Bridge bridge = new Bridge("br0", BridgeOptions.DEFAULT)) {
                bridge.addPort(from.first(), BridgePortOptions.DEFAULT);
                bridge.addPort(to.first(), BridgePortOptions.DEFAULT);
                AtomicBoolean done = new AtomicBoolean();
                Thread traffic = Thread.ofPlatform().start(() -> send(from.second(), to.second(), done));
                for (int round = 0; round < ROUNDS; round++) {
                    try (RingPort.Pair guest = pair("guest", round % 2 == 0 ? left : right)) {
                        bridge.addPort(guest.first(), BridgePortOptions.DEFAULT);
                        Thread.sleep(2);
                        bridge.removePort(guest.first()).join();
                    }
                }
                done.set(true);
                traffic.join();
            } finally {
                from.close();
                to.close();
            }
            assertTrue(order.received > 0);
            assertNull(order.fault);
            assertEquals(0, left.counters().failures() + right.counters().failures());
        }
        assertEquals(mappings, Mapping.openCount());
    }

    private static RingPort.Pair pair(String name, Reactor reactor) {
        return RingPort.pair(name, List.of(reactor), name + "-end", List.of(), RingOptions.DEFAULT);
    }

    /** Numbered packets to nobody in particular, so that every port gets them. */
    private static void send(RingPort from, RingPort to, AtomicBoolean done) {
        try (Mapping memory = Mapping.anonymous((long) PACKETS * PACKET_BYTES);
                Burst burst = new Burst()) {
            long number = 0;
            while (!done.get()) {
                burst.clear();
                for (int i = 0; i < PACKETS; i++) {
                    long address = memory.address() + (long) i * PACKET_BYTES;
                    Memory.putLong(address, -1);
                    Memory.putInt(address + 6, 0x0102);
                    Memory.putShort(address + 10, 0);
                    Memory.putLong(address + 16, number++);
                    burst.add(address, PACKET_BYTES);
                }
                from.txFor(0).send(burst);
                to.poll(0);
            }
        }
    }

    /** Packets may be lost where a queue is full, but never overtake each other. */
    private static final class Order implements Forwarder {
        private long next;
        private long received;
        private String fault;

        @Override
        public void forward(RxQueue from, Burst burst) {
            for (int i = 0; i < burst.count; i++) {
                long number = Memory.getLong(burst.pull(i, 24) + 16);
                if (number < next) {
                    fault = number + " after " + (next - 1);
                }
                next = number + 1;
            }
            received += burst.count;
        }
    }
}
