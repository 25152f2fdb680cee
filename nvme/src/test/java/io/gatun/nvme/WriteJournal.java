package io.gatun.nvme;

import java.io.IOException;
import java.nio.IntBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What a program has written, in a shared file, so that it outlives a kill: for each block, the generation whose write
 * was started last and the one that was acknowledged last.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class WriteJournal implements AutoCloseable {
    private final FileChannel file;
    private final IntBuffer generations;

    private WriteJournal(FileChannel file, int blocks) throws IOException {
        this.file = file;
        generations = file.map(FileChannel.MapMode.READ_WRITE, 0, 2L * blocks * Integer.BYTES).asIntBuffer();
    }

    static WriteJournal open(Path path, int blocks) throws IOException {
        FileChannel file = FileChannel.open(
                path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        return new WriteJournal(file, blocks);
    }

    /** A write of a block is about to be sent; its generation. */
    int start(int block) {
        int generation = started(block) + 1;
        generations.put(2 * block, generation);
        return generation;
    }

    /** The write that was started last has completed. */
    void acknowledge(int block) {
        generations.put(2 * block + 1, started(block));
    }

    int started(int block) {
        return generations.get(2 * block);
    }

    int acknowledged(int block) {
        return generations.get(2 * block + 1);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
