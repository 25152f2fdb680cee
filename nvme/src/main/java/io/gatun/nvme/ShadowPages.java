package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Opcode;
import io.gatun.vfio.DmaArena;
import io.gatun.vfio.DmaSpace;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The two pages of a controller's shadow doorbells: values and event indices (Doorbell Buffer Config, Base §5.8).
 *
 * <p>They are taken once and stay until the end: a queue whose owner has not noticed a reset yet may still write to
 * them.
 *
 * <p><b>Thread-safety:</b> one thread at a time; {@link #inUse} is for any.
 */
final class ShadowPages implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ShadowPages.class);

    private final NvmeController controller;
    private final DmaArena arena;
    private long values;
    private long events;
    private volatile boolean inUse;

    ShadowPages(NvmeController controller) {
        this.controller = controller;
        arena = new DmaArena(controller.memory(), 2 * DmaSpace.PAGE_BYTES);
    }

    /** Whether doorbells go through memory. */
    boolean inUse() {
        return inUse;
    }

    /** Tells a controller of them that was enabled just now, if it can and should use them. */
    void configure(int doorbellStride) {
        inUse = false;
        boolean fits = (controller.ioQueueLimit() + 1) * 2L * doorbellStride <= DmaSpace.PAGE_BYTES;
        if (!controller.options().shadowDoorbells() || !controller.data().supportsShadowDoorbells() || !fits) {
            return;
        }
        if (values == 0) {
            values = arena.allocate(DmaSpace.PAGE_BYTES, DmaSpace.PAGE_BYTES);
            events = arena.allocate(DmaSpace.PAGE_BYTES, DmaSpace.PAGE_BYTES);
        }
        Memory.fill(values, DmaSpace.PAGE_BYTES, (byte) 0);
        Memory.fill(events, DmaSpace.PAGE_BYTES, (byte) 0);
        DmaSpace memory = controller.memory();
        AdminCommand command = new AdminCommand(Opcode.DOORBELL_BUFFER_CONFIG)
                .prp(memory.translate(values), memory.translate(events))
                .mayBeRefused();
        try {
            int ignored = controller.execute("configure shadow doorbells", command);
            inUse = true;
        } catch (NvmeException e) {
            if (e.status() < 0) {
                throw e;
            }
            LOG.warn("{}; using registers", e.getMessage());
        }
    }

    /** Those of a queue pair, zeroed; null where doorbells are registers. */
    ShadowDoorbells of(int queue, int doorbellStride) {
        return inUse ? new ShadowDoorbells(values, events, queue, doorbellStride) : null;
    }

    /** Frees them, after all queues. */
    @Override
    public void close() {
        arena.close();
    }
}
