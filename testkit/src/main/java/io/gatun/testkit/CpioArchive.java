package io.gatun.testkit;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Writes a cpio archive in the "newc" format, which the Linux kernel unpacks as its initial root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Parent folders are added as needed; everything belongs
 * to root.
 */
final class CpioArchive implements AutoCloseable {
    private static final int FOLDER = 0040755;
    private static final int LINK = 0120777;
    private static final int PLAIN = 0100644;
    private static final int EXECUTABLE = 0100755;

    private final OutputStream out;
    private final Set<String> folders = new LinkedHashSet<>();
    private int inode;

    CpioArchive(OutputStream out) {
        this.out = out;
    }

    void folder(String path) throws IOException {
        String name = relative(path);
        if (!name.isEmpty() && folders.add(name)) {
            parent(name);
            entry(name, FOLDER, new byte[0]);
        }
    }

    void file(String path, byte[] content, boolean executable) throws IOException {
        String name = relative(path);
        parent(name);
        entry(name, executable ? EXECUTABLE : PLAIN, content);
    }

    void link(String path, String target) throws IOException {
        String name = relative(path);
        parent(name);
        entry(name, LINK, target.getBytes(StandardCharsets.UTF_8));
    }

    /** Writes the trailer; the stream beneath stays open. */
    @Override
    public void close() throws IOException {
        entry("TRAILER!!!", 0, new byte[0]);
        out.flush();
    }

    private void parent(String name) throws IOException {
        int slash = name.lastIndexOf('/');
        if (slash > 0) {
            folder(name.substring(0, slash));
        }
    }

    private static String relative(String path) {
        return path.startsWith("/") ? path.substring(1) : path;
    }

    private void entry(String name, int mode, byte[] content) throws IOException {
        byte[] nameBytes = (name + "\0").getBytes(StandardCharsets.UTF_8);
        StringBuilder header = new StringBuilder("070701");
        int links = (mode & 0170000) == 0040000 ? 2 : 1;
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        int[] fields = {++inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, nameBytes.length, 0};
        for (int field : fields) {
            header.append(String.format("%08X", field));
        }
        out.write(header.toString().getBytes(StandardCharsets.US_ASCII));
        out.write(nameBytes);
        pad(header.length() + nameBytes.length);
        out.write(content);
        pad(content.length);
    }

    /** Names and contents end on a multiple of four bytes. */
    private void pad(int length) throws IOException {
        out.write(new byte[-length & 3]);
    }
}
