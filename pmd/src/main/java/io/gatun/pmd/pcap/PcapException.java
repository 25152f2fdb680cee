package io.gatun.pmd.pcap;

import java.io.Serial;
import java.nio.file.Path;

/** A file that is not what it should be: says where, and what to do. */
public final class PcapException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final long offset;

    PcapException(Path file, long offset, String what) {
        super(file + ": at offset " + offset + ": " + what);
        this.offset = offset;
    }

    /** Where in the file, in bytes. */
    public long offset() {
        return offset;
    }
}
