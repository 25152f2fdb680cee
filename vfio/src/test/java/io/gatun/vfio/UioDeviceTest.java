package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What needs no device: {@link UioInGuest} has one. */
class UioDeviceTest {
    private static final String ADDRESS = "0000:00:04.0";

    @TempDir
    Path root;

    /** A file that takes no bytes stands for both of the kernel's. */
    @Test
    void aFunctionThatRefusesTheBusLeavesNothingOpen() throws Exception {
        FakeMachine machine = new FakeMachine(root);
        PciAddress address = machine.nvme(ADDRESS);
        machine.bound(ADDRESS, UioDevice.DRIVER);
        machine.write(FakeMachine.device(ADDRESS) + "/uio/full/name", "");
        Path config = root.resolve(FakeMachine.device(ADDRESS)).resolve("config");
        Files.delete(config);
        Files.createSymbolicLink(config, Path.of("/dev/full"));
        try (PhysicalSpace memory = new PhysicalSpace()) {
            PciFunction function = machine.bus().function(address);
            int fds = Fd.openCount();
            int mappings = Mapping.openCount();
            LinuxException refused = assertThrows(LinuxException.class, () -> UioDevice.open(function, memory));
            assertTrue(refused.getMessage().contains("register 0x4 of " + ADDRESS), refused.getMessage());
            assertEquals(fds, Fd.openCount());
            assertEquals(mappings, Mapping.openCount());
        } finally {
            Files.delete(config);
        }
    }
}
