package io.gatun.daemon.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vhostuser.BackendOptions;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of every method: what it answers, and with which code and text it refuses. */
class MethodsTest {
    private static final String UUID = "2b6601ba-eada-44fb-9a83-a20eb9eb9e90";

    @TempDir
    private Path directory;

    private Target target;

    @BeforeEach
    void start() {
        target = Target.start(new Settings(List.of(), IdlePolicy.ADAPTIVE, BackendOptions.DEFAULT, directory));
        target.finishStart();
    }

    @AfterEach
    void stop() {
        target.close();
    }

    private CompletableFuture<JsonNode> later(String method, String params) {
        return Calls.later(target, method, params);
    }

    private JsonNode call(String method, String params) {
        return target.await(later(method, params));
    }

    private void refused(int code, String text, String method, String params) {
        RpcException told;
        try {
            JsonNode answer = call(method, params);
            throw new AssertionError(method + " " + params + " answered " + answer);
        } catch (RpcException e) {
            told = e;
        } catch (CompletionException e) {
            told = (RpcException) e.getCause();
        }
        assertEquals(code, told.code(), told.getMessage());
        assertTrue(told.getMessage().startsWith(text), told.getMessage());
    }

    private void makeMalloc(String name) {
        call("bdev_malloc_create", "{'name': '" + name + "', 'block_size': 512, 'num_blocks': 2048}");
    }

