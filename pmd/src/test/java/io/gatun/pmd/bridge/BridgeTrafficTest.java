package io.gatun.pmd.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.pmd.Burst;
import io.gatun.pmd.MemoryPort;
import io.gatun.pmd.TestFrames;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a burst costs in objects, and ports that come and go under traffic. */
class BridgeTrafficTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void aPacketAllocatesNothing() {
        allocatesNothing(BridgePortOptions.DEFAULT, BridgePortOptions.DEFAULT);
    }

    @Test
    void aPacketAllocatesNothingWhereTagsAreChanged() {
        allocatesNothing(
                BridgePortOptions.DEFAULT.withAccess(7).withRate(1_000_000_000, 0),
                BridgePortOptions.DEFAULT.withTrunk(0, 7));
    }

    private static void allocatesNothing(BridgePortOptions first, BridgePortOptions others) {
        List<MemoryPort> ports = new ArrayList<>();
        try (Bridge bridge = new Bridge("br0", BridgeOptions.DEFAULT)) {
            for (int i = 0; i < 4; i++) {
                MemoryPort port = new MemoryPort("p" + i, i == 3 ? 2 : 1).countOnly();
                ports.add(port);
                bridge.addPort(port, i == 0 ? first : others);
                port.receive(0, TestFrames.ethernet(TestFrames.mac(99), TestFrames.mac(i)));
            }
            byte[][] frames = new byte[32][];
            for (int i = 0; i < frames.length; i++) {
                long to = i % 5 == 0 ? 0xffff_ffff_ffffL : TestFrames.mac(i % 4);
                frames[i] = TestFrames.ethernet(to, TestFrames.mac(9));
            }
            long thread = Thread.currentThread().threadId();
            long deadline = System.nanoTime() + 20_000_000_000L;
            long allocated;
            do {
                allocated = 0;
                for (int round = 0; round < 500; round++) {
                    Burst burst = ports.get(0).burst();
                    for (byte[] frame : frames) {
                        ports.get(0).with(frame);
                    }
                    long before = THREADS.getThreadAllocatedBytes(thread);
                    ports.get(0).rxQueues().getFirst().deliver(burst);
                    allocated += THREADS.getThreadAllocatedBytes(thread) - before;
                }
            } while (allocated != 0 && System.nanoTime() < deadline);
            assertEquals(0, allocated, "bytes allocated in 500 bursts");
            assertTrue(ports.get(3).txQueues().stream().anyMatch(queue -> queue.counters().packets() > 0));
        } finally {
            ports.forEach(MemoryPort::close);
        }
    }
}
