package io.gatun.benchmarks;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.bdev.NullBdev;
import io.gatun.bdev.NullOptions;
import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.Vring;
import io.gatun.vhostuser.VringCounters;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What a virtio-blk request costs without a second core: 4 KiB random reads, driver and device on one thread. The
 * driver's share is what {@link RingBenchmark} measures with three segments.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BlkRequestBenchmark {
    private static final int BURST = 32;
    private static final int SEGMENTS = 3;
    private static final int SECTOR_SHIFT = VirtioBlk.SECTOR_SHIFT;
    private static final int BLOCK_BYTES = 4096;
    private static final long DISK_BYTES = 1L << 30;
    private static final int NO_CALL = -1;

    /** The ring's layout. */
    @Param({"split", "packed"})
    public String layout;

    /** What is behind the device. */
    @Param({"null", "malloc"})
    public String disk;

    /** Header, data and status of each request of a burst. */
    private final long[] addresses = new long[BURST * SEGMENTS];

    private final int[] lengths = new int[BURST * SEGMENTS];
    private RingPair pair;
    private Bdev bdev;
    private QueueHandler handler;
    private long random = 0x9e3779b97f4a7c15L;

    /** Makes a disk and a queue that serves it. */
    @Setup
    public void connect() {
        pair = new RingPair(layout.equals("packed"));
        bdev = disk.equals("null")
                ? NullBdev.create(NullOptions.of("disk", DISK_BYTES, 512))
                : MallocBdev.create(MallocOptions.of("disk", DISK_BYTES, 512));
        Vring vring = new Vring(0, pair.device, null, NO_CALL, new VringCounters());
        handler = new VirtioBlkDevice(bdev, VirtioBlkOptions.DEFAULTS).startQueue(0, vring);
        for (int i = 0; i < BURST; i++) {
            place(i);
        }
        if (disk.equals("malloc")) {
            fill();
        }
    }

    private void place(int request) {
        int at = request * SEGMENTS;
        long page = pair.pages + (long) request * 2 * BLOCK_BYTES;
        addresses[at] = page;
        lengths[at] = VirtioBlk.HEADER_BYTES;
        addresses[at + 1] = page + BLOCK_BYTES;
        lengths[at + 1] = BLOCK_BYTES;
        addresses[at + 2] = page + BLOCK_BYTES / 2;
        lengths[at + 2] = 1;
    }

    /** Writes the whole disk: reading pages that were never written would measure something else. */
    private void fill() {
        Memory.putInt(addresses[0] + VirtioBlk.HEADER_TYPE, VirtioBlk.T_OUT);
        for (long at = 0; at < DISK_BYTES; at += BLOCK_BYTES) {
            Memory.putLong(addresses[0] + VirtioBlk.HEADER_SECTOR, at >>> SECTOR_SHIFT);
            pair.driver.add(addresses, lengths, 0, 2, 1);
            serve(1);
        }
        Memory.putInt(addresses[0] + VirtioBlk.HEADER_TYPE, VirtioBlk.T_IN);
    }

    /** Releases both. */
    @TearDown
    public void disconnect() {
        handler.close();
        bdev.close();
        pair.close();
    }

    /** A burst of reads: sent, served, collected. */
    @Benchmark
    @OperationsPerInvocation(BURST)
    public int randomRead() {
        for (int i = 0; i < BURST; i++) {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            long sector = (random & (DISK_BYTES - BLOCK_BYTES)) >>> SECTOR_SHIFT;
            int at = i * SEGMENTS;
            Memory.putLong(addresses[at] + VirtioBlk.HEADER_SECTOR, sector);
            pair.driver.add(addresses, lengths, at, 1, 2);
        }
        return serve(BURST);
    }

    private int serve(int requests) {
        pair.driver.publishAvailable();
        handler.poll(requests);
        int served = 0;
        while (pair.driver.popUsed() >= 0) {
            served++;
        }
        if (served != requests) {
            throw new IllegalStateException(served + " requests served of " + requests);
        }
        return served;
    }
}
