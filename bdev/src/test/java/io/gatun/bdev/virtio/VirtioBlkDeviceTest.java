package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.linux.Errno;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Features, configuration space, cache modes and asynchronous completion of virtio-blk (VIRTIO 1.3 §5.2.3–§5.2.6). */
class VirtioBlkDeviceTest {
    private static final byte[] NONE = {};
    private static final byte[] SECTOR = new byte[512];

    private final HeldBdev disk = new HeldBdev();

    private static ByteBuffer config(VirtioBlkDevice device) {
        byte[] bytes = new byte[device.configLength()];
        device.readConfig(bytes);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Test
    void describesTheDisk() {
        VirtioBlkDevice device = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS.withQueues(4));
        ByteBuffer config = config(device);
        assertEquals(96, config.capacity());
        assertEquals(1 << 20, config.getLong(0), "capacity");
        assertEquals(1 << 20, config.getInt(8), "size_max");
        assertEquals(126, config.getInt(12), "seg_max");
        assertEquals((1 << 20) / 16 / 63, config.getShort(16), "cylinders");
        assertEquals(16, config.get(18), "heads");
        assertEquals(63, config.get(19), "sectors");
        assertEquals(512, config.getInt(20), "blk_size");
        assertEquals(3, config.get(24), "physical_block_exp");
        assertEquals(8, config.getShort(26), "min_io_size");
        assertEquals(1, config.get(32), "writeback");
        assertEquals(4, config.getShort(34), "num_queues");
        assertEquals(1 << 21, config.getInt(36), "max_discard_sectors");
        assertEquals(32, config.getInt(40), "max_discard_seg");
        assertEquals(8, config.getInt(44), "discard_sector_alignment");
        assertEquals(1 << 17, config.getInt(48), "max_write_zeroes_sectors");
        assertEquals(32, config.getInt(52), "max_write_zeroes_seg");
        assertEquals(1, config.get(56), "write_zeroes_may_unmap");
        for (int i = 57; i < 96; i++) {
            assertEquals(0, config.get(i), "no secure erase, no zones, no padding");
        }
    }

