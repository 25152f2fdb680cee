package io.gatun.vhostuser;

import io.gatun.linux.Fd;

/**
 * The buffer in which a back-end remembers its requests in flight; a front-end keeps it while back-ends come and go,
 * and never looks inside. Source: QEMU {@code docs/interop/vhost-user.rst}, "Inflight I/O tracking".
 *
 * @param file the memory, owned by this record
 * @param mmapBytes how much of it to map
 * @param mmapOffset from where
 * @param queues how many queues it covers
 * @param queueSize the size of each
 */
public record InflightRegion(Fd file, long mmapBytes, long mmapOffset, int queues, int queueSize)
        implements AutoCloseable {
    Payload.Inflight toPayload() {
        return new Payload.Inflight(mmapBytes, mmapOffset, queues, queueSize);
    }

    @Override
    public void close() {
        file.close();
    }
}
