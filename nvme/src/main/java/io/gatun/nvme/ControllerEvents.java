package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a controller reports by itself (asynchronous events, Base §5.2): asks for it, and follows it.
 *
 * <p><b>Thread-safety:</b> the watch's thread, but for {@link #count}.
 */
final class ControllerEvents {
    private static final Logger LOG = LoggerFactory.getLogger(ControllerEvents.class);

    private static final int ALL_NAMESPACES = -1;

    // Which events are wanted (Base figure 326).
    private static final int WANT_HEALTH = 0x1f;
    private static final int WANT_NAMESPACES = 1 << 8;
    private static final int WANT_FIRMWARE = 1 << 9;

    // An event: type and information (Base figures 146 to 151).
    private static final int NOTICE = 2;
    private static final int NAMESPACES_CHANGED = 0;

    private final NvmeController controller;
    private final AdminQueue admin;
    private final AtomicLong count = new AtomicLong();

    ControllerEvents(NvmeController controller, AdminQueue admin) {
        this.controller = controller;
        this.admin = admin;
    }

    /** How many have come. */
    long count() {
        return count.get();
    }

    /** Chooses events at a controller that was enabled just now, and asks for them. */
    void request() {
        int optional = controller.data().optionalEvents();
        int wanted = WANT_HEALTH | (optional & (WANT_NAMESPACES | WANT_FIRMWARE));
        try {
            AdminCommand command =
                    new AdminCommand(Opcode.SET_FEATURES).words(Opcode.FEATURE_ASYNC_EVENTS, wanted).mayBeRefused();
            int ignored = controller.execute("choose events", command);
        } catch (NvmeException e) {
            if (e.status() < 0) {
                throw e;
            }
            LOG.info("{}; taking those that it sends", e.getMessage());
        }
        admin.requestEvents(controller.data().asyncEventLimit());
    }

    /** Follows one event, if one has come. */
    void take() {
        Integer event = admin.pollEvent();
        if (event == null) {
            return;
        }
        long ignored = count.incrementAndGet();
        int type = event & 7;
        int information = event >>> 8 & 0xff;
        int page = event >>> 16 & 0xff;
        if (type == NOTICE && information == NAMESPACES_CHANGED) {
            // Reading the log is what lets the next notice come.
            byte[] changed = controller.log(Opcode.LOG_CHANGED_NAMESPACES, ALL_NAMESPACES, AdminQueue.DATA_BYTES);
            LOG.info("{}: namespaces changed, {} first", controller.name(), Fields.i32(changed, 0));
            controller.rescan();
        } else {
            byte[] log = page == 0 ? new byte[0] : controller.log(page, ALL_NAMESPACES, HealthLog.BYTES);
            String detail = page == Opcode.LOG_HEALTH ? ": " + new HealthLog(log).warnings() : "";
            LOG.warn("{} reports event {}/{}, log page {}{}", controller.name(), type, information, page, detail);
        }
        admin.requestEvents(controller.data().asyncEventLimit());
    }
}
