package io.gatun.vhostuser;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells of the comings and goings at one socket. A front-end that comes back in a loop would fill the disk with them,
 * so there are at most {@value #MAX_LINES} lines in ten seconds; how many were left out is told with the next.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only.
 */
final class ConnectionLog {
    static final int MAX_LINES = 20;
    static final long PERIOD_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final Logger LOG = LoggerFactory.getLogger(ConnectionLog.class);

    private final String socket;
    private final LongSupplier clock;
    private long periodStart;
    private int lines;
    private long leftOut;

    ConnectionLog(String socket) {
        this(socket, System::nanoTime);
    }

    ConnectionLog(String socket, LongSupplier clock) {
        this.socket = socket;
        this.clock = clock;
        this.periodStart = clock.getAsLong();
    }

    void connected() {
        if (mayTell()) {
            LOG.info("{}: a front-end has connected", socket);
        }
    }

    /** Tells of an end, orderly if {@code reason} is null. */
    void ended(String reason) {
        if (!mayTell()) {
            return;
        }
        if (reason == null) {
            LOG.info("{}: the front-end has disconnected", socket);
        } else {
            LOG.warn("{}: connection ended: {}", socket, reason);
        }
    }

    /** Tells of an end that is our own wish. */
    void left() {
        if (mayTell()) {
            LOG.info("{}: disconnected, as the device is being removed", socket);
        }
    }

    boolean mayTell() {
        long now = clock.getAsLong();
        if (now - periodStart >= PERIOD_NANOS) {
            periodStart = now;
            lines = 0;
            if (leftOut > 0) {
                LOG.warn("{}: {} more lines about connections were left out", socket, leftOut);
                leftOut = 0;
            }
        }
        if (lines == MAX_LINES) {
            leftOut++;
            return false;
        }
        lines++;
        return true;
    }
}
