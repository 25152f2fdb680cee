package io.gatun.nvme;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/**
 * The SMART / Health Information log (Base figure 208). Counters have 128 bits.
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class HealthLog {
    static final int BYTES = 512;

    private static final int WORD_BYTES = 8;
    private static final int KELVIN = 273;

    private final byte[] data;

    HealthLog(byte[] data) {
        this.data = data;
    }

    /** The whole log, {@value #BYTES} bytes. */
    public byte[] bytes() {
        return data.clone();
    }

    /** What is wrong, as bits: 0 spare, 1 temperature, 2 reliability, 3 read only, 4 volatile memory backup. */
    public int criticalWarning() {
        return Fields.u8(data, 0);
    }

    /** What is wrong, in words. */
    public String warnings() {
        String[] words = {"spare is low", "temperature", "reliability is degraded", "read only", "backup failed"};
        List<String> set = new ArrayList<>();
        for (int i = 0; i < words.length; i++) {
            if ((criticalWarning() >>> i & 1) != 0) {
                set.add(words[i]);
            }
        }
        return set.isEmpty() ? "nothing is wrong" : String.join(", ", set);
    }

    /** Composite temperature. */
    public int temperatureCelsius() {
        return Fields.u16(data, 1) - KELVIN;
    }

    public int availableSparePercent() {
        return Fields.u8(data, 3);
    }

    public int spareThresholdPercent() {
        return Fields.u8(data, 4);
    }

    /** How much of its life is used up; may exceed 100. */
    public int usedPercent() {
        return Fields.u8(data, 5);
    }

    /** Thousands of 512-byte units read, rounded up. */
    public BigInteger dataUnitsRead() {
        return counter(32);
    }

    /** Thousands of 512-byte units written, rounded up. */
    public BigInteger dataUnitsWritten() {
        return counter(48);
    }

    public BigInteger readCommands() {
        return counter(64);
    }

    public BigInteger writeCommands() {
        return counter(80);
    }

    public BigInteger busyMinutes() {
        return counter(96);
    }

    public BigInteger powerCycles() {
        return counter(112);
    }

    public BigInteger powerOnHours() {
        return counter(128);
    }

    public BigInteger unsafeShutdowns() {
        return counter(144);
    }

    public BigInteger mediaErrors() {
        return counter(160);
    }

    /** How many entries the error log has had. */
    public BigInteger errorLogEntries() {
        return counter(176);
    }

    private BigInteger counter(int at) {
        BigInteger low = new BigInteger(Long.toUnsignedString(Fields.i64(data, at)));
        BigInteger high = new BigInteger(Long.toUnsignedString(Fields.i64(data, at + WORD_BYTES)));
        return high.shiftLeft(Long.SIZE).add(low);
    }
}
