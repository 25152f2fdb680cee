package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchException;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.daemon.bench.BlkBenchResult;
import io.gatun.daemon.rpc.Json;
import io.gatun.daemon.rpc.JsonRpcClient;
import io.gatun.daemon.target.NvmeAccess;
import io.gatun.nvme.NvmeTransport;
import io.gatun.nvme.QtestTransport;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.PciAddress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.IFactory;

/**
 * The program with a drive, QEMU's model: in a machine whose processor is this process; or inside a guest, as a PCI
 * function with a driver for user space, where a property names it ({@link NvmeGuestTest}).
 */
@RequiresPeer(Peer.QEMU)
class NvmeProgramTest {
    /** The drive's PCI address, in a guest. */
    static final String ADDRESS = "gatun.test.nvme";

    static final NvmeModel MODEL = NvmeModel.of("gatun-daemon").with(NvmeDisk.ofMegabytes(32));

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final boolean inGuest = System.getProperty(ADDRESS) != null;
    private final String address = inGuest ? System.getProperty(ADDRESS) : "0000:00:04.0";

    @TempDir
    private Path directory;

    /** Null in a guest. */
    private QtestMachine machine;

    @BeforeEach
    void start() {
        if (!inGuest) {
            machine = QtestMachine.builder().controller(MODEL).start();
        }
    }

    @AfterEach
    void stop() {
        if (machine != null) {
            machine.close();
        }
    }

    /** How the program reaches drives. */
    private NvmeAccess access() {
        if (inGuest) {
            return NvmeAccess.ofMachine();
        }
        return new NvmeAccess() {
            @Override
            public NvmeTransport open(PciAddress asked) {
                assertEquals(address, asked.toString());
                return new QtestTransport(machine, 0);
            }

            @Override
            public void close() {}
        };
    }

    @Test
    void aDriveIsDescribed() throws Exception {
        assertTrue(!inGuest || gatun("nvme", "list").contains(address));
        JsonNode identity = Json.MAPPER.readTree(gatun("nvme", "identify", address, "--json"));
        assertEquals("gatun-daemon", identity.path("serial_number").textValue());
        assertEquals(1, identity.path("namespace").path(0).path("nsid").intValue());
        assertTrue(gatun("nvme", "identify", address).contains("gatun-daemon"));
        JsonNode health = Json.MAPPER.readTree(gatun("nvme", "smart", address, "--json"));
        assertEquals(0, health.path("critical_warning").intValue());
        assertTrue(gatun("nvme", "log", address, "firmware").contains("active slot"));
        assertTrue(gatun("nvme", "log", address, "0x02").startsWith("0000"));
        gatun("nvme", "log", address, "error");
    }

    @Test
    void aDriveIsMeasured() throws Exception {
        String[] bench = {"nvme", "bench", address, "--rw", "randrw", "--time", "1", "--ramp", "0", "--qd", "16"};
        assertEquals(Gatun.USAGE, Gatun.run(factory(), System.out, System.err, bench));
        String measured = gatun(
                "nvme", "bench", address, "--rw", "randrw", "--time", "1", "--ramp", "0", "--qd", "16",
                "--span", "4M", "--verify", "--overwrite", "--json");
        JsonNode result = Json.MAPPER.readTree(measured);
        assertTrue(result.path("verified_blocks").longValue() >= 1024, measured);
        assertEquals(0, result.path("mismatches").longValue(), measured);
        assertEquals(Gatun.USAGE, Gatun.run(
                factory(), System.out, System.err, "nvme", "bench", address, "--namespace", "7", "--time", "1"));
        String[] read = {"nvme", "bench", address, "--queues", "2", "--time", "1", "--ramp", "0", "--bs", "64k"};
        assertTrue(gatun(read).startsWith("randread bs=64k qd=32 queues=2: "));
    }

    /** The program with the drive as {@code nv0}, and a disk at a socket. */
    private Daemon serve(String vhostBlk) {
        return ServeCommand.parse(
                        "serve",
                        "--rpc",
                        directory.resolve("rpc.sock").toString(),
                        "--bdev",
                        "nvme:nv0,traddr=" + address,
                        "--vhost-blk",
                        vhostBlk)
                .start(this::access);
    }

