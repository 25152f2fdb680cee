package io.gatun.nvme;

import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import io.gatun.reactor.Reactor;
import io.gatun.vfio.DmaArena;
import io.gatun.vfio.DmaSlab;
import io.gatun.vfio.DmaSpace;
import java.util.Arrays;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;

/**
 * An I/O queue pair of one thread: sends commands of the NVM command set and takes their completions. Neither locks nor
 * allocates.
 *
 * <p>A burst is any number of commands, one {@link #flush}, and {@link #poll}. A command is known by its identifier
 * (CID), below {@link #depth()}, which whoever polled its completion gives back with {@link #release}; so whatever
 * belongs to a command can be an array. What returns an identifier returns {@code -EAGAIN} when all are taken or the
 * controller is being reset, and {@code -ENODEV} when it is given up ({@link #isDown}).
 *
 * <p><b>A reset.</b> Commands in flight come out of {@code poll} with {@link NvmeStatus#ABORTED_BY_HOST}: their owner
 * sends them again, or fails them. This queue and the controller's watch hand it to each other through {@code state};
 * polling is what makes the owner's part of it happen. (That both halves of this hand-over stand in one place is why
 * the file is long.)
 *
 * <p><b>Thread-safety:</b> one thread, the one that opened it, but for what says otherwise.
 */
public final class IoQueue implements AutoCloseable {
    // Who may touch the rings: the owner in LIVE, DRAIN; the watch in CLEAN (it creates the queues) and CLOSED.
    static final int LIVE = 0;
    /** The watch asks the owner to leave the rings. */
    static final int HALT = 1;
    /** The owner has left them. */
    static final int HALTED = 2;
    /** The controller is disabled: the owner takes what has completed, then what has not, and empties the rings. */
    static final int DRAIN = 3;
    /** Empty; unknown to the controller. */
    static final int CLEAN = 4;
    /** Empty; the controller would not have it. */
    static final int REFUSED = 5;
    /** Gone for good. */
    static final int CLOSED = 6;

    private static final int BLOCKS_PER_COMMAND = 1 << 16;

    final int entries;
    final long submissionsAddress;
    final long completionsAddress;

    private final ControllerWatch watch;
    private final NvmeTransport transport;
    private final Reactor reactor;
    private final QueuePair pair;
    private final DataPointer pointer;
    private final SentCommands sent;
    private final HostErrorLog errors;
    private final DmaArena arena;
    private final int vector;
    private final int maxTransferBytes;
    private final boolean sgl;
    private final int timeoutTicks;

    private static final AtomicIntegerFieldUpdater<IoQueue> STATE =
            AtomicIntegerFieldUpdater.newUpdater(IoQueue.class, "state");

    /** One of the constants above; changed where two might through {@link #STATE}. */
    private volatile int state = CLEAN;

    /** Set by the watch: the controller is given up, for now. */
    private volatile boolean down;

    /** Set by the owner, after {@link #state}: the watch frees everything. */
    private volatile boolean closing;

    /** A command that the watch is asked to abort, or {@link QueuePair#NONE}. */
    private volatile int abortWanted = QueuePair.NONE;

    /** By identifier: the tick at which the command was sent that an abort was asked for. */
    private final int[] abortAskedFor;

    private int seenTick;
    private long seenStrays;
    private final CompletionBurst idle = new CompletionBurst(1);
    private boolean armed;

