package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class IommuFdTest {
    @Test
    void whatIsNoIommuIsRefused() {
        try (MemoryFile file = MemoryFile.create("none", 4096)) {
            int fd = file.fd().value();
            assertEquals(-Errno.ENOTTY, IommuFd.allocateSpace(fd));
            assertEquals(-Errno.ENOTTY, IommuFd.map(fd, 1, 4096, 4096, 4096));
            assertEquals(-Errno.ENOTTY, IommuFd.unmap(fd, 1, 4096, 4096));
            assertEquals(-Errno.ENOTTY, IommuFd.bind(fd, fd));
            assertEquals(-Errno.ENOTTY, IommuFd.attach(fd, 1));
            assertEquals(Errno.ENOTTY, assertThrows(LinuxException.class, () -> IommuFd.ranges(fd, 1)).errno());
        }
    }
}
