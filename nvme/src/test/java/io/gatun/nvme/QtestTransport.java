package io.gatun.nvme;

import io.gatun.linux.EventFd;
import io.gatun.linux.Memory;
import io.gatun.testkit.QtestFunction;
import io.gatun.testkit.QtestMachine;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;
import java.io.UncheckedIOException;
import java.util.concurrent.locks.LockSupport;

/**
 * A controller of a {@link QtestMachine}, driven from this process. Interrupts are real messages of the controller:
 * they are aimed at words of the shared memory, and a thread that looks at the words passes them on to eventfds.
 */
public final class QtestTransport implements NvmeTransport {
    private static final int MAX_VECTORS = 4;
    private static final int RAISED = 1;
    private static final long LOOK_NANOS = 200_000;

    private final QtestMachine machine;
    private final int number;
    private final QtestSpace space;
    private final DmaBuffer words;
    private final EventFd[] eventFds;
    private final Thread watcher;
    private volatile int enabled;
    private volatile boolean closed;
    private volatile boolean busMaster = true;
    private boolean there = true;

    public QtestTransport(QtestMachine machine, int number) {
        this.machine = machine;
        this.number = number;
        space = new QtestSpace(machine);
        words = space.allocate(DmaSpace.PAGE_BYTES);
        eventFds = new EventFd[Math.min(MAX_VECTORS, function().vectorCount())];
        for (int i = 0; i < eventFds.length; i++) {
            eventFds[i] = EventFd.create();
        }
        aimVectors();
        watcher = Thread.ofPlatform().daemon().name("interrupts-" + number).start(this::watch);
    }

    private QtestFunction function() {
        return machine.controller(number);
    }

    @Override
    public String name() {
        return function().toString();
    }

    @Override
    public int registerBytes() {
        return function().registerBytes();
    }

    @Override
    public int readInt(int offset) {
        try {
            return function().readInt(offset);
        } catch (UncheckedIOException machineGone) {
            return -1;
        }
    }

    @Override
    public long readLong(int offset) {
        try {
            return function().readLong(offset);
        } catch (UncheckedIOException machineGone) {
            return -1;
        }
    }

    @Override
    public void writeInt(int offset, int value) {
        Memory.fullFence();
        try {
            function().writeInt(offset, value);
        } catch (UncheckedIOException machineGone) {
            // What is written to a function that is gone is ignored.
        }
    }

    @Override
    public void writeLong(int offset, long value) {
        Memory.fullFence();
        try {
            function().writeLong(offset, value);
        } catch (UncheckedIOException machineGone) {
            // What is written to a function that is gone is ignored.
        }
    }

    @Override
    public DmaSpace memory() {
        return space;
    }

    @Override
    public void setBusMaster(boolean enable) {
        busMaster = enable;
        function().setBusMaster(enable);
    }

    @Override
    public boolean resetFunction() {
        if (!function().reset()) {
            return false;
        }
        function().setBusMaster(busMaster);
        aimVectors();
        return true;
    }

    @Override
    public boolean probe() {
        try {
            boolean was = there;
            there = !function().gone();
            if (there && !was) {
                aimVectors();
            }
            return there;
        } catch (UncheckedIOException machineGone) {
            return false;
        }
    }

    @Override
    public int vectorCount() {
        return eventFds.length;
    }

    @Override
    public int vectorFd(int vector) {
        return eventFds[vector].value();
    }

    @Override
    public synchronized int enableVector(int vector) {
        enabled |= 1 << vector;
        return 0;
    }

    @Override
    public synchronized int disableVector(int vector) {
        enabled &= ~(1 << vector);
        return 0;
    }

    @Override
    public void close() {
        closed = true;
        try {
            watcher.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (EventFd eventFd : eventFds) {
            eventFd.close();
        }
        words.close();
        space.close();
    }

    private void aimVectors() {
        for (int i = 0; i < eventFds.length; i++) {
            function().aimVector(i, space.translate(word(i)), RAISED);
        }
    }

    private long word(int vector) {
        return words.address() + 4L * vector;
    }

    /** A message that came while its vector was disabled is passed on later, as a masked vector does. */
    private void watch() {
        while (!closed) {
            for (int i = 0; i < eventFds.length; i++) {
                if ((enabled >>> i & 1) != 0 && Memory.loadAcquireInt(word(i)) == RAISED) {
                    Memory.putInt(word(i), 0);
                    Memory.fullFence();
                    eventFds[i].signal();
                }
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }
}
