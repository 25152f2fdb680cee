package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** What a reactor calls in its duty cycle allocates nothing, once it is compiled. */
class ZeroAllocationTest {
    private static final int ROUNDS = 2_000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long sink;

    @Test
    void eventFd() {
        try (EventFd event = EventFd.create()) {
            allocatesNothing(() -> {
                sink += EventFd.signal(event.fd().value());
                sink += event.drain();
                sink += EventFd.drain(event.fd().value());
            });
        }
    }

    @Test
    void epoll() {
        try (EventFd event = EventFd.create();
                Epoll epoll = Epoll.create(4)) {
            epoll.add(event.fd().value(), Epoll.EPOLLIN, 1);
            allocatesNothing(() -> {
                sink += epoll.await(0);
                event.signal();
                sink += epoll.await(0) + epoll.token(0) + epoll.events(0);
                event.drain();
            });
        }
    }

    @Test
    void ioUring() {
        assumeTrue(IoUring.probe().isEmpty(), () -> IoUring.probe().orElseThrow().getMessage());
        try (MemoryFile file = MemoryFile.create("disk", 1 << 16);
                Mapping buffer = Mapping.anonymous(4096);
                IoUring ring = IoUring.create(8, 16)) {
            allocatesNothing(() -> {
                ring.read(file.fd().value(), buffer.address(), 512, 0, 1);
                ring.write(file.fd().value(), buffer.address(), 512, 4096, 0, 2);
                ring.dataSync(file.fd().value(), 3);
                ring.submit();
                int count = ring.peek();
                for (int i = 0; i < count; i++) {
                    sink += ring.userData(i) + ring.result(i);
                }
                ring.advance(count);
            });
        }
    }

    @Test
    void files() {
        try (MemoryFile file = MemoryFile.create("disk", 1 << 16);
                Mapping buffer = Mapping.anonymous(4096)) {
            int fd = file.fd().value();
            allocatesNothing(() -> {
                sink += FileIo.pwrite(fd, buffer.address(), 512, 0);
                sink += FileIo.pread(fd, buffer.address(), 512, 0);
                sink += FileIo.fdatasync(fd);
                sink += FileIo.pread(-1, buffer.address(), 512, 0);
            });
        }
    }

    @Test
    void sockets() {
        UnixSocket[] pair = UnixSocket.pair();
        int[] fds = new int[8];
        try (Mapping buffer = Mapping.anonymous(4096)) {
            allocatesNothing(() -> {
                sink += pair[0].send(buffer.address(), 64, fds, 0);
                sink += pair[1].receive(buffer.address(), 128, fds);
                sink += pair[1].receive(buffer.address(), 128, fds);
            });
        } finally {
            pair[0].close();
            pair[1].close();
        }
    }

    @Test
    void memory() {
        byte[] array = new byte[4096];
        try (Mapping map = Mapping.anonymous(8192)) {
            long a = map.address();
            allocatesNothing(() -> {
                sink += Memory.getLong(a) + Memory.getInt(a) + Memory.getUnsignedShort(a) + Memory.getByte(a);
                sink += Memory.loadAcquireShort(a) + Memory.loadAcquireInt(a);
                Memory.copy(a, a + 4096, 4096);
                Memory.fill(a, 512, (byte) 1);
                Memory.copyToArray(a, array, 0, 4096);
                Memory.copyFromArray(array, 0, a, 4096);
                Memory.settle();
            });
        }
    }

    /**
     * Code that allocates does so in every round. Before C2 has compiled it, a native call does (the linker slices the
     * segment that receives errno), and in its first rounds everything does: so this waits, within reason, for a
     * measurement of zero.
     */
    private static void allocatesNothing(Runnable work) {
        long thread = Thread.currentThread().threadId();
        long deadline = System.nanoTime() + 20_000_000_000L;
        long allocated;
        do {
            long before = THREADS.getThreadAllocatedBytes(thread);
            for (int i = 0; i < ROUNDS; i++) {
                work.run();
            }
            allocated = THREADS.getThreadAllocatedBytes(thread) - before;
        } while (allocated != 0 && System.nanoTime() < deadline);
        assertEquals(0, allocated, "bytes allocated in " + ROUNDS + " rounds");
    }
}
