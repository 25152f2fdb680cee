package io.gatun.nvme.software;

import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.NvmeTransport;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Registers;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * A controller with its registers and queues. A doorbell's write returns when the commands behind it are completed,
 * unless a subclass does otherwise.
 *
 * <p><b>Thread-safety:</b> as an {@link NvmeTransport}; each I/O queue belongs to the thread that rings its doorbells,
 * everything else is behind a lock.
 */
public class SoftwareController implements NvmeTransport {
    private static final int REGISTER_BYTES = 0x2000;

    final SoftwareMemory memory;
    final SoftwareOptions options;
    final SoftwareNamespace[] namespaces;
    final SoftwareErrors errors = new SoftwareErrors();

    private final SoftwareAdmin admin;
    private final long cap;
    private final int stride;
    private final SoftwareQueue[] queues;
    private final SoftwareData[] data;

    private int configuration;
    private volatile int status;
    private int queueAttributes;
    private long adminSubmissions;
    private long adminCompletions;
    private volatile boolean busMaster;
    private volatile boolean closed;

    // Counters of one thread, for tests and benchmarks.
    private long tailWrites;
    private long headWrites;

    /** A controller that is disabled; {@code namespaces} have the identifiers 1, 2, … and stay the caller's. */
    @SuppressWarnings("this-escape") // the admin command set looks back only when it is used
    public SoftwareController(SoftwareMemory memory, SoftwareOptions options, List<SoftwareNamespace> namespaces) {
        this.memory = memory;
        this.options = options;
        this.namespaces = namespaces.toArray(new SoftwareNamespace[0]);
        admin = new SoftwareAdmin(this);
        stride = 4 << options.doorbellStride();
        cap = (options.queueEntries() - 1)
                | 1L << 16 // CQR
                | (long) options.timeoutHalfSeconds() << 24
                | (long) options.doorbellStride() << 32
                | 1L << 37; // CSS: NVM
        queues = new SoftwareQueue[options.ioQueues() + 1];
        data = new SoftwareData[queues.length];
        for (int i = 0; i < data.length; i++) {
            data[i] = new SoftwareData(memory);
        }
    }

    @Override
    public String name() {
        return "software";
    }

    @Override
    public int registerBytes() {
        return REGISTER_BYTES;
    }

    @Override
    public SoftwareMemory memory() {
        return memory;
    }

    @Override
    public int readInt(int offset) {
        return switch (offset) {
            case Registers.VS -> options.version();
            case Registers.CC -> configuration;
            case Registers.CSTS -> status;
            case Registers.AQA -> queueAttributes;
            default -> (int) (readLong(offset & ~7) >>> (8 * (offset & 4)));
        };
    }

    @Override
    public long readLong(int offset) {
        return switch (offset) {
            case Registers.CAP -> cap;
            case Registers.ASQ -> adminSubmissions;
            case Registers.ACQ -> adminCompletions;
            default -> 0;
        };
    }

    @Override
    public void writeInt(int offset, int value) {
        if (offset >= Registers.DOORBELLS) {
            ring((offset - Registers.DOORBELLS) / stride, value);
        } else if (offset == Registers.CC) {
            configure(value);
        } else if (offset == Registers.AQA) {
            queueAttributes = value;
        }
    }

    @Override
    public void writeLong(int offset, long value) {
        if (offset == Registers.ASQ) {
            adminSubmissions = value;
        } else if (offset == Registers.ACQ) {
            adminCompletions = value;
        }
    }

    private synchronized void configure(int value) {
        boolean was = (configuration & Registers.CC_EN) != 0;
        boolean is = (value & Registers.CC_EN) != 0;
        configuration = value;
        if (!was && is) {
            status = starts() ? Registers.CSTS_RDY : 0;
            int entries = (queueAttributes & 0xfff) + 1;
            int completionEntries = (queueAttributes >>> 16 & 0xfff) + 1;
            queues[0] = new SoftwareQueue(
                    0, memory.find(adminSubmissions), entries, memory.find(adminCompletions), completionEntries);
        } else if (was && !is) {
            if (stops()) {
                stop();
            }
        } else if (is && (value & Registers.CC_SHN_MASK) != 0) {
            status |= Registers.CSTS_SHST_COMPLETE;
        }
    }

    /** Forgets everything, as any reset does. */
    protected final synchronized void stop() {
        java.util.Arrays.fill(queues, null);
        admin.reset();
        configuration = 0;
        status = 0;
    }

    /** Whether enabling has an effect. */
    protected boolean starts() {
        return true;
    }

    /** Whether disabling has an effect. */
    protected boolean stops() {
        return true;
    }

