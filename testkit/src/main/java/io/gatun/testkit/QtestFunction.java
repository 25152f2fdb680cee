package io.gatun.testkit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A PCI function of a {@link QtestMachine}: its configuration space and the registers behind BAR 0, which is placed
 * before this is handed out. Offsets are in bytes; values are little-endian as on the bus.
 *
 * <p><b>Thread-safety:</b> all methods may be called from any thread.
 */
public final class QtestFunction {
    private static final int CONFIG_ADDRESS = 0xcf8;
    private static final int CONFIG_DATA = 0xcfc;
    private static final int COMMAND = 0x04;
    private static final int MEMORY_SPACE = 1 << 1;
    private static final int BUS_MASTER = 1 << 2;
    private static final int BAR0 = 0x10;
    private static final int BAR_IS_64_BITS = 1 << 2;
    private static final int BAR_FLAGS = 0xf;
    private static final int CAPABILITIES = 0x34;
    private static final int PCI_EXPRESS = 0x10;
    private static final int DEVICE_CAPABILITIES = 4;
    private static final int CAN_RESET = 1 << 28;
    private static final int DEVICE_CONTROL = 8;
    private static final int RESET = 1 << 15;
    private static final int MSIX = 0x11;
    private static final int MSIX_ENABLE = 1 << 31;
    private static final int MSIX_TABLE = 4;
    private static final int MSIX_ENTRY_BYTES = 16;
    /** CSTS (NVM Express Base Specification 2.0, §3.1.3.6): of its bits a driver can only clear one, NSSRO. */
    private static final int CONTROLLER_STATUS = 0x1c;

    /** The registers of an NVMe controller without its doorbells: what a frozen one goes on answering. */
    private static final int FROZEN_BYTES = 0x40;

    private final QtestClient client;
    private final int slot;
    private final long bar0;
    private final int bar0Bytes;
    /** While the machine is frozen, what the registers are read as; otherwise null. */
    private ByteBuffer frozenRegisters;

    private final List<Runnable> withheld = new ArrayList<>();

    private QtestFunction(QtestClient client, int slot, long bar0) {
        this.client = client;
        this.slot = slot;
        this.bar0 = bar0;
        writeConfig(BAR0, -1);
        this.bar0Bytes = -(readConfig(BAR0) & ~BAR_FLAGS);
    }

    /** Does what firmware does for a function: places BAR 0, and lets the function answer and reach memory. */
    static QtestFunction setUp(QtestClient client, int slot, long bar0) {
        QtestFunction function = new QtestFunction(client, slot, bar0);
        if (function.gone()) {
            throw new IllegalStateException("no PCI function in slot " + slot);
        }
        function.place();
        return function;
    }

    /** Puts the registers where they were, of a function that does not know it any more. */
    void place() {
        boolean wide = (readConfig(BAR0) & BAR_IS_64_BITS) != 0;
        writeConfig(BAR0, (int) bar0);
        if (wide) {
            writeConfig(BAR0 + 4, (int) (bar0 >>> 32));
        }
        writeConfig(COMMAND, MEMORY_SPACE | BUS_MASTER);
    }

    /** The length of BAR 0. */
    public int registerBytes() {
        return bar0Bytes;
    }

    /** Reads a register; -1, as a root complex answers, when the function has gone. */
    public int readInt(int offset) {
        synchronized (client) {
            if (frozenRegisters != null) {
                return offset < FROZEN_BYTES ? frozenRegisters.getInt(offset) : 0;
            }
            int value = client.readInt(bar0 + offset);
            return value == 0 && gone() ? -1 : value;
        }
    }

    /** Reads a 64-bit register by one access; -1, as a root complex answers, when the function has gone. */
    public long readLong(int offset) {
        synchronized (client) {
            if (frozenRegisters != null) {
                return offset < FROZEN_BYTES ? frozenRegisters.getLong(offset) : 0;
            }
            long value = client.readLong(bar0 + offset);
            return value == 0 && gone() ? -1 : value;
        }
    }

    /** Writes a register; returns before the write has arrived. */
    public void writeInt(int offset, int value) {
        synchronized (client) {
            if (frozenRegisters == null) {
                client.writeInt(bar0 + offset, value);
                return;
            }
            withheld.add(() -> client.writeInt(bar0 + offset, value));
            if (offset < FROZEN_BYTES && offset != CONTROLLER_STATUS) {
                frozenRegisters.putInt(offset, value);
            }
        }
    }

