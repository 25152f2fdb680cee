package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PacketPoolTest {
    private final Mapping memory = Mapping.anonymous(1 << 16);
    private final Burst burst = new Burst();
    private final Burst copies = new Burst();
    private final PacketPool pool = PacketPool.create(8, 128);

    PacketPoolTest() {
        for (int i = 0; i < 4096; i++) {
            Memory.putByte(memory.address() + i, (byte) (i * 7));
        }
    }

    @AfterEach
    void close() {
        burst.close();
        copies.close();
        pool.close();
        memory.close();
    }

    @Test
    void everyLengthComesBackAsItWas() {
        for (int length = 1; length <= 8 * 128; length += 13) {
            burst.clear();
            burst.add(memory.address(), 1);
            for (int at = 1; at < length; at += 50) {
                burst.addSegment(memory.address() + at, Math.min(50, length - at));
            }
            burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 1448, 34);
            burst.checksumOffsets[0] = 16;
            PacketBuffer copy = pool.copy(burst, 0);
            copies.clear();
            copy.addTo(copies);
            assertEquals(8 - (length + 127) / 128, pool.free());
            assertEquals(length, copies.lengths[0]);
            assertEquals(length, copy.packetBytes());
            assertEquals(burst.offloads[0], copies.offloads[0]);
            assertEquals(16, copies.checksumOffsets[0]);
            long out = memory.address() + 8192;
            copies.copyOut(0, 0, out, length);
            for (int i = 0; i < length; i++) {
                assertEquals((byte) (i * 7), Memory.getByte(out + i), "byte " + i + " of " + length);
            }
            pool.giveBack(copy);
            assertEquals(8, pool.free());
        }
    }

    @Test
    void aPacketThatDoesNotFitTakesNothing() {
        burst.add(memory.address(), 8 * 128 + 1);
        assertNull(pool.copy(burst, 0));
        assertEquals(8, pool.free());
        burst.add(memory.address(), 7 * 128);
        PacketBuffer most = pool.copy(burst, 1);
        assertNull(pool.copy(burst, 1));
        assertEquals(1, pool.free());
        pool.giveBack(most);
        PacketBuffer front = pool.copy(burst, 0, 100);
        assertNotNull(front);
        assertEquals(100, front.usedBytes());
        assertEquals(8 * 128 + 1, front.packetBytes());
        pool.giveBack(front);
    }

    @Test
    void poolsWithoutBuffersAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> PacketPool.create(0, 2048));
        assertThrows(IllegalArgumentException.class, () -> PacketPool.create(1, 1));
    }
}