    IoQueue(NvmeController controller, ControllerWatch watch, int id, Reactor reactor) {
        this.watch = watch;
        this.reactor = reactor;
        transport = controller.transport();
        errors = controller.hostErrors();
        NvmeOptions options = controller.options();
        int most = Integer.highestOneBit(Registers.maxQueueEntries(controller.capabilities()));
        entries = Math.min(most, Integer.highestOneBit(options.queueDepth() * 2 - 1) * 2);
        int depth = Math.min(options.queueDepth(), Math.max(1, entries * 3 / 4));
        timeoutTicks = (int) Math.min(
                Integer.MAX_VALUE / 4, Math.ceilDiv(options.ioTimeout().toNanos(), options.tick().toNanos()));
        maxTransferBytes = controller.maxTransferBytes();
        sgl = options.sgl() && controller.data().supportsSgl();
        DmaSpace memory = transport.memory();
        long ringBytes = (long) entries * (Entries.COMMAND_BYTES + Entries.COMPLETION_BYTES);
        arena = new DmaArena(memory, ringBytes + 2 * DmaSpace.PAGE_BYTES + (long) depth * DataPointer.PAGE_BYTES);
        try {
            submissionsAddress = arena.allocate((long) entries << Entries.COMMAND_SHIFT, DmaSpace.PAGE_BYTES);
            completionsAddress = arena.allocate((long) entries << Entries.COMPLETION_SHIFT, DmaSpace.PAGE_BYTES);
            DmaSlab lists = new DmaSlab(arena, memory, DataPointer.PAGE_BYTES, depth);
            pointer = new DataPointer(memory, lists, controller.data().wantsDwordSgl());
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
        int stride = Registers.doorbellStride(controller.capabilities());
        pair = new QueuePair(transport, id, submissionsAddress, completionsAddress, entries, depth, stride);
        sent = new SentCommands(id, depth, pointer);
        vector = id < transport.vectorCount() ? id : QueuePair.NONE;
        abortAskedFor = new int[depth];
        Arrays.fill(abortAskedFor, -1);
        seenTick = watch.tick();
    }

    /** Its number, from 1 on. */
    public int id() {
        return pair.id;
    }

    /** How many commands can be in flight: identifiers are 0 to this less 1. */
    public int depth() {
        return pair.depth;
    }

    /** How many bytes one command transfers at most. */
    public int maxTransferBytes() {
        return maxTransferBytes;
    }

    /** Starts a read of blocks into memory that the controller reaches; its identifier, or {@code -errno}. */
    public int read(NvmeNamespace namespace, long lba, int blocks, long address) {
        return transfer(Opcode.READ, namespace.id(), namespace.blockShift(), lba, blocks, address);
    }

    /** Starts a write of blocks; its identifier, or {@code -errno}. */
    public int write(NvmeNamespace namespace, long lba, int blocks, long address) {
        return transfer(Opcode.WRITE, namespace.id(), namespace.blockShift(), lba, blocks, address);
    }

    /** Starts a comparison: {@link NvmeStatus#COMPARE_FAILURE} where the blocks differ from memory. */
    public int compare(NvmeNamespace namespace, long lba, int blocks, long address) {
        return transfer(Opcode.COMPARE, namespace.id(), namespace.blockShift(), lba, blocks, address);
    }

    /**
     * Starts a command on blocks whose data is one piece of memory.
     *
     * @return the identifier; {@code -EINVAL} for more than {@link #maxTransferBytes()}; {@code -EFAULT} where PRP
     *     entries cannot name the memory, since the controller does not reach it or it is not aligned to 4 bytes
     */
    int transfer(int opcode, int namespace, int blockShift, long lba, int blocks, long address) {
        long bytes = (long) blocks << blockShift;
        if (blocks <= 0 || bytes > maxTransferBytes || blocks > BLOCKS_PER_COMMAND) {
            return -Errno.EINVAL;
        }
        int identifier = take();
        if (identifier < 0) {
            return identifier;
        }
        if (!pointer.prp(identifier, address, (int) bytes)) {
            pair.release(identifier);
            return -Errno.EFAULT;
        }
        submit(identifier, opcode, namespace, lba, blocks - 1);
        return identifier;
    }

    /**
     * Points a command's data at segments of memory, as much of them as one command can name; {@link #send} follows if
     * anything is named.
     *
     * @param identifier from {@link #take}
     * @param end the segment after the last
     * @param skip where in the first segment to start, less than its length
     * @param bytes how much to name; the segments hold it
     * @param unit what is named is a multiple of this, a power of two
     * @return how many bytes are named; 0 where not one unit can be, so that it has to be copied
     */
    public int point(
            int identifier, long[] addresses, int[] lengths, int segment, int end, int skip, int bytes, int unit) {
        int most = Math.min(bytes, maxTransferBytes);
        int named = pointer.prp(identifier, addresses, lengths, segment, end, skip, most, unit);
        if (named < most && sgl) {
            int more = pointer.sgl(identifier, addresses, lengths, segment, end, skip, most, unit);
            if (more <= named) {
                // The list was overwritten by the attempt.
                return pointer.prp(identifier, addresses, lengths, segment, end, skip, named, unit);
            }
            return more;
        }
        return named;
    }

    /** Points a command's data at one piece of memory; false where PRP entries cannot name it. */
    public boolean point(int identifier, long address, int bytes) {
        return pointer.prp(identifier, address, bytes);
    }

    /** Sends a command on blocks whose data was {@link #point}ed at. */
    public void send(int identifier, boolean write, int namespace, long lba, int blocks) {
        submit(identifier, write ? Opcode.WRITE : Opcode.READ, namespace, lba, blocks - 1);
    }

    /** Starts a flush: everything that completed before is durable when it completes. */
    public int flushCache(NvmeNamespace namespace) {
        int identifier = take();
        if (identifier >= 0) {
            pointer.clear();
            submit(identifier, Opcode.FLUSH, namespace.id(), 0, 0);
        }
        return identifier;
    }

    /**
     * Starts to zero up to 65536 blocks.
     *
     * @param deallocate whether the blocks may be given back, if they read as zeros afterwards
     */
    public int writeZeroes(NvmeNamespace namespace, long lba, int blocks, boolean deallocate) {
        if (blocks <= 0 || blocks > BLOCKS_PER_COMMAND) {
            return -Errno.EINVAL;
        }
        int identifier = take();
        if (identifier >= 0) {
            pointer.clear();
            boolean give = deallocate && namespace.data().zeroesByDeallocation();
            int word12 = blocks - 1 | (give ? Opcode.ZEROES_DEALLOCATE : 0);
            submit(identifier, Opcode.WRITE_ZEROES, namespace.id(), lba, word12);
        }
        return identifier;
    }

    /** Starts a check that up to 65536 blocks can be read; no data is transferred. */
    public int verify(NvmeNamespace namespace, long lba, int blocks) {
        if (blocks <= 0 || blocks > BLOCKS_PER_COMMAND) {
            return -Errno.EINVAL;
        }
        int identifier = take();
        if (identifier >= 0) {
            pointer.clear();
            submit(identifier, Opcode.VERIFY, namespace.id(), lba, blocks - 1);
        }
        return identifier;
    }

    /** Starts to deallocate blocks, as a hint (Dataset Management); what they read as afterwards is undefined. */
    public int deallocate(NvmeNamespace namespace, long lba, long blocks) {
        if (blocks <= 0 || blocks > 0xffff_ffffL) {
            return -Errno.EINVAL;
        }
        int identifier = take();
        if (identifier >= 0) {
            long range = pointer.listAddress(identifier);
            Memory.putLong(range, blocks << 32); // no context attributes
            Memory.putLong(range + 8, lba);
            pointer.list(identifier);
            submit(
                    identifier,
                    Opcode.DATASET_MANAGEMENT,
                    namespace.id(),
                    (long) Opcode.DSM_DEALLOCATE << 32, // one range, 0-based
                    0);
        }
        return identifier;
    }

    private void submit(int identifier, int opcode, int namespace, long word10, long word12) {
        int tick = watch.tick(); // not the one seen last: nobody polls an idle queue
        sent.put(identifier, opcode, namespace, word10, word12);
        DataPointer data = pointer;
        pair.submit(identifier, opcode | data.flags, namespace, data.first, data.second, word10, word12, tick);
    }

    /** Takes an identifier for {@link #point} and {@link #send}, or {@code -errno}. */
    public int take() {
        if (state != LIVE) {
            return down ? -Errno.ENODEV : -Errno.EAGAIN;
        }
        int identifier = pair.take();
        return identifier < 0 ? -Errno.EAGAIN : identifier;
    }

    /** Gives back the identifier of a command that has completed, or was not sent. */
    public void release(int identifier) {
        pair.release(identifier);
    }

    /** Sends what was started since the last call: one doorbell. */
    public void flush() {
        if (state == LIVE) {
            pair.ring();
        }
    }

    /** Takes completions; returns how many {@code burst} has now. */
    public int poll(CompletionBurst burst) {
        if (state != LIVE) {
            return leave(burst);
        }
        int count = pair.poll(burst);
        if (burst.hasErrors) {
            noteErrors(burst);
        }
        pair.reportIfDue();
        if (watch.tick() != seenTick) {
            lookAround();
        }
        return count;
    }

    /** Of what the controller has completed, notes the errors; not what was aborted because we asked for it. */
    private void noteErrors(CompletionBurst burst) {
        for (int i = 0; i < burst.count; i++) {
            int identifier = burst.identifiers[i];
            int code = NvmeStatus.code(burst.statuses[i]);
            boolean wanted =
                    switch (code) {
                        case NvmeStatus.SUCCESS, NvmeStatus.ABORTED_BY_QUEUE_DELETION -> true;
                        case NvmeStatus.ABORT_REQUESTED -> wasAskedToAbort(identifier);
                        default -> false;
                    };
            if (!wanted) {
                sent.noteError(errors, identifier, burst.statuses[i]);
            }
        }
    }

    private boolean wasAskedToAbort(int identifier) {
        return abortAskedFor[identifier] == pair.sentAtTick(identifier);
    }

    /** Once per tick: time-outs, and completions of commands that nobody sent. */
    private void lookAround() {
        int now = watch.tick();
        seenTick = now;
        if (pair.strays() != seenStrays) {
            seenStrays = pair.strays();
            watch.requestReset("completed a command on queue " + id() + " that was not in flight");
        }
        if (pair.inFlight() == 0) {
            return;
        }
        if (pair.findOlder(0, now, 2 * timeoutTicks) >= 0) {
            watch.requestReset("did not complete a command on queue " + id() + " in time, nor abort it");
            return;
        }
        int late = pair.findOlder(0, now, timeoutTicks);
        while (late >= 0 && wasAskedToAbort(late)) {
            late = pair.findOlder(late + 1, now, timeoutTicks);
        }
        if (late >= 0 && abortWanted == QueuePair.NONE) {
            abortAskedFor[late] = pair.sentAtTick(late);
            abortWanted = late;
            watch.wake();
        }
    }

    /** The owner's part of a reset, one step at a time. */
    private int leave(CompletionBurst burst) {
        burst.count = 0;
        switch (state) {
            case HALT -> {
                if (STATE.compareAndSet(this, HALT, HALTED)) {
                    watch.wake();
                }
            }
            case DRAIN -> {
                int count = pair.poll(burst);
                if (burst.hasErrors) {
                    noteErrors(burst);
                }
                if (count == 0) {
                    count = pair.abort(burst);
                }
                if (count != 0) {
                    return count;
                }
                pair.restart();
                seenStrays = pair.strays();
                Arrays.fill(abortAskedFor, -1);
                state = CLEAN;
                watch.wake();
            }
            default -> {
                // the watch's turn
            }
        }
        return 0;
    }

    /** The owner's part of a reset while nothing is in flight, so that nobody polls. */
    private void leaveIdle() {
        if (!closing && state != LIVE && pair.inFlight() == 0) {
            int none = leave(idle);
            assert none == 0 : "a completion of no command";
        }
    }

    /** Whether the controller is given up: whoever waits for it fails. It may come back. */
    public boolean isDown() {
        return down;
    }

    /** Whether commands can be sent. */
    public boolean isLive() {
        return state == LIVE;
    }

    /** Identifiers that are taken; any thread may ask. */
    public int inFlight() {
        return pair.inFlight();
    }

    /** The eventfd of its interrupts, or -1 where it can only be polled; constant. */
    public int wakeFd() {
        return vector < 0 ? -1 : transport.vectorFd(vector);
    }

    /** Makes {@link #wakeFd} report completions from now on; false where there is work already, or no interrupts. */
    public boolean arm() {
        if (state != LIVE) {
            // The watch wakes the reactor for each step of a reset.
            return state != HALT && state != DRAIN;
        }
        pair.report();
        if (pair.inFlight() == 0) {
            return true;
        }
        if (vector < 0) {
            return false;
        }
        if (!armed) {
            armed = transport.enableVector(vector) >= 0;
        }
        return armed && !pair.hasCompletion();
    }

    /** Completions are polled for. */
    public void disarm() {
        if (armed) {
            armed = false;
            int ignored = transport.disableVector(vector);
        }
    }

    /** Gives the queue pair back; nothing may be in flight. The controller forgets it soon after. */
    @Override
    public void close() {
        disarm();
        closing = true;
        watch.wake();
    }

    // What follows is for the watch.

    int state() {
        return state;
    }

    int vector() {
        return vector;
    }

    boolean isClosing() {
        return closing;
    }

    /** Whether it is on its way back from a reset. */
    boolean isAway() {
        return !closing && state != LIVE && state != REFUSED && state != CLOSED;
    }

    /** Asks the owner to leave the rings, if it uses them. */
    void halt() {
        if (STATE.compareAndSet(this, LIVE, HALT)) {
            sendOwner();
        }
    }

    /** The controller is disabled. */
    void drain() {
        boolean halted = STATE.compareAndSet(this, HALT, DRAIN) || STATE.compareAndSet(this, HALTED, DRAIN);
        abortWanted = QueuePair.NONE;
        if (halted) {
            sendOwner();
        }
    }

    /** The controller knows the queues. */
    void created(ShadowDoorbells shadow) {
        pair.useShadow(shadow);
        down = false;
        state = LIVE;
        wakeOwner();
    }

    void setDown() {
        down = true;
        wakeOwner();
    }

    /** The controller does not take this queue: it is not tried again. */
    void refused() {
        state = REFUSED;
    }

    int abortWanted() {
        return abortWanted;
    }

    void abortDone() {
        abortWanted = QueuePair.NONE;
    }

    /** Frees the memory: the controller does not use it any more, and the owner has closed the queue. */
    void free() {
        if (STATE.getAndSet(this, CLOSED) != CLOSED) {
            arena.close();
        }
    }

    /** Has the owner do its part of a reset, even if it has no reason to poll. */
    private void sendOwner() {
        if (reactor != null) {
            try {
                reactor.execute(this::leaveIdle);
            } catch (RejectedExecutionException closed) {
                // The owner is gone, and with it what it had in flight.
                closing = true;
            }
        }
    }

    /** Lets a sleeping owner look at its commands' ages, and at the state. */
    void wakeOwner() {
        if (reactor != null) {
            reactor.wake();
        }
    }
}
