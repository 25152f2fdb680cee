package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Every rung of the ladder of set-up flags, the older ones standing for older kernels. */
@ParameterizedClass(name = "set-up {0}")
@ValueSource(ints = {0, 1, 2})
class IoUringTest {
    private static final int CAPACITY = 8;

    @Parameter
    int rung;

    @TempDir
    Path directory;

    private final int fdsBefore = Fd.openCount();
    private final int mappingsBefore = Mapping.openCount();
    private IoUring ring;
    private Fd file;
    private Mapping memory;

    @BeforeEach
    void create() {
        assumeTrue(IoUring.probe().isEmpty(), () -> IoUring.probe().orElseThrow().getMessage());
        try {
            ring = new IoUring(IoUringSetup.make(CAPACITY, 2 * CAPACITY, IoUringSetup.FLAGS[rung], 0, 0));
        } catch (LinuxException e) {
            assumeTrue(e.errno() != Errno.EINVAL, "this kernel is too old for set-up " + rung);
            throw e;
        }
        file = FileIo.open(directory.resolve("disk").toString(), FileIo.O_RDWR | FileIo.O_CREAT, 0600);
        memory = Mapping.anonymous(1 << 16);
    }

    @AfterEach
    void nothingLeaks() {
        if (ring != null) {
            ring.close();
            file.close();
            memory.close();
        }
        assertEquals(fdsBefore, Fd.openCount());
        assertEquals(mappingsBefore, Mapping.openCount());
    }

    @Test
    void submitsABatchInOneCallAndDrainsIt() {
        for (int i = 0; i < CAPACITY; i++) {
            assertTrue(ring.nop(100 + i));
        }
        assertFalse(ring.nop(999), "the ring is full");
        assertEquals(0, ring.peek());
        assertEquals(CAPACITY, ring.submit());
        assertEquals(CAPACITY, ring.peek());
        for (int i = 0; i < CAPACITY; i++) {
            assertEquals(100 + i, ring.userData(i));
            assertEquals(0, ring.result(i));
        }
        ring.advance(CAPACITY);
        assertEquals(0, ring.peek());
        assertEquals(0, ring.submit());
    }

    @Test
    void goesRoundManyTimes() {
        for (long lap = 0; lap < 1000; lap++) {
            assertTrue(ring.nop(lap));
            assertTrue(ring.nop(-lap));
            assertEquals(2, ring.submit());
            assertEquals(2, ring.peek());
            assertEquals(lap, ring.userData(0));
            assertEquals(-lap, ring.userData(1));
            ring.advance(2);
        }
    }

    @Test
    void writesReadsAndSyncsFiles() {
        long data = memory.address();
        Memory.fill(data, 8192, (byte) 7);
        assertEquals(8192, run(ring.write(file.value(), data, 8192, 4096, IoUring.RWF_DSYNC, 1)));
        assertEquals(0, run(ring.dataSync(file.value(), 2)));
        assertEquals(8192, run(ring.read(file.value(), data + 16384, 12288, 4096, 3)));
        assertEquals(0x0707_0707L, Memory.getUnsignedInt(data + 16384 + 8188));
        assertEquals(0, run(ring.read(file.value(), data, 1, 1 << 20, 4)));
        assertEquals(-Errno.EBADF, run(ring.read(-1, data, 1, 0, 5)));
    }

    @Test
    void scattersAndGathers() {
        long iovecs = memory.address();
        long data = memory.address() + 4096;
        for (int i = 0; i < 3; i++) {
            Memory.putLong(iovecs + 16L * i, data + 4096L * i);
            Memory.putLong(iovecs + 16L * i + 8, 512);
            Memory.fill(data + 4096L * i, 512, (byte) (i + 1));
        }
        assertEquals(1536, run(ring.writev(file.value(), iovecs, 3, 0, 0, 1)));
        for (int i = 0; i < 3; i++) {
            Memory.putLong(iovecs + 16L * i, data + 4096L * (2 - i));
        }
        assertEquals(1536, run(ring.readv(file.value(), iovecs, 3, 0, 2)));
        assertEquals(3, Memory.getByte(data));
        assertEquals(1, Memory.getByte(data + 8192 + 511));
    }

