package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The pages that link to tests link to tests that exist. */
class HostileInputsTest {
    private static final Pattern LINK = Pattern.compile("\\[(\\w+)]\\(([\\w./-]*/(\\w+)\\.java)\\)");
    private static final Pattern ROW = Pattern.compile("(?m)^\\| ([A-Z]\\d+) \\| .* \\| (.*) \\|$");

    @ParameterizedTest
    @ValueSource(strings = {"../docs/hostile-inputs.md", "README.md"})
    void everyLinkedTestExists(String page) throws IOException {
        Path path = Path.of(page);
        Set<String> missing = new TreeSet<>();
        Matcher links = LINK.matcher(Files.readString(path));
        int count = 0;
        while (links.find()) {
            count++;
            Path source = path.resolveSibling(links.group(2));
            boolean wholeClass = links.group(1).equals(links.group(3));
            if (!Files.exists(source)
                    || (!wholeClass && !Files.readString(source).contains("    void " + links.group(1) + "("))) {
                missing.add(links.group(3) + "." + links.group(1));
            }
        }
        assertTrue(count > 10, "the links have changed their form");
        assertEquals(Set.of(), missing, "linked from " + page + ", but not there");
    }

    @Test
    void everyRowHasAnIdOfItsOwnAndATest() throws IOException {
        Matcher rows = ROW.matcher(Files.readString(Path.of("../docs/hostile-inputs.md")));
        Set<String> ids = new TreeSet<>();
        while (rows.find()) {
            assertTrue(ids.add(rows.group(1)), rows.group(1) + " is there twice");
            assertTrue(rows.group(2).contains("]("), rows.group(1) + " has no test");
        }
        assertTrue(ids.size() > 50, "rows: " + ids);
    }
}
