package io.gatun.bdev;

/**
 * One operation on a block device. Reusable; lent to the channel from {@code submit} until it completes.
 *
 * <p>Fields are public because they are read and written for every request.
 *
 * <p><b>Thread-safety:</b> belongs to the channel's thread.
 */
public final class BdevRequest {
    /** Fills the segments from the device. */
    public static final int READ = 0;
    /** Copies the segments to the device. */
    public static final int WRITE = 1;
    /** Makes every write that completed before durable. */
    public static final int FLUSH = 2;
    /** The range is not needed any more; what it reads as afterwards is undefined. */
    public static final int DISCARD = 3;
    /** The range reads as zeros afterwards. */
    public static final int WRITE_ZEROES = 4;

    /** One of the constants above. */
    public int operation;

    /** Where the range starts, a multiple of the block size. */
    public long offsetBytes;

    /** How long the range is, a multiple of the block size; for reads and writes the sum of the segments' lengths. */
    public long lengthBytes;

    /** Host address of each segment. */
    public long[] addresses;

    /** Length of each segment in bytes, positive. */
    public int[] lengths;

    /** The segments are {@code [firstSegment, firstSegment + segmentCount)} of the arrays. */
    public int firstSegment;

    public int segmentCount;

    /** {@link #WRITE_ZEROES}: whether the range may be deallocated. */
    public boolean unmap;

    /** 0 or {@code -errno}; set when the request comes out of {@code poll}. */
    public int status;

    /** The submitter's own, to know the request again. */
    public int tag;

    /** The channel's: how many bytes are done. */
    long doneBytes;

    /** The channel's: the next in a list. */
    BdevRequest next;

    /** Makes a request to be filled in. */
    public BdevRequest() {}

    /** The name of an operation, for messages. */
    public static String operationName(int operation) {
        return switch (operation) {
            case READ -> "read";
            case WRITE -> "write";
            case FLUSH -> "flush";
            case DISCARD -> "discard";
            case WRITE_ZEROES -> "write zeroes";
            default -> "operation " + operation;
        };
    }
}
