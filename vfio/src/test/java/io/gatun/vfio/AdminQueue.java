package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.nio.charset.StandardCharsets;

/**
 * As little of an NVMe driver as proves that a function's registers, DMA and interrupts work: one Identify Controller.
 * Source: NVM Express Base 2.0 §3.1.3, §5.17.
 */
final class AdminQueue {
    /** Submission queue, completion queue and data, a page each. */
    static final long BYTES = 3 * DmaSpace.PAGE_BYTES;

    private static final int VS = 0x08;
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final int ASQ = 0x28;
    private static final int ACQ = 0x30;
    private static final int DOORBELL = 0x1000;
    private static final long PATIENCE_NANOS = 10_000_000_000L;

    private AdminQueue() {}

    /** Identifies the controller with queues in {@code memory}, contiguous and zeroed; returns its serial number. */
    static String identify(PciDevice device, long memory) {
        DmaSpace space = device.memory();
        try (Bar bar = device.bar(0)) {
            assertTrue(bar.readInt(VS) >= 0x10000, "version");
            enable(bar, false);
            bar.writeInt(AQA, 31 | 31 << 16);
            bar.writeLong(ASQ, space.translate(memory));
            bar.writeLong(ACQ, space.translate(memory + DmaSpace.PAGE_BYTES));
            enable(bar, true);
            long data = memory + 2 * DmaSpace.PAGE_BYTES;
            Memory.putInt(memory, 0x06);
            Memory.putLong(memory + 24, space.translate(data));
            Memory.putInt(memory + 40, 1);
            bar.writeInt(DOORBELL, 1);
            long status = memory + DmaSpace.PAGE_BYTES + 14;
            long start = System.nanoTime();
            while ((Memory.loadAcquireShort(status) & 1) == 0) {
                assertTrue(System.nanoTime() - start < PATIENCE_NANOS, "no completion");
                Thread.onSpinWait();
            }
            assertEquals(0, Memory.loadAcquireShort(status) >> 1, "status");
            enable(bar, false);
            byte[] serial = new byte[20];
            Memory.copyToArray(data + 4, serial, 0, serial.length);
            return new String(serial, StandardCharsets.US_ASCII).strip();
        }
    }

    private static void enable(Bar bar, boolean on) {
        bar.writeInt(CC, on ? 0x0046_0001 : 0);
        long start = System.nanoTime();
        while ((bar.readInt(CSTS) & 1) != (on ? 1 : 0)) {
            assertTrue(System.nanoTime() - start < PATIENCE_NANOS, "not ready");
            Thread.onSpinWait();
        }
    }
}
