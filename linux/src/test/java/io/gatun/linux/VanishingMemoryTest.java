package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A peer that truncates its memory breaks itself, not the JVM: every accessor, compiled in every way. */
class VanishingMemoryTest {
    @TempDir
    Path directory;

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "interpreter, 1, -Xint",
        "C1, 3000, -XX:TieredStopAtLevel=1 -Xbatch",
        "C2, 12000, -XX:-TieredCompilation -Xbatch",
        "tiered, 20000, -Xbatch",
    })
    void everyAccessorThrowsInternalErrorAndTheJvmLives(String mode, int warmUps, String flags) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(flags.split(" ")));
        command.addAll(List.of("-Xmx64m", "-XX:+UseSerialGC", "-XX:-CreateCoredumpOnCrash"));
        command.add("-XX:ErrorFile=" + directory.resolve("hs_err_" + mode));
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", classPath()));
        command.addAll(List.of(VanishingMemory.class.getName(), Integer.toString(warmUps)));
        Process child = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        String tail = String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
        assertEquals(0, child.waitFor(), () -> "the JVM died of: " + tail);
        assertEquals("done", lines.getLast(), tail);
        assertEquals(List.of(), lines.stream().filter(line -> line.startsWith("missed")).toList());
        long caught = lines.stream().filter(line -> line.startsWith("caught")).count();
        assertTrue(caught > 100, () -> "only " + caught + " cases ran");
    }

    private static String classPath() {
        return Stream.of(Memory.class, VanishingMemory.class)
                .map(type -> type.getProtectionDomain().getCodeSource().getLocation().getPath())
                .collect(Collectors.joining(File.pathSeparator));
    }
}
