package io.gatun.linux;

import static io.gatun.linux.IoUringLayout.CQE_RESULT;
import static io.gatun.linux.IoUringLayout.CQE_SIZE;
import static io.gatun.linux.IoUringLayout.CQE_USER_DATA;
import static io.gatun.linux.IoUringLayout.CQ_EVENTFD_DISABLED;
import static io.gatun.linux.IoUringLayout.ENTER_GETEVENTS;
import static io.gatun.linux.IoUringLayout.ENTER_SQ_WAKEUP;
import static io.gatun.linux.IoUringLayout.FSYNC_DATASYNC;
import static io.gatun.linux.IoUringLayout.OP_ASYNC_CANCEL;
import static io.gatun.linux.IoUringLayout.OP_FALLOCATE;
import static io.gatun.linux.IoUringLayout.OP_FSYNC;
import static io.gatun.linux.IoUringLayout.OP_NOP;
import static io.gatun.linux.IoUringLayout.OP_POLL_ADD;
import static io.gatun.linux.IoUringLayout.OP_READ;
import static io.gatun.linux.IoUringLayout.OP_READV;
import static io.gatun.linux.IoUringLayout.OP_READ_FIXED;
import static io.gatun.linux.IoUringLayout.OP_WRITE;
import static io.gatun.linux.IoUringLayout.OP_WRITEV;
import static io.gatun.linux.IoUringLayout.OP_WRITE_FIXED;
import static io.gatun.linux.IoUringLayout.SQE_ADDRESS;
import static io.gatun.linux.IoUringLayout.SQE_BUFFER_INDEX;
import static io.gatun.linux.IoUringLayout.SQE_FIXED_FILE;
import static io.gatun.linux.IoUringLayout.SQE_LENGTH;
import static io.gatun.linux.IoUringLayout.SQE_OFFSET;
import static io.gatun.linux.IoUringLayout.SQE_OPCODE;
import static io.gatun.linux.IoUringLayout.SQE_SIZE;
import static io.gatun.linux.IoUringLayout.SQE_USER_DATA;
import static io.gatun.linux.IoUringLayout.SQ_CQ_OVERFLOW;
import static io.gatun.linux.IoUringLayout.SQ_NEED_WAKEUP;
import static io.gatun.linux.IoUringLayout.SQ_TASKRUN;
import static io.gatun.linux.IoUringLayout.UNREGISTER_BUFFERS;
import static io.gatun.linux.IoUringLayout.UNREGISTER_FILES;

import java.util.Optional;

/**
 * Asynchronous file I/O through two rings that are shared with the kernel, by raw system calls. Source: io_uring(7).
 *
 * <p>A duty cycle prepares any number of operations, submits them with at most one system call, and drains completions:
 *
 * <pre>{@code
 * boolean queued = ring.read(fd, address, length, offset, tag);   // false: full; submit and try again
 * ring.submit();                                                  // no call if there is nothing to do
 * int count = ring.peek();
 * for (int i = 0; i < count; i++) {
 *     complete(ring.userData(i), ring.result(i));                 // a count or -errno
 * }
 * ring.advance(count);
 * }</pre>
 *
 * <p>{@link #submit} belongs to every cycle, prepared operations or not: it also lets the kernel deliver completions
 * that it holds back until asked ({@code DEFER_TASKRUN}), and those that did not fit the completion ring. Nothing of
 * this allocates.
 *
 * <p>To sleep: {@link #registerEvent} once; then {@link #armEvent}, look once more at {@link #peek} and {@link
 * #hasDeferredWork}, and wait for the eventfd in an {@link Epoll}. The ring's own descriptor is no substitute: measured
 * on Linux 6.18, completions that the kernel holds back do not make it readable.
 *
 * <p><b>Thread-safety:</b> for one thread: the one that creates it. The kernel refuses others with {@code -EEXIST}.
 * {@link #close} may come from any thread once nothing is in flight any more; memory of operations in flight must
 * outlive them.
 */
public final class IoUring implements AutoCloseable {
    /** For {@code writeFlags}: the data is durable when the write completes. */
    public static final int RWF_DSYNC = 2;

    /** Marks a file number as an index into the registered files. */
    private static final int REGISTERED = 1 << 30;