    @Test
    void punchesHoles() {
        Memory.fill(memory.address(), 8192, (byte) 7);
        assertEquals(8192, run(ring.write(file.value(), memory.address(), 8192, 0, 0, 1)));
        int punch = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
        int result = run(ring.fallocate(file.value(), punch, 0, 4096, 2));
        assumeTrue(result != -Errno.EOPNOTSUPP, "this file system has no holes");
        assertEquals(0, result);
        assertEquals(8192, run(ring.read(file.value(), memory.address(), 8192, 0, 3)));
        assertEquals(0, Memory.getLong(memory.address() + 4088));
        assertEquals(7, Memory.getByte(memory.address() + 4096));
    }

    @Test
    void usesRegisteredFilesAndBuffers() {
        assertEquals(0, ring.registerFiles(-1, file.value()));
        int disk = IoUring.registeredFile(1);
        assertEquals(0, ring.registerBuffers(new long[] {memory.address()}, new long[] {memory.lengthBytes()}));
        Memory.fill(memory.address(), 4096, (byte) 9);
        assertEquals(4096, run(ring.writeFixed(disk, memory.address(), 4096, 0, 0, 0, 1)));
        assertEquals(4096, run(ring.readFixed(disk, memory.address() + 8192, 4096, 0, 0, 2)));
        assertEquals(9, Memory.getByte(memory.address() + 8192 + 4095));
        assertEquals(-Errno.EBADF, run(ring.read(IoUring.registeredFile(0), memory.address(), 1, 0, 3)));
        assertEquals(0, ring.updateFile(0, file.value()));
        assertEquals(1, run(ring.read(IoUring.registeredFile(0), memory.address(), 1, 0, 4)));
        assertEquals(0, ring.updateFile(0, -1));
        assertEquals(-Errno.EBADF, run(ring.read(IoUring.registeredFile(0), memory.address(), 1, 0, 5)));
        assertEquals(0, ring.unregisterBuffers());
        assertEquals(0, ring.unregisterFiles());
    }

    @Test
    void pollsAndCancels() {
        try (EventFd event = EventFd.create()) {
            assertTrue(ring.pollAdd(event.fd().value(), Epoll.EPOLLIN, 1));
            ring.submit();
            assertEquals(0, ring.peek());
            event.signal();
            assertEquals(Epoll.EPOLLIN, awaitOne());
            event.drain();
            ring.pollAdd(event.fd().value(), Epoll.EPOLLIN, 2);
            ring.submit();
            ring.cancel(2, 3);
            ring.submitAndWait(2);
            assertEquals(2, ring.peek());
            int polled = ring.userData(0) == 2 ? 0 : 1;
            assertEquals(-Errno.ECANCELED, ring.result(polled));
            assertEquals(0, ring.result(1 - polled));
            ring.advance(2);
        }
    }

    @Test
    void completionsBeyondTheRingAreKeptAndDelivered() {
        int total = 5 * CAPACITY;
        int queued = 0;
        int drained = 0;
        long sum = 0;
        while (queued < total) {
            while (queued < total && ring.nop(queued)) {
                queued++;
            }
            assertTrue(ring.submit() >= -Errno.EBUSY);
        }
        while (drained < total) {
            ring.submit();
            int count = ring.peek();
            assertTrue(count > 0);
            for (int i = 0; i < count; i++) {
                sum += ring.userData(i);
            }
            ring.advance(count);
            drained += count;
        }
        assertEquals(total * (total - 1L) / 2, sum);
    }

