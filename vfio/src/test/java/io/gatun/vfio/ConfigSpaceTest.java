package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfigSpaceTest {
    @TempDir
    Path root;

    private Path file;
    private Fd fd;
    private ConfigSpace config;

    @BeforeEach
    void open() throws Exception {
        FakeMachine machine = new FakeMachine(root);
        machine.nvme("0000:00:04.0");
        file = root.resolve(FakeMachine.device("0000:00:04.0")).resolve("config");
        fd = FileIo.open(file.toString(), FileIo.O_RDWR, 0);
        config = new ConfigSpace("0000:00:04.0", fd.value(), 0);
    }

    @AfterEach
    void close() {
        fd.close();
    }

    @Test
    void readsAndWritesRegisters() {
        assertEquals(0x1b36, config.readShort(ConfigSpace.VENDOR_ID));
        assertEquals(0x0010_1b36L, config.readInt(ConfigSpace.VENDOR_ID));
        assertEquals(1, config.readByte(ConfigSpace.INTERRUPT_PIN));
        config.changeCommand(ConfigSpace.COMMAND_BUS_MASTER, ConfigSpace.COMMAND_MEMORY);
        assertEquals(0x5, config.readShort(ConfigSpace.COMMAND));
        assertEquals(0x10, config.readShort(ConfigSpace.STATUS));
        config.writeInt(0x10, 0xfebd_4004);
        assertEquals(0xfebd_4004L, config.readInt(0x10));
    }

    @Test
    void findsCapabilities() {
        assertEquals(0x40, config.capability(ConfigSpace.CAPABILITY_MSIX));
        assertEquals(0x80, config.capability(ConfigSpace.CAPABILITY_PCI_EXPRESS));
        assertEquals(0x60, config.capability(ConfigSpace.CAPABILITY_POWER_MANAGEMENT));
        assertEquals(0, config.capability(ConfigSpace.CAPABILITY_MSI));
        assertEquals(0x100, config.extendedCapability(0x0001));
        assertEquals(0x150, config.extendedCapability(0x000d));
        assertEquals(0, config.extendedCapability(0x0010));
    }

    @Test
    void aListThatLoopsEnds() {
        config.writeShort(0x60, 0x4001);
        assertEquals(0, config.capability(ConfigSpace.CAPABILITY_MSI));
        config.writeInt(0x150, 0x1001_000d);
        assertEquals(0, config.extendedCapability(0x0010));
    }

    @Test
    void aFunctionWithoutAListHasNoCapability() {
        config.writeShort(ConfigSpace.STATUS, 0);
        assertEquals(0, config.capability(ConfigSpace.CAPABILITY_MSIX));
    }

    @Test
    void whatIsNotThereReadsAsOnes() throws Exception {
        assertFalse(config.isGone());
        try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
            raw.setLength(64); // what an unprivileged reader gets
            assertEquals(0xffff_ffffL, config.readInt(0x100));
            assertEquals(0, config.extendedCapability(0x0001));
            raw.setLength(0);
        }
        assertTrue(config.isGone());
        assertEquals(0xff, config.readByte(0));
        assertEquals(0, config.capability(ConfigSpace.CAPABILITY_MSIX));
    }

    @Test
    void aRefusedWriteSaysWhichRegister() {
        try (Fd readOnly = FileIo.open(file.toString(), FileIo.O_RDONLY, 0)) {
            ConfigSpace other = new ConfigSpace("0000:00:04.0", readOnly.value(), 0);
            LinuxException refused = assertThrows(LinuxException.class, () -> other.writeShort(0x04, 0x6));
            assertTrue(refused.getMessage().contains("0x6 to register 0x4 of 0000:00:04.0"), refused.getMessage());
        }
    }
}
