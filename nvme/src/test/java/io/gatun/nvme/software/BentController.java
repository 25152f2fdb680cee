package io.gatun.nvme.software;

import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** A software controller whose behaviour a test bends while the driver uses it. */
public final class BentController extends SoftwareController {
    /** For {@link #failingOpcode}. */
    public static final int READ = Opcode.READ;

    /** For {@link #taken}. */
    public static final int WRITE_ZEROES = Opcode.WRITE_ZEROES;

    /** Registers read as all ones, and what is written is ignored. */
    public volatile boolean gone;

    /** Enabling has no effect. */
    public volatile boolean neverReady;

    /** Disabling has no effect. */
    public volatile boolean neverOff;

    /** I/O commands are taken and not completed; see {@link #answerHeld}. */
    public volatile boolean frozen;

    /** Admin commands of this opcode are not completed. */
    public volatile int ignoredAdmin = -1;

    /** The next admin command is refused. */
    public volatile boolean refusesNextAdmin;

    /** Whether violations of the driver go by, which its reaction to ours may be. */
    public volatile boolean tolerant;

    /** Whether Abort works. */
    public volatile boolean aborts;

    /** The status of I/O commands with this opcode, in place of carrying them out; at most {@link #failures} times. */
    public volatile int failingOpcode = -1;

    public volatile int failingStatus;
    public final AtomicInteger failures = new AtomicInteger();

    /** Whether there is a function level reset, which repairs everything. */
    public volatile boolean functionReset;

    public final AtomicInteger functionResets = new AtomicInteger();
    public final AtomicInteger enabled = new AtomicInteger();
    public volatile String serial = "SOFT0001";

    /** I/O commands that came, by opcode. */
    public final AtomicIntegerArray taken = new AtomicIntegerArray(256);

    /** Says something else than the truth, if there is one. */
    public volatile Identity identity = (_, _, _) -> {};

    /** Changes what Identify answers: CNS, NSID, and the structure (little-endian). */
    public interface Identity {
        void bend(int what, int id, ByteBuffer answer);
    }

    private record Held(int queue, int identifier, int opcode) {}

    private final List<Held> held = new ArrayList<>();
    private final List<Integer> aborted = new ArrayList<>();
    private int reads;

    public BentController(SoftwareMemory memory, SoftwareOptions options, List<SoftwareNamespace> namespaces) {
        super(memory, options, namespaces);
    }

    /** How often a status register was read. */
    public synchronized int reads() {
        return reads;
    }

    @Override
    public int readInt(int offset) {
        synchronized (this) {
            reads++;
        }
        return gone ? -1 : super.readInt(offset);
    }

    @Override
    public long readLong(int offset) {
        return gone ? -1 : super.readLong(offset);
    }

    @Override
    public void writeInt(int offset, int value) {
        if (!gone) {
            if (offset == Registers.CC && (value & Registers.CC_EN) != 0) {
                int ignored = enabled.incrementAndGet();
            }
            super.writeInt(offset, value);
        }
    }

    @Override
    public void writeLong(int offset, long value) {
        if (!gone) {
            super.writeLong(offset, value);
        }
    }

    @Override
    protected boolean starts() {
        return !neverReady;
    }

    @Override
    protected boolean stops() {
        if (!neverOff) {
            synchronized (held) {
                held.clear();
            }
        }
        return !neverOff;
    }

    @Override
    public boolean resetFunction() {
        if (functionReset) {
            int ignored = functionResets.incrementAndGet();
            neverReady = false;
            neverOff = false;
            frozen = false;
            stop();
        }
        return functionReset;
    }

    @Override
    protected boolean takes(int queue, int opcode, int identifier) {
        if (queue == 0) {
            if (refusesNextAdmin) {
                refusesNextAdmin = false;
                answer(0, identifier, NvmeStatus.INVALID_FIELD);
                return false;
            }
            return opcode != ignoredAdmin;
        }
        int ignored = taken.incrementAndGet(opcode);
        if (frozen) {
            synchronized (held) {
                held.add(new Held(queue, identifier, opcode));
            }
            return false;
        }
        if (opcode == failingOpcode && failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
            answer(queue, identifier, failingStatus);
            return false;
        }
        return true;
    }

    @Override
    protected boolean aborts(int queue, int identifier) {
        if (!aborts) {
            return false;
        }
        synchronized (held) {
            boolean found = held.removeIf(h -> h.queue() == queue && h.identifier() == identifier);
            if (found) {
                aborted.add(identifier);
                answer(queue, identifier, NvmeStatus.ABORT_REQUESTED);
            }
            return found;
        }
    }

    @Override
    protected void identified(int what, int id, ByteBuffer answer) {
        identity.bend(what, id, answer);
    }

    @Override
    protected void violated(String reason) {
        if (!tolerant) {
            super.violated(reason);
        }
    }

    @Override
    protected String serialNumber() {
        return serial;
    }

    /** Identifiers of I/O commands that were aborted. */
    public List<Integer> aborted() {
        synchronized (held) {
            return List.copyOf(aborted);
        }
    }

    /** How many commands are held. */
    public int heldCount() {
        synchronized (held) {
            return held.size();
        }
    }

    /** Completes what is held, last first, with a status. */
    public void answerHeld(int status) {
        synchronized (held) {
            for (Held each : held.reversed()) {
                answer(each.queue(), each.identifier(), status);
            }
            held.clear();
        }
    }

    /** Completes any identifier, whether it is in flight or not. */
    public void answer(int queue, int identifier, int status) {
        queues()[queue].complete(identifier, status, 0);
    }

    /** Overwrites a queue's completion entries with one byte. */
    public void fillCompletions(int queue, byte value) {
        SoftwareQueue each = queues()[queue];
        Memory.fill(each.completions(), (long) each.completionEntries() << Entries.COMPLETION_SHIFT, value);
    }

    /** Whether a queue exists. */
    public boolean hasQueue(int id) {
        return queues()[id] != null;
    }
}
