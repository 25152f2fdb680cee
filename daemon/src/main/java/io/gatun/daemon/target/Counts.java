package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.virtio.BlkCounters;

/** What was done to a disk, summed over the queues that did it; plain numbers of one moment. */
final class Counts {
    long reads;
    long readBytes;
    long writes;
    long writeBytes;
    long discards;
    long writeZeroes;
    long flushes;
    long errors;
    long refused;

    Counts add(BlkCounters queue) {
        reads += queue.reads();
        readBytes += queue.readBytes();
        writes += queue.writes();
        writeBytes += queue.writeBytes();
        discards += queue.discards();
        writeZeroes += queue.writeZeroes();
        flushes += queue.flushes();
        errors += queue.errors();
        refused += queue.refused();
        return this;
    }

    Counts add(Counts other, int sign) {
        reads += sign * other.reads;
        readBytes += sign * other.readBytes;
        writes += sign * other.writes;
        writeBytes += sign * other.writeBytes;
        discards += sign * other.discards;
        writeZeroes += sign * other.writeZeroes;
        flushes += sign * other.flushes;
        errors += sign * other.errors;
        refused += sign * other.refused;
        return this;
    }

    /**
     * In SPDK's names. What it counts and Gatun does not is 0: clocks are not read per request, so there are no
     * latencies here; {@code gatun bench} measures them.
     */
    ObjectNode writeTo(ObjectNode node) {
        node.put("bytes_read", readBytes)
                .put("num_read_ops", reads)
                .put("bytes_written", writeBytes)
                .put("num_write_ops", writes)
                .put("bytes_unmapped", 0)
                .put("num_unmap_ops", discards)
                .put("bytes_copied", 0)
                .put("num_copy_ops", 0);
        for (String operation : new String[] {"read", "write", "unmap", "copy"}) {
            node.put(operation + "_latency_ticks", 0)
                    .put("max_" + operation + "_latency_ticks", 0)
                    .put("min_" + operation + "_latency_ticks", 0);
        }
        node.put("num_write_zeroes_ops", writeZeroes).put("num_flush_ops", flushes);
        ObjectNode failed = node.putObject("io_error");
        if (errors != 0) {
            failed.put("failed", errors);
        }
        if (refused != 0) {
            failed.put("refused", refused);
        }
        return node;
    }
}
