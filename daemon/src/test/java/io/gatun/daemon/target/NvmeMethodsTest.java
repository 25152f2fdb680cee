package io.gatun.daemon.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import io.gatun.nvme.NvmeException;
import io.gatun.nvme.NvmeTransport;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.software.BentController;
import io.gatun.nvme.software.SoftwareMemory;
import io.gatun.nvme.software.SoftwareNamespace;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vfio.PciAddress;
import io.gatun.vhostuser.BackendOptions;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The methods about drives, with controllers in memory: a drive for each address on bus 1. Longer than a file should
 * be: one test for each thing that happens to a drive, against the same target.
 */
class NvmeMethodsTest {
    /** What an event says when namespaces have changed: notice 0, log page 4. */
    private static final int NAMESPACES_CHANGED = 2 | 4 << 16;

    private static final long BYTES = 1 << 20;

    @TempDir
    private Path directory;

    private final List<SoftwareNamespace> media =
            List.of(SoftwareNamespace.ofMemory(BYTES, 9), SoftwareNamespace.ofMemory(BYTES, 12));
    private final List<BentController> opened = new ArrayList<>();
    private final CountDownLatch slow = new CountDownLatch(1);
    private Target target;

    private final NvmeAccess access = new NvmeAccess() {
        @Override
        public NvmeTransport open(PciAddress address) {
            if (address.bus() != 1) {
                throw new NvmeException(address + " is not an NVMe controller");
            }
            if (address.device() == 9) {
                await(slow);
            }
            BentController model = new BentController(
                    new SoftwareMemory(false), SoftwareOptions.DEFAULTS, address.device() == 0 ? List.of() : media);
            synchronized (opened) {
                opened.add(model);
            }
            return model;
        }

        @Override
        public void close() {}
    };

    @BeforeEach
    void start() {
        Settings settings = new Settings(List.of(), IdlePolicy.ADAPTIVE, BackendOptions.DEFAULT, directory);
        target = Target.start(settings, access);
        target.finishStart();
    }