    private static final int SQ_NEEDS_ENTER = SQ_TASKRUN | SQ_CQ_OVERFLOW;

    private final Fd fd;
    private final Mapping rings;
    private final Mapping entries;
    private final boolean kernelPolls;

    private final long sqHeadAddress;
    private final long sqTailAddress;
    private final long sqFlagsAddress;
    private final int sqMask;
    private int sqTail;
    private int sqHeadSeen;

    private final long cqHeadAddress;
    private final long cqTailAddress;
    private final long cqFlagsAddress;
    private final long cqesAddress;
    private final int cqMask;
    private int cqHead;

    IoUring(IoUringSetup setup) {
        fd = setup.fd;
        rings = setup.rings;
        entries = setup.entries;
        kernelPolls = setup.kernelPolls;
        sqHeadAddress = setup.sqHeadAddress;
        sqTailAddress = setup.sqTailAddress;
        sqFlagsAddress = setup.sqFlagsAddress;
        sqMask = setup.sqMask;
        cqHeadAddress = setup.cqHeadAddress;
        cqTailAddress = setup.cqTailAddress;
        cqFlagsAddress = setup.cqFlagsAddress;
        cqesAddress = setup.cqesAddress;
        cqMask = setup.cqMask;
    }

    /**
     * Makes a ring for the calling thread; throws {@link LinuxException} with the remedy where the kernel forbids it.
     *
     * @param entries how many operations one submission carries; rounded up to a power of two, at most 32768
     * @param completions how many completions wait undrained before the kernel has to keep more aside; at least {@code
     * entries}
     */
    public static IoUring create(int entries, int completions) {
        return new IoUring(IoUringSetup.best(entries, completions));
    }

    /**
     * Makes a ring whose submissions a kernel thread polls for: no system calls while it is awake, at the price of a
     * core.
     *
     * @param idleMillis how long that thread spins without work before it sleeps; a submission wakes it
     * @param cpu where it runs, or -1 for anywhere
     */
    public static IoUring createPolled(int entries, int completions, int idleMillis, int cpu) {
        return new IoUring(IoUringSetup.polled(entries, completions, idleMillis, cpu));
    }

    /** Why io_uring cannot be used here, with the remedy; empty where it can. */
    public static Optional<LinuxException> probe() {
        try {
            create(1, 2).close();
            return Optional.empty();
        } catch (LinuxException e) {
            return Optional.of(e);
        }
    }

    /** How many operations one submission carries. */
    public int capacity() {
        return sqMask + 1;
    }

    /** What a file registered at {@code index} is called in the operations below, in place of a descriptor. */
    public static int registeredFile(int index) {
        return REGISTERED | index;
    }

    // Operations: each writes one entry and returns true, or returns false where the submission ring is full.

    /** Completes at once: for tests, and for measuring the ring itself. */
    public boolean nop(long userData) {
        return prepare(OP_NOP, -1, 0, 0, 0, 0, 0, userData);
    }

    /** Reads into memory; the result is the count, 0 at the end of the file. */
    public boolean read(int file, long address, int length, long offset, long userData) {
        return prepare(OP_READ, file, offset, address, length, 0, 0, userData);
    }

    /** Writes from memory; {@code writeFlags} is 0 or {@link #RWF_DSYNC}. */
    public boolean write(int file, long address, int length, long offset, int writeFlags, long userData) {
        return prepare(OP_WRITE, file, offset, address, length, writeFlags, 0, userData);
    }

    /** Reads into a part of the registered buffer {@code buffer}, whose pages the kernel need not look up. */
    public boolean readFixed(int file, long address, int length, long offset, int buffer, long userData) {
        return prepare(OP_READ_FIXED, file, offset, address, length, 0, buffer, userData);
    }

    /** Writes from a part of the registered buffer {@code buffer}. */
    public boolean writeFixed(
            int file, long address, int length, long offset, int writeFlags, int buffer, long userData) {
        return prepare(OP_WRITE_FIXED, file, offset, address, length, writeFlags, buffer, userData);
    }

    /**
     * Reads into many pieces of memory.
     *
     * @param iovecs the address of {@code struct iovec { long address; long length; }[]}, which must stay as it is
     * until
     *     {@link #submit} has returned or, with a polling kernel thread, until the completion
     * @param count how many, at most 1024
     */
    public boolean readv(int file, long iovecs, int count, long offset, long userData) {
        return prepare(OP_READV, file, offset, iovecs, count, 0, 0, userData);
    }

