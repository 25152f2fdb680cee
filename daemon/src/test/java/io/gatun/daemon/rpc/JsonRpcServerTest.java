package io.gatun.daemon.rpc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** JSON-RPC 2.0 over the socket, with clients good and bad. */
class JsonRpcServerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir
    private Path directory;

    private JsonRpcServer server;
    private Thread thread;

    @BeforeEach
    void start() {
        server = new JsonRpcServer(directory.resolve("rpc.sock"), JsonRpcServerTest::call);
        thread = Thread.ofPlatform().start(server::run);
    }

    @AfterEach
    void stop() throws InterruptedException {
        server.stop();
        thread.join();
        server.close();
    }

    private static CompletionStage<JsonNode> call(String method, JsonNode params) {
        return switch (method) {
            case "echo" -> CompletableFuture.completedFuture(params);
            case "later" ->
                CompletableFuture.supplyAsync(
                        () -> IntNode.valueOf(7), CompletableFuture.delayedExecutor(50, TimeUnit.MILLISECONDS));
            case "large" -> CompletableFuture.completedFuture(TextNode.valueOf("x".repeat(1 << 20)));
            case "bug" -> throw new IllegalStateException("a bug");
            case "too much" -> throw new OutOfMemoryError("as a method would that reads a huge file");
            default -> throw new RpcException(RpcException.METHOD_NOT_FOUND, "Method not found");
        };
    }

    /** A client that sends what it likes. */
    private final class Raw implements AutoCloseable {
        private final SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        private final List<JsonNode> answers = new ArrayList<>();
        private final RequestReader reader = new RequestReader(answers::add, 64 << 20);

        Raw() throws IOException {
            channel.connect(UnixDomainSocketAddress.of(server.socket()));
        }

        void send(String text) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        /** The next answer, or null at the end. */
        JsonNode receive() {
            return assertTimeoutPreemptively(PATIENCE, () -> {
                ByteBuffer buffer = ByteBuffer.allocate(64 << 10);
                while (answers.isEmpty()) {
                    int length = channel.read(buffer.clear());
                    if (length < 0) {
                        return null;
                    }
                    reader.feed(buffer.array(), length);
                }
                return answers.removeFirst();
            });
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "{'jsonrpc':'2.0','method':'echo','id':1,'params':{'a':1}}"
                + " | {'jsonrpc':'2.0','id':1,'result':{'a':1}}",
        "{'method':'echo','id':'x','params':[1]} | {'jsonrpc':'2.0','id':'x','result':[1]}",
        "{'method':'none','id':1} | {'jsonrpc':'2.0','id':1,'error':{'code':-32601,'message':'Method not found'}}",
        "{'method':'bug','id':1} | {'jsonrpc':'2.0','id':1,'error':{'code':-32603,'message':"
                + "'Internal error: java.lang.IllegalStateException: a bug'}}",
        "{'method':'too much','id':1} | {'jsonrpc':'2.0','id':1,'error':{'code':-32603,'message':"
                + "'Internal error: java.lang.OutOfMemoryError: as a method would that reads a huge file'}}",
        "{'id':1} | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':"
                + "'Invalid request: method must be a string'}}",
        "{'method':'echo','id':{}} | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':"
                + "'Invalid request: id must be a string, a number or null'}}",
        "{'jsonrpc':'1.0','method':'echo'} | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':"
                + "'Invalid request: jsonrpc must be \\'2.0\\''}}",
        "{'method':'echo','id':1,'params':3} | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':"
                + "'Invalid request: params must be an object'}}",
        "7 | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':'Invalid request: a request is an object'}}",
        "[] | {'jsonrpc':'2.0','id':null,'error':{'code':-32600,'message':'Invalid request: an empty batch'}}",
        "[{'method':'echo','id':1,'params':[]},{'method':'echo'},{'method':'later','id':2}]"
                + " | [{'jsonrpc':'2.0','id':1,'result':[]},{'jsonrpc':'2.0','id':2,'result':7}]"
    })
    void answersAsTheSpecificationSays(String request, String answer) throws IOException {
        try (Raw client = new Raw()) {
            client.send(request + "\n");
            assertEquals(Json.MAPPER.readTree(answer.replace('\'', '"')), client.receive());
        }
    }

    @Test
    void requestsFollowOneAnotherInPartsOfAnySize() throws Exception {
        try (Raw client = new Raw()) {
            String requests =
                    "{'method':'echo','id':1,'params':['ä']}{'method':'later','id':2}\n{'method':'echo','id':3}";
            for (int i = 0; i < requests.length(); i++) {
                client.send(requests.substring(i, i + 1));
            }
            assertEquals("ä", client.receive().path("result").path(0).asText());
            assertEquals(2, client.receive().path("id").asInt(), "answers keep the order of their requests");
            assertEquals(3, client.receive().path("id").asInt());
        }
    }

    @Test
    void aNotificationIsNotAnswered() throws IOException {
        try (Raw client = new Raw()) {
            client.send("{'method':'none'}{'method':'echo','id':2}");
            assertEquals(2, client.receive().path("id").asInt());
        }
    }

    @Test
    void malformedJsonIsToldAtOnceAndEndsTheConnection() throws IOException {
        try (Raw client = new Raw()) {
            client.send("{'method':'echo','id':1}{'method': oops");
            assertEquals(1, client.receive().path("id").asInt());
            JsonNode error = client.receive();
            assertEquals(RpcException.PARSE_ERROR, error.path("error").path("code").asInt(), error.toString());
            assertEquals(null, client.receive());
        }
    }

    @Test
    void aRequestWithoutEndIsRefused() throws IOException {
        try (Raw client = new Raw()) {
            String part = "'" + "x".repeat(60_000) + "',";
            client.send("{'method':'echo','id':1,'params':[");
            try {
                for (int i = 0; i < 64; i++) {
                    client.send(part);
                }
            } catch (IOException closed) {
                // The server has had enough before we were done.
            }
            assertEquals(RpcException.INVALID_REQUEST, client.receive().path("error").path("code").asInt());
        }
        assertStillServing();
    }

    @Test
    void deepNestingIsRefused() throws IOException {
        try (Raw client = new Raw()) {
            client.send("[".repeat(5000));
            assertEquals(RpcException.PARSE_ERROR, client.receive().path("error").path("code").asInt());
        }
    }

    @Test
    void aClientThatDoesNotReadHoldsUpNobody() throws Exception {
        try (Raw slow = new Raw()) {
            for (int i = 0; i < 8; i++) {
                slow.send("{'method':'large','id':" + i + "}");
            }
            assertStillServing();
            for (int i = 0; i < 8; i++) {
                JsonNode answer = slow.receive();
                assertEquals(i, answer.path("id").asInt());
                assertEquals(1 << 20, answer.path("result").asText().length());
            }
        }
    }

    @Test
    void aClientThatLeavesBeforeItsAnswerLeavesNothingBehind() throws Exception {
        // Twice, so that descriptors which the JVM opens once and keeps are not counted.
        leaveEarly();
        int before = Fd.openCount();
        leaveEarly();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (Fd.openCount() > before && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
        assertTrue(Fd.openCount() <= before, Fd.openCount() + " descriptors instead of " + before);
    }

    private void leaveEarly() throws Exception {
        for (int i = 0; i < 20; i++) {
            try (Raw client = new Raw()) {
                client.send("{'method':'later','id':1}");
            }
        }
        assertStillServing();
        Thread.sleep(200);
    }

    @Test
    void aClientThatOnlyShutsDownItsSideStillGetsItsAnswers() throws IOException {
        try (Raw client = new Raw()) {
            client.send("{'method':'later','id':5}");
            client.channel.shutdownOutput();
            assertEquals(5, client.receive().path("id").asInt());
            assertEquals(null, client.receive());
        }
    }

    @Test
    void theSocketIsItsOwnersOnly() throws IOException {
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(server.socket())));
    }

    @Test
    void aSecondServerIsRefusedAndTheFirstGoesOn() {
        LinuxException refused = assertThrows(
                LinuxException.class, () -> new JsonRpcServer(server.socket(), JsonRpcServerTest::call).close());
        assertEquals(Errno.EADDRINUSE, refused.errno());
        assertStillServing();
    }

    @Test
    void theClientReportsErrorsAndASilentServer() {
        try (JsonRpcClient client = JsonRpcClient.connect(server.socket(), PATIENCE)) {
            RpcException told = assertThrows(RpcException.class, () -> client.call("none", null));
            assertEquals(RpcException.METHOD_NOT_FOUND, told.code());
        }
        assertThrows(
                LinuxException.class,
                () -> JsonRpcClient.connect(directory.resolve("nobody.sock"), PATIENCE).close());
    }

    private void assertStillServing() {
        try (JsonRpcClient client = JsonRpcClient.connect(server.socket(), PATIENCE)) {
            assertEquals("[1]", client.call("echo", Json.MAPPER.createArrayNode().add(1)).toString());
        }
    }
}