    @Test
    void offersWhatTheDiskCanDo() {
        long features = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS).features();
        long always = VirtioBlk.F_SIZE_MAX
                | VirtioBlk.F_SEG_MAX
                | VirtioBlk.F_BLK_SIZE
                | VirtioBlk.F_TOPOLOGY
                | VirtioBlk.F_FLUSH
                | VirtioBlk.F_CONFIG_WCE
                | VirtioBlk.F_MQ
                | VirtioFeatures.VERSION_1
                | VirtioFeatures.INDIRECT_DESC
                | VirtioFeatures.EVENT_IDX;
        long writable = VirtioBlk.F_DISCARD | VirtioBlk.F_WRITE_ZEROES;
        assertTrue(VirtioFeatures.has(features, always | writable | VirtioFeatures.RING_PACKED));
        assertFalse(VirtioFeatures.has(features, VirtioBlk.F_RO));
        long readOnly = new VirtioBlkDevice(
                        disk, VirtioBlkOptions.DEFAULTS.withReadOnly(true).withPacked(false))
                .features();
        assertTrue(VirtioFeatures.has(readOnly, always | VirtioBlk.F_RO));
        assertEquals(0, readOnly & (writable | VirtioFeatures.RING_PACKED));
    }

    @Test
    void onlyTheCacheModeIsWritable() {
        VirtioBlkDevice device = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS);
        assertEquals(0, device.writeConfig(32, new byte[] {0}, false));
        assertEquals(0, config(device).get(32));
        assertEquals(-Errno.EINVAL, device.writeConfig(32, new byte[] {2}, false));
        assertEquals(-Errno.EINVAL, device.writeConfig(31, new byte[] {0, 1}, false));
        assertEquals(-Errno.EINVAL, device.writeConfig(0, new byte[8], false));
        assertEquals(-Errno.EINVAL, device.writeConfig(0, NONE, false));
        assertEquals(0, config(device).get(32));
        assertEquals(0, device.writeConfig(0, new byte[8], true), "migration restores what is ours anyway");
        byte[] whole = new byte[96];
        whole[32] = 1;
        assertEquals(0, device.writeConfig(0, whole, true));
        assertEquals(1, config(device).get(32));
        assertEquals(0, device.writeConfig(32, new byte[] {0}, false));
        device.reset();
        assertEquals(1, config(device).get(32), "the mode after reset is the option's");
    }

    @Test
    void theCacheModeSurvivesARestart() {
        VirtioBlkDevice before = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS);
        assertEquals(0, before.writeConfig(32, new byte[] {0}, false));
        VirtioBlkDevice after = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS);
        assertEquals(1, config(after).get(32));
        after.restoreDriverState(before.driverState());
        assertEquals(0, config(after).get(32));
        for (int nonsense : new int[] {0, 3, -1}) {
            after.restoreDriverState(nonsense);
            assertEquals(0, config(after).get(32));
        }
        assertEquals(0, before.writeConfig(32, new byte[] {1}, false));
        after.restoreDriverState(before.driverState());
        assertEquals(1, config(after).get(32));
    }

    @Test
    void aReadCompletesWhenTheDiskSaysSo() {
        try (BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, false)) {
            int first = guest.add(VirtioBlk.T_IN, 0, NONE, 512);
            int second = guest.add(VirtioBlk.T_OUT, 1, SECTOR, 0);
            int third = guest.add(VirtioBlk.T_FLUSH, 0, NONE, 0);
            assertEquals(3, guest.handler.poll(32));
            assertEquals(3, guest.handler.inFlight());
            assertNull(guest.take());
            disk.complete(1, 0);
            disk.complete(0, -Errno.EIO);
            assertEquals(2, guest.handler.poll(0));
            BlkGuest.Answer answer = guest.take();
            assertEquals(second, answer.id());
            assertEquals(VirtioBlk.S_OK, answer.status());
            answer = guest.take();
            assertEquals(first, answer.id());
            assertEquals(VirtioBlk.S_IOERR, answer.status());
            assertEquals(0, answer.usedLength());
            disk.complete(0, -Errno.EOPNOTSUPP);
            guest.handler.poll(0);
            answer = guest.take();
            assertEquals(third, answer.id());
            assertEquals(VirtioBlk.S_UNSUPP, answer.status());
            assertEquals(0, guest.handler.inFlight());
            assertEquals(2, guest.device.counters().getFirst().errors());
        }
    }

    @Test
    void writethroughMakesEveryKindOfWriteDurableFirst() {
        try (BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, false)) {
            assertEquals(0, guest.device.writeConfig(32, new byte[] {0}, false));
            guest.add(VirtioBlk.T_OUT, 1, SECTOR, 0);
            guest.add(VirtioBlk.T_WRITE_ZEROES, 0, BlkGuest.ranges(2, 1, 0, 3, 1, 1), 0);
            guest.add(VirtioBlk.T_IN, 4, NONE, 512);
            guest.handler.poll(32);
            assertEquals(List.of("write 1", "write zeroes 2", "read 4"), disk.log);
            disk.log.clear();
            disk.complete(0, 0);
            disk.complete(0, 0);
            disk.complete(0, 0);
            guest.handler.poll(0);
            assertEquals(VirtioBlk.S_OK, guest.take().status(), "the read");
            assertNull(guest.take());
            assertEquals(List.of("flush 0", "write zeroes 3"), disk.log);
            disk.complete(0, -Errno.EIO);
            disk.complete(0, 0);
            guest.handler.poll(0);
            assertEquals(VirtioBlk.S_IOERR, guest.take().status(), "the write, whose flush failed");
            assertNull(guest.take());
            disk.complete(0, 0);
            guest.handler.poll(0);
            assertEquals(VirtioBlk.S_OK, guest.take().status(), "the zeros");
            assertEquals(0, guest.handler.inFlight());
        }
    }

    @Test
    void aDriverThatCannotFlushGetsWritethrough() {
        long neither = ~(VirtioBlk.F_FLUSH | VirtioBlk.F_CONFIG_WCE);
        assertEquals(List.of("write 0", "flush 0"), stepsOfAWrite(neither, new HeldBdev()));
        assertEquals(List.of("write 0", "flush 0"), stepsOfAWrite(~VirtioBlk.F_FLUSH, new HeldBdev()));
        assertEquals(List.of("write 0"), stepsOfAWrite(~VirtioBlk.F_CONFIG_WCE, new HeldBdev()));
        assertEquals(List.of("write 0"), stepsOfAWrite(-1L, new HeldBdev()));
    }

    private static List<String> stepsOfAWrite(long featureMask, HeldBdev held) {
        VirtioBlkDevice device = new VirtioBlkDevice(held, VirtioBlkOptions.DEFAULTS);
        try (BlkGuest guest = new BlkGuest(device, false, featureMask)) {
            guest.add(VirtioBlk.T_OUT, 0, SECTOR, 0);
            guest.handler.poll(1);
            while (!held.held.isEmpty()) {
                held.complete(0, 0);
                guest.handler.poll(0);
            }
            assertEquals(VirtioBlk.S_OK, guest.take().status());
        }
        return held.log;
    }

    @Test
    void aDiskThatGrowsIsAnnouncedAndUsableAtOnce() {
        int[] changes = {0};
        VirtioBlkDevice device = new VirtioBlkDevice(disk, VirtioBlkOptions.DEFAULTS);
        try (BlkGuest guest = new BlkGuest(device, false, -1L)) {
            device.attached(() -> changes[0]++, guest.features);
            assertEquals(VirtioBlk.S_IOERR, guest.read(1 << 20, 512).status());
            disk.resize(1 << 21);
            assertEquals(1, changes[0]);
            assertEquals(1 << 21, config(device).getLong(0));
            guest.add(VirtioBlk.T_IN, 1 << 20, NONE, 512);
            guest.handler.poll(1);
            disk.complete(0, 0);
            assertEquals(VirtioBlk.S_OK, guest.await().status());
        }
        disk.resize(1 << 22);
        assertEquals(1, changes[0], "nobody is attached any more");
    }

    @Test
    void refusesOptionsThatCannotBe() {
        assertThrows(IllegalArgumentException.class, () -> VirtioBlkOptions.DEFAULTS.withQueues(0));
        assertThrows(IllegalArgumentException.class, () -> VirtioBlkOptions.DEFAULTS.withQueues(257));
        assertThrows(IllegalArgumentException.class, () -> VirtioBlkOptions.DEFAULTS.withSerial("x".repeat(21)));
        assertThrows(IllegalArgumentException.class, () -> VirtioBlkOptions.DEFAULTS.withSerial("ä"));
    }

    @Test
    void blocksOf4096BytesAreTheGuests() {
        try (Bdev malloc = MallocBdev.create(MallocOptions.of("m0", 1 << 20, 4096))) {
            ByteBuffer config = config(new VirtioBlkDevice(malloc, VirtioBlkOptions.DEFAULTS));
            assertEquals(2048, config.getLong(0), "capacity is in sectors of 512 bytes");
            assertEquals(4096, config.getInt(20));
            assertEquals(0, config.get(24));
        }
    }
}
