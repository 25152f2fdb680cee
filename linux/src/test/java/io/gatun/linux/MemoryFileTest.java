package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryFileTest {
    @Test
    void twoMappingsShareOneFile() {
        int mappings = Mapping.openCount();
        try (MemoryFile file = MemoryFile.create("shared", 8192);
                Mapping one = file.map();
                Mapping two = Mapping.shared(file.fd(), 4096, 4096)) {
            assertEquals(8192, file.lengthBytes());
            assertEquals(8192, one.lengthBytes());
            Memory.putLong(one.address() + 4096, 0x0123_4567_89ab_cdefL);
            assertEquals(0x0123_4567_89ab_cdefL, Memory.getLong(two.address()));
        }
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void aMappingGetsTheFileOfAnother() {
        try (MemoryFile before = MemoryFile.create("before", 8192);
                MemoryFile after = MemoryFile.create("after", 8192);
                Mapping map = before.map();
                Mapping other = after.map()) {
            Memory.putLong(map.address() + 4096, 1);
            Memory.putLong(other.address() + 4096, 2);
            map.replace(after.fd());
            assertEquals(2, Memory.getLong(map.address() + 4096));
            assertEquals(0, before.setLength(0));
            Memory.putLong(map.address() + 4096, 3);
            assertEquals(3, Memory.getLong(other.address() + 4096));
        }
    }

    @Test
    void sealsForbidShrinking() {
        try (MemoryFile file = MemoryFile.create("sealed", 8192)) {
            assertEquals(0, file.seals());
            assertEquals(0, file.addSeals(MemoryFile.SEAL_SHRINK | MemoryFile.SEAL_SEAL));
            assertEquals(MemoryFile.SEAL_SHRINK | MemoryFile.SEAL_SEAL, file.seals());
            assertEquals(-Errno.EPERM, file.setLength(4096));
            assertEquals(0, file.setLength(16384));
            assertEquals(-Errno.EPERM, file.addSeals(MemoryFile.SEAL_GROW));
        }
    }

    @Test
    void opensFilesByPath(@TempDir Path directory) throws Exception {
        String path = directory.resolve("memory").toString();
        assertEquals(Errno.ENOENT, assertThrows(LinuxException.class, () -> MemoryFile.open(path)).errno());
        try (MemoryFile made = MemoryFile.open(path, 4096);
                MemoryFile found = MemoryFile.open(path);
                Mapping map = found.map()) {
            assertEquals(4096, found.lengthBytes());
            Memory.putByte(map.address(), (byte) 'G');
            assertEquals("rw-------", permissions(path));
            assertEquals(0, made.setLength(8192));
            assertEquals(8192, found.lengthBytes());
        }
        assertEquals('G', Files.readAllBytes(Path.of(path))[0]);
    }

    @Test
    void hugepagesAreTakenAtOnceOrRefusedWithTheRemedy() throws Exception {
        int fds = Fd.openCount();
        try (MemoryFile file = MemoryFile.createHuge("huge", 2 << 20);
                Mapping map = file.map()) {
            Memory.putLong(map.address() + (2 << 20) - 8, 1);
        } catch (LinuxException e) {
            assertTrue(e.getMessage().contains("/proc/sys/vm/nr_hugepages"), e.getMessage());
            assertEquals(fds, Fd.openCount());
            assumeTrue(false, "no hugepages here: " + e.getMessage());
        }
    }

    @Test
    void hugepagesOfAnUnevenLengthAreUnmapped() throws Exception {
        long before = mappedHugepages();
        try (MemoryFile file = MemoryFile.createHuge("huge", 2 << 20);
                Mapping map = Mapping.shared(file.fd(), 0, 4096)) {
            assertEquals(4096, map.lengthBytes());
            Memory.putLong(map.address(), 1);
            assertTrue(mappedHugepages() > before);
        } catch (LinuxException e) {
            assumeTrue(false, "no hugepages here: " + e.getMessage());
        }
        assertEquals(before, mappedHugepages());
    }

    private static long mappedHugepages() throws Exception {
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("memfd:huge")).count();
        }
    }

    private static String permissions(String path) throws Exception {
        return java.nio.file.attribute.PosixFilePermissions.toString(Files.getPosixFilePermissions(Path.of(path)));
    }
}
