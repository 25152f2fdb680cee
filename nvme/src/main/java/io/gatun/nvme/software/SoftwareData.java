package io.gatun.nvme.software;

import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.spec.Entries;
import io.gatun.vfio.DmaSpace;

/**
 * Finds the host memory of a command: walks its PRP entries (Base §4.1.1) or its SGL (Base §4.1.2), by the rules.
 *
 * <p><b>Thread-safety:</b> one thread at a time.
 */
final class SoftwareData {
    private static final int PAGE_BYTES = 4096;
    private static final int PAGE_MASK = PAGE_BYTES - 1;
    private static final int SGL_DATA_BLOCK = 0;
    private static final int SGL_LAST_SEGMENT = 3;
    private static final int MOST_PIECES = 4096;

    /** Where each piece is in this process. */
    final long[] addresses = new long[MOST_PIECES];

    final int[] lengths = new int[MOST_PIECES];
    int count;

    private final SoftwareMemory memory;

    SoftwareData(SoftwareMemory memory) {
        this.memory = memory;
    }

    /** Finds {@code bytes} of data of the command at {@code entry}; returns a status. */
    int find(long entry, int bytes) {
        count = 0;
        if (bytes == 0) {
            return NvmeStatus.SUCCESS;
        }
        long first = Memory.getLong(entry + Entries.PRP1);
        long second = Memory.getLong(entry + Entries.PRP2);
        int psdt = Memory.getInt(entry) >>> 14 & 3;
        if (psdt == 0) {
            return walkPrp(first, second, bytes);
        }
        return psdt == 1 ? walkSgl(first, second, bytes) : NvmeStatus.INVALID_FIELD;
    }

    private int walkPrp(long first, long second, int bytes) {
        int inFirst = Math.min(bytes, PAGE_BYTES - ((int) first & PAGE_MASK));
        if ((first & 3) != 0) {
            return NvmeStatus.INVALID_PRP_OFFSET;
        }
        int status = add(first, inFirst);
        int left = bytes - inFirst;
        if (status != 0 || left == 0) {
            return status;
        }
        if (left <= PAGE_BYTES) {
            return (second & PAGE_MASK) != 0 ? NvmeStatus.INVALID_PRP_OFFSET : add(second, left);
        }
        if ((second & 7) != 0) {
            return NvmeStatus.INVALID_PRP_OFFSET;
        }
        long at = second;
        while (left > 0) {
            long list = memory.find(at);
            if (list == DmaSpace.UNMAPPED) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            long entry = Memory.getLong(list);
            boolean lastOfPage = (at & PAGE_MASK) == PAGE_BYTES - 8;
            if ((entry & PAGE_MASK) != 0) {
                return NvmeStatus.INVALID_PRP_OFFSET;
            }
            if (lastOfPage && left > PAGE_BYTES) {
                at = entry; // the list goes on in another page
                continue;
            }
            int piece = Math.min(left, PAGE_BYTES);
            status = add(entry, piece);
            if (status != 0) {
                return status;
            }
            left -= piece;
            at += 8;
        }
        return NvmeStatus.SUCCESS;
    }

    private int walkSgl(long first, long second, int bytes) {
        int type = (int) (second >>> 60);
        if (type == SGL_DATA_BLOCK) {
            return (int) second == bytes ? add(first, bytes) : NvmeStatus.DATA_TRANSFER_ERROR;
        }
        if (type != SGL_LAST_SEGMENT || (second & 15) != 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        int left = bytes;
        for (int at = 0; at < (int) second; at += 16) {
            long descriptor = memory.find(first + at);
            if (descriptor == DmaSpace.UNMAPPED || Memory.getLong(descriptor + 8) >>> 60 != SGL_DATA_BLOCK) {
                return NvmeStatus.INVALID_FIELD;
            }
            int length = Memory.getInt(descriptor + 8);
            if (length < 0 || length > left) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            int status = add(Memory.getLong(descriptor), length);
            if (status != 0) {
                return status;
            }
            left -= length;
        }
        return left == 0 ? NvmeStatus.SUCCESS : NvmeStatus.DATA_TRANSFER_ERROR;
    }

    /** Adds a piece, page by page, since neighbouring pages of the controller's need not be neighbours here. */
    private int add(long deviceAddress, int length) {
        long at = deviceAddress;
        int left = length;
        while (left > 0) {
            long address = memory.find(at);
            if (address == DmaSpace.UNMAPPED || count == MOST_PIECES) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            int piece = Math.min(left, PAGE_BYTES - ((int) at & PAGE_MASK));
            addresses[count] = address;
            lengths[count] = piece;
            count++;
            at += piece;
            left -= piece;
        }
        return NvmeStatus.SUCCESS;
    }

    /** Copies between the pieces and one range of this process. */
    void copy(long flat, boolean toHost) {
        long at = flat;
        for (int i = 0; i < count; i++) {
            if (toHost) {
                Memory.copy(at, addresses[i], lengths[i]);
            } else {
                Memory.copy(addresses[i], at, lengths[i]);
            }
            at += lengths[i];
        }
    }

    /** Whether the pieces hold what one range of this process holds. */
    boolean equalTo(long flat) {
        long at = flat;
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < lengths[i]; j++) {
                if (Memory.getByte(addresses[i] + j) != Memory.getByte(at + j)) {
                    return false;
                }
            }
            at += lengths[i];
        }
        return true;
    }
}
