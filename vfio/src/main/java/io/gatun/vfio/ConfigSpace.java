package io.gatun.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.gatun.linux.Errno;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The configuration space of a PCI function, by a file: sysfs' {@code config}, or a region of a VFIO device. Source:
 * PCI Local Bus 3.0 §6, PCI Express Base §7, {@code linux/pci_regs.h}.
 *
 * <p>Where the function has gone all bits read as ones, as on the bus.
 *
 * <p><b>Thread-safety:</b> any thread, one access at a time under a lock; set-up and tear-down only.
 */
public final class ConfigSpace {
    // Registers of the header.
    public static final int VENDOR_ID = 0x00;
    public static final int COMMAND = 0x04;
    public static final int STATUS = 0x06;
    public static final int CAPABILITIES = 0x34;
    public static final int INTERRUPT_PIN = 0x3d;

    // Bits of COMMAND.
    public static final int COMMAND_MEMORY = 0x2;
    public static final int COMMAND_BUS_MASTER = 0x4;
    public static final int COMMAND_INTX_DISABLE = 0x400;

    // Capabilities.
    public static final int CAPABILITY_POWER_MANAGEMENT = 0x01;
    public static final int CAPABILITY_MSI = 0x05;
    public static final int CAPABILITY_PCI_EXPRESS = 0x10;
    public static final int CAPABILITY_MSIX = 0x11;

    private static final int STATUS_CAPABILITIES = 0x10;
    private static final int FIRST_CAPABILITY = 0x40;
    private static final int CONVENTIONAL_BYTES = 0x100;
    private static final int EXPRESS_BYTES = 0x1000;

    private final String name;
    private final int fd;
    private final long offset;
    private final MemorySegment buffer = Arena.ofAuto().allocate(JAVA_INT);

    /**
     * @param fd a file that outlives this
     * @param offset where the space starts in it
     */
    ConfigSpace(String name, int fd, long offset) {
        this.name = name;
        this.fd = fd;
        this.offset = offset;
    }

    /** Reads 8 bits, zero-extended. */
    public int readByte(int register) {
        return (int) read(register, 1);
    }

    /** Reads 16 bits, zero-extended. */
    public int readShort(int register) {
        return (int) read(register, 2);
    }

    /** Reads 32 bits, zero-extended. */
    public long readInt(int register) {
        return read(register, 4);
    }

    /** Writes the low 16 bits; throws {@link LinuxException} where the kernel refuses. */
    public void writeShort(int register, int value) {
        write(register, 2, value);
    }

    /** Writes 32 bits; throws {@link LinuxException} where the kernel refuses. */
    public void writeInt(int register, int value) {
        write(register, 4, value);
    }

    /** Sets and clears bits of the command register. */
    public synchronized void changeCommand(int set, int clear) {
        int before = readShort(COMMAND);
        int after = (before | set) & ~clear;
        if (after != before) {
            writeShort(COMMAND, after);
        }
    }

    /** Whether the function answers no more: no function has the vendor 0xffff (PCI 3.0 §6.2.1). */
    public boolean isGone() {
        return readShort(VENDOR_ID) == 0xffff;
    }

    /** Where a capability is, or 0 if the function has none of this kind. */
    public int capability(int id) {
        if ((readShort(STATUS) & STATUS_CAPABILITIES) == 0) {
            return 0;
        }
        int at = readByte(CAPABILITIES) & ~3;
        // A list longer than its space is a loop.
        for (int i = 0; i < (CONVENTIONAL_BYTES - FIRST_CAPABILITY) / 4 && at >= FIRST_CAPABILITY; i++) {
            int header = readShort(at);
            if ((header & 0xff) == id) {
                return at;
            }
            at = (header >>> 8) & ~3;
        }
        return 0;
    }

    /** Where an extended capability is, or 0 if the function has none of this kind, or no extended space. */
    public int extendedCapability(int id) {
        int at = CONVENTIONAL_BYTES;
        for (int i = 0; i < (EXPRESS_BYTES - CONVENTIONAL_BYTES) / 8 && at >= CONVENTIONAL_BYTES; i++) {
            long header = readInt(at);
            if (header == 0 || header == 0xffff_ffffL) {
                return 0;
            }
            if ((header & 0xffff) == id) {
                return at;
            }
            at = (int) (header >>> 20) & ~3;
        }
        return 0;
    }

    private synchronized long read(int register, int bytes) {
        long ones = bytes == 4 ? 0xffff_ffffL : bytes == 2 ? 0xffff : 0xff;
        long result = FileIo.pread(fd, buffer.address(), bytes, offset + register);
        return result == bytes ? buffer.get(JAVA_INT, 0) & ones : ones;
    }

    private synchronized void write(int register, int bytes, int value) {
        buffer.set(JAVA_INT, 0, value);
        long result = FileIo.pwrite(fd, buffer.address(), bytes, offset + register);
        if (result != bytes) {
            throw new LinuxException(
                    String.format("write 0x%x to register 0x%x of %s", value, register, name),
                    result < 0 ? (int) result : Errno.EIO,
                    result == -Errno.EPERM
                            ? "a kernel that is locked down forbids it: use vfio-pci, or switch secure boot off"
                            : "the function may have gone");
        }
    }

    @Override
    public String toString() {
        return "configuration space of " + name;
    }
}
