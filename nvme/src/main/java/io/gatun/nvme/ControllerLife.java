package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a controller up, from whatever state it is in to one that takes commands, and down again (Base §3.5); knows
 * what it said of itself when it came up last.
 *
 * <p><b>Thread-safety:</b> the watch's thread, and before it has started the one that attaches the controller; what
 * only tells something is for any.
 */
final class ControllerLife {
    private static final Logger LOG = LoggerFactory.getLogger(ControllerLife.class);

    /** The first version whose controllers tell their limits for each command set. */
    private static final int FIRST_WITH_LIMITS = 0x20000;

    private static final int WZSL = 1;

    private final NvmeController controller;
    private final NvmeTransport transport;
    private final ControllerSwitch power;
    private final AdminQueue admin;
    private final ShadowPages shadow;
    private final ControllerEvents events;

    private volatile ControllerData data;
    private volatile int grantedQueues;
    private volatile long maxZeroesBytes;
    private volatile boolean gone;

    ControllerLife(NvmeController controller, ControllerSwitch power, AdminQueue admin) {
        this.controller = controller;
        this.power = power;
        this.admin = admin;
        transport = controller.transport();
        shadow = new ShadowPages(controller);
        events = new ControllerEvents(controller, admin);
    }

    ControllerData data() {
        return data;
    }

    /** How many I/O queue pairs the controller has granted. */
    int grantedQueues() {
        return grantedQueues;
    }

    /** Bytes of one Write Zeroes at most; 0 where the controller does not say. */
    long maxZeroesBytes() {
        return maxZeroesBytes;
    }

    boolean usesShadowDoorbells() {
        return shadow.inUse();
    }

    /** Whether the function does not answer any more. */
    boolean isGone() {
        return gone;
    }

    /** How many events the controller has reported by itself. */
    long events() {
        return events.count();
    }

    /** Throws {@link NvmeException} where the controller does not take commands afterwards. */
    void bringUp() {
        transport.setBusMaster(true);
        power.readCapabilities();
        power.disable();
        admin.restart();
        ControllerData now =
                new ControllerData(controller.identify("identify controller", Opcode.CNS_CONTROLLER, 0));
        ControllerData before = data;
        if (before != null && !before.serialNumber().equals(now.serialNumber())) {
            throw new NvmeException(transport.name() + " is another drive now: " + now + " instead of " + before);
        }
        data = now;
        grantedQueues = requestQueues();
        maxZeroesBytes = readMaxZeroes();
        shadow.configure(Registers.doorbellStride(power.capabilities()));
        events.request();
        controller.rescan();
    }

    private int requestQueues() {
        NvmeOptions options = controller.options();
        int wanted = options.ioQueues() - 1;
        AdminCommand command = new AdminCommand(Opcode.SET_FEATURES)
                .words(Opcode.FEATURE_NUMBER_OF_QUEUES, wanted | wanted << 16);
        int granted = controller.execute("set the number of queues", command);
        int each = Math.min(granted & 0xffff, granted >>> 16) + 1;
        int stride = Registers.doorbellStride(power.capabilities());
        int reachable = (transport.registerBytes() - Registers.DOORBELLS) / (2 * stride) - 1;
        return Math.min(Math.min(each, options.ioQueues()), reachable);
    }

    /** WZSL, of controllers that know what they have for each command set (NVM figure 102). */
    private long readMaxZeroes() {
        // Older ones would refuse, and keep that refusal in their error log.
        boolean knows = Registers.hasCommandSets(power.capabilities()) || controller.version() >= FIRST_WITH_LIMITS;
        if (!knows || !data.supportsWriteZeroes()) {
            return 0;
        }
        byte[] limits = controller.identifyIfKnown(
                "identify the limits of the NVM command set", Opcode.CNS_COMMAND_SET_CONTROLLER, 0);
        int shift = limits == null ? 0 : Fields.u8(limits, WZSL);
        return shift == 0 || shift > 31 ? 0 : Registers.minPageBytes(power.capabilities()) << shift;
    }

    /** Keeps admin commands away: the controller is about to be disabled. */
    void stopAdmin() {
        admin.stop();
    }

    /** Whether admin commands are refused until the controller is reset. */
    boolean needsReset() {
        return admin.isStuck();
    }

    /** Disables and enables the controller; returns why that failed, or null. It accesses no memory meanwhile. */
    String restart() {
        if (!transport.probe()) {
            gone = true;
            return "it is gone";
        }
        gone = false;
        try {
            bringUp();
            return null;
        } catch (RuntimeException first) {
            LOG.debug("{} does not come back", transport.name(), first);
            String reason = first.getMessage();
            if (transport.resetFunction()) {
                try {
                    bringUp();
                    return null;
                } catch (RuntimeException second) {
                    reason = second.getMessage();
                }
            }
            admin.stop();
            gone = power.isGone();
            transport.setBusMaster(false);
            return reason;
        }
    }

    QueueCommands queueCommands() {
        return new QueueCommands(controller, admin, shadow);
    }

    /** Follows what the controller has reported by itself. */
    void takeEvents() {
        events.take();
    }

    void shutDown() {
        if (gone) {
            return;
        }
        try {
            power.shutDown(data.shutdownMicros());
        } finally {
            transport.setBusMaster(false);
        }
    }

    /** Frees what is left, after the controller was turned off. */
    void release() {
        admin.close();
        shadow.close();
        transport.close();
    }

    /** Undoes a failed attach. */
    void abandon() {
        admin.stop();
        try {
            power.disable();
        } catch (RuntimeException e) {
            LOG.debug("{} cannot be disabled", transport.name(), e);
        }
        transport.setBusMaster(false);
        release();
    }
}
