package io.gatun.pmd.pcap;

import io.gatun.linux.LinuxException;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Observer;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes what a running port receives and what is sent to it to a file that tcpdump and tshark read.
 *
 * <p>Packets are as the queue carries them: a large one that is to be segmented is one record, and a checksum that is
 * left to the receiver is missing. What is sent is written also if the receiver then drops it. A port without a capture
 * does nothing for it but look at a field, once per burst.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class Capture implements Observer, AutoCloseable {
    private final Port port;
    private final PcapWriter writer;
    private final AtomicLong dropped = new AtomicLong();

    private Capture(Port port, PcapWriter writer) {
        this.port = port;
        this.writer = writer;
    }

    /**
     * Begins to capture.
     *
     * @param snapLength the most bytes kept of each packet, 14 to 262144
     * @throws LinuxException if the file cannot be made
     * @throws IllegalStateException if the port is being captured
     */
    public static Capture start(Port port, Path file, int snapLength) {
        Capture capture = new Capture(port, PcapWriter.create(file, snapLength));
        if (!port.observe(null, capture)) {
            capture.writer.close();
            throw new IllegalStateException(port + " is being captured; stop that first");
        }
        return capture;
    }

    public Path file() {
        return writer.path();
    }

    /** Packets in the file. */
    public long packets() {
        return writer.written();
    }

    /** Packets that are not in the file, because it could not be written fast enough, or at all. */
    public long dropped() {
        return dropped.get();
    }

    @Override
    public void received(RxQueue from, Burst burst) {
        long now = writer.now();
        for (int i = 0; i < burst.count; i++) {
            put(burst, i, now);
        }
    }

    @Override
    public void sent(TxQueue to, Burst burst, int[] which, int count) {
        long now = writer.now();
        for (int i = 0; i < count; i++) {
            put(burst, which[i], now);
        }
    }

    /** Ends the capture; the file is complete when this returns. */
    @Override
    public void close() {
        boolean ignored = port.observe(this, null);
        writer.close();
    }

    private void put(Burst burst, int packet, long now) {
        if (writer.put(burst, packet, now) != null) {
            dropped.incrementAndGet();
        }
    }
}
