package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CpioArchiveTest {
    private record Entry(String name, int mode, String content) {}

    @Test
    void entriesComeBackWithTheirParents() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] odd = "odd !".getBytes(StandardCharsets.US_ASCII);
        try (CpioArchive archive = new CpioArchive(bytes)) {
            archive.file("/lib/modules/a.ko", odd, false);
            archive.file("init", new byte[4], true);
            archive.link("bin/sh", "busybox");
            archive.folder("lib");
        }
        List<Entry> entries = parse(bytes.toByteArray());
        assertEquals(
                List.of("lib", "lib/modules", "lib/modules/a.ko", "init", "bin", "bin/sh", "TRAILER!!!"),
                entries.stream().map(Entry::name).toList());
        assertEquals(0040755, entries.get(0).mode());
        assertEquals(0100644, entries.get(2).mode());
        assertEquals("odd !", entries.get(2).content());
        assertEquals(0100755, entries.get(3).mode());
        assertEquals(0120777, entries.get(5).mode());
        assertEquals("busybox", entries.get(5).content());
    }

    /** Reads the format as the kernel does: 13 hexadecimal fields after the magic, name and content padded to four. */
    private static List<Entry> parse(byte[] archive) {
        List<Entry> entries = new ArrayList<>();
        int at = 0;
        while (at < archive.length) {
            assertEquals("070701", text(archive, at, 6));
            int mode = field(archive, at, 1);
            int size = field(archive, at, 6);
            int nameSize = field(archive, at, 11);
            String name = text(archive, at + 110, nameSize - 1);
            int content = (at + 110 + nameSize + 3) & ~3;
            entries.add(new Entry(name, mode, text(archive, content, size)));
            at = (content + size + 3) & ~3;
        }
        return entries;
    }

    private static int field(byte[] archive, int at, int number) {
        return Integer.parseInt(text(archive, at + 6 + 8 * number, 8), 16);
    }

    private static String text(byte[] archive, int at, int length) {
        return new String(archive, at, length, StandardCharsets.US_ASCII);
    }
}
