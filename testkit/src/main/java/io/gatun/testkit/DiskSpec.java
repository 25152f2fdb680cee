package io.gatun.testkit;

/**
 * A disk that a test asks of a server; immutable, made with the {@code with} methods.
 *
 * @param medium what is behind it
 * @param sizeMegabytes its size in MiB
 * @param queues virtqueues
 * @param packed the guest is offered the packed ring
 * @param readOnly it refuses writes
 * @param serverConnects QEMU listens and the server connects, instead of the other way round
 * @param polling the server spins instead of sleeping when idle
 */
public record DiskSpec(
        Medium medium,
        int sizeMegabytes,
        int queues,
        boolean packed,
        boolean readOnly,
        boolean serverConnects,
        boolean polling) {

    /** What is behind a disk. */
    public enum Medium {
        /** The server's memory: gone with the server. */
        MEMORY,
        /** A file: survives it. */
        FILE
    }

    /** A writable disk of 256 MiB with one split queue, at a socket on which the server listens. */
    public static DiskSpec of(Medium medium) {
        return new DiskSpec(medium, 256, 1, false, false, false, false);
    }

    public DiskSpec withQueues(int count) {
        return new DiskSpec(medium, sizeMegabytes, count, packed, readOnly, serverConnects, polling);
    }

    public DiskSpec withPacked(boolean offer) {
        return new DiskSpec(medium, sizeMegabytes, queues, offer, readOnly, serverConnects, polling);
    }

    public DiskSpec withReadOnly() {
        return new DiskSpec(medium, sizeMegabytes, queues, packed, true, serverConnects, polling);
    }

    public DiskSpec withServerConnecting() {
        return new DiskSpec(medium, sizeMegabytes, queues, packed, readOnly, true, polling);
    }

    public DiskSpec withPolling() {
        return new DiskSpec(medium, sizeMegabytes, queues, packed, readOnly, serverConnects, true);
    }

    @Override
    public String toString() {
        return "%s, %s, %d queue%s%s%s%s"
                .formatted(
                        medium.name().toLowerCase(java.util.Locale.ROOT),
                        packed ? "packed" : "split",
                        queues,
                        queues == 1 ? "" : "s",
                        readOnly ? ", read-only" : "",
                        serverConnects ? ", connecting" : "",
                        polling ? ", polling" : "");
    }
}
