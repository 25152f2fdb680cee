package io.gatun.nvme.bdev;

import io.gatun.bdev.BdevRequest;

/**
 * A request while it is being carried out, by one command or several at a time.
 *
 * <p><b>Thread-safety:</b> belongs to its queue's thread.
 */
final class Operation {
    /** Whose request it is; null while the operation is free. */
    NvmeChannel channel;

    BdevRequest request;

    /** Bytes for which commands were started, from the front on. */
    long startedBytes;

    /** The segment where the next command starts, and where in it. */
    int segment;

    int skip;

    /** Commands in flight. */
    int commands;

    /** What it will be completed with: 0, or the first failure, after which no command is started. */
    int status;

    /** A command is to be sent again: all are, once none is in flight. */
    boolean again;

    int tries;

    /** It is in the line of those that wait. */
    boolean waiting;

    /** The next in a list. */
    Operation next;

    void begin(NvmeChannel owner, BdevRequest work) {
        channel = owner;
        request = work;
        status = 0;
        tries = 0;
        waiting = false;
        commands = 0;
        rewind();
    }

    /** Starts over. */
    void rewind() {
        startedBytes = 0;
        segment = request.firstSegment;
        skip = 0;
        again = false;
    }

    /** Moves on by bytes that a command was started for; they are within the request. */
    void advance(int bytes) {
        startedBytes += bytes;
        int left = bytes + skip;
        int at = segment;
        int[] lengths = request.lengths;
        while (left > 0 && left >= lengths[at]) {
            left -= lengths[at];
            at++;
        }
        segment = at;
        skip = left;
    }
}