    @AfterEach
    void stop() {
        slow.countDown();
        target.close();
        media.forEach(SoftwareNamespace::close);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private CompletableFuture<JsonNode> later(String method, String params) {
        return Calls.later(target, method, params);
    }

    private JsonNode call(String method, String params) {
        return target.await(later(method, params));
    }

    private JsonNode attach(String name, int device) {
        return call("bdev_nvme_attach_controller", parameters(name, device));
    }

    private static String parameters(String name, int device) {
        return "{'name': '%s', 'trtype': 'PCIe', 'traddr': '0000:01:%02x.0'}".formatted(name, device);
    }

    private void refused(int code, String text, String method, String params) {
        RuntimeException e = assertThrows(RuntimeException.class, () -> call(method, params));
        RpcException told = (RpcException) (e instanceof CompletionException ? e.getCause() : e);
        assertEquals(code, told.code(), told.getMessage());
        assertTrue(told.getMessage().contains(text), told.getMessage());
    }

    private List<String> disks() {
        return call("bdev_get_bdevs", "").findValuesAsText("name");
    }

    /** As the thread that serves methods, which answers one after the other. */
    private void serveUntil(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - deadline < 0, "waited in vain: " + what);
            target.await(CompletableFuture.supplyAsync(
                    () -> null, CompletableFuture.delayedExecutor(1, java.util.concurrent.TimeUnit.MILLISECONDS)));
        }
    }

    @Test
    void namespacesAreDisksFromAttachToDetach() {
        assertEquals("[\"nv0n1\",\"nv0n2\"]", attach("nv0", 1).toString());
        JsonNode disk = call("bdev_get_bdevs", "{'name': 'nv0n2'}").path(0);
        assertEquals(4096, disk.path("block_size").intValue());
        assertEquals("software", disk.path("driver_specific").path("nvme").path(0).path("pci_address").textValue());
        JsonNode drive = call("bdev_nvme_get_controllers", "{'name': 'nv0'}").path(0).path("ctrlrs").path(0);
        assertEquals("enabled", drive.path("state").textValue());
        assertEquals(2, drive.path("namespaces").size());
        JsonNode health = call("bdev_nvme_get_controller_health_info", "{'name': 'nv0'}");
        assertEquals(27, health.path("temperature_celsius").intValue());
        assertTrue(call("bdev_nvme_reset_controller", "{'name': 'nv0'}").booleanValue());
        assertTrue(call("bdev_nvme_detach_controller", "{'name': 'nv0'}").booleanValue());
        assertEquals(List.of(), disks());
        assertTrue(opened.getFirst().isClosed());
        assertEquals("[]", call("bdev_nvme_get_controllers", "").toString());
    }

    @Test
    void whatCannotBeIsRefusedWithTheReason() {
        attach("nv0", 1);
        call("bdev_malloc_create", "{'name': 'nv1n1', 'block_size': 512, 'num_blocks': 8}");
        String attach = "bdev_nvme_attach_controller";
        refused(-17, "the drive at 0000:01:01.0 is attached as nv0", attach, parameters("nv0", 2));
        refused(-17, "the drive at 0000:01:01.0 is attached as nv0", attach, parameters("nv2", 1));
        refused(-17, "a bdev is called nv1n1 already", attach, parameters("nv1", 2));
        assertTrue(opened.get(1).isClosed(), "a drive that cannot be had is given back");
        refused(-5, "is not an NVMe controller", attach, "{'name': 'a', 'trtype': 'PCIe', 'traddr': '0000:02:00.0'}");
        refused(-22, "expected PCIe", attach, "{'name': 'a', 'trtype': 'TCP', 'traddr': '0000:01:03.0'}");
        refused(-22, "traddr", attach, "{'name': 'a', 'trtype': 'PCIe', 'traddr': 'x'}");
        String detach = "bdev_nvme_detach_controller";
        refused(-19, "no NVMe drive is called x; expected one of nv0", detach, "{'name': 'x'}");
        refused(-19, "nv0 is at 0000:01:01.0", detach, "{'name': 'nv0', 'traddr': '0000:01:02.0'}");
        refused(-19, "nv0n1 was made by bdev_nvme_attach_controller", "bdev_malloc_delete", "{'name': 'nv0n1'}");
        String socket = directory.resolve("nv.sock").toString();
        call("vhost_create_blk_controller", "{'ctrlr': '" + socket + "', 'dev_name': 'nv0n1'}");
        refused(-16, "nv0n1 is served at a socket", detach, "{'name': 'nv0'}");
        call("vhost_delete_controller", "{'ctrlr': '" + socket + "'}");
        assertEquals(List.of("nv0n1", "nv0n2", "nv1n1"), disks());
    }

    @Test
    void otherMethodsAreAnsweredWhileAControllerStarts() {
        CompletableFuture<JsonNode> attaching = later("bdev_nvme_attach_controller", parameters("slow", 9));
        assertEquals(List.of(), disks());
        assertEquals("[\"quickn1\",\"quickn2\"]", attach("quick", 1).toString());
        assertEquals(List.of("quickn1", "quickn2"), disks());
        refused(-17, "is attached as slow", "bdev_nvme_attach_controller", parameters("slow", 2));
        refused(-16, "slow is just being attached or detached", "bdev_nvme_detach_controller", "{'name': 'slow'}");
        assertFalse(attaching.isDone());
        JsonNode config = call("framework_get_config", "{'name': 'bdev'}");
        assertEquals(List.of("slow", "quick"), config.findValuesAsText("name"), "a drive that was asked for is saved");
        slow.countDown();
        assertEquals(2, target.await(attaching).size());
        assertEquals(4, disks().size());
    }

    @Test
    void aTargetEndsWhileAControllerStarts() {
        CompletableFuture<JsonNode> attaching = later("bdev_nvme_attach_controller", parameters("slow", 9));
        Thread ender = Thread.ofPlatform().start(target::close);
        slow.countDown();
        assertTrue(joins(ender));
        assertFalse(attaching.isDone());
        assertTrue(opened.getFirst().isClosed());
    }

    @Test
    void aDriveIsAskedForItsHealthOnceAtATime() {
        attach("nv0", 1);
        BentController model = opened.getFirst();
        String health = "bdev_nvme_get_controller_health_info";
        serveUntil("the thread of the attach ends", () -> threads("nvme-nv0") == 0);
        model.ignoredAdmin = 2; // Get Log Page
        List<CompletableFuture<JsonNode>> asked = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            asked.add(later(health, "{'name': 'nv0'}"));
        }
        assertEquals(1, threads("nvme-nv0"));
        model.ignoredAdmin = -1;
        assertTrue(call("bdev_nvme_reset_controller", "{'name': 'nv0'}").booleanValue());
        serveUntil("all are answered", () -> asked.stream().allMatch(CompletableFuture::isDone));
        assertEquals(27, call(health, "{'name': 'nv0'}").path("temperature_celsius").intValue());
    }

    /** Where the disks' own logs may say nothing: what Gatun saw, for people, for SPDK's clients and for Prometheus. */
    @Test
    void whatADriveFailsIsToldByHealthIostatAndMetrics() {
        attach("nv0", 1);
        String health = "bdev_nvme_get_controller_health_info";
        JsonNode none = call(health, "{'name': 'nv0'}").path("host_error_log");
        assertEquals(0, none.path("errors").asInt(-1));
        assertEquals(0, none.path("media_errors").asInt(-1));
        assertEquals("[]", none.path("entries").toString());
        assertErrors("{}", "{}", "nv0n1");
        media.getFirst().spoil(42);
        read("nv0n1", 40 * 512);
        read("nv0n1", 42 * 512);
        opened.getFirst().failingOpcode = BentController.READ;
        opened.getFirst().failingStatus = 0x4fff; // reserved, and not to be retried
        opened.getFirst().failures.set(1);
        read("nv0n2", 0);

        JsonNode log = call(health, "{'name': 'nv0'}").path("host_error_log");
        assertEquals(3, log.path("errors").intValue());
        assertEquals(2, log.path("media_errors").intValue());
        assertEquals("{\"media_error\":2,\"vendor_specific\":1}", log.path("status_type").toString());
        assertEquals("{\"unrecovered_read_error\":2,\"vendor_specific\":1}", log.path("status_code").toString());
        JsonNode entry = log.path("entries").path(1);
        assertEquals(2, entry.path("number").intValue());
        assertEquals("read", entry.path("operation").textValue());
        assertEquals("unrecovered read error (2/81h)", entry.path("status").textValue());
        assertEquals(1, entry.path("nsid").intValue());
        assertEquals(42, entry.path("lba").intValue());
        assertEquals(8, entry.path("blocks").intValue());

        JsonNode listed = call("bdev_nvme_get_controllers", "{}").path(0).path("ctrlrs").path(0);
        assertEquals(log, listed.path("host_error_log"), "it needs no answer of the drive");

        assertErrors("{'media_error':2}", "{'unrecovered_read_error':2}", "nv0n1");
        assertErrors("{'vendor_specific':1}", "{'vendor_specific':1}", "nv0n2");
        assertTrue(call("bdev_reset_iostat", "{'name': 'nv0n1'}").booleanValue());
        read("nv0n1", 42 * 512);
        assertErrors("{'media_error':1}", "{'unrecovered_read_error':1}", "nv0n1");

        String metrics = PrometheusTextFormatWriter.create().toDebugString(Metrics.snapshot(target));
        assertTrue(metrics.contains("gatun_nvme_media_errors_total{drive=\"nv0\"} 3"), metrics);
        String line = "gatun_nvme_errors_total{drive=\"nv0\",nsid=\"1\",status=\"unrecovered read error (2/81h)\"} 3";
        assertTrue(metrics.contains(line), metrics);
    }

    private void assertErrors(String types, String codes, String disk) {
        JsonNode counts = call("bdev_get_iostat", "{'names': ['" + disk + "']}").path("bdevs").path(0);
        String expected = "{'nvme_error':{'status_type':" + types + ",'status_code':" + codes + "}}";
        assertEquals(expected, counts.path("driver_specific").toString().replace('"', '\''));
    }

    /** Reads 4 KiB, which fails. */
    private void read(String disk, long offset) {
        BdevRequest request = new BdevRequest();
        request.offsetBytes = offset;
        request.lengthBytes = 4096;
        request.segmentCount = 1;
        request.lengths = new int[] {4096};
        BdevRequest[] completed = new BdevRequest[1];
        NvmeBdev bdev = (NvmeBdev) target.disk(disk).bdev;
        try (Mapping memory = Mapping.anonymous(4096);
                BdevChannel channel = bdev.openChannel(null)) {
            request.addresses = new long[] {memory.address()};
            assertEquals(BdevChannel.PENDING, channel.submit(request));
            channel.flush();
            serveUntil("it completes", () -> channel.poll(completed) == 1);
        }
        assertEquals(-Errno.EIO, request.status);
        serveUntil("the only queue is free", () -> bdev.drive().controller().openQueueCount() == 0);
    }

    @Test
    void aResetIsAnsweredWhenItHasEnded() {
        attach("nv0", 1);
        attach("other", 2);
        CountDownLatch gate = new CountDownLatch(1);
        opened.getFirst().identity = (_, _, _) -> await(gate);
        CompletableFuture<JsonNode> reset = later("bdev_nvme_reset_controller", "{'name': 'nv0'}");
        serveUntil("it is being reset", () -> opened.getFirst().enabled.get() == 2);
        assertTrue(call("bdev_nvme_reset_controller", "{'name': 'other'}").booleanValue());
        assertEquals(4, disks().size());
        assertFalse(reset.isDone());
        gate.countDown();
        assertTrue(target.await(reset).booleanValue());
        JsonNode drive = call("bdev_nvme_get_controllers", "{'name': 'nv0'}").path(0).path("ctrlrs").path(0);
        assertEquals(1, drive.path("resets").intValue());
    }

    @Test
    void aResetThatFailsIsAnError() {
        attach("nv0", 1);
        opened.getFirst().neverReady = true;
        String why = "does not come back from its reset: software does not become ready within";
        refused(-5, why, "bdev_nvme_reset_controller", "{'name': 'nv0'}");
        opened.getFirst().neverReady = false;
        assertTrue(call("bdev_nvme_reset_controller", "{'name': 'nv0'}").booleanValue());
    }

    @Test
    void aDetachEndsTheWaitForAReset() {
        attach("nv0", 1);
        CountDownLatch gate = new CountDownLatch(1);
        opened.getFirst().identity = (_, _, _) -> await(gate);
        CompletableFuture<JsonNode> reset = later("bdev_nvme_reset_controller", "{'name': 'nv0'}");
        serveUntil("it is being reset", () -> opened.getFirst().enabled.get() == 2);
        serveUntil("the thread of the attach ends", () -> threads("nvme-nv0") == 0);
        CompletableFuture<JsonNode> detach = later("bdev_nvme_detach_controller", "{'name': 'nv0'}");
        serveUntil("the detach waits", () -> Thread.getAllStackTraces().keySet().stream()
                .anyMatch(t -> t.getName().equals("nvme-nv0") && t.getState() == Thread.State.WAITING));
        refused(-16, "is just being attached or detached", "bdev_nvme_reset_controller", "{'name': 'nv0'}");
        gate.countDown();
        assertTrue(target.await(detach).booleanValue());
        CompletionException e = assertThrows(CompletionException.class, () -> target.await(reset));
        assertTrue(e.getMessage().contains("software was detached before its reset had ended"), e.getMessage());
    }

    private static long threads(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name))
                .count();
    }

    @Test
    void drivesAreShutDownWhileAnotherControllerStarts() {
        CompletableFuture<JsonNode> attaching = later("bdev_nvme_attach_controller", parameters("slow", 9));
        attach("quick", 1);
        Thread ender = Thread.ofPlatform().start(target::close);
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!opened.getFirst().isClosed()) {
            assertTrue(System.nanoTime() - deadline < 0, "the quick one waits for the slow one");
            Thread.onSpinWait();
        }
        assertFalse(attaching.isDone());
        slow.countDown();
        assertTrue(joins(ender));
        assertTrue(opened.getLast().isClosed());
    }

    private static boolean joins(Thread thread) {
        try {
            return thread.join(java.time.Duration.ofSeconds(20));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void namespacesComeAndGoWithTheirDisks() {
        attach("nv0", 1);
        BentController model = opened.getFirst();
        String socket = directory.resolve("nv.sock").toString();
        call("vhost_create_blk_controller", "{'ctrlr': '" + socket + "', 'dev_name': 'nv0n2'}");
        media.get(1).resize(0);
        model.sendEvent(NAMESPACES_CHANGED);
        serveUntil("the disk goes, though it is served", () -> disks().equals(List.of("nv0n1")));
        refused(-16, "nv0n2 is served", "bdev_nvme_detach_controller", "{'name': 'nv0'}");
        media.get(1).resize(16);
        model.sendEvent(NAMESPACES_CHANGED);
        serveUntil("it is back", () -> disks().equals(List.of("nv0n1", "nv0n2")));
        JsonNode disk = call("bdev_get_bdevs", "{'name': 'nv0n2'}").path(0);
        assertTrue(disk.path("claimed").booleanValue(), "it is the one that is served");
        assertEquals(16, disk.path("num_blocks").intValue());
        call("vhost_delete_controller", "{'ctrlr': '" + socket + "'}");
        assertTrue(call("bdev_nvme_detach_controller", "{'name': 'nv0'}").booleanValue());
    }

    @Test
    void aNamespaceBecomesADiskWhenItsNameIsFree() {
        media.get(1).resize(0);
        assertEquals("[\"nv0n1\"]", attach("nv0", 1).toString());
        call("bdev_malloc_create", "{'name': 'nv0n2', 'block_size': 512, 'num_blocks': 8}");
        media.get(1).resize(16);
        opened.getFirst().sendEvent(NAMESPACES_CHANGED);
        serveUntil("the namespace is there", () -> {
            JsonNode drive = call("bdev_nvme_get_controllers", "{'name': 'nv0'}").path(0).path("ctrlrs").path(0);
            return drive.path("namespaces").size() == 2;
        });
        call("bdev_malloc_delete", "{'name': 'nv0n2'}");
        JsonNode disk = call("bdev_get_bdevs", "{'name': 'nv0n2'}").path(0);
        assertEquals("NVMe disk", disk.path("product_name").textValue());
    }

    @Test
    void everyDriveIsInTheConfigurationWhateverItHas() {
        attach("empty", 0);
        attach("nv0", 1);
        call("bdev_set_qos_limit", "{'name': 'nv0n1', 'rw_mbytes_per_sec': 7}");
        call("bdev_malloc_create", "{'name': 'm0', 'block_size': 512, 'num_blocks': 8}");
        JsonNode config = call("framework_get_config", "{'name': 'bdev'}");
        assertEquals(
                List.of(
                        "bdev_nvme_attach_controller",
                        "bdev_nvme_attach_controller",
                        "bdev_set_qos_limit",
                        "bdev_malloc_create",
                        "bdev_wait_for_examine"),
                config.findValuesAsText("method"));
        assertEquals("0000:01:00.0", config.path(0).path("params").path("traddr").textValue());
        assertEquals("{\"name\":\"nv0\",\"trtype\":\"PCIe\",\"traddr\":\"0000:01:01.0\"}",
                config.path(1).path("params").toString());
    }
}
