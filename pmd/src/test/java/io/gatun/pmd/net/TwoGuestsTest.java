package io.gatun.pmd.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.vring.VirtioFeatures;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** From one guest to another, copied once: content, allocation, and whose fault it is when memory vanishes. */
class TwoGuestsTest {
    private static final int BURST = 16;

    static Stream<Arguments> kinds() {
        List<Arguments> kinds = new ArrayList<>();
        for (boolean packed : new boolean[] {false, true}) {
            for (long without : new long[] {
                0,
                VirtioFeatures.IN_ORDER,
                VirtioNet.F_MRG_RXBUF,
                VirtioFeatures.EVENT_IDX | VirtioFeatures.IN_ORDER,
            }) {
                kinds.add(Arguments.of(packed, without));
            }
        }
        return kinds.stream();
    }

    @ParameterizedTest(name = "packed={0} without=0x{1}")
    @MethodSource("kinds")
    void everyByteArrivesInOrder(boolean packed, long without) {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (NetGuest a = new NetGuest(packed, without);
                NetGuest b = new NetGuest(!packed, without)) {
            a.port.forwardTo((from, burst) -> b.port.txQueue.send(burst));
            boolean mergeable = (b.features & VirtioNet.F_MRG_RXBUF) != 0;
            int bufferBytes = mergeable ? 1536 : 66_000;
            ArrayDeque<byte[]> expected = new ArrayDeque<>();
            ArrayDeque<Long> buffers = new ArrayDeque<>();
            int arrived = 0;
            while (arrived < 3_000) {
                while (b.receiveq.free() > 0 && buffers.size() < (mergeable ? 60 : 20)) {
                    buffers.add(b.post(bufferBytes));
                }
                for (int i = random.nextInt(6); i >= 0; i--) {
                    byte[] packet = packet(random, i == 0);
                    transmit(a, packet, random);
                    expected.add(packet);
                }
                a.rx.poll(64);
                while (a.transmitq.popUsed() >= 0) {}
                arrived += receive(b, buffers, expected, seed);
                assertEquals(0, b.port.txQueue.counters().dropped(), "seed " + seed);
            }
            assertEquals(arrived, a.port.rxQueue.counters().packets());
        }
    }

    /** One of the largest at a time, so that the posted buffers suffice. */
    private static byte[] packet(Random random, boolean mayBeLarge) {
        int longest = mayBeLarge && random.nextInt(10) == 0 ? 65_000 : random.nextInt(4) == 0 ? 3000 : 200;
        byte[] packet = new byte[14 + random.nextInt(longest)];
        random.nextBytes(packet);
        return packet;
    }

    private static void transmit(NetGuest guest, byte[] packet, Random random) {
        byte[] bytes = NetGuest.concat(new byte[NetHeader.BYTES], packet);
        int[] cuts = random.ints(random.nextInt(4), 1, bytes.length).distinct().sorted().toArray();
        if (random.nextBoolean()) {
            guest.transmitIndirect(bytes, cuts);
        } else {
            guest.transmit(bytes, cuts);
        }
    }

    /** As a driver does: {@code num_buffers} used buffers make a packet. */
    private static int receive(NetGuest guest, ArrayDeque<Long> buffers, ArrayDeque<byte[]> expected, long seed) {
        int count = 0;
        while (guest.receiveq.popUsed() >= 0) {
            byte[] all = guest.read(buffers.remove(), (int) guest.receiveq.usedLength());
            int more = Byte.toUnsignedInt(all[NetHeader.NUM_BUFFERS]) - 1;
            for (int i = 0; i < more; i++) {
                assertFalse(guest.receiveq.popUsed() < 0, "all buffers of a packet are used at once");
                all = NetGuest.concat(all, guest.read(buffers.remove(), (int) guest.receiveq.usedLength()));
            }
            byte[] packet = Arrays.copyOfRange(all, NetHeader.BYTES, all.length);
            assertArrayEquals(expected.remove(), packet, "seed " + seed);
            count++;
        }
        return count;
    }

    /** Two guests with packets and buffers that are made once. */
    private static final class Traffic {
        final NetGuest from;
        final NetGuest to;
        private final long[] packets = new long[BURST];
        private final long[] buffers = new long[BURST];
        private final long[] address = new long[1];
        private final int[] packetBytes = {NetHeader.BYTES + 64};
        private final int[] bufferBytes = {1024};

        Traffic(NetGuest from, NetGuest to) {
            this.from = from;
            this.to = to;
            for (int i = 0; i < BURST; i++) {
                packets[i] = from.allocate(NetHeader.BYTES + 64);
                buffers[i] = to.allocate(1024);
            }
            from.port.forwardTo((queue, burst) -> to.port.txQueue.send(burst));
        }