    @Test
    void signalsAnEventOnlyWhileArmed() {
        try (EventFd event = EventFd.create();
                EventFd source = EventFd.create()) {
            assertEquals(0, ring.registerEvent(event));
            assertEquals(0, run(ring.nop(1)));
            assertEquals(0, event.drain());
            ring.pollAdd(source.fd().value(), Epoll.EPOLLIN, 2);
            ring.submit();
            ring.armEvent();
            assertEquals(0, ring.peek());
            source.signal();
            try (Epoll epoll = Epoll.create(1)) {
                epoll.add(event.fd().value(), Epoll.EPOLLIN, 1);
                assertEquals(1, awaitEvent(epoll), "an armed ring signals");
            }
            assertTrue(ring.hasDeferredWork() || ring.peek() == 1);
            ring.disarmEvent();
            assertEquals(Epoll.EPOLLIN, awaitOne());
        }
    }

    @Test
    void aKernelThreadCanSubmit() throws Exception {
        try (IoUring polled = IoUring.createPolled(CAPACITY, 2 * CAPACITY, 1, -1)) {
            for (int lap = 0; lap < 3; lap++) {
                assertTrue(polled.nop(lap));
                assertEquals(1, polled.submit());
                long deadline = System.nanoTime() + 2_000_000_000L;
                while (polled.peek() == 0 && System.nanoTime() < deadline) {
                    Thread.onSpinWait();
                }
                assertEquals(1, polled.peek());
                assertEquals(lap, polled.userData(0));
                polled.advance(1);
                // Longer than the thread stays awake, so that the next submission has to wake it.
                Thread.sleep(5);
            }
        } catch (LinuxException e) {
            assumeTrue(e.errno() != Errno.EPERM, e.getMessage());
            throw e;
        }
    }

    @Test
    void belongsToItsThread() throws Exception {
        assumeTrue(rung == 0, "older set-ups do not check");
        ring.nop(1);
        FutureTask<Integer> other = new FutureTask<>(ring::submit);
        Thread.ofPlatform().start(other);
        assertEquals(-Errno.EEXIST, other.get());
        assertEquals(1, ring.submit());
        ring.advance(1);
    }

    @Test
    void usesTheNewestSetUpThatTheKernelKnows() {
        try (IoUring best = IoUring.create(3, 8)) {
            assertEquals(4, best.capacity());
            best.nop(1);
            assertEquals(1, best.submit());
        }
    }

    @Test
    void saysHowToAllowWhatIsForbidden() {
        assertTrue(IoUringCalls.remedy(Errno.EPERM, "2").contains("sysctl kernel.io_uring_disabled=0"));
        assertTrue(IoUringCalls.remedy(Errno.EPERM, "1").contains("kernel.io_uring_group"));
        assertTrue(IoUringCalls.remedy(Errno.EPERM, "0").contains("seccomp"));
        assertTrue(IoUringCalls.remedy(Errno.ENOSYS, "").contains("seccomp"));
        LinuxException tooMany = assertThrows(LinuxException.class, () -> IoUring.create(0, 0));
        assertEquals(Errno.EINVAL, tooMany.errno());
    }

    @Test
    void aContainersSeccompFilterIsExplained() throws Exception {
        FutureTask<Optional<LinuxException>> confined = new FutureTask<>(() -> {
            SeccompFilter.forbidOnThisThread(425);
            return IoUring.probe();
        });
        Thread.ofPlatform().start(confined);
        LinuxException refusal = confined.get().orElseThrow();
        assertEquals(Errno.EPERM, refusal.errno());
        assertTrue(refusal.getMessage().contains("seccomp profile"), refusal.getMessage());
        assertTrue(IoUring.probe().isEmpty(), "other threads are free");
    }

    /** The kernel interrupts waits in order to work for its rings, so one wait may end early. */
    private static int awaitEvent(Epoll epoll) {
        long deadline = System.nanoTime() + 2_000_000_000L;
        int result;
        do {
            result = epoll.await(100);
        } while (result == 0 && System.nanoTime() < deadline);
        return result;
    }

    private int run(boolean queued) {
        assertTrue(queued);
        ring.submit();
        return awaitOne();
    }

    private int awaitOne() {
        ring.submitAndWait(1);
        assertEquals(1, ring.peek());
        int result = ring.result(0);
        ring.advance(1);
        return result;
    }
}