    /** Writes from many pieces of memory; see {@link #readv}. */
    public boolean writev(int file, long iovecs, int count, long offset, int writeFlags, long userData) {
        return prepare(OP_WRITEV, file, offset, iovecs, count, writeFlags, 0, userData);
    }

    /** Makes completed writes durable, as fdatasync(2). Writes that are still in flight may miss it. */
    public boolean dataSync(int file, long userData) {
        return prepare(OP_FSYNC, file, 0, 0, 0, FSYNC_DATASYNC, 0, userData);
    }

    /** Allocates, frees or zeroes a range: see {@link FileIo#fallocate}. */
    public boolean fallocate(int file, int mode, long offset, long length, long userData) {
        return prepare(OP_FALLOCATE, file, offset, length, mode, 0, 0, userData);
    }

    /** Completes once, when {@code events} ({@link Epoll#EPOLLIN} …) happen; the result is the events. */
    public boolean pollAdd(int file, int events, long userData) {
        return prepare(OP_POLL_ADD, file, 0, 0, 0, events, 0, userData);
    }

    /** Cancels the operation that carries {@code target}: 0, {@code -ENOENT} or {@code -EALREADY}; both complete. */
    public boolean cancel(long target, long userData) {
        return prepare(OP_ASYNC_CANCEL, -1, 0, target, 0, 0, 0, userData);
    }

    /**
     * Hands the prepared operations to the kernel, and asks it for completions that it holds back. Makes no system call
     * where there is nothing to do.
     *
     * @return how many operations the kernel took, or {@code -errno}. What it did not take stays queued: after {@code
     * -EAGAIN} or
     *     {@code -EBUSY}, drain completions and submit again
     */
    public int submit() {
        return enter(0);
    }

    /** As {@link #submit}, then waits for {@code minCompletions}; {@code -EINTR} where a signal ended the wait. */
    public int submitAndWait(int minCompletions) {
        return enter(minCompletions);
    }

    /** How many completions can be drained now. */
    public int peek() {
        // Acquire: pairs with the kernel's release of the tail, which comes after the entries.
        return Memory.loadAcquireInt(cqTailAddress) - cqHead;
    }

    /** The user data of completion {@code index}, below {@link #peek}. */
    public long userData(int index) {
        return Memory.getLong(completion(index) + CQE_USER_DATA);
    }

    /** The result of completion {@code index}: a count or {@code -errno}. */
    public int result(int index) {
        return Memory.getInt(completion(index) + CQE_RESULT);
    }

    /** Gives the first {@code count} completions back to the kernel. */
    public void advance(int count) {
        if (count > 0) {
            cqHead += count;
            // Release: our reads of the entries come before the kernel may overwrite them.
            Memory.releaseFence();
            Memory.putInt(cqHeadAddress, cqHead);
        }
    }

    /** Whether entries are prepared that the kernel has not taken yet. */
    public boolean hasQueued() {
        return sqTail != Memory.loadAcquireInt(sqHeadAddress);
    }

    /** Whether the kernel holds completions back until {@link #submit}; looked at before going to sleep. */
    public boolean hasDeferredWork() {
        return (Memory.loadAcquireInt(sqFlagsAddress) & SQ_NEEDS_ENTER) != 0;
    }

    /**
     * Has an eventfd signalled by completions, while {@linkplain #armEvent armed}; it starts disarmed. 0 or {@code
     * -errno}.
     */
    public int registerEvent(EventFd event) {
        disarmEvent();
        return IoUringCalls.registerEvent(fd.value(), event.fd().value());
    }

    /**
     * Lets completions signal the registered eventfd; those that came before do not: look at {@link #peek} afterwards.
     */
    public void armEvent() {
        Memory.putInt(cqFlagsAddress, 0);
        // The kernel sees the flag before we look at the tail: no completion is both unsignalled and unseen.
        Memory.fullFence();
    }

    /** Keeps completions from signalling; a signal that is under way may still come. */
    public void disarmEvent() {
        Memory.putInt(cqFlagsAddress, CQ_EVENTFD_DISABLED);
    }

