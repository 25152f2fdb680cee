package io.gatun.daemon.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchException;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vhostuser.BackendOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code vhost_delete_controller} while the disk does not answer: what others may do meanwhile, and what not. */
@Timeout(60)
class ControllerRemovalTest {
    private static final String CONTROLLER = "{'ctrlr': 's.sock'}";

    @TempDir
    private Path directory;

    private final StuckBdev stuck = new StuckBdev();
    private Target target;
    private Thread guest;

    /** A disk at a socket, and a guest with four requests on it. */
    private void start(int drainSeconds) throws InterruptedException {
        BackendOptions options = BackendOptions.DEFAULT.withDrainSeconds(drainSeconds);
        target = Target.start(new Settings(List.of(), IdlePolicy.ADAPTIVE, options, directory));
        target.finishStart();
        JsonNodeFactory json = JsonNodeFactory.instance;
        target.add(new Disk(stuck, "bdev_malloc_create", "Stuck disk", json.objectNode(), json.objectNode()));
        call("vhost_create_blk_controller", "{'ctrlr': 's.sock', 'dev_name': 'stuck'}");
        BlkBenchOptions load = BlkBenchOptions.of(directory.resolve("s.sock"))
                .hugepages(Hugepages.NEVER)
                .queueDepth(4)
                .build();
        guest = Thread.ofPlatform().daemon().start(() -> {
            try {
                new BlkBench(load).run((_, _, _, _) -> {});
            } catch (BlkBenchException cutOff) {
                // As it should be.
            }
        });
        long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (stuck.taken < 4) {
            assertTrue(System.nanoTime() < deadline, "no request has arrived");
            Thread.sleep(1);
        }
    }

    @AfterEach
    void stop() throws InterruptedException {
        stuck.released = true;
        target.close();
        assertTrue(guest.join(Duration.ofSeconds(20)));
    }

    private CompletableFuture<JsonNode> later(String method, String params) {
        return Calls.later(target, method, params);
    }

    private JsonNode call(String method, String params) {
        return target.await(later(method, params));
    }

    private void refused(int code, String text, String method, String params) {
        RpcException told = assertThrows(RpcException.class, () -> later(method, params));
        assertEquals(code, told.code(), told.getMessage());
        assertTrue(told.getMessage().startsWith(text), told.getMessage());
    }

    @Test
    void otherMethodsAreAnsweredWhileAControllerIsDeleted() throws InterruptedException {
        start(20);
        CompletableFuture<JsonNode> deleting = later("vhost_delete_controller", CONTROLLER);
        assertFalse(deleting.isDone());
        assertEquals(1, call("vhost_get_controllers", "").size());
        assertTrue(call("bdev_get_bdevs", "").path(0).path("claimed").asBoolean());
        refused(-32602, "Device or resource busy: s.sock is being deleted", "vhost_delete_controller", CONTROLLER);
        refused(-32602, "File exists: a controller is called s.sock", "vhost_create_blk_controller",
                "{'ctrlr': 's.sock', 'dev_name': 'stuck'}");
        refused(-16, "Device or resource busy: controller s.sock uses stuck", "bdev_malloc_delete",
                "{'name': 'stuck'}");
        assertEquals(0, call("framework_get_config", "{'name': 'vhost_blk'}").size(), "nobody wants it back");
        assertFalse(deleting.isDone());
        stuck.released = true;
        assertTrue(target.await(deleting).asBoolean());
        assertEquals(0, call("vhost_get_controllers", "").size());
        assertFalse(Files.exists(directory.resolve("s.sock")));
        JsonNode counts = call("bdev_get_iostat", "{'names': ['stuck']}").path("bdevs").path(0);
        // The guest may send more before its ring has stopped.
        assertTrue(counts.path("num_read_ops").asInt() >= 4, "what it did is not forgotten");
        refused(-32602, "No such device: no controller is called s.sock", "vhost_delete_controller", CONTROLLER);
        assertTrue(call("bdev_malloc_delete", "{'name': 'stuck'}").asBoolean());
        assertTrue(stuck.closed);
    }

    @Test
    void aControllerIsDeletedThoughItsDiskNeverAnswers() throws InterruptedException {
        start(1);
        assertTrue(call("vhost_delete_controller", CONTROLLER).asBoolean());
        assertEquals(0, call("vhost_get_controllers", "").size());
        call("vhost_create_blk_controller", "{'ctrlr': 's.sock', 'dev_name': 'stuck'}");
    }

    @Test
    void aTargetEndsWhileAControllerIsDeleted() throws InterruptedException {
        start(20);
        CompletableFuture<JsonNode> deleting = later("vhost_delete_controller", CONTROLLER);
        Thread ender = Thread.ofPlatform().start(target::close);
        stuck.released = true;
        assertTrue(ender.join(Duration.ofSeconds(20)));
        assertFalse(deleting.isDone(), "nobody is there who could be told");
        assertTrue(stuck.closed);
    }

    @Test
    void aTargetEndsThoughTheDiskNeverAnswers() throws InterruptedException {
        start(1);
        CompletableFuture<JsonNode> deleting = later("vhost_delete_controller", CONTROLLER);
        Thread ender = Thread.ofPlatform().start(target::close);
        assertTrue(ender.join(Duration.ofSeconds(20)));
        assertFalse(deleting.isDone());
    }

    @Test
    void twoControllersOfOneDiskAreDeletedSideBySide() throws InterruptedException {
        start(20);
        call("vhost_create_blk_controller", "{'ctrlr': 'other.sock', 'dev_name': 'stuck'}");
        CompletableFuture<JsonNode> deleting = later("vhost_delete_controller", CONTROLLER);
        assertTrue(call("vhost_delete_controller", "{'ctrlr': 'other.sock'}").asBoolean());
        assertFalse(deleting.isDone());
        refused(-16, "Device or resource busy: controller s.sock uses stuck", "bdev_malloc_delete",
                "{'name': 'stuck'}");
        stuck.released = true;
        assertTrue(target.await(deleting).asBoolean());
    }
}
