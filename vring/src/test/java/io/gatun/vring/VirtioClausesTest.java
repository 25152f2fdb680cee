package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;

/** The table of clauses and the tests speak of each other: neither names what the other lacks. */
class VirtioClausesTest {
    private static final Path TABLE = Path.of("..", "docs", "virtio-clauses.md");
    private static final Path TESTS = Path.of("src", "test", "java", "io", "gatun", "vring");
    private static final Pattern LINK =
            Pattern.compile("\\[(\\w+)]\\(\\.\\./vring/src/test/java/io/gatun/vring/(\\w+)\\.java\\)");

    @Test
    void everyTestInTheTableExists() throws IOException {
        Set<String> missing = new TreeSet<>(named());
        missing.removeAll(existing());
        assertEquals(Set.of(), missing, "named in " + TABLE + ", but not there");
    }

    @Test
    void everyTestNamedAfterASectionIsInTheTable() throws IOException {
        Set<String> forgotten = existing().stream()
                .filter(test -> test.matches("\\w+\\.s\\d+_\\w+"))
                .collect(Collectors.toCollection(TreeSet::new));
        forgotten.removeAll(named());
        assertEquals(Set.of(), forgotten, "named after a section, but not in " + TABLE);
    }

    private static Set<String> named() throws IOException {
        Matcher links = LINK.matcher(Files.readString(TABLE));
        Set<String> names = new TreeSet<>();
        while (links.find()) {
            // A link with the class's own name is about the whole class.
            names.add(links.group(1).equals(links.group(2)) ? links.group(2) : links.group(2) + "." + links.group(1));
        }
        assertTrue(names.size() > 50, "the table's links have changed their form");
        return names;
    }

    private static Set<String> existing() throws IOException {
        try (Stream<Path> files = Files.list(TESTS)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith("Test.java"))
                    .map(name -> name.substring(0, name.length() - ".java".length()))
                    .flatMap(name -> Stream.concat(Stream.of(name), tests(name)))
                    .collect(Collectors.toSet());
        }
    }

    private static Stream<String> tests(String className) {
        try {
            Method[] methods = Class.forName("io.gatun.vring." + className).getDeclaredMethods();
            return Arrays.stream(methods)
                    .filter(method -> method.isAnnotationPresent(Test.class)
                            || method.isAnnotationPresent(ParameterizedTest.class))
                    .map(method -> className + "." + method.getName());
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }
}
