package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class ControlLoopTest {
    private final ControlLoop loop = ControlLoop.start();

    @AfterEach
    void close() {
        loop.close();
    }

    private void onLoop(Runnable work) {
        CompletableFuture.runAsync(work, loop).join();
    }

    @Test
    void runsCommandsInOrder() {
        List<Integer> ran = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            int number = i;
            loop.execute(() -> ran.add(number));
        }
        onLoop(() -> {
            assertTrue(loop.inLoopThread());
            assertEquals(1000, ran.size());
            assertEquals(999, ran.getLast());
        });
        assertFalse(loop.inLoopThread());
    }

    @Test
    void runsTimersInOrderOfTheirTimesAndNoneThatWasCancelled() throws InterruptedException {
        List<String> ran = new ArrayList<>();
        CountDownLatch last = new CountDownLatch(1);
        loop.schedule(60, TimeUnit.MILLISECONDS, last::countDown);
        onLoop(() -> {
            loop.schedule(40, TimeUnit.MILLISECONDS, () -> ran.add("second"));
            loop.schedule(10, TimeUnit.MILLISECONDS, () -> ran.add("first"));
            loop.schedule(20, TimeUnit.MILLISECONDS, () -> ran.add("never")).cancel();
        });
        last.await();
        BackendLab.await("both", () -> CompletableFuture.supplyAsync(ran::size, loop).join() == 2);
        onLoop(() -> assertEquals(List.of("first", "second"), ran));
    }

    /** Each request that waits for a ring has a time limit: a front-end could fill memory with those of old ones. */
    @Test
    void forgetsTimersThatAreCancelled() {
        List<WeakReference<Object>> kept = new ArrayList<>();
        onLoop(() -> {
            for (int i = 0; i < 100; i++) {
                Object held = new Object();
                kept.add(new WeakReference<>(held));
                loop.schedule(1, TimeUnit.HOURS, held::notifyAll).cancel();
            }
        });
        BackendLab.await("the end of what cancelled timers held", () -> {
            System.gc();
            return kept.stream().allMatch(held -> held.refersTo(null));
        });
    }

    @Test
    void watchesDescriptorsUntilTold() throws InterruptedException {
        CountDownLatch twice = new CountDownLatch(2);
        try (EventFd event = EventFd.create()) {
            ControlLoop.Watch[] watch = new ControlLoop.Watch[1];
            onLoop(() -> watch[0] = loop.watch(event.fd().value(), Epoll.EPOLLIN, _ -> {
                event.drain();
                twice.countDown();
            }));
            event.signal();
            BackendLab.await("the first event", () -> twice.getCount() == 1);
            onLoop(() -> watch[0].setEvents(0));
            event.signal();
            onLoop(() -> assertEquals(1, twice.getCount()));
            onLoop(() -> watch[0].setEvents(Epoll.EPOLLIN));
            twice.await();
            onLoop(() -> watch[0].close());
            onLoop(() -> watch[0].close());
            event.signal();
            onLoop(() -> assertEquals(0, twice.getCount()));
        }
    }

    @Test
    void refusesWhatCannotBeWaitedFor(@TempDir Path folder) throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        try (io.gatun.linux.Fd fd = FileIo.open(file.toString(), FileIo.O_RDWR, 0)) {
            onLoop(() -> assertThrows(LinuxException.class, () -> loop.watch(fd.value(), Epoll.EPOLLIN, _ -> {})));
        }
    }

    @Test
    void survivesWorkThatFails() {
        loop.execute(() -> {
            throw new IllegalStateException("a bug");
        });
        loop.execute(() -> {
            throw new StackOverflowError("a worse one");
        });
        onLoop(() -> {});
    }

    @Test
    void runsWhatWasAcceptedBeforeItClosesAndNothingAfter() {
        List<Integer> ran = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            int number = i;
            loop.execute(() -> ran.add(number));
        }
        loop.close();
        assertEquals(100, ran.size());
        assertThrows(RejectedExecutionException.class, () -> loop.execute(() -> {}));
        loop.tell(() -> ran.add(-1));
        loop.close();
        assertEquals(100, ran.size());
    }
}