    // What clients match on: codes and the beginnings of texts.

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "-32601 | Method not found | no_such_method | ",
        "-32602 | Invalid parameters: unknown parameter nme; accepted: name | bdev_malloc_delete | {'nme': 'x'}",
        "-32602 | Invalid parameters: name is missing | bdev_malloc_delete | ",
        "-32602 | Invalid parameters: name=7: expected a string | bdev_malloc_delete | {'name': 7}",
        "-32602 | Invalid parameters: block_size=-1 | bdev_malloc_create | {'block_size': -1, 'num_blocks': 1}",
        "-32602 | Invalid parameters: block_size=1.5 | bdev_malloc_create | {'block_size': 1.5, 'num_blocks': 1}",
        "-32602 | Invalid parameters: num_blocks=99999999999999999999 | bdev_malloc_create"
                + " | {'block_size': 512, 'num_blocks': 99999999999999999999}",
        "-32602 | Invalid parameters: uuid=\"no\": expected a UUID | bdev_malloc_create"
                + " | {'block_size': 512, 'num_blocks': 1, 'uuid': 'no'}",
        "-32602 | Invalid parameters: reset_mode=\"some\": expected one of all, maxmin, error, none | bdev_get_iostat"
                + " | {'reset_mode': 'some'}",
        "-32602 | Invalid parameters: unknown parameter x; the method takes none | spdk_get_version | {'x': 1}",
        "-22 | Invalid argument: block size must be 512 or 4096, not 513 | bdev_malloc_create"
                + " | {'block_size': 513, 'num_blocks': 1}",
        "-22 | Invalid argument: a device of 0 blocks | bdev_malloc_create | {'block_size': 512, 'num_blocks': 0}",
        "-22 | Invalid argument: md_size=8: metadata is not supported | bdev_malloc_create"
                + " | {'block_size': 512, 'num_blocks': 1, 'md_size': 8}",
        "-22 | Invalid argument: block size | bdev_null_create | {'name': 'n', 'block_size': 1, 'num_blocks': 1}",
        "-22 | Invalid argument: a bdev has a name | bdev_malloc_create"
                + " | {'name': '', 'block_size': 512, 'num_blocks': 1}",
        "-22 | Invalid argument: a bdev has a name | bdev_aio_create | {'name': '', 'filename': '/dev/null'}",
        "-19 | No such device: no bdev is called x | bdev_malloc_delete | {'name': 'x'}",
        "-19 | No such device | bdev_null_delete | {'name': 'x'}",
        "-19 | No such device | bdev_aio_delete | {'name': 'x'}",
        "-19 | No such device | bdev_uring_delete | {'name': 'x'}",
        "-19 | No such device | bdev_null_resize | {'name': 'x', 'new_size': 1}",
        "-19 | No such device | bdev_aio_rescan | {'name': 'x'}",
        "-19 | No such device | bdev_get_bdevs | {'name': 'x'}",
        "-19 | No such device | bdev_get_iostat | {'names': ['x']}",
        "-19 | No such device | bdev_set_qos_limit | {'name': 'x', 'rw_ios_per_sec': 1}",
        "-22 | Invalid argument: per_channel | bdev_get_iostat | {'per_channel': true}",
        "-2 | No such file or directory | bdev_aio_create | {'name': 'a', 'filename': '/nonexistent/file'}",
        "-32603 | Unable to create URING bdev. | bdev_uring_create | {'name': 'a', 'filename': '/nonexistent/file'}",
        "-32602 | No such device: no bdev is called x | vhost_create_blk_controller | {'ctrlr': 'c', 'dev_name': 'x'}",
        "-32602 | No such device | vhost_delete_controller | {'ctrlr': 'c'}",
        "-32603 | No such device | vhost_get_controllers | {'name': 'c'}",
        "-32602 | No such device | vhost_controller_set_coalescing"
                + " | {'ctrlr': 'c', 'delay_base_us': 0, 'iops_threshold': 1}",
        "-32602 | Subsystem 'nvmf' not found | framework_get_config | {'name': 'nvmf'}",
        "-1 | Method may only be called before framework is initialized. | framework_start_init | "
    })
    void refusesAsSpdkDoes(int code, String text, String method, String params) {
        refused(code, text, method, params == null ? "" : params);
    }

    @Test
    void listsItsMethods() {
        JsonNode all = call("rpc_get_methods", "");
        assertTrue(all.size() >= 28, all.toString());
        assertTrue(all.valueStream().anyMatch(name -> name.asText().equals("framework_start_init")));
        JsonNode current = call("rpc_get_methods", "{'current': true}");
        assertFalse(current.valueStream().anyMatch(name -> name.asText().equals("framework_start_init")));
    }

    @Test
    void tellsItsVersionInSpdksFields() {
        JsonNode version = call("spdk_get_version", "");
        assertTrue(version.path("version").asText().startsWith("Gatun "));
        assertTrue(version.path("fields").path("major").isInt());
        assertTrue(version.path("fields").path("suffix").isTextual());
    }

    @Test
    void startUpCanBeHeldBack() throws Exception {
        try (Target held = Target.start(Settings.DEFAULT)) {
            CompletableFuture<JsonNode> waiting =
                    held.call("framework_wait_init", null).toCompletableFuture();
            RpcException early = assertThrows(RpcException.class, () -> held.call("bdev_get_bdevs", null));
            assertEquals(RpcException.INVALID_STATE, early.code());
            assertFalse(waiting.isDone());
            assertEquals("true", held.call("framework_start_init", null).toCompletableFuture().join().toString());
            assertEquals("true", waiting.get(1, TimeUnit.SECONDS).toString());
            assertEquals("[]", held.call("bdev_get_bdevs", null).toCompletableFuture().join().toString());
        }
    }

    @Test
    void aMallocDiskIsMadeDescribedAndRemoved() {
        assertEquals("\"m\"", call("bdev_malloc_create",
                "{'name': 'm', 'block_size': 4096, 'num_blocks': 16, 'uuid': '" + UUID + "', 'md_size': 0,"
                        + " 'dif_type': 0, 'numa_id': -1, 'optimal_io_boundary': 0}").toString());
        JsonNode disk = call("bdev_get_bdevs", "{'name': 'm'}").get(0);
        assertEquals("m", disk.path("name").asText());
        assertEquals(UUID, disk.path("uuid").asText());
        assertEquals(UUID, disk.path("aliases").path(0).asText());
        assertEquals("Malloc disk", disk.path("product_name").asText());
        assertEquals(4096, disk.path("block_size").asInt());
        assertEquals(16, disk.path("num_blocks").asInt());
        assertFalse(disk.path("claimed").asBoolean());
        assertTrue(disk.path("supported_io_types").path("unmap").asBoolean());
        assertTrue(disk.path("driver_specific").isObject());
        assertEquals("m", call("bdev_get_bdevs", "{'name': '" + UUID + "'}").get(0).path("name").asText());
        refused(-17, "File exists", "bdev_malloc_create", "{'name': 'm', 'block_size': 512, 'num_blocks': 1}");
        refused(-19, "No such device", "bdev_null_delete", "{'name': 'm'}");
        assertEquals("true", call("bdev_malloc_delete", "{'name': 'm'}").toString());
        assertEquals("[]", call("bdev_get_bdevs", "").toString());
    }

    @Test
    void aMallocDiskWithoutNameIsNumbered() {
        assertEquals("Malloc0", call("bdev_malloc_create", "{'block_size': 512, 'num_blocks': 8}").asText());
        assertEquals("Malloc1", call("bdev_malloc_create", "{'block_size': 512, 'num_blocks': 8}").asText());
    }

    @Test
    void aNullDiskGrowsButDoesNotShrink() {
        call("bdev_null_create", "{'name': 'n', 'block_size': 512, 'num_blocks': 2048}");
        call("bdev_null_resize", "{'name': 'n', 'new_size': 2}");
        assertEquals(4096, call("bdev_get_bdevs", "{'name': 'n'}").get(0).path("num_blocks").asInt());
        refused(-22, "Invalid argument: new_size=1", "bdev_null_resize", "{'name': 'n', 'new_size': 1}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"aio", "uring"})
    void aFileDiskFollowsItsFile(String kind) throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        call("bdev_" + kind + "_create", "{'name': 'f', 'filename': '" + file + "', 'block_size': 512}");
        JsonNode disk = call("bdev_get_bdevs", "{'name': 'f'}").get(0);
        assertEquals(file.toString(), disk.path("driver_specific").path(kind).path("filename").asText());
        assertEquals(2048, disk.path("num_blocks").asInt());
        Files.write(file, new byte[2 << 20]);
        call("bdev_" + kind + "_rescan", "{'name': 'f'}");
        assertEquals(4096, call("bdev_get_bdevs", "{'name': 'f'}").get(0).path("num_blocks").asInt());
        assertEquals("true", call("bdev_" + kind + "_delete", "{'name': 'f'}").toString());
        assertTrue(Files.exists(file));
    }

    @Test
    void waitsForADiskToAppear() throws Exception {
        CompletableFuture<JsonNode> appears = later("bdev_get_bdevs", "{'name': 'm', 'timeout': 60000}");
        assertFalse(appears.isDone());
        makeMalloc("m");
        assertEquals("m", appears.get(1, TimeUnit.SECONDS).get(0).path("name").asText());
        refused(-19, "No such device", "bdev_get_bdevs", "{'name': 'x', 'timeout': 10}");
    }

    @Test
    void aControllerIsMadeDescribedAndRemoved() {
        makeMalloc("m");
        String create = "{'ctrlr': 'c.0', 'dev_name': 'm', 'packed_ring': true, 'num_queues': 4, 'cpumask': '0x1'}";
        assertEquals("true", call("vhost_create_blk_controller", create).toString());
        Path socket = directory.resolve("c.0");
        assertTrue(Files.exists(socket));
        refused(-32602, "File exists", "vhost_create_blk_controller", create);
        JsonNode controller = call("vhost_get_controllers", "{'name': 'c.0'}").get(0);
        assertEquals(socket.toString(), controller.path("socket").asText());
        assertEquals("0x1", controller.path("cpumask").asText());
        assertEquals("[]", controller.path("sessions").toString());
        assertEquals("m", controller.path("backend_specific").path("block").path("bdev").asText());
        assertTrue(call("bdev_get_bdevs", "{'name': 'm'}").get(0).path("claimed").asBoolean());
        refused(-16, "Device or resource busy", "bdev_malloc_delete", "{'name': 'm'}");
        assertEquals("true", call("vhost_delete_controller", "{'ctrlr': 'c.0'}").toString());
        assertFalse(Files.exists(socket));
        assertEquals("true", call("bdev_malloc_delete", "{'name': 'm'}").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "'num_queues': 0 | Invalid argument: queues must be from 1 to 256, not 0",
        "'num_queues': 257 | Invalid argument: queues must be from 1 to 256, not 257",
        "'cpumask': 'zz' | Invalid argument: cpumask=zz: expected a hexadecimal mask",
        "'cpumask': '0x100' | Invalid argument: cpumask=0x100: expected some of the processors with a reactor",
        "'transport': 'vfio_user_blk' | Invalid argument: transport=vfio_user_blk: expected vhost_user_blk",
        "'serial': 'far too long for a serial' | Invalid argument: serial must be"
    })
    void aControllersOptionsAreChecked(String option, String text) {
        makeMalloc("m");
        refused(-32602, text, "vhost_create_blk_controller", "{'ctrlr': 'c', 'dev_name': 'm', " + option + "}");
        assertEquals("[]", call("vhost_get_controllers", "").toString());
    }

    @Test
    void aSocketThatCannotBeMadeIsReported() {
        makeMalloc("m");
        refused(-32602, "Invalid argument: ctrlr=a\0b: Nul character not allowed", "vhost_create_blk_controller",
                "{'ctrlr': 'a\\u0000b', 'dev_name': 'm'}");
        refused(-32602, "No such file or directory: listen at /nonexistent/c", "vhost_create_blk_controller",
                "{'ctrlr': '/nonexistent/c', 'dev_name': 'm'}");
    }

    @Test
    void coalescingCanOnlyBeOff() {
        makeMalloc("m");
        call("vhost_create_blk_controller", "{'ctrlr': 'c', 'dev_name': 'm'}");
        String method = "vhost_controller_set_coalescing";
        assertEquals("true", call(method, "{'ctrlr': 'c', 'delay_base_us': 0, 'iops_threshold': 60000}").toString());
        refused(-32602, "Invalid argument: delay_base_us=10", method,
                "{'ctrlr': 'c', 'delay_base_us': 10, 'iops_threshold': 60000}");
        refused(-32602, "Invalid argument: iops_threshold=0", method,
                "{'ctrlr': 'c', 'delay_base_us': 0, 'iops_threshold': 0}");
    }

    @Test
    void limitsAreKeptShownAndSaved() {
        makeMalloc("m");
        refused(-22, "No rate limits specified", "bdev_set_qos_limit", "{'name': 'm'}");
        call("bdev_set_qos_limit", "{'name': 'm', 'rw_ios_per_sec': 20000}");
        call("bdev_set_qos_limit", "{'name': 'm', 'r_mbytes_per_sec': 100}");
        JsonNode limits = call("bdev_get_bdevs", "{'name': 'm'}").get(0).path("assigned_rate_limits");
        assertEquals(20_000, limits.path("rw_ios_per_sec").asInt());
        assertEquals(100, limits.path("r_mbytes_per_sec").asInt());
        assertTrue(call("framework_get_config", "{'name': 'bdev'}").toString().contains("bdev_set_qos_limit"));
        call("bdev_set_qos_limit", "{'name': 'm', 'rw_ios_per_sec': 0, 'r_mbytes_per_sec': 0}");
        assertFalse(call("framework_get_config", "{'name': 'bdev'}").toString().contains("bdev_set_qos_limit"));
    }

    @Test
    void countsInSpdksNames() {
        makeMalloc("m");
        JsonNode answer = call("bdev_get_iostat", "{'names': ['m']}");
        assertTrue(answer.path("tick_rate").isNumber());
        JsonNode counts = answer.path("bdevs").path(0);
        assertEquals("m", counts.path("name").asText());
        for (String name : List.of("bytes_read", "num_read_ops", "bytes_written", "num_write_ops", "num_unmap_ops",
                "read_latency_ticks", "write_latency_ticks")) {
            assertTrue(counts.path(name).isNumber(), name);
        }
        call("vhost_create_blk_controller", "{'ctrlr': 'c', 'dev_name': 'm', 'num_queues': 2}");
        JsonNode channels = call("bdev_get_iostat", "{'names': ['m'], 'per_channel': true}").path("channels");
        assertEquals(2, channels.size());
        assertEquals("true", call("bdev_reset_iostat", "{'name': 'm'}").toString());
    }

    @Test
    void reactorsAndThreadsAreShown() {
        JsonNode reactors = call("framework_get_reactors", "");
        assertEquals(ProcessHandle.current().pid(), reactors.path("pid").asLong());
        assertTrue(reactors.path("reactors").path(0).path("busy").isNumber());
        JsonNode threads = call("thread_get_stats", "").path("threads");
        assertEquals(1, threads.size());
        assertEquals("reactor-0", threads.path(0).path("name").asText());
    }

    @Test
    void aSavedConfigurationRecreatesTheSameState() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        makeMalloc("m");
        call("bdev_null_create", "{'name': 'n', 'block_size': 4096, 'num_blocks': 100}");
        call("bdev_uring_create", "{'name': 'f', 'filename': '" + file + "', 'readonly': true}");
        call("bdev_aio_create", "{'name': 'a', 'filename': '" + file + "', 'readonly': true}");
        call("bdev_set_qos_limit", "{'name': 'n', 'w_mbytes_per_sec': 7}");
        call("vhost_create_blk_controller", "{'ctrlr': 'm.sock', 'dev_name': 'm', 'packed_ring': true}");
        call("vhost_create_blk_controller", "{'ctrlr': 'f.sock', 'dev_name': 'f', 'readonly': true, 'num_queues': 3}");
        List<JsonNode> saved = save();
        target.close();
        start();
        for (JsonNode subsystem : saved) {
            for (JsonNode entry : subsystem) {
                target.call(entry.path("method").asText(), entry.get("params")).toCompletableFuture().join();
            }
        }
        assertEquals(saved, save());
    }

    private List<JsonNode> save() {
        return call("framework_get_subsystems", "").valueStream()
                .map(entry -> call("framework_get_config", "{'name': '" + entry.path("subsystem").asText() + "'}"))
                .toList();
    }

    @Test
    void metricsAreInPrometheusFormat() {
        makeMalloc("m");
        call("vhost_create_blk_controller", "{'ctrlr': 'c', 'dev_name': 'm'}");
        String text = PrometheusTextFormatWriter.create().toDebugString(Metrics.snapshot(target));
        assertTrue(text.contains("# TYPE gatun_bdev_requests_total counter\n"), text);
        assertTrue(text.contains("gatun_bdev_requests_total{bdev=\"m\",operation=\"read\"} 0"), text);
        assertTrue(text.contains("gatun_bdev_size_bytes{bdev=\"m\"} 1048576"), text);
        assertTrue(text.contains("gatun_reactor_busy_seconds_total{cpu=\"-1\",reactor=\"reactor-0\"} "), text);
        assertTrue(text.lines().allMatch(line -> line.startsWith("#") || line.matches("\\w+\\{.*} [0-9.E-]+")), text);
    }
}
