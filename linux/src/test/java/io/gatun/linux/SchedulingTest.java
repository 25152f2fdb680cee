package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.util.BitSet;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;

class SchedulingTest {
    @Test
    void pinsTheCallingThreadOnly() throws Exception {
        BitSet before = Scheduling.allowedCpus();
        int cpu = before.length() - 1;
        FutureTask<BitSet> pinned = new FutureTask<>(() -> {
            assertEquals(0, Scheduling.pinCurrentThread(cpu));
            assertEquals(cpu, Scheduling.currentCpu());
            return Scheduling.allowedCpus();
        });
        Thread.ofPlatform().start(pinned);
        BitSet one = new BitSet();
        one.set(cpu);
        assertEquals(one, pinned.get());
        assertEquals(before, Scheduling.allowedCpus());
    }

    @Test
    void refusesProcessorsThatAreNotThere() {
        assertEquals(-Errno.EINVAL, Scheduling.pinCurrentThread(8191));
        assertEquals(-Errno.EINVAL, Scheduling.pinCurrentThread(1 << 20));
    }

    @Test
    void threadIdIsTheKernels() {
        assertTrue(new File("/proc/self/task/" + Scheduling.threadId()).exists());
    }
}
