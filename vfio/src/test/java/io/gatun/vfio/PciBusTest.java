package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PciBusTest {
    @TempDir
    Path root;

    @Test
    void readsWhatSysfsSays() throws Exception {
        FakeMachine machine = new FakeMachine(root);
        PciAddress address = machine.nvme("0000:00:04.0");
        PciFunction bare = machine.bus().function(address);
        assertEquals(Optional.empty(), bare.driver());
        assertEquals(-1, bare.iommuGroup());
        assertEquals(-1, bare.numaNode());

        machine.write(FakeMachine.device("0000:00:04.0") + "/numa_node", "1\n");
        machine.bound("0000:00:04.0", "nvme");
        machine.group("0000:00:04.0", 12, "DMA");
        PciFunction function = machine.bus().function(address);
        assertEquals(0x1b36, function.vendorId());
        assertEquals(0x0010, function.deviceId());
        assertEquals(PciFunction.CLASS_NVME, function.classCode());
        assertEquals(1, function.numaNode());
        assertTrue(function.hasDriver("nvme"));
        assertEquals(12, function.iommuGroup());
        assertEquals(new PciBar(0, 0x4000, true, false, true), function.bars().get(0));
        assertEquals(0, function.bars().get(1).lengthBytes());
        assertEquals(new PciBar(2, 64, false, false, false), function.bars().get(2));
        assertEquals(new PciBar(3, 256 << 20, true, true, true), function.bars().get(3));
        assertEquals("0000:00:04.0 1b36:0010", function.toString());
    }

    @Test
    void listsByAddressAndGroup() throws Exception {
        FakeMachine machine = new FakeMachine(root);
        for (String address : List.of("0001:00:00.0", "0000:00:1f.2", "0000:00:04.0")) {
            machine.nvme(address);
        }
        machine.group("0000:00:04.0", 3, "DMA");
        machine.group("0001:00:00.0", 3, "DMA");
        assertEquals(
                List.of("0000:00:04.0", "0000:00:1f.2", "0001:00:00.0"),
                machine.bus().functions().stream().map(f -> f.address().toString()).toList());
        assertEquals(
                List.of("0000:00:04.0", "0001:00:00.0"),
                machine.bus().group(3).stream().map(f -> f.address().toString()).toList());
    }

    @Test
    void aFunctionThatIsNotThereIsOneClearLine() throws Exception {
        PciBus bus = new FakeMachine(root).bus();
        LinuxException refused =
                assertThrows(LinuxException.class, () -> bus.function(PciAddress.parse("0000:00:09.0")));
        assertEquals(Errno.ENODEV, refused.errno());
        assertTrue(refused.getMessage().contains("0000:00:09.0"), refused.getMessage());
        assertTrue(refused.getMessage().contains("gatun pci list"), refused.getMessage());
        assertEquals(List.of(), bus.functions());
        assertEquals(List.of(), new PciBus(root.resolve("nowhere")).functions());
    }
}
