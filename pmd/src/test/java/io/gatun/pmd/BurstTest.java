package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BurstTest {
    private final Mapping memory = Mapping.anonymous(1 << 20);
    private final Burst burst = new Burst();

    BurstTest() {
        for (int i = 0; i < 4096; i++) {
            Memory.putByte(memory.address() + i, (byte) i);
        }
    }

    @AfterEach
    void close() {
        burst.close();
        memory.close();
    }

    @Test
    void aPacketInOneRunIsPulledWhereItLies() {
        burst.add(memory.address() + 10, 60);
        assertEquals(memory.address() + 10, burst.pull(0, 60));
    }

    @Test
    void headersThatAreSplitAcrossSegmentsArePulledIntoOneRun() {
        scattered();
        assertPacket(burst.pull(0, 30), 30);
        assertContents();
    }

    @Test
    void everyLengthOfAHeadKeepsThePacket() {
        for (int first = 1; first <= 60; first++) {
            for (int second = first; second <= 60; second += 7) {
                burst.clear();
                scattered();
                burst.editHead(0, first);
                assertPacket(burst.editHead(0, second), second);
                assertContents();
            }
        }
    }

    @Test
    void anEditedHeadIsPrivate() {
        burst.add(memory.address(), 100);
        long head = burst.editHead(0, 14);
        Memory.putByte(head, (byte) 77);
        assertEquals(0, Memory.getByte(memory.address()));
        assertEquals(77, Memory.getByte(burst.editHead(0, 40)));
        assertEquals(100, burst.lengths[0]);
    }

    @Test
    void aHeadGrowsInFrontAndTakesOffloadsAlong() {
        burst.add(memory.address(), 100);
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 1448, 34);
        burst.editHead(0, 12);
        burst.growHead(0, 4);
        assertEquals(104, burst.lengths[0]);
        assertEquals(38, NetHeader.checksumStart(burst.offloads[0]));
        assertEquals(58, NetHeader.headerLength(burst.offloads[0]));
        assertPacket(burst.growHead(0, -4), 12);
        assertContents();
    }

    /** A guest says what it likes of its headers' length, and another one is told of it. */
    @Test
    void aHeadersLengthNeitherWrapsNorOverflows() {
        burst.add(memory.address(), 100);
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 2, 1448, 34);
        burst.editHead(0, 18);
        burst.growHead(0, -4);
        assertEquals(0, NetHeader.headerLength(burst.offloads[0]));
        assertEquals(30, NetHeader.checksumStart(burst.offloads[0]));
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 0xfffe, 1448, 34);
        burst.growHead(0, 4);
        assertEquals(0xffff, NetHeader.headerLength(burst.offloads[0]));
    }

    /** Bytes 0 to 99 of the memory, in segments of 1, 2, 3 … bytes. */
    private void scattered() {
        burst.add(memory.address(), 1);
        for (int at = 1, length = 2; at < 100; at += length, length++) {
            burst.addSegment(memory.address() + at, Math.min(length, 100 - at));
        }
    }

    private void assertContents() {
        assertEquals(100, burst.lengths[0]);
        long copy = memory.address() + 8192;
        burst.copyOut(0, 0, copy, 100);
        assertPacket(copy, 100);
    }

    private static void assertPacket(long address, int bytes) {
        for (int i = 0; i < bytes; i++) {
            assertEquals((byte) i, Memory.getByte(address + i), "byte " + i);
        }
    }
}