    private void ring(int doorbell, int value) {
        int id = doorbell >>> 1;
        if (id == 0) {
            ringAdmin(doorbell, value);
            return;
        }
        SoftwareQueue queue = id < queues.length ? queues[id] : null;
        if (queue == null || !busMaster) {
            return;
        }
        if ((doorbell & 1) != 0) {
            headWrites++;
            if (!queue.ringHead(value)) {
                violated("the head doorbell of queue " + id + " has the value " + value);
            }
        } else {
            tailWrites++;
            if (!queue.ringTail(value)) {
                violated("the tail doorbell of queue " + id + " has the value " + value);
            }
            process(queue);
        }
    }

    private synchronized void ringAdmin(int doorbell, int value) {
        SoftwareQueue queue = queues[0];
        if (queue == null || !busMaster) {
            return;
        }
        boolean good = (doorbell & 1) != 0 ? queue.ringHead(value) : queue.ringTail(value);
        if (!good) {
            violated("an admin doorbell has the value " + value);
        }
        process(queue);
    }

    /** Carries out what is in a submission queue. */
    final void process(SoftwareQueue queue) {
        SoftwareData pieces = data[queue.id];
        long entry;
        while ((entry = queue.fetch()) != 0) {
            int word = Memory.getInt(entry);
            int identifier = word >>> 16;
            int opcode = word & 0xff;
            if (!takes(queue.id, opcode, identifier)) {
                continue;
            }
            if (queue.id == 0) {
                admin.execute(queue, entry, opcode, identifier, pieces);
            } else {
                complete(queue, identifier, execute(queue.id, entry, opcode, identifier, pieces), 0);
            }
        }
    }

    /** Carries out a command of the NVM command set; returns its status. */
    private int execute(int queue, long entry, int opcode, int identifier, SoftwareData pieces) {
        int id = Memory.getInt(entry + Entries.NAMESPACE);
        SoftwareNamespace namespace = id > 0 && id <= namespaces.length ? namespaces[id - 1] : null;
        if (namespace == null) {
            return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
        }
        int status = namespace.execute(opcode, entry, pieces);
        if (status == NvmeStatus.UNRECOVERED_READ_ERROR) {
            errors.note(queue, identifier, status, namespace.badBlock(), id);
        }
        return status;
    }

    /** Whether a command is carried out now; a subclass that says no may do so later, or never. */
    protected boolean takes(int queue, int opcode, int identifier) {
        return true;
    }

    /** Completes a command; a subclass may do worse. */
    void complete(SoftwareQueue queue, int identifier, int status, int result) {
        queue.complete(identifier, status, result);
    }

    /** Whether an Abort finds its command; this one has nothing to abort. */
    protected boolean aborts(int queue, int identifier) {
        return false;
    }

    /** Its serial number. */
    protected String serialNumber() {
        return "SOFT0001";
    }

    /**
     * Identify is about to be answered; a subclass may say something else.
     *
     * @param what CNS
     * @param id NSID
     */
    protected void identified(int what, int id, ByteBuffer answer) {}

    /** A rule of the specification was broken: a drive would be undefined from here on, this one says so. */
    protected void violated(String reason) {
        failFatally();
        throw new IllegalStateException(reason);
    }

    SoftwareQueue[] queues() {
        return queues;
    }

    int stride() {
        return stride;
    }

    /** Reports a fatal status. */
    public void failFatally() {
        status |= Registers.CSTS_CFS;
    }

    /** Sends an event to a waiting asynchronous event request: type, information and log page, as in its result. */
    public synchronized void sendEvent(int result) {
        admin.sendEvent(queues[0], result);
    }

    /** Tail doorbells written, of I/O queues. */
    public long tailWrites() {
        return tailWrites;
    }

    /** Head doorbells written, of I/O queues. */
    public long headWrites() {
        return headWrites;
    }

    /** Whether it has been given back. */
    public boolean isClosed() {
        return closed;
    }

    /** Whether it is enabled. */
    public boolean isEnabled() {
        return (configuration & Registers.CC_EN) != 0;
    }

    @Override
    public void setBusMaster(boolean enabled) {
        busMaster = enabled;
    }

    @Override
    public boolean resetFunction() {
        return false;
    }

    @Override
    public boolean probe() {
        return readInt(Registers.CSTS) != Registers.ALL_ONES;
    }

    @Override
    public int vectorCount() {
        return 0;
    }

    @Override
    public int vectorFd(int vector) {
        return -1;
    }

    @Override
    public int enableVector(int vector) {
        return -Errno.EOPNOTSUPP;
    }

    @Override
    public int disableVector(int vector) {
        return -Errno.EOPNOTSUPP;
    }

    @Override
    public void close() {
        closed = true;
        memory.close();
    }
}
