package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun pci} over a folder with a small sysfs. */
class PciCommandTest {
    private static final String NVME = "sys/devices/pci0000:00/0000:00:04.0";
    private static final String NIC = "sys/devices/pci0000:00/0000:00:05.0";

    @TempDir
    private Path root;

    private record Outcome(int code, String out, String err) {}

    private Outcome run(String... arguments) {
        return run("pci", arguments);
    }

    private Outcome run(String command, String[] arguments) {
        List<String> all = new ArrayList<>(List.of(command));
        all.addAll(List.of(arguments));
        if (arguments.length != 0) {
            all.add("--root=" + root);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Gatun.run(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                all.toArray(new String[0]));
        return new Outcome(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @BeforeEach
    void aControllerAndANetworkCard() throws IOException {
        function(NVME, "0x1b36", "0x0010", "0x010802");
        function(NIC, "0x8086", "0x10d3", "0x020000");
        write(NVME + "/numa_node", "1");
        link(NVME + "/iommu_group", "sys/kernel/iommu_groups/12");
        link(NVME + "/driver", "sys/bus/pci/drivers/nvme");
        write("sys/bus/pci/drivers/nvme/unbind", "");
        write("sys/bus/pci/drivers/vfio-pci/unbind", "");
        write("sys/bus/pci/drivers_probe", "");
    }

    @Test
    void listsControllersOrAll() {
        Outcome controllers = run("list");
        assertEquals(Gatun.OK, controllers.code());
        assertEquals(
                List.of(
                        "ADDRESS        ID        CLASS  NUMA IOMMU DRIVER",
                        "0000:00:04.0   1b36:0010 010802    1    12 nvme"),
                controllers.out().lines().toList());
        List<String> all = run("list", "--all").out().lines().toList();
        assertEquals("0000:00:05.0   8086:10d3 020000    -     - -", all.get(2));
    }

    @Test
    void listsNvmeControllersByThemselves() {
        String[] list = {"list"};
        assertEquals(
                List.of(
                        "ADDRESS         ID         DRIVER              NUMA  IOMMU GROUP",
                        "0000:00:04.0    1b36:0010  nvme                1     12"),
                run("nvme", list).out().lines().toList());
        String[] json = {"list", "--json"};
        assertTrue(run("nvme", json).out().contains("\"traddr\" : \"0000:00:04.0\""));
    }

    @Test
    void showsThePlanAndTouchesNothing() throws IOException {
        Outcome shown = run("bind", "00:04.0", "--dry-run");
        assertEquals(Gatun.OK, shown.code(), shown.err());
        assertEquals(3, shown.out().lines().count(), shown.out());
        assertTrue(shown.out().startsWith("take it from nvme: echo 0000:00:04.0 >"), shown.out());
        assertEquals("", read("sys/bus/pci/drivers/nvme/unbind"));
        assertEquals("", read(NVME + "/driver_override"));
    }

    @Test
    void bindsAndSaysWhatCameOfIt() throws IOException {
        Outcome failed = run("bind", "0000:00:04.0"); // nothing takes a function in a folder of files
        assertEquals(Gatun.FAILED, failed.code());
        assertTrue(failed.err().startsWith("gatun: bind 0000:00:04.0 1b36:0010 to vfio-pci: ENODEV; "), failed.err());
        assertEquals("0000:00:04.0", read("sys/bus/pci/drivers/nvme/unbind"));

        Files.delete(root.resolve(NVME + "/driver"));
        link(NVME + "/driver", "sys/bus/pci/drivers/vfio-pci");
        Outcome there = run("bind", "0000:00:04.0");
        assertEquals("0000:00:04.0 1b36:0010 is with vfio-pci\n", there.out());
        assertEquals(3 + 1, run("unbind", "0000:00:04.0").out().lines().count());
        assertEquals("0000:00:04.0", read("sys/bus/pci/drivers/vfio-pci/unbind"));
    }

    @Test
    void whatIsAskedWronglyIsOneLine() {
        refused(Gatun.USAGE, "pci what?");
        refused(Gatun.USAGE, "\"nvme0\" is no PCI address; write it as 0000:00:04.0", "bind", "nvme0");
        refused(Gatun.USAGE, "--driver \"nvme\" is not for user space", "bind", "0000:00:04.0", "--driver", "nvme");
        refused(Gatun.FAILED, "find the PCI function 0000:00:09.0: ENODEV", "unbind", "0000:00:09.0");
        refused(Gatun.FAILED, "bind 0000:00:05.0 8086:10d3 to vfio-pci: ENODEV; no IOMMU", "bind", "0000:00:05.0");
    }

    private void refused(int code, String line, String... arguments) {
        Outcome outcome = run(arguments);
        assertEquals(code, outcome.code(), outcome.err());
        assertEquals(1, outcome.err().lines().count(), outcome.err());
        assertTrue(outcome.err().startsWith("gatun: " + line), outcome.err());
        assertEquals("", outcome.out());
    }

    private void function(String directory, String vendor, String device, String code) throws IOException {
        write(directory + "/vendor", vendor);
        write(directory + "/device", device);
        write(directory + "/class", code);
        write(directory + "/driver_override", "");
        link("sys/bus/pci/devices/" + Path.of(directory).getFileName(), directory);
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private String read(String file) throws IOException {
        return Files.readString(root.resolve(file));
    }

    private void link(String file, String target) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.createDirectories(root.resolve(target));
        Files.createSymbolicLink(path, root.resolve(target));
    }
}
