package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Gatun's own front-end, {@code gatun bench net}, as a program that checks what comes back. */
final class GatunBench {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private GatunBench() {}

    /** Sends packets, and checks every byte of those that come back; returns the result that it prints. */
    static JsonNode echo(Path socket, String... options) {
        List<String> command = new ArrayList<>(List.of(
                GatunProgram.require().script().toString(),
                "bench", "net", "--json", "--verify", "--mode", "echo", "--hugepages", "never",
                "--socket", socket.toString()));
        command.addAll(List.of(options));
        try (PeerProcess bench = PeerProcess.start("bench", command)) {
            int status = bench.awaitExit(PATIENCE);
            bench.output().awaitEnd(PATIENCE);
            // It also fails where a packet was wrong, and says which.
            assertEquals(0, status, () -> bench.output().tail(40) + bench.errors().tail(20));
            return new ObjectMapper()
                    .readTree(bench.output().from(0).stream()
                            .map(LineLog.Line::text)
                            .collect(Collectors.joining("\n")));
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }
}
