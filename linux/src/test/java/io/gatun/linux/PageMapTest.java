package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PageMapTest {
    @Test
    void tellsPhysicalAddressesOfPagesThatAreThere() {
        try (PageMap pages = PageMap.open();
                Mapping map = Mapping.anonymous(2 * 4096)) {
            assertEquals(-Errno.EFAULT, pages.physicalAddress(map.address()));
            Memory.putByte(map.address(), (byte) 1);
            long physical = pages.physicalAddress(map.address());
            assertTrue(physical > 0 || physical == -Errno.EPERM, "physical address " + physical);
            if (physical > 0) {
                assertEquals(0, physical & 4095);
                assertEquals(physical + 77, pages.physicalAddress(map.address() + 77));
            }
            assertEquals(-Errno.EFAULT, pages.physicalAddress(map.address() + 4096));
        }
    }

    @Test
    void tellsTheSizeOfPages() {
        long address;
        try (Mapping map = Mapping.anonymous(16 * 4096)) {
            address = map.address();
            assertEquals(4096, PageMap.pageBytes(address, 16 * 4096));
            assertEquals(4096, PageMap.pageBytes(address + 4096, 4096));
            assertEquals(0, PageMap.pageBytes(address, 1L << 46));
        }
        assertEquals(0, PageMap.pageBytes(4096, 4096));
    }

    @Test
    void aRangeMayCrossMappings() {
        try (MemoryFile file = MemoryFile.create("pages", 8 * 4096);
                Mapping whole = file.map()) {
            // Locking a part makes it a mapping of its own, as /proc shows it.
            int locked = MemoryLock.lock(whole.address() + 4096, 4096);
            assertTrue(locked == 0 || locked == -Errno.ENOMEM || locked == -Errno.EPERM, Errno.name(locked));
            assertEquals(4096, PageMap.pageBytes(whole.address(), 8 * 4096));
            assertEquals(0, MemoryLock.unlock(whole.address() + 4096, 4096));
        }
    }

    @Test
    void theLimitOfLockedMemoryIsNamedWithItsRemedy() {
        long limit = MemoryLock.limitBytes();
        assertTrue(limit >= 0, "limit " + limit);
        String remedy = MemoryLock.remedy(5000);
        assertTrue(remedy.contains("locking 5 KiB more"), remedy);
        assertTrue(remedy.contains("ulimit -l"), remedy);
        assertTrue(remedy.contains(limit == MemoryLock.UNLIMITED ? "unlimited" : limit / 1024 + " KiB"), remedy);
    }
}