    /**
     * Registers files, so that operations need not look them up; -1 leaves a slot empty. Returns 0 or {@code -errno}.
     */
    public int registerFiles(int... fds) {
        return IoUringCalls.registerFiles(fd.value(), fds);
    }

    /** Puts another file, or none (-1), into a slot; returns 0 or {@code -errno}. */
    public int updateFile(int index, int file) {
        return IoUringCalls.updateFile(fd.value(), index, file);
    }

    public int unregisterFiles() {
        return IoUringCalls.register(fd.value(), UNREGISTER_FILES, 0, 0);
    }

    /**
     * Registers memory for {@link #readFixed} and {@link #writeFixed}: its pages stay in RAM until {@link
     * #unregisterBuffers}.
     *
     * @param addresses where the buffers start
     * @param lengths their lengths, at most 1 GiB each
     * @return 0 or {@code -errno} ({@code -ENOMEM}: raise the limit of locked memory, ulimit -l)
     */
    public int registerBuffers(long[] addresses, long[] lengths) {
        return IoUringCalls.registerBuffers(fd.value(), addresses, lengths);
    }

    public int unregisterBuffers() {
        return IoUringCalls.register(fd.value(), UNREGISTER_BUFFERS, 0, 0);
    }

    @Override
    public void close() {
        entries.close();
        rings.close();
        fd.close();
    }

    @Override
    public String toString() {
        return "io_uring " + fd.value() + ", " + capacity() + " entries";
    }

    private boolean prepare(
            int opcode, int file, long offset, long address, int length, int opFlags, int buffer, long userData) {
        int tail = sqTail;
        if (tail - sqHeadSeen > sqMask) {
            // Acquire: pairs with the kernel's release of the head, which comes after it has read the entries.
            sqHeadSeen = Memory.loadAcquireInt(sqHeadAddress);
            if (tail - sqHeadSeen > sqMask) {
                return false;
            }
        }
        long sqe = entries.address() + (long) (tail & sqMask) * SQE_SIZE;
        long fileAndFlags = (file & REGISTERED) == 0 || file < 0
                ? (long) file << 32
                : (long) (file & ~REGISTERED) << 32 | SQE_FIXED_FILE << 8;
        Memory.putLong(sqe + SQE_OPCODE, fileAndFlags | opcode);
        Memory.putLong(sqe + SQE_OFFSET, offset);
        Memory.putLong(sqe + SQE_ADDRESS, address);
        Memory.putLong(sqe + SQE_LENGTH, (long) opFlags << 32 | (length & 0xffff_ffffL));
        Memory.putLong(sqe + SQE_USER_DATA, userData);
        Memory.putLong(sqe + SQE_BUFFER_INDEX, buffer);
        Memory.putLong(sqe + SQE_BUFFER_INDEX + 8, 0);
        Memory.putLong(sqe + SQE_BUFFER_INDEX + 16, 0);
        sqTail = tail + 1;
        return true;
    }

    private int enter(int minCompletions) {
        int pending = sqTail - Memory.loadAcquireInt(sqHeadAddress);
        if (pending != 0) {
            // Release: the entries come before the tail that makes them the kernel's.
            Memory.releaseFence();
            Memory.putInt(sqTailAddress, sqTail);
        }
        int flags = minCompletions > 0 ? ENTER_GETEVENTS : 0;
        if (kernelPolls) {
            // The kernel thread announces its sleep and then looks at the tail once more; we do the reverse.
            Memory.fullFence();
        }
        int sqFlags = Memory.loadAcquireInt(sqFlagsAddress);
        if ((sqFlags & SQ_NEEDS_ENTER) != 0) {
            flags |= ENTER_GETEVENTS;
        }
        if (kernelPolls && (sqFlags & SQ_NEED_WAKEUP) != 0 && pending != 0) {
            flags |= ENTER_SQ_WAKEUP;
        }
        if (flags == 0 && (pending == 0 || kernelPolls)) {
            return pending;
        }
        return IoUringCalls.enter(fd.value(), pending, minCompletions, flags);
    }

    private long completion(int index) {
        return cqesAddress + (long) ((cqHead + index) & cqMask) * CQE_SIZE;
    }
}
