package io.gatun.pmd.pcap;

import static io.gatun.pmd.pcap.PcapLayout.FILE_HEADER_BYTES;
import static io.gatun.pmd.pcap.PcapLayout.RECORD_HEADER_BYTES;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.FileStatus;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A capture file in memory: the packets of either byte order and of either resolution, validated when it is loaded.
 *
 * <p><b>Thread-safety:</b> immutable; {@link #close} comes last.
 */
public final class PcapFile implements AutoCloseable {
    private static final int ETHERNET_HEADER_BYTES = 14;

    private final Path path;
    private final Mapping memory;
    private final long length;
    private boolean swapped;
    private int nanosPerFraction;

    private long[] addresses = new long[64];
    private int[] lengths = new int[64];
    private long[] nanos = new long[64];
    private int count;

    private PcapFile(Path path, Mapping memory, long length) {
        this.path = path;
        this.memory = memory;
        this.length = length;
    }

    /**
     * Reads a file.
     *
     * @throws PcapException if it is malformed, with the offset
     * @throws LinuxException if it cannot be read
     */
    public static PcapFile load(Path path) {
        try (Fd fd = FileIo.open(path.toString(), FileIo.O_RDONLY, 0)) {
            long length = FileStatus.lengthBytes(fd.value());
            if (length < FILE_HEADER_BYTES) {
                throw new PcapException(path, 0, length + " bytes are too short for the header of a pcap file");
            }
            Mapping memory = Mapping.anonymous(length);
            try {
                long read = FileIo.preadFully(fd.value(), memory.address(), length, 0);
                if (read != length) {
                    throw new LinuxException("read " + path, read < 0 ? (int) read : Errno.EIO, "");
                }
                PcapFile file = new PcapFile(path, memory, length);
                file.readHeader();
                file.readRecords();
                return file;
            } catch (RuntimeException e) {
                memory.close();
                throw e;
            } catch (OutOfMemoryError e) {
                memory.close();
                throw new PcapException(path, 0, "more packets than memory has room for; replay a part, or raise -Xmx");
            }
        }
    }

    /** How many packets there are. */
    public int count() {
        return count;
    }

    /** The address of a packet's first byte. */
    public long address(int packet) {
        return addresses[packet];
    }

    /** How many bytes of a packet the file has, at least the 14 of an Ethernet header. */
    public int lengthBytes(int packet) {
        return lengths[packet];
    }

    /** When a packet was captured, in nanoseconds since 1970. */
    public long nanos(int packet) {
        return nanos[packet];
    }

    @Override
    public void close() {
        memory.close();
    }

    @Override
    public String toString() {
        return path + " (" + count + " packets)";
    }

    private void readHeader() {
        int magic = Memory.getInt(memory.address());
        swapped = magic == Integer.reverseBytes(PcapLayout.MAGIC_MICROSECONDS)
                || magic == Integer.reverseBytes(PcapLayout.MAGIC_NANOSECONDS);
        int number = swapped ? Integer.reverseBytes(magic) : magic;
        nanosPerFraction =
                switch (number) {
                    case PcapLayout.MAGIC_MICROSECONDS -> 1000;
                    case PcapLayout.MAGIC_NANOSECONDS -> 1;
                    case PcapLayout.MAGIC_PCAPNG ->
                        throw new PcapException(
                                path, 0, "this is pcapng; convert it: editcap -F nsecpcap " + path + " OUT");
                    default ->
                        throw new PcapException(path, 0, "0x" + Integer.toHexString(number) + " begins no pcap file");
                };
        int major = Memory.getUnsignedShort(memory.address() + PcapLayout.MAJOR);
        if ((swapped ? Short.reverseBytes((short) major) : major) != 2) {
            throw new PcapException(path, PcapLayout.MAJOR, "only version 2 of the format is known");
        }
        long linkType = word(PcapLayout.LINK_TYPE) & PcapLayout.LINK_TYPE_MASK;
        if (linkType != PcapLayout.ETHERNET) {
            throw new PcapException(
                    path, PcapLayout.LINK_TYPE, "packets of link type " + linkType + "; only Ethernet (1) is known");
        }
    }

    private void readRecords() {
        long at = FILE_HEADER_BYTES;
        while (at < length) {
            if (length - at < RECORD_HEADER_BYTES) {
                throw new PcapException(path, at, "the header of packet " + (count + 1) + " is cut off");
            }
            long captured = word(at + PcapLayout.CAPTURED);
            if (captured < ETHERNET_HEADER_BYTES || captured > PcapLayout.MAX_SNAP_LENGTH) {
                String what = "packet " + (count + 1) + " cannot have " + captured + " bytes";
                throw new PcapException(path, at + PcapLayout.CAPTURED, what);
            }
            if (captured > length - at - RECORD_HEADER_BYTES) {
                throw new PcapException(
                        path,
                        at + RECORD_HEADER_BYTES,
                        "packet " + (count + 1) + " has " + captured + " bytes, but only "
                                + (length - at - RECORD_HEADER_BYTES) + " are left");
            }
            add(at, (int) captured);
            at += RECORD_HEADER_BYTES + captured;
        }
    }

    private void add(long at, int captured) {
        if (count == addresses.length) {
            addresses = Arrays.copyOf(addresses, 2 * count);
            lengths = Arrays.copyOf(lengths, 2 * count);
            nanos = Arrays.copyOf(nanos, 2 * count);
        }
        addresses[count] = memory.address() + at + RECORD_HEADER_BYTES;
        lengths[count] = captured;
        nanos[count] =
                word(at + PcapLayout.SECONDS) * 1_000_000_000 + word(at + PcapLayout.FRACTION) * nanosPerFraction;
        count++;
    }

    private long word(long at) {
        int value = Memory.getInt(memory.address() + at);
        return (swapped ? Integer.reverseBytes(value) : value) & 0xffff_ffffL;
    }
}
