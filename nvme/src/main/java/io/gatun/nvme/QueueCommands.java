package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import io.gatun.vfio.DmaSpace;

/**
 * The admin commands that concern an I/O queue pair (Base §5.4 to §5.7, §5.1).
 *
 * <p><b>Thread-safety:</b> the watch's thread.
 */
final class QueueCommands {
    private final NvmeController controller;
    private final AdminQueue admin;
    private final ShadowPages shadow;

    QueueCommands(NvmeController controller, AdminQueue admin, ShadowPages shadow) {
        this.controller = controller;
        this.admin = admin;
        this.shadow = shadow;
    }

    /** Makes a queue pair known to the controller; its shadow doorbells, or null. */
    ShadowDoorbells create(IoQueue queue) {
        DmaSpace memory = controller.memory();
        int size = queue.id() | (queue.entries - 1) << 16;
        int vector = queue.vector();
        int interrupts = vector < 0 ? 0 : Opcode.QUEUE_INTERRUPTS | vector << 16;
        // Zeroed before the controller knows the queue, and may look at them.
        ShadowDoorbells doorbells = shadow.of(queue.id(), Registers.doorbellStride(controller.capabilities()));
        int ignored = controller.execute(
                "create completion queue " + queue.id(),
                new AdminCommand(Opcode.CREATE_CQ)
                        .prp(memory.translate(queue.completionsAddress), 0)
                        .words(size, Opcode.QUEUE_CONTIGUOUS | interrupts));
        ignored = controller.execute(
                "create submission queue " + queue.id(),
                new AdminCommand(Opcode.CREATE_SQ)
                        .prp(memory.translate(queue.submissionsAddress), 0)
                        .words(size, Opcode.QUEUE_CONTIGUOUS | queue.id() << 16));
        return doorbells;
    }

    void delete(IoQueue queue) {
        int ignored = controller.execute(
                "delete submission queue " + queue.id(), new AdminCommand(Opcode.DELETE_SQ).words(queue.id(), 0));
        ignored = controller.execute(
                "delete completion queue " + queue.id(), new AdminCommand(Opcode.DELETE_CQ).words(queue.id(), 0));
    }

    /** Asks for a command to be aborted; whether it was shows in its completion. */
    void abort(IoQueue queue, int identifier) {
        AdminCommand command = new AdminCommand(Opcode.ABORT).words(queue.id() | identifier << 16, 0);
        long timeoutNanos = controller.options().ioTimeout().toNanos();
        int ignored =
                admin.execute("abort command " + identifier + " on queue " + queue.id(), command, timeoutNanos);
    }
}
