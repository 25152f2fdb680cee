package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import org.junit.jupiter.api.Test;

class BarTest {
    @Test
    void readsAndWritesRegistersOfBothWidths() {
        try (MemoryFile file = MemoryFile.create("bar", 4096);
                Mapping other = file.map();
                Bar bar = new Bar(file.map())) {
            bar.writeLong(0x28, 0x0123_4567_89ab_cdefL);
            bar.writeInt(0x14, 0x0046_0001);
            assertEquals(0x0123_4567_89ab_cdefL, Memory.getLong(other.address() + 0x28));
            assertEquals(0x0046_0001, Memory.getInt(other.address() + 0x14));
            assertEquals(0x0123_4567_89ab_cdefL, bar.readLong(0x28));
            assertEquals(0x89ab_cdef, bar.readInt(0x28));
            assertEquals(4096, bar.lengthBytes());
        }
    }

    @Test
    void accessesOutsideOrAcrossAreMistakes() {
        try (MemoryFile file = MemoryFile.create("bar", 4096);
                Bar bar = new Bar(file.map())) {
            assertThrows(AssertionError.class, () -> bar.readInt(4096));
            assertThrows(AssertionError.class, () -> bar.readInt(-4));
            assertThrows(AssertionError.class, () -> bar.readLong(4));
            assertThrows(AssertionError.class, () -> bar.writeInt(2, 0));
            assertThrows(AssertionError.class, () -> bar.writeLong(4096, 0));
        }
    }

    @Test
    void aDetachedOneReadsAsOnesAndWritesNowhere() {
        try (MemoryFile file = MemoryFile.create("bar", 8192);
                Mapping other = file.map();
                Bar bar = new Bar(file.map())) {
            bar.writeInt(0x1c, 1);
            bar.detach();
            assertEquals(-1, bar.readInt(0x1c));
            assertEquals(-1, bar.readLong(4096));
            bar.writeInt(0x1000, 5);
            assertEquals(1, Memory.getInt(other.address() + 0x1c));
            assertEquals(0, Memory.getInt(other.address() + 0x1000));
        }
    }

    /** As where vfio-pci takes the mapping of a function away; in every tier of the compiler. */
    @Test
    void aFunctionThatHasGoneReadsAsOnes() {
        try (MemoryFile file = MemoryFile.create("bar", 4096);
                Bar bar = new Bar(file.map())) {
            for (int i = 0; i < 20_000; i++) { // compiled, as in a driver that has run for a while
                bar.writeInt(0, i);
                assertEquals(i, bar.readInt(0));
                assertEquals(i, bar.readLong(0));
            }
            assertEquals(0, file.setLength(0));
            for (int i = 0; i < 200; i++) {
                assertEquals(-1, bar.readInt(0));
                assertEquals(-1, bar.readLong(8));
                bar.writeInt(0, i);
                bar.writeLong(8, i);
            }
        }
    }
}
