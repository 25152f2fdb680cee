package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import org.junit.jupiter.api.Test;

class PhysicalSpaceTest {
    @Test
    void ordinaryPagesAreRefusedWithTheRemedy() {
        int fds = Fd.openCount();
        try (PhysicalSpace space = new PhysicalSpace();
                Mapping ordinary = Mapping.anonymous(1 << 20)) {
            LinuxException refused =
                    assertThrows(LinuxException.class, () -> space.map(ordinary.address(), ordinary.lengthBytes()));
            assertTrue(refused.getMessage().contains("hugetlb=on"), refused.getMessage());
            assertEquals(DmaSpace.UNMAPPED, space.translate(ordinary.address()));
        }
        assertEquals(fds, Fd.openCount());
    }

    @Test
    void hugepagesAreFoundPageByPage() {
        int mappings = Mapping.openCount();
        try (PhysicalSpace space = new PhysicalSpace()) {
            try (DmaBuffer buffer = space.allocate(3 << 20)) {
                long address = buffer.address();
                assertEquals(4 << 20, buffer.lengthBytes());
                for (long at = address; at < address + buffer.lengthBytes(); at += 2 << 20) {
                    assertEquals(0, space.translate(at) & (2 << 20) - 1);
                    assertEquals(space.translate(at) + 12345, space.translate(at + 12345));
                    assertEquals((2 << 20) - 12345, space.contiguousBytes(at + 12345));
                }
                assertTrue(space.translate(address) != space.translate(address + (2 << 20)));
            } catch (LinuxException e) {
                assertTrue(
                        (e.errno() == Errno.EPERM && e.getMessage().contains("run as root"))
                                || e.getMessage().contains("nr_hugepages"),
                        e.getMessage());
                assumeTrue(false, "no hugepages, or not root: " + e.getMessage());
            }
        }
        assertEquals(mappings, Mapping.openCount());
    }
}
