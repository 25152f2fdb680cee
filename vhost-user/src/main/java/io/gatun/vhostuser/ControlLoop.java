package io.gatun.vhostuser;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;
import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The control plane's one thread: waits for sockets, timers and commands, and never for a device.
 *
 * <p>Whoever runs here must not block. What has to wait for a ring hands a command to its reactor and continues in a
 * command to this loop.
 *
 * <p><b>Thread-safety:</b> {@link #execute}, {@link #schedule} and {@link #close} are for any thread; {@link #watch}
 * and what it returns are for the loop's own thread.
 */
public final class ControlLoop implements AutoCloseable, Executor {
    /** What happens when a watched descriptor is ready. */
    @FunctionalInterface
    interface Readiness {
        void ready(int events);
    }

    /** A watched descriptor; to be closed before the descriptor is. */
    final class Watch implements AutoCloseable {
        private final int fd;
        private final long token;
        private final Readiness readiness;
        private int events;

        private Watch(int fd, int events, long token, Readiness readiness) {
            this.fd = fd;
            this.events = events;
            this.token = token;
            this.readiness = readiness;
        }

        /** Changes what is waited for; hang-ups are always reported. */
        void setEvents(int wanted) {
            if (wanted != events && watches.containsKey(token)) {
                events = wanted;
                epoll.modify(fd, wanted, token);
            }
        }

        @Override
        public void close() {
            if (watches.remove(token) != null) {
                epoll.remove(fd);
            }
        }
    }

    /** A command that waits for its time. */
    public final class Timer {
        private final long dueNanos;
        private final Runnable command;
        private volatile boolean cancelled;

        private Timer(long dueNanos, Runnable command) {
            this.dueNanos = dueNanos;
            this.command = command;
        }

        /** The command will not start any more; on the loop's thread it is forgotten at once, else at its time. */
        public void cancel() {
            cancelled = true;
            if (inLoopThread()) {
                timers.remove(this);
            }
        }
    }

    private static final Logger LOG = LoggerFactory.getLogger(ControlLoop.class);
    private static final int EVENTS_PER_WAIT = 64;
    private static final long WAKE_TOKEN = 0;

    private final Epoll epoll = Epoll.create(EVENTS_PER_WAIT);
    private final EventFd wake = EventFd.create();
    private final Queue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final Map<Long, Watch> watches = new HashMap<>();
    private final PriorityQueue<Timer> timers = new PriorityQueue<>((a, b) -> Long.signum(a.dueNanos - b.dueNanos));
    private final Thread thread = Thread.ofPlatform().name("gatun-control").daemon(true).unstarted(this::run);

    private long nextToken = WAKE_TOKEN + 1;
    private boolean running = true;
    private volatile boolean closed;

    private ControlLoop() {
        int result = epoll.add(wake.fd().value(), Epoll.EPOLLIN, WAKE_TOKEN);
        if (result < 0) {
            throw new LinuxException("watch the control loop's eventfd", result, "");
        }
    }

    /** Starts the loop's thread. */
    public static ControlLoop start() {
        ControlLoop loop = new ControlLoop();
        loop.thread.start();
        return loop;
    }

    /**
     * Runs a command on the loop's thread, after those that this thread sent before.
     *
     * @throws RejectedExecutionException once closed
     */
    @Override
    public void execute(Runnable command) {
        if (closed) {
            throw new RejectedExecutionException("the control loop is closed");
        }
        commands.add(command);
        wake.signal();
    }

    /** As {@link #execute}, for news that nobody needs once the loop is closed. */
    void tell(Runnable command) {
        try {
            execute(command);
        } catch (RejectedExecutionException nobodyListens) {
            // The loop closes after its back-ends, so there is no device left that the news could be about.
        }
    }

    /** Runs a command on the loop's thread after a time. */
    public Timer schedule(long delay, TimeUnit unit, Runnable command) {
        Timer timer = new Timer(System.nanoTime() + unit.toNanos(delay), command);
        if (inLoopThread()) {
            timers.add(timer);
        } else {
            execute(() -> timers.add(timer));
        }
        return timer;
    }

    public boolean inLoopThread() {
        return thread.equals(Thread.currentThread());
    }

    /**
     * Waits for {@code events} on a descriptor, level-triggered; throws {@link LinuxException} for what cannot be
     * waited for.
     */
    Watch watch(int fd, int events, Readiness readiness) {
        assert inLoopThread() : "watch a descriptor on the control loop's thread";
        Watch watch = new Watch(fd, events, nextToken++, readiness);
        int result = epoll.add(fd, events, watch.token);
        if (result < 0) {
            throw new LinuxException("watch fd " + fd, result, "only sockets, pipes and eventfds can be waited for");
        }
        watches.put(watch.token, watch);
        return watch;
    }

    /** Runs the commands that have arrived, stops and waits for the thread. Back-ends are to be closed before. */
    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            execute(() -> running = false);
            closed = true;
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        epoll.close();
        wake.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        while (running) {
            int ready = epoll.await(commands.isEmpty() ? millisToNextTimer() : 0);
            for (int i = 0; i < ready; i++) {
                dispatch(epoll.token(i), epoll.events(i));
            }
            runCommands();
            runTimers();
        }
        runCommands();
    }

    private void dispatch(long token, int events) {
        if (token == WAKE_TOKEN) {
            wake.drain();
            return;
        }
        // An earlier event of this batch may have closed it.
        Watch watch = watches.get(token);
        if (watch != null) {
            guarded(() -> watch.readiness.ready(events));
        }
    }

    private void runCommands() {
        // Commands that commands add wait for the next round, so that sockets get their turn.
        for (int left = commands.size(); left > 0; left--) {
            guarded(commands.remove());
        }
    }

    private void runTimers() {
        long now = System.nanoTime();
        while (!timers.isEmpty() && timers.peek().dueNanos - now <= 0) {
            Timer timer = timers.remove();
            if (!timer.cancelled) {
                guarded(timer.command);
            }
        }
    }

    private int millisToNextTimer() {
        while (!timers.isEmpty() && timers.peek().cancelled) {
            timers.remove();
        }
        if (timers.isEmpty()) {
            return -1;
        }
        long nanos = Math.max(0, timers.peek().dueNanos - System.nanoTime());
        return (int) Math.min(Integer.MAX_VALUE, TimeUnit.NANOSECONDS.toMillis(nanos + 999_999));
    }

    private static void guarded(Runnable work) {
        try {
            work.run();
        } catch (Throwable t) {
            LOG.error("the control loop's work failed; the loop goes on", t);
        }
    }
}
