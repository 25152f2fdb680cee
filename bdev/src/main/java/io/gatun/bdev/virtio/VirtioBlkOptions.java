package io.gatun.bdev.virtio;

import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * How a block device is shown to a guest; the constructor refuses what cannot be, with {@link
 * IllegalArgumentException}.
 *
 * @param queues how many request queues, 1 to 256
 * @param readOnly whether writes are refused even if the block device would take them
 * @param packed whether packed rings may be negotiated
 * @param serial what the guest reads as the disk's serial number, up to 20 printable ASCII characters
 * @param writeCache the cache mode after a reset: true is writeback, false is writethrough; a guest may change it
 */
public record VirtioBlkOptions(int queues, boolean readOnly, boolean packed, String serial, boolean writeCache) {
    /** One queue, writable, packed rings allowed, writeback. */
    public static final VirtioBlkOptions DEFAULTS = new VirtioBlkOptions(1, false, true, "gatun", true);

    private static final int MAX_QUEUES = 256;

    public VirtioBlkOptions {
        Objects.requireNonNull(serial, "serial");
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException("queues must be from 1 to " + MAX_QUEUES + ", not " + queues);
        }
        if (serial.length() > VirtioBlk.ID_BYTES || !serial.chars().allMatch(c -> c >= ' ' && c <= '~')) {
            throw new IllegalArgumentException(
                    "serial must be at most 20 printable ASCII characters, not '" + serial + "'");
        }
    }

    /** These options with another number of queues. */
    public VirtioBlkOptions withQueues(int count) {
        return new VirtioBlkOptions(count, readOnly, packed, serial, writeCache);
    }

    /** These options for a disk that is read-only, or not. */
    public VirtioBlkOptions withReadOnly(boolean value) {
        return new VirtioBlkOptions(queues, value, packed, serial, writeCache);
    }

    /** These options with packed rings allowed, or not. */
    public VirtioBlkOptions withPacked(boolean value) {
        return new VirtioBlkOptions(queues, readOnly, value, serial, writeCache);
    }

    /** These options with another serial number. */
    public VirtioBlkOptions withSerial(String value) {
        return new VirtioBlkOptions(queues, readOnly, packed, value, writeCache);
    }

    /** These options with another cache mode after reset. */
    public VirtioBlkOptions withWriteCache(boolean value) {
        return new VirtioBlkOptions(queues, readOnly, packed, serial, value);
    }

    /** The answer to {@link VirtioBlk#T_GET_ID}. */
    byte[] id() {
        byte[] id = new byte[VirtioBlk.ID_BYTES];
        byte[] ascii = serial.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(ascii, 0, id, 0, ascii.length);
        return id;
    }
}
