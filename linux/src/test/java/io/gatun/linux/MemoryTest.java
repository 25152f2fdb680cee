package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the accessors read and write, and what checked mode (on in every test) refuses. */
class MemoryTest {
    private final Mapping map = Mapping.anonymous(8192);
    private final long a = map.address();

    @AfterEach
    void close() {
        map.close();
    }

    @Test
    void copiesEveryShortLengthAndNothingBehindIt() {
        try (Mapping from = Mapping.anonymous(4096);
                Mapping to = Mapping.anonymous(4096)) {
            for (int i = 0; i < 600; i++) {
                Memory.putByte(from.address() + i, (byte) (i * 31 + 7));
            }
            for (int length = 0; length < 300; length++) {
                Memory.fill(to.address(), 600, (byte) 0x55);
                Memory.copyApart(from.address() + 3, to.address() + 5, length);
                for (int i = 0; i < 400; i++) {
                    int expected = i >= 5 && i < 5 + length ? (byte) ((i - 2) * 31 + 7) : 0x55;
                    assertEquals(expected, Memory.getByte(to.address() + i));
                }
            }
        }
    }

    @Test
    void valuesAreLittleEndianAndZeroExtended() {
        Memory.putLong(a, 0xf1f2_f3f4_f5f6_f7f8L);
        assertEquals((byte) 0xf8, Memory.getByte(a));
        assertEquals(0xf7f8, Memory.getUnsignedShort(a));
        assertEquals(0xf7f8, Memory.loadAcquireShort(a));
        assertEquals(0xf5f6_f7f8L, Memory.getUnsignedInt(a));
        assertEquals(0xf5f6_f7f8, Memory.getInt(a));
        assertEquals(0xf5f6_f7f8, Memory.loadAcquireInt(a));
        assertEquals(0xf1f2_f3f4_f5f6_f7f8L, Memory.getLong(a));
    }

    @Test
    void plainAccessesNeedNoAlignment() {
        Memory.putLong(a + 1, 0x0102_0304_0506_0708L);
        assertEquals(0x0102_0304_0506_0708L, Memory.getLong(a + 1));
        assertEquals(0x0506_0708, Memory.getInt(a + 1));
        assertEquals(0x0708, Memory.getUnsignedShort(a + 1));
        Memory.putInt(a + 3, -1);
        Memory.putShort(a + 9, 0x1_ffff);
        assertEquals(0x0000_00ff_ffff_ff07L, Memory.getLong(a + 2) & 0xffff_ffff_ffL);
        assertEquals(0xffff, Memory.getUnsignedShort(a + 9));
        assertThrows(IllegalArgumentException.class, () -> Memory.loadAcquireShort(a + 1));
        assertThrows(IllegalArgumentException.class, () -> Memory.loadAcquireInt(a + 2));
    }

    @Test
    void copiesAndFills() {
        byte[] bytes = {1, 2, 3, 4, 5};
        Memory.copyFromArray(bytes, 1, a + 10, 4);
        Memory.copy(a + 10, a + 11, 4);
        byte[] read = new byte[7];
        Memory.copyToArray(a + 10, read, 1, 5);
        assertArrayEquals(new byte[] {0, 2, 2, 3, 4, 5, 0}, read);
        Memory.fill(a + 10, 3, (byte) -1);
        assertEquals(0x0000_0504_ffff_ff00L, Memory.getLong(a + 9) & 0xffff_ffff_ffffL);
        Memory.fill(a, 0, (byte) 9);
        assertEquals(0, Memory.getByte(a));
    }

    @Test
    void baseIsTheSameAddress() {
        assertEquals(a, Memory.base(a));
        assertThrows(AssertionError.class, () -> Memory.base(-1));
    }

    @Test
    void settleIsQuietWhereNothingVanished() {
        assertDoesNotThrow(Memory::settle);
    }

    @Test
    void checkedModeRefusesWhatLiesOutsideAndNamesTheNearest() {
        assertTrue(Memory.CHECKED, "run tests with -Dgatun.memory.checked=true");
        long end = a + 8192;
        assertEquals(0, Memory.getLong(end - 8));
        IndexOutOfBoundsException e =
                assertThrows(IndexOutOfBoundsException.class, () -> Memory.getLong(end - 4));
        assertTrue(e.getMessage().contains("0x" + Long.toHexString(end - 4) + ", 8 bytes"), e.getMessage());
        assertTrue(e.getMessage().contains("[0x" + Long.toHexString(a)), e.getMessage());
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.putByte(a - 1, (byte) 0));
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.copy(a, end - 8, 16));
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.copy(a, a + 16, -1));
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.fill(a, Long.MAX_VALUE, (byte) 0));
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.getInt(0));
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.getInt(-1));
    }

    @Test
    void checkedModeForgetsAClosedMapping() {
        Mapping gone = Mapping.anonymous(4096);
        gone.close();
        assertThrows(IndexOutOfBoundsException.class, () -> Memory.getByte(gone.address()));
    }

    @Test
    void mappingsCloseOnceAndAreCounted() {
        int before = Mapping.openCount();
        Mapping other = Mapping.anonymous(4096);
        assertEquals(before + 1, Mapping.openCount());
        other.close();
        other.close();
        assertEquals(before, Mapping.openCount());
    }

    @Test
    void impossibleMappingsSayWhy() {
        LinuxException e = assertThrows(LinuxException.class, () -> Mapping.anonymous(0));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.getMessage().startsWith("mmap 0 bytes of anonymous memory: EINVAL"), e.getMessage());
        try (EventFd event = EventFd.create()) {
            LinuxException wrong =
                    assertThrows(LinuxException.class, () -> Mapping.shared(event.fd(), 0, 4096));
            assertEquals(Errno.ENODEV, wrong.errno());
        }
    }
}
