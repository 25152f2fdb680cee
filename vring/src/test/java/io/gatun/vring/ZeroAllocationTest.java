package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Neither side of a ring allocates per request, compiled or interpreted. */
class ZeroAllocationTest {
    private static final int BURST = 8;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (long features : RingKinds.FEATURES) {
                for (String way : new String[] {"chains", "bursts", "logged chains"}) {
                    cases.add(Arguments.of(packed, features, way));
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} features={1} {2}")
    @MethodSource("rings")
    void aRequestAllocatesNothing(boolean packed, long features, String way) {
        assumeTrue(threads.isThreadAllocatedMemorySupported());
        threads.setThreadAllocatedMemoryEnabled(true);
        try (TwoSides sides = new TwoSides(packed, 64, features | VirtioFeatures.INDIRECT_DESC)) {
            if (way.equals("logged chains")) {
                long bytes = InflightLayout.regionBytes(packed, 64);
                long region = sides.guest.host(sides.buffer(bytes));
                sides.device = DeviceQueue.create(sides.config(TwoSides.firstBase(packed), region, bytes));
            }
            Load load = new Load(sides, way.equals("bursts"));
            load.rounds(2_000);
            long least = Long.MAX_VALUE;
            // The compiler may hand this thread an allocation of its own while it swaps code in; it does so only once.
            for (int attempt = 0; attempt < 5 && least != 0; attempt++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                load.rounds(2_000);
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least, "bytes allocated for " + 2_000 * 2 * BURST + " requests");
        }
    }

    private static final class Load {
        private final TwoSides sides;
        private final long[] addresses = new long[3];
        private final int[] lengths = {16, 4096, 1};
        private final long[] tables = new long[BURST];
        private final long[] tableHosts = new long[BURST];

        /** Null takes chains one by one. */
        private final ChainBurst burst;

        Load(TwoSides sides, boolean bursts) {
            this.sides = sides;
            burst = bursts ? new ChainBurst(BURST) : null;
            addresses[0] = sides.buffer(16);
            addresses[1] = sides.buffer(4096);
            addresses[2] = sides.buffer(8);
            for (int i = 0; i < BURST; i++) {
                tables[i] = sides.buffer(64);
                tableHosts[i] = sides.guest.host(tables[i]);
            }
        }

        void rounds(int count) {
            for (int i = 0; i < count; i++) {
                round();
            }
        }

        private void round() {
            for (int i = 0; i < BURST; i++) {
                int direct = sides.driver.add(addresses, lengths, 0, 1, 2);
                int indirect = sides.driver.addIndirect(tableHosts[i], tables[i], addresses, lengths, 0, 2, 1);
                assert direct >= 0 && indirect >= 0;
            }
            sides.driver.publishAvailable();
            int served = burst == null ? serveChains() : serveBursts();
            sides.device.publishUsed();
            sides.device.armKicks();
            sides.device.suppressKicks();
            int done = 0;
            while (sides.driver.popUsed() >= 0) {
                done++;
            }
            sides.driver.armCalls();
            sides.driver.suppressCalls();
            assertTrue(served == 2 * BURST && done == 2 * BURST, "not every request was served");
        }

        private int serveChains() {
            int served = 0;
            while (sides.device.pop(sides.chain)) {
                sides.device.putUsed(sides.chain, sides.chain.writableBytes);
                served++;
            }
            return served;
        }

        private int serveBursts() {
            int served = 0;
            while (sides.device.popBurst(burst, BURST) != 0) {
                sides.device.unpop(burst, (burst.count + 1) / 2);
                sides.device.putUsedBurst(burst, 0, burst.count);
                served += burst.count;
            }
            return served;
        }
    }
}
