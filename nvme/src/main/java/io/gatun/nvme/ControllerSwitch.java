package io.gatun.nvme;

import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Registers;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns a controller off and on through its registers (Base §3.5), with the time-outs that it announces.
 *
 * <p><b>Thread-safety:</b> one thread at a time.
 */
final class ControllerSwitch {
    private static final Logger LOG = LoggerFactory.getLogger(ControllerSwitch.class);

    private static final long LOOK_NANOS = TimeUnit.MICROSECONDS.toNanos(200);
    private static final int MIN_SHUTDOWN_MILLIS = 5_000;
    private static final int MAX_SHUTDOWN_MILLIS = 60_000;

    private static final long PAGE_BYTES = 4096;

    private final NvmeTransport transport;
    private long cap;

    ControllerSwitch(NvmeTransport transport) {
        this.transport = transport;
    }

    /** CAP, as it was read last. */
    long capabilities() {
        return cap;
    }

    /** Whether the function reads as all ones. */
    boolean isGone() {
        return transport.readInt(Registers.CSTS) == Registers.ALL_ONES;
    }

    /** Whether the controller has given up (CSTS.CFS). */
    boolean isFatal() {
        return (transport.readInt(Registers.CSTS) & Registers.CSTS_CFS) != 0;
    }

    /** Reads what the controller can; throws {@link NvmeException} where this driver cannot drive it. */
    void readCapabilities() {
        long value = transport.readLong(Registers.CAP);
        if (value == Registers.ALL_ONES || isGone()) {
            throw gone();
        }
        if (!Registers.hasNvmCommandSet(value) && !Registers.hasCommandSets(value)) {
            throw new NvmeException(transport.name() + " has no NVM command set (CAP " + Long.toHexString(value) + ")");
        }
        if (Registers.minPageBytes(value) > PAGE_BYTES) {
            throw new NvmeException(transport.name() + " has pages of at least " + Registers.minPageBytes(value)
                    + " bytes; 4096 are supported");
        }
        if (Registers.maxQueueEntries(value) < 2) { // Base figure 36: MQES is 1 at least
            throw new NvmeException(transport.name() + " has queues of 1 entry, which can never hold a command");
        }
        int lastDoorbell = Registers.headDoorbell(1, Registers.doorbellStride(value));
        if (lastDoorbell + Integer.BYTES > transport.registerBytes()) {
            throw new NvmeException(transport.name() + " has its doorbells at " + lastDoorbell + ", beyond its "
                    + transport.registerBytes() + " bytes of registers");
        }
        cap = value;
    }

    /** Disables the controller, whatever state someone left it in: from then on it accesses no memory. */
    void disable() {
        int configuration = transport.readInt(Registers.CC);
        int status = transport.readInt(Registers.CSTS);
        if (status == Registers.ALL_ONES) {
            throw gone();
        }
        if ((configuration & Registers.CC_EN) != 0) {
            boolean starting = (status & (Registers.CSTS_RDY | Registers.CSTS_CFS)) == 0
                    && (configuration & Registers.CC_SHN_MASK) == 0;
            if (starting && !await(Registers.CSTS_RDY, Registers.CSTS_RDY, Registers.timeoutMillis(cap))) {
                LOG.warn("{} was being enabled by someone else, and does not become ready", transport.name());
            }
            transport.writeInt(Registers.CC, configuration & ~(Registers.CC_EN | Registers.CC_SHN_MASK));
        }
        if (!await(Registers.CSTS_RDY, 0, Registers.timeoutMillis(cap))) {
            throw new NvmeException(transport.name() + " was disabled, but stays ready for "
                    + Registers.timeoutMillis(cap) + " ms (CAP.TO)");
        }
    }

    /** Enables a controller that is disabled, with admin queues of {@code entries} at these device addresses. */
    void enable(long submissions, long completions, int entries) {
        transport.writeInt(Registers.AQA, (entries - 1) | (entries - 1) << 16);
        transport.writeLong(Registers.ASQ, submissions);
        transport.writeLong(Registers.ACQ, completions);
        int commandSet = Registers.hasNvmCommandSet(cap) ? 0 : Registers.CC_CSS_ALL;
        int configuration = commandSet
                | Entries.COMMAND_SHIFT << Registers.CC_IOSQES_SHIFT
                | Entries.COMPLETION_SHIFT << Registers.CC_IOCQES_SHIFT
                | Registers.CC_EN;
        transport.writeInt(Registers.CC, configuration);
        long timeout = Registers.timeoutMillis(cap);
        if (Registers.hasReadyTimeouts(cap)) {
            int timeouts = transport.readInt(Registers.CRTO);
            timeout = Math.max(timeout, timeouts == Registers.ALL_ONES ? 0 : Registers.readyTimeoutMillis(timeouts));
        }
        int wanted = Registers.CSTS_RDY;
        if (!await(wanted | Registers.CSTS_CFS, wanted, timeout)) {
            throw new NvmeException(transport.name() + (isFatal()
                    ? " reports a fatal status (CSTS.CFS) when enabled"
                    : " does not become ready within " + timeout + " ms (CAP.TO)"));
        }
    }

    /**
     * Lets the controller write its caches and prepare for power off (CC.SHN), and disables it.
     *
     * @param announcedMicros how long it says that takes (RTD3E), or 0
     */
    void shutDown(long announcedMicros) {
        int configuration = transport.readInt(Registers.CC);
        if (isGone() || (configuration & Registers.CC_EN) == 0) {
            return;
        }
        transport.writeInt(Registers.CC, (configuration & ~Registers.CC_SHN_MASK) | Registers.CC_SHN_NORMAL);
        long millis = Math.clamp(announcedMicros / 1000, MIN_SHUTDOWN_MILLIS, MAX_SHUTDOWN_MILLIS);
        if (!await(Registers.CSTS_SHST_MASK, Registers.CSTS_SHST_COMPLETE, millis)) {
            LOG.warn("{} has not finished its shutdown after {} ms", transport.name(), millis);
        }
        disable();
    }

    /** Waits for bits of CSTS; false when the time is over, or when it reports a fatal status instead. */
    private boolean await(int mask, int wanted, long millis) {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        while (true) {
            boolean last = System.nanoTime() - deadline > 0;
            int status = transport.readInt(Registers.CSTS);
            if (status == Registers.ALL_ONES) {
                throw gone();
            }
            if ((status & mask) == wanted) {
                return true;
            }
            boolean fatal = (mask & Registers.CSTS_CFS) != 0 && (status & Registers.CSTS_CFS) != 0;
            if (last || fatal) {
                return false;
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    NvmeException gone() {
        return new NvmeException(transport.name() + " is gone: its registers read as all ones;"
                + " look whether the drive is there and has power");
    }
}
