package io.gatun.linux;

import static io.gatun.linux.IoUringLayout.CQE_SIZE;
import static io.gatun.linux.IoUringLayout.FEATURE_NODROP;
import static io.gatun.linux.IoUringLayout.FEATURE_SINGLE_MMAP;
import static io.gatun.linux.IoUringLayout.MAP_RINGS;
import static io.gatun.linux.IoUringLayout.MAP_SQES;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_CQES;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_ENTRIES;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_FLAGS;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_HEAD;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_MASK;
import static io.gatun.linux.IoUringLayout.PARAMS_CQ_TAIL;
import static io.gatun.linux.IoUringLayout.PARAMS_FEATURES;
import static io.gatun.linux.IoUringLayout.PARAMS_FLAGS;
import static io.gatun.linux.IoUringLayout.PARAMS_SIZE;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_ARRAY;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_ENTRIES;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_FLAGS;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_HEAD;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_MASK;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_TAIL;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_THREAD_CPU;
import static io.gatun.linux.IoUringLayout.PARAMS_SQ_THREAD_IDLE;
import static io.gatun.linux.IoUringLayout.SETUP_CLAMP;
import static io.gatun.linux.IoUringLayout.SETUP_COOP_TASKRUN;
import static io.gatun.linux.IoUringLayout.SETUP_CQSIZE;
import static io.gatun.linux.IoUringLayout.SETUP_DEFER_TASKRUN;
import static io.gatun.linux.IoUringLayout.SETUP_SINGLE_ISSUER;
import static io.gatun.linux.IoUringLayout.SETUP_SQPOLL;
import static io.gatun.linux.IoUringLayout.SETUP_SQ_AFF;
import static io.gatun.linux.IoUringLayout.SETUP_SUBMIT_ALL;
import static io.gatun.linux.IoUringLayout.SETUP_TASKRUN_FLAG;
import static io.gatun.linux.IoUringLayout.SQE_SIZE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Makes and maps a ring, and knows where its parts are. Source: io_uring_setup(2). */
final class IoUringSetup {
    /** From the best to what Linux 5.6 has; a kernel answers {@code EINVAL} to flags that it does not know. */
    static final int[] FLAGS = {
        SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_TASKRUN_FLAG,
        SETUP_SUBMIT_ALL | SETUP_COOP_TASKRUN | SETUP_TASKRUN_FLAG,
        0,
    };

    final Fd fd;
    final Mapping rings;
    final Mapping entries;
    final boolean kernelPolls;
    final long sqHeadAddress;
    final long sqTailAddress;
    final long sqFlagsAddress;
    final int sqMask;
    final long cqHeadAddress;
    final long cqTailAddress;
    final long cqFlagsAddress;
    final long cqesAddress;
    final int cqMask;

    private IoUringSetup(Fd fd, MemorySegment params, Mapping rings, Mapping entries) {
        this.fd = fd;
        this.rings = rings;
        this.entries = entries;
        kernelPolls = (params.get(JAVA_INT, PARAMS_FLAGS) & SETUP_SQPOLL) != 0;
        long base = rings.address();
        sqHeadAddress = base + params.get(JAVA_INT, PARAMS_SQ_HEAD);
        sqTailAddress = base + params.get(JAVA_INT, PARAMS_SQ_TAIL);
        sqFlagsAddress = base + params.get(JAVA_INT, PARAMS_SQ_FLAGS);
        sqMask = Memory.getInt(base + params.get(JAVA_INT, PARAMS_SQ_MASK));
        cqHeadAddress = base + params.get(JAVA_INT, PARAMS_CQ_HEAD);
        cqTailAddress = base + params.get(JAVA_INT, PARAMS_CQ_TAIL);
        cqFlagsAddress = base + params.get(JAVA_INT, PARAMS_CQ_FLAGS);
        cqesAddress = base + params.get(JAVA_INT, PARAMS_CQ_CQES);
        cqMask = Memory.getInt(base + params.get(JAVA_INT, PARAMS_CQ_MASK));
        // Slot i of the ring is always entry i, so that publication is the tail alone.
        long array = base + params.get(JAVA_INT, PARAMS_SQ_ARRAY);
        for (int i = 0; i <= sqMask; i++) {
            Memory.putInt(array + i * 4L, i);
        }
    }

    /** A ring with the newest flags that the kernel knows; throws {@link LinuxException}. */
    static IoUringSetup best(int entries, int completions) {
        LinuxException refusal = null;
        for (int flags : FLAGS) {
            try {
                return make(entries, completions, flags, 0, 0);
            } catch (LinuxException e) {
                if (e.errno() != Errno.EINVAL) {
                    throw e;
                }
                refusal = e;
            }
        }
        throw refusal;
    }

    /** A ring with a kernel thread that polls; throws {@link LinuxException}. */
    static IoUringSetup polled(int entries, int completions, int idleMillis, int cpu) {
        int flags = SETUP_SQPOLL | (cpu < 0 ? 0 : SETUP_SQ_AFF);
        return make(entries, completions, flags, idleMillis, Math.max(cpu, 0));
    }

    static IoUringSetup make(int entries, int completions, int flags, int idleMillis, int cpu) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = arena.allocate(PARAMS_SIZE, 8);
            params.set(JAVA_INT, PARAMS_FLAGS, flags | SETUP_CQSIZE | SETUP_CLAMP);
            params.set(JAVA_INT, PARAMS_CQ_ENTRIES, completions);
            params.set(JAVA_INT, PARAMS_SQ_THREAD_IDLE, idleMillis);
            params.set(JAVA_INT, PARAMS_SQ_THREAD_CPU, cpu);
            int result = IoUringCalls.setup(entries, params.address());
            if (result < 0) {
                throw IoUringCalls.refused(result);
            }
            return map(Fd.owning(result), params);
        }
    }

    private static IoUringSetup map(Fd fd, MemorySegment params) {
        int needed = FEATURE_SINGLE_MMAP | FEATURE_NODROP;
        Mapping rings = null;
        try {
            if ((params.get(JAVA_INT, PARAMS_FEATURES) & needed) != needed) {
                throw IoUringCalls.refused(-Errno.EINVAL);
            }
            int sqEntries = params.get(JAVA_INT, PARAMS_SQ_ENTRIES);
            int cqEntries = params.get(JAVA_INT, PARAMS_CQ_ENTRIES);
            long sqEnd = params.get(JAVA_INT, PARAMS_SQ_ARRAY) + sqEntries * 4L;
            long cqEnd = params.get(JAVA_INT, PARAMS_CQ_CQES) + (long) cqEntries * CQE_SIZE;
            rings = Mapping.shared(fd, MAP_RINGS, Math.max(sqEnd, cqEnd));
            Mapping entries = Mapping.shared(fd, MAP_SQES, (long) sqEntries * SQE_SIZE);
            return new IoUringSetup(fd, params, rings, entries);
        } catch (LinuxException e) {
            if (rings != null) {
                rings.close();
            }
            fd.close();
            throw e;
        }
    }
}
