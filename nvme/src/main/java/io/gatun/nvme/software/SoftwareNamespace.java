package io.gatun.nvme.software;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Opcode;

/**
 * A namespace in memory, or one without a medium, whose reads and writes move nothing.
 *
 * <p><b>Thread-safety:</b> as that of a drive: commands on the same blocks at the same time have no order.
 */
public final class SoftwareNamespace implements AutoCloseable {
    private static final int ZEROES_DEALLOCATE = Opcode.ZEROES_DEALLOCATE;
    private static final long NONE = -1;

    private final Mapping medium;
    private volatile long blockCount;
    private volatile int blockShift;
    private volatile long badBlock = NONE;
    private final long bytes;

    private SoftwareNamespace(Mapping medium, long bytes, int blockShift) {
        this.medium = medium;
        this.bytes = bytes;
        this.blockShift = blockShift;
        blockCount = bytes >>> blockShift;
    }

    /** A namespace of zeros, with blocks of 2^9 or 2^12 bytes. */
    public static SoftwareNamespace ofMemory(long bytes, int blockShift) {
        return new SoftwareNamespace(Mapping.anonymous(bytes), bytes, blockShift);
    }

    /** A namespace that reads and writes nothing. */
    public static SoftwareNamespace withoutMedium(long bytes, int blockShift) {
        return new SoftwareNamespace(null, bytes, blockShift);
    }

    long blockCount() {
        return blockCount;
    }

    int blockShift() {
        return blockShift;
    }

    /** Makes it smaller, or as large as it was. */
    public void resize(long blocks) {
        if (blocks << blockShift > bytes) {
            throw new IllegalArgumentException(blocks + " blocks in " + bytes + " bytes");
        }
        blockCount = blocks;
    }

    /** Makes a block unreadable. */
    public void spoil(long lba) {
        badBlock = lba;
    }

    long badBlock() {
        return badBlock;
    }

    void format(int shift) {
        blockShift = shift;
        blockCount = bytes >>> shift;
        if (medium != null) {
            Memory.fill(medium.address(), bytes, (byte) 0);
        }
    }

    /** Where a block is in this process. */
    public long address(long lba) {
        return medium.address() + (lba << blockShift);
    }

    /** Carries out a command of the NVM command set; returns its status. */
    int execute(int opcode, long entry, SoftwareData data) {
        if (opcode == Opcode.FLUSH) {
            return NvmeStatus.SUCCESS;
        }
        if (opcode == Opcode.DATASET_MANAGEMENT) {
            return deallocate(entry, data);
        }
        long lba = Memory.getLong(entry + Entries.CDW10);
        int word12 = Memory.getInt(entry + Entries.CDW12);
        long blocks = (word12 & 0xffff) + 1L;
        if (lba < 0 || lba > blockCount - blocks) {
            return NvmeStatus.LBA_OUT_OF_RANGE;
        }
        long bad = badBlock;
        if (bad >= lba && bad < lba + blocks && reads(opcode)) {
            return NvmeStatus.UNRECOVERED_READ_ERROR;
        }
        if (medium == null && (opcode == Opcode.READ || opcode == Opcode.WRITE)) {
            return NvmeStatus.SUCCESS;
        }
        int length = (int) (blocks << blockShift);
        return switch (opcode) {
            case Opcode.READ, Opcode.WRITE, Opcode.COMPARE -> transfer(opcode, entry, address(lba), length, data);
            case Opcode.WRITE_ZEROES -> {
                Memory.fill(address(lba), length, (byte) 0);
                yield (word12 & ~ZEROES_DEALLOCATE & ~0xffff) == 0 ? NvmeStatus.SUCCESS : NvmeStatus.INVALID_FIELD;
            }
            case Opcode.VERIFY -> NvmeStatus.SUCCESS;
            default -> NvmeStatus.INVALID_OPCODE;
        };
    }

    private static boolean reads(int opcode) {
        return opcode == Opcode.READ || opcode == Opcode.COMPARE || opcode == Opcode.VERIFY;
    }

    private static int transfer(int opcode, long entry, long address, int length, SoftwareData data) {
        int status = data.find(entry, length);
        if (status != NvmeStatus.SUCCESS) {
            return status;
        }
        if (opcode == Opcode.COMPARE) {
            return data.equalTo(address) ? NvmeStatus.SUCCESS : NvmeStatus.COMPARE_FAILURE;
        }
        data.copy(address, opcode == Opcode.READ);
        return NvmeStatus.SUCCESS;
    }

    private int deallocate(long entry, SoftwareData data) {
        int ranges = (Memory.getInt(entry + Entries.CDW10) & 0xff) + 1;
        int status = data.find(entry, ranges * Opcode.DSM_RANGE_BYTES);
        if (status != NvmeStatus.SUCCESS || Memory.getInt(entry + Entries.CDW11) != Opcode.DSM_DEALLOCATE) {
            return status == NvmeStatus.SUCCESS ? NvmeStatus.INVALID_FIELD : status;
        }
        for (int i = 0; i < ranges; i++) {
            long range = data.addresses[0] + (long) i * Opcode.DSM_RANGE_BYTES;
            long blocks = Memory.getInt(range + 4) & 0xffff_ffffL;
            long lba = Memory.getLong(range + 8);
            if (lba < 0 || lba > blockCount - blocks) {
                return NvmeStatus.LBA_OUT_OF_RANGE;
            }
            Memory.fill(address(lba), blocks << blockShift, (byte) 0);
        }
        return NvmeStatus.SUCCESS;
    }

    @Override
    public void close() {
        if (medium != null) {
            medium.close();
        }
    }
}