    /** The whole chain: front-end, socket, virtio-blk, NVMe; the drive reads and writes the front-end's own pages. */
    @Test
    void aDriveIsServed() throws Exception {
        Path socket = directory.resolve("nv0.sock");
        Daemon daemon = serve(socket + ",bdev=nv0n1,queues=2");
        Thread serving = Thread.ofPlatform().start(daemon::serve);
        try (JsonRpcClient rpc = JsonRpcClient.connect(directory.resolve("rpc.sock"), PATIENCE)) {
            for (int blockBytes : new int[] {512, 4096, 128 << 10}) {
                long spanBytes = Math.min(1024L * blockBytes, 16 << 20);
                BlkBenchResult result = new BlkBench(BlkBenchOptions.of(socket)
                                .mode(Mode.RANDRW)
                                .blockSizeBytes(blockBytes)
                                .queueDepth(16)
                                .queues(2)
                                .spanBytes(spanBytes)
                                .time(Duration.ofSeconds(1))
                                .ramp(Duration.ZERO)
                                .timeout(PATIENCE)
                                .verify(true)
                                .build())
                        .run((_, _, _, _) -> {});
                assertTrue(result.verifiedBlocks() >= spanBytes / blockBytes, result::toString);
                assertEquals(0, result.mismatches(), result::toString);
            }
            JsonNode drive = rpc.call("bdev_nvme_get_controllers", null).path(0);
            JsonNode only = drive.path("ctrlrs").path(0);
            assertEquals("enabled", only.path("state").textValue());
            long bounced = only.path("namespaces").path(0).path("bounced_commands").longValue();
            assertEquals(inGuest, bounced == 0, drive::toString); // a machine of QEMU's reaches its own memory alone
            JsonNode name = Json.MAPPER.readTree("{\"name\":\"nv0\"}");
            assertTrue(rpc.call("bdev_nvme_reset_controller", name).booleanValue());
            // Its answer means that the drive works again.
            JsonNode health = rpc.call("bdev_nvme_get_controller_health_info", name);
            assertTrue(health.path("host_write_commands").longValue() > 0, health::toString);
            String config = gatun("rpc", "-s", directory.resolve("rpc.sock").toString(), "save_config");
            assertTrue(config.contains("bdev_nvme_attach_controller"), config);

            rpc.call("vhost_delete_controller", Json.MAPPER.readTree("{\"ctrlr\":\"" + socket + "\"}"));
            rpc.call("bdev_nvme_detach_controller", Json.MAPPER.readTree("{\"name\":\"nv0\"}"));
            String again = "{\"name\":\"nv1\",\"trtype\":\"PCIe\",\"traddr\":\"" + address + "\"}";
            JsonNode disks = rpc.call("bdev_nvme_attach_controller", Json.MAPPER.readTree(again));
            assertEquals("[\"nv1n1\"]", disks.toString());
            assertEquals(1, rpc.call("bdev_get_bdevs", null).size());
        } finally {
            daemon.stop();
            serving.join();
        }
        assertTrue(Files.notExists(socket));
    }

    /** A medium with a bad block: an error of the client's, and in what the program tells of the drive. */
    @Test
    void aBadBlockIsTheClientsErrorAndInTheHostsErrorLog() throws Exception {
        assumeFalse(inGuest, "the guest's drive is good");
        machine.close();
        NvmeDisk disk = NvmeDisk.ofMegabytes(32).withFault(NvmeDisk.Access.READ, 100);
        machine = QtestMachine.builder().controller(NvmeModel.of("bad").with(disk)).start();
        Path socket = directory.resolve("nv0.sock");
        Daemon daemon = serve(socket + ",bdev=nv0n1");
        Thread serving = Thread.ofPlatform().start(daemon::serve);
        try (JsonRpcClient rpc = JsonRpcClient.connect(directory.resolve("rpc.sock"), PATIENCE)) {
            BlkBench bench = new BlkBench(BlkBenchOptions.of(socket)
                    .mode(Mode.READ)
                    .blockSizeBytes(4096)
                    .queueDepth(1)
                    .spanBytes(1 << 20)
                    .time(PATIENCE)
                    .timeout(PATIENCE)
                    .build());
            BlkBenchException failure = assertThrows(BlkBenchException.class, () -> bench.run((_, _, _, _) -> {}));
            String told = "the device answered an I/O error to a read of 4096 bytes at byte 49152";
            assertTrue(failure.getMessage().contains(told), failure::getMessage);

            JsonNode name = Json.MAPPER.readTree("{\"name\":\"nv0\"}");
            JsonNode health = rpc.call("bdev_nvme_get_controller_health_info", name);
            assertEquals(0, health.path("media_errors").intValue(), "QEMU's model does not count them");
            JsonNode log = health.path("host_error_log");
            assertEquals(1, log.path("media_errors").intValue(), log::toString);
            JsonNode entry = log.path("entries").path(0);
            assertEquals("unrecovered read error (2/81h)", entry.path("status").textValue(), log::toString);
            assertEquals(96, entry.path("lba").intValue(), log::toString);
            JsonNode counts = rpc.call("bdev_get_iostat", null).path("bdevs").path(0);
            JsonNode codes = counts.path("driver_specific").path("nvme_error").path("status_code");
            assertEquals("{\"unrecovered_read_error\":1}", codes.toString());
        } finally {
            daemon.stop();
            serving.join();
        }
    }

    /** picocli's own, but for the drives. */
    private IFactory factory() {
        return new IFactory() {
            @Override
            public <K> K create(Class<K> type) throws Exception {
                return type == NvmeAddress.class
                        ? type.cast(new NvmeAddress(NvmeProgramTest.this::access))
                        : CommandLine.defaultFactory().create(type);
            }
        };
    }

    private String gatun(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int code = Gatun.run(factory(), new PrintStream(out, true, StandardCharsets.UTF_8), System.err, arguments);
        String said = out.toString(StandardCharsets.UTF_8);
        assertEquals(Gatun.OK, code, said);
        return said;
    }
}
