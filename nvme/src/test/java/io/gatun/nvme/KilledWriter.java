package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.testkit.QtestMachine;
import io.gatun.vfio.DmaBuffer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A program that overwrites the blocks of a drive again and again, reads each back, and notes in a {@link WriteJournal}
 * what was acknowledged; until it is killed. See {@link QemuKillTest}.
 */
final class KilledWriter {
    static final int BLOCKS = 256;
    static final int BLOCK_BYTES = 4096;

    /** What it says once a write was acknowledged. */
    static final String WRITING = "WRITING";

    private static final int DEPTH = 32;

    private final NvmeNamespace namespace;
    private final IoQueue queue;
    private final WriteJournal journal;
    private final long buffers;

    // By slot: the block that it is busy with, or -1, and whether that is being read.
    private final int[] blocks = new int[DEPTH];
    private final boolean[] reading = new boolean[DEPTH];
    private final int[] nextBlocks = new int[DEPTH];

    private final int[] slots;
    private final CompletionBurst burst = new CompletionBurst(DEPTH);
    private boolean acknowledged;
    private final byte[] expected = new byte[BLOCK_BYTES];
    private final byte[] found = new byte[BLOCK_BYTES];

    private KilledWriter(NvmeNamespace namespace, IoQueue queue, WriteJournal journal, long buffers) {
        this.namespace = namespace;
        this.queue = queue;
        this.journal = journal;
        this.buffers = buffers;
        slots = new int[queue.depth()];
        Arrays.fill(blocks, -1);
        Arrays.setAll(nextBlocks, slot -> slot);
    }

    /** Arguments: the folder of a machine that is lent, and the journal. */
    public static void main(String[] arguments) throws IOException {
        try (QtestMachine machine = QtestMachine.join(Path.of(arguments[0]), 1);
                NvmeController controller =
                        NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS);
                WriteJournal journal = WriteJournal.open(Path.of(arguments[1]), BLOCKS);
                DmaBuffer memory = controller.memory().allocate((long) DEPTH * BLOCK_BYTES);
                IoQueue queue = controller.openQueue(null)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            KilledWriter writer = new KilledWriter(namespace, queue, journal, memory.address());
            while (true) {
                writer.step();
            }
        }
    }

    private void step() {
        for (int slot = 0; slot < DEPTH; slot++) {
            if (blocks[slot] < 0) {
                write(slot);
            }
        }
        queue.flush();
        int count = queue.poll(burst);
        for (int i = 0; i < count; i++) {
            if (burst.statuses[i] != NvmeStatus.SUCCESS) {
                throw new IllegalStateException(NvmeStatus.describe(burst.statuses[i]));
            }
            queue.release(burst.identifiers[i]);
            completed(slots[burst.identifiers[i]]);
        }
    }

    private void write(int slot) {
        int block = nextBlocks[slot];
        int identifier = queue.take();
        if (identifier < 0) {
            return;
        }
        VerifiedIo.fill(expected, (long) block * BLOCK_BYTES, journal.start(block));
        Memory.copyFromArray(expected, 0, buffer(slot), BLOCK_BYTES);
        nextBlocks[slot] = (block + DEPTH) % BLOCKS;
        blocks[slot] = block;
        send(identifier, slot, true);
    }

    private void completed(int slot) {
        int block = blocks[slot];
        if (!reading[slot]) {
            journal.acknowledge(block);
            if (!acknowledged) {
                acknowledged = true;
                System.out.println(WRITING);
            }
            Memory.fill(buffer(slot), BLOCK_BYTES, (byte) 0);
            send(queue.take(), slot, false);
            return;
        }
        VerifiedIo.fill(expected, (long) block * BLOCK_BYTES, journal.acknowledged(block));
        Memory.copyToArray(buffer(slot), found, 0, BLOCK_BYTES);
        if (!Arrays.equals(expected, found)) {
            throw new IllegalStateException("block " + block + " is not what was written");
        }
        blocks[slot] = -1;
    }

    private void send(int identifier, int slot, boolean write) {
        int perBlock = BLOCK_BYTES >>> namespace.blockShift();
        boolean named = queue.point(identifier, buffer(slot), BLOCK_BYTES);
        assert named;
        queue.send(identifier, write, namespace.id(), (long) blocks[slot] * perBlock, perBlock);
        slots[identifier] = slot;
        reading[slot] = !write;
    }

    private long buffer(int slot) {
        return buffers + (long) slot * BLOCK_BYTES;
    }
}
