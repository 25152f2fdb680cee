package io.gatun.pmd.pcap;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.FileStatus;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.PacketBuffer;
import io.gatun.pmd.PacketPool;
import java.nio.file.Path;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jctools.queues.varhandle.MpscVarHandleArrayQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes packets to a capture file from a thread of its own, which looks for them every few milliseconds, and at once
 * when many are waiting.
 *
 * <p>The file is locked: two writers would make one file that nobody can read.
 *
 * <p>A file that cannot be written any more (a full disk) is given up, with a line in the log; packets are dropped from
 * then on.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class PcapWriter implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PcapWriter.class);

    /** Packets that wait for the disk at most. */
    static final int PACKETS = 8192;

    private static final int BUFFERS = 16_384;
    private static final int WAKE_AT = PACKETS / 8;
    private static final long PAUSE_NANOS = 5_000_000;
    private static final int STAGE_BYTES = 1 << 20;
    private final Path path;
    private final Fd fd;
    private final int snapLength;
    private final PacketPool pool = PacketPool.create(BUFFERS, PacketPool.DEFAULT_BUFFER_BYTES);
    private final MpscVarHandleArrayQueue<PacketBuffer> packets = new MpscVarHandleArrayQueue<>(PACKETS);
    private final Mapping stage = Mapping.anonymous(STAGE_BYTES);

    /** What {@link System#nanoTime} has to be added to for nanoseconds since 1970. */
    private final long epoch;

    /** Threads between their look at {@link #open} and the end of their offer. */
    private final AtomicInteger senders = new AtomicInteger();

    private final Thread thread;
    private volatile boolean open = true;
    private volatile boolean asleep;
    private volatile long written;

    /** Why nothing is written any more, or 0. */
    private volatile int failure;

    private int staged;

    private PcapWriter(Path path, Fd fd, int snapLength) {
        this.path = path;
        this.fd = fd;
        this.snapLength = snapLength;
        Instant now = Instant.now();
        this.epoch = now.getEpochSecond() * 1_000_000_000 + now.getNano() - System.nanoTime();
        this.thread = Thread.ofPlatform().name("pcap " + path.getFileName()).daemon(true).unstarted(this::run);
    }

    /**
     * Makes or replaces a file.
     *
     * @param snapLength the most bytes kept of a packet
     * @throws LinuxException if it cannot be made, or somebody writes it already
     * @throws IllegalArgumentException if something else than a file is there
     */
    static PcapWriter create(Path path, int snapLength) {
        if (snapLength < 14 || snapLength > PcapLayout.MAX_SNAP_LENGTH) {
            throw new IllegalArgumentException(
                    "a snap length is 14 to " + PcapLayout.MAX_SNAP_LENGTH + " bytes, not " + snapLength);
        }
        Fd fd = FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_CREAT, 0644);
        try {
            claim(path, fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
        PcapWriter writer = new PcapWriter(path, fd, snapLength);
        writer.stageHeader();
        writer.thread.start();
        return writer;
    }

    /** Makes sure that it is a file and nobody else's, before what is in it goes; a pipe could hold up our end. */
    private static void claim(Path path, Fd fd) {
        FileStatus status = FileStatus.of(fd);
        if (status.isCharacterDevice()) {
            return; // /dev/null and its like have nothing to lose
        }
        if (!status.isRegular()) {
            throw new IllegalArgumentException(path + " is no regular file");
        }
        // A file system without locks leaves that to its user.
        if (FileIo.lock(fd.value(), false) == -Errno.EAGAIN) {
            throw new LinuxException("write " + path, -Errno.EBUSY, "a capture is written there; end that first");
        }
        int result = FileIo.ftruncate(fd.value(), 0);
        if (result < 0) {
            throw new LinuxException("make " + path + " anew", result, "");
        }
    }

    Path path() {
        return path;
    }

    /** Packets that are in the file, or on their way to it in the kernel. */
    long written() {
        return written;
    }

    /** What to give {@link #put} as the time of packets that are there now. */
    long now() {
        return epoch + System.nanoTime();
    }

    /** Takes a packet for the file; returns null, or why it could not. */
    Drop put(Burst burst, int packet, long nanos) {
        senders.incrementAndGet();
        try {
            return open && failure == 0 ? offer(burst, packet, nanos) : Drop.FAILED;
        } finally {
            senders.decrementAndGet();
        }
    }

    private Drop offer(Burst burst, int packet, long nanos) {
        if (packets.size() >= PACKETS) {
            return Drop.QUEUE_FULL;
        }
        PacketBuffer copy = null;
        try {
            copy = pool.copy(burst, packet, Math.min(burst.lengths[packet], snapLength));
            if (copy == null) {
                return Drop.NO_MEMORY;
            }
            copy.setStamp(nanos);
            if (!packets.offer(copy)) {
                return Drop.QUEUE_FULL;
            }
            copy = null;
        } finally {
            if (copy != null) {
                pool.giveBack(copy);
            }
        }
        if (asleep && packets.size() >= WAKE_AT) {
            LockSupport.unpark(thread);
        }
        return null;
    }

    /** Writes what was taken, and closes the file. */
    @Override
    public void close() {
        synchronized (this) {
            if (!open) {
                return;
            }
            open = false;
        }
        while (senders.get() != 0) {
            Thread.onSpinWait();
        }
        LockSupport.unpark(thread);
        joinUninterruptibly();
        pool.close();
        stage.close();
        fd.close();
    }

    private void run() {
        while (true) {
            // Before the look into the queue: what was offered before the end is written.
            boolean last = !open && senders.get() == 0;
            drain();
            flush();
            if (last) {
                return;
            }
            asleep = true;
            if (open) {
                LockSupport.parkNanos(PAUSE_NANOS);
            }
            asleep = false;
        }
    }

    private void drain() {
        PacketBuffer packet;
        while ((packet = packets.poll()) != null) {
            if (failure == 0) {
                stageRecord(packet);
            }
            pool.giveBack(packet);
        }
    }

    private void stageHeader() {
        long at = stage.address();
        Memory.putInt(at, PcapLayout.MAGIC_NANOSECONDS);
        Memory.putShort(at + PcapLayout.MAJOR, 2);
        Memory.putShort(at + PcapLayout.MINOR, 4);
        Memory.putInt(at + PcapLayout.SNAP_LENGTH, snapLength);
        Memory.putInt(at + PcapLayout.LINK_TYPE, PcapLayout.ETHERNET);
        staged = PcapLayout.FILE_HEADER_BYTES;
    }

    private void stageRecord(PacketBuffer packet) {
        int captured = Math.min(packet.packetBytes(), snapLength);
        if (STAGE_BYTES - staged < PcapLayout.RECORD_HEADER_BYTES + captured) {
            flush();
        }
        long at = stage.address() + staged;
        Memory.putInt(at + PcapLayout.SECONDS, (int) (packet.stamp() / 1_000_000_000));
        Memory.putInt(at + PcapLayout.FRACTION, (int) (packet.stamp() % 1_000_000_000));
        Memory.putInt(at + PcapLayout.CAPTURED, captured);
        Memory.putInt(at + PcapLayout.ORIGINAL, packet.packetBytes());
        at += PcapLayout.RECORD_HEADER_BYTES;
        for (PacketBuffer part = packet; part != null; part = part.next()) {
            Memory.copy(part.address(), at, part.usedBytes());
            at += part.usedBytes();
        }
        staged = (int) (at - stage.address());
        long before = written;
        written = before + 1;
    }

    private void flush() {
        int done = 0;
        while (done < staged && failure == 0) {
            long result = FileIo.write(fd.value(), stage.address() + done, staged - done);
            if (result >= 0) {
                done += (int) result;
            } else if (result != -Errno.EINTR) {
                failure = (int) -result;
                LOG.error("write {}: {}; packets are lost from here on", path, Errno.name((int) result));
            }
        }
        staged = 0;
    }

    private void joinUninterruptibly() {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