    /** Writes a 64-bit register by one access; returns before the write has arrived. */
    public void writeLong(int offset, long value) {
        synchronized (client) {
            if (frozenRegisters == null) {
                client.writeLong(bar0 + offset, value);
                return;
            }
            withheld.add(() -> client.writeLong(bar0 + offset, value));
            if (offset < FROZEN_BYTES) {
                frozenRegisters.putLong(offset, value);
            }
        }
    }

    /** From here on registers keep what is written, as those of a controller whose firmware hangs, and nothing acts. */
    void freeze() {
        ByteBuffer registers = ByteBuffer.allocate(FROZEN_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int offset = 0; offset < FROZEN_BYTES; offset += 4) {
            registers.putInt(offset, readInt(offset));
        }
        frozenRegisters = registers;
    }

    /** Carries out what was written meanwhile, in its order. */
    void thaw() {
        List<Runnable> missed = List.copyOf(withheld);
        withheld.clear();
        frozenRegisters = null;
        missed.forEach(Runnable::run);
    }

    /** Reads four bytes of the configuration space, at an offset that is a multiple of 4 below 256. */
    public int readConfig(int offset) {
        synchronized (client) {
            client.outInt(CONFIG_ADDRESS, configAddress(offset));
            return client.inInt(CONFIG_DATA);
        }
    }

    /** Writes four bytes of the configuration space, at an offset that is a multiple of 4 below 256. */
    public void writeConfig(int offset, int value) {
        synchronized (client) {
            client.outInt(CONFIG_ADDRESS, configAddress(offset));
            client.outInt(CONFIG_DATA, value);
        }
    }

    /** Whether the function may reach memory and send interrupts. */
    public void setBusMaster(boolean enabled) {
        synchronized (client) {
            if (frozenRegisters != null) {
                withheld.add(() -> setBusMaster(enabled));
                return;
            }
            int command = readConfig(COMMAND) & 0xffff;
            writeConfig(COMMAND, enabled ? command | BUS_MASTER : command & ~BUS_MASTER);
        }
    }

    /** Whether no function answers in this slot any more: its vendor is then read as all ones. */
    public boolean gone() {
        synchronized (client) {
            return frozenRegisters == null && readConfig(0) == -1;
        }
    }

    /**
     * Resets the function by itself and places it again; vectors have to be aimed again.
     *
     * @return whether the function can do that, and did: a frozen one does not come back from it
     */
    public boolean reset() {
        synchronized (client) {
            if (frozenRegisters != null) {
                return false;
            }
            int express = capability(PCI_EXPRESS);
            if (express == 0 || (readConfig(express + DEVICE_CAPABILITIES) & CAN_RESET) == 0) {
                return false;
            }
            writeConfig(express + DEVICE_CONTROL, (readConfig(express + DEVICE_CONTROL) & 0xffff) | RESET);
            place();
            return true;
        }
    }

    /** How many MSI-X vectors the function has; 0 without the capability. */
    public int vectorCount() {
        int msix = capability(MSIX);
        return msix == 0 ? 0 : (readConfig(msix) >>> 16 & 0x7ff) + 1;
    }

    /**
     * Aims an MSI-X vector at memory and unmasks it: its interrupt is then {@code value} stored at {@code address} by
     * the function itself, ordered behind the data that it announces. QEMU's NVMe model uses the vector of a queue that
     * is made later, the admin queue's thus only if it is aimed before the controller is enabled.
     *
     * @param address a multiple of 4 in the machine's memory
     */
    public void aimVector(int vector, long address, int value) {
        int msix = capability(MSIX);
        int table = readConfig(msix + MSIX_TABLE);
        if ((table & 7) != 0) {
            throw new IllegalStateException("the MSI-X table is behind BAR " + (table & 7) + ", not 0");
        }
        long entry = bar0 + (table & ~7) + (long) vector * MSIX_ENTRY_BYTES;
        client.writeLong(entry, address);
        client.writeInt(entry + 8, value);
        client.writeInt(entry + 12, 0);
        writeConfig(msix, readConfig(msix) | MSIX_ENABLE);
    }

    private int capability(int id) {
        int offset = readConfig(CAPABILITIES) & 0xfc;
        while (offset != 0) {
            int header = readConfig(offset);
            if ((header & 0xff) == id) {
                return offset;
            }
            offset = header >>> 8 & 0xfc;
        }
        return 0;
    }

    private int configAddress(int offset) {
        return 1 << 31 | slot << 11 | offset;
    }

    @Override
    public String toString() {
        return "0000:00:%02x.0 of a qtest machine".formatted(slot);
    }
}
