package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import java.util.function.IntSupplier;

/**
 * Sends single commands on a queue and waits for each.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class Commands {
    private final IoQueue queue;
    private final CompletionBurst burst = new CompletionBurst(32);

    Commands(IoQueue queue) {
        this.queue = queue;
    }

    /** Starts a command, which gives its identifier, and gives its status, type and code alone. */
    int status(IntSupplier command) {
        int status = statusOrErrno(command);
        assertTrue(status >= 0, () -> "refused: " + status);
        return status;
    }

    /** As {@link #status}, of a controller that is given up for now: waits until it takes commands again. */
    int statusOnceBack(IntSupplier command) {
        int[] status = {0};
        Waiting.until("the controller is back", () -> {
            status[0] = statusOrErrno(command);
            return status[0] != -Errno.ENODEV;
        });
        return status[0];
    }

    /** As {@link #status}; {@code -errno} where the command is refused, other than for now. */
    int statusOrErrno(IntSupplier command) {
        int[] identifier = {0};
        Waiting.until("the queue takes a command", () -> {
            int ignored = queue.poll(burst);
            identifier[0] = command.getAsInt();
            return identifier[0] != -Errno.EAGAIN;
        });
        if (identifier[0] < 0) {
            return identifier[0];
        }
        queue.flush();
        int[] status = {-1};
        Waiting.until("a command completes", () -> {
            int count = queue.poll(burst);
            for (int i = 0; i < count; i++) {
                queue.release(burst.identifiers[i]);
                if (burst.identifiers[i] == identifier[0]) {
                    status[0] = NvmeStatus.code(burst.statuses[i]);
                }
            }
            return status[0] >= 0;
        });
        return status[0];
    }

    /** Waits for everything in flight. */
    void drain() {
        Waiting.until("all commands have completed", () -> {
            int count = queue.poll(burst);
            for (int i = 0; i < count; i++) {
                queue.release(burst.identifiers[i]);
            }
            return queue.inFlight() == 0;
        });
    }
}