        int round() {
            for (int i = 0; i < BURST; i++) {
                address[0] = packets[i];
                from.transmitq.add(address, packetBytes, 0, 1, 0);
                address[0] = buffers[i];
                to.receiveq.add(address, bufferBytes, 0, 0, 1);
            }
            from.transmitq.publishAvailable();
            to.receiveq.publishAvailable();
            int done = from.rx.poll(64);
            Memory.settle();
            return done;
        }

        void collect() {
            while (from.transmitq.popUsed() >= 0) {}
            while (to.receiveq.popUsed() >= 0) {}
        }
    }

    @ParameterizedTest(name = "packed={0} without=0x{1}")
    @MethodSource("kinds")
    void aPacketAllocatesNothing(boolean packed, long without) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        assumeTrue(threads.isThreadAllocatedMemorySupported());
        threads.setThreadAllocatedMemoryEnabled(true);
        try (NetGuest a = new NetGuest(packed, without);
                NetGuest b = new NetGuest(packed, without)) {
            Traffic traffic = new Traffic(a, b);
            long least = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 6 && least != 0; attempt++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 3_000; i++) {
                    traffic.round();
                    traffic.collect();
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least, "bytes allocated for " + 3_000 * BURST + " packets");
            assertEquals(0, b.port.txQueue.counters().dropped());
        }
    }

    @ParameterizedTest(name = "after {0} rounds")
    @ValueSource(ints = {0, 20_000})
    void aReceiverWhoseMemoryVanishesBreaksItselfOnly(int warmUp) {
        try (NetGuest a = new NetGuest(false, 0);
                NetGuest b = new NetGuest(false, 0)) {
            Traffic traffic = new Traffic(a, b);
            warmUp(traffic, warmUp);
            // Rings stay, buffers go.
            b.file.setLength(4096);
            int round = traffic.round();
            assertEquals(BURST, round);
            assertFalse(a.transmitDevice.isBroken());
            assertTrue(b.receiveDevice.isBroken());
            assertTrue(b.port.txQueue.counters().dropped(Drop.FAILED) > 0);
            traffic.from.transmitq.popUsed();
        }
    }

    @ParameterizedTest(name = "after {0} rounds")
    @ValueSource(ints = {0, 20_000})
    void aSenderWhoseMemoryVanishesBreaksItselfOnly(int warmUp) {
        try (NetGuest a = new NetGuest(false, VirtioNet.F_CSUM | VirtioNet.F_HOST_TSO4 | VirtioNet.F_HOST_TSO6
                        | VirtioNet.F_HOST_USO | VirtioNet.F_HOST_ECN);
                NetGuest b = new NetGuest(false, 0)) {
            Traffic traffic = new Traffic(a, b);
            warmUp(traffic, warmUp);
            a.file.setLength(8192);
            assertThrows(InternalError.class, traffic::round);
            assertFalse(b.receiveDevice.isBroken());
        }
    }

    @ParameterizedTest(name = "packed={0}")
    @ValueSource(booleans = {false, true})
    void aSenderWhosePacketEndsInNothingCostsTheReceiverNoBuffer(boolean packed) {
        try (NetGuest b = new NetGuest(packed, 0);
                MemoryFile file = MemoryFile.create("sender", 8192);
                Mapping sender = file.map();
                Mapping good = Mapping.anonymous(4096);
                Burst burst = new Burst()) {
            for (int i = 0; i < BURST; i++) {
                b.post(2048);
            }
            burst.add(good.address(), 60);
            burst.add(sender.address() + 4096 - 64, 200);
            file.setLength(4096);
            assertThrows(InternalError.class, () -> b.port.txQueue.send(burst));
            assertFalse(b.receiveDevice.isBroken());
            int taken = countUsed(b);
            burst.clear();
            for (int i = taken; i < BURST; i++) {
                burst.add(good.address(), 60);
            }
            b.port.txQueue.send(burst);
            assertEquals(BURST - taken, countUsed(b));
        }
    }

    private static int countUsed(NetGuest guest) {
        int count = 0;
        while (guest.receiveq.popUsed() >= 0) {
            count++;
        }
        return count;
    }

    private static void warmUp(Traffic traffic, int rounds) {
        for (int i = 0; i < rounds; i++) {
            assertEquals(BURST, traffic.round());
            traffic.collect();
        }
    }

    @Test
    void aGuestThatNeverTakesItsPacketsCostsTheOthersNone() {
        try (NetGuest a = new NetGuest(false, 0);
                NetGuest deaf = new NetGuest(false, 0);
                NetGuest b = new NetGuest(false, 0)) {
            Traffic traffic = new Traffic(a, b);
            a.port.forwardTo((queue, burst) -> {
                deaf.port.txQueue.send(burst);
                b.port.txQueue.send(burst);
            });
            for (int i = 0; i < 100; i++) {
                assertEquals(BURST, traffic.round());
                traffic.collect();
            }
            assertEquals(100 * BURST, b.port.txQueue.counters().packets());
            assertEquals(100 * BURST, deaf.port.txQueue.counters().dropped(Drop.NO_BUFFER));
        }
    }
}
