package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.UnixListener;
import io.gatun.linux.UnixSocket;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The JSON-RPC socket: one thread that accepts, reads, calls and answers. Methods run on this thread, one after the
 * other, so that what they work on needs no lock; a slow client costs memory up to a bound and nobody's time.
 *
 * <p><b>Thread-safety:</b> {@link #execute} and {@link #stop} may be called from any thread, the rest belongs to the
 * thread that runs {@link #run}.
 */
public final class JsonRpcServer implements Executor, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(JsonRpcServer.class);
    private static final int MAX_CONNECTIONS = 64;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final long LISTENER = -1;
    private static final long COMMANDS = -2;
    private static final int OUT_OF_DESCRIPTORS_PAUSE_MILLIS = 100;

    private final UnixListener listener;
    private final RpcDispatch dispatch;
    private final Epoll epoll = Epoll.create(MAX_CONNECTIONS + 2);
    private final EventFd wakeUp = EventFd.create();
    private final Mapping buffer = Mapping.anonymous(BUFFER_BYTES);
    private final ConcurrentLinkedQueue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final Map<Long, RpcConnection> connections = new HashMap<>();
    private volatile long runnerId;
    private long nextToken;
    private volatile boolean stopped;
    private boolean closed;

    /** What the server calls methods by. */
    public interface Caller {
        /** As {@link MethodRegistry#call}. */
        CompletionStage<JsonNode> call(String method, JsonNode params);
    }

    /** Listens at {@code socket}, mode 0600; throws {@link LinuxException} where somebody else does. */
    public JsonRpcServer(Path socket, Caller caller) {
        dispatch = new RpcDispatch(caller);
        listener = UnixListener.listen(socket.toString());
        epoll.add(listener.fd().value(), Epoll.EPOLLIN, LISTENER);
        epoll.add(wakeUp.fd().value(), Epoll.EPOLLIN, COMMANDS);
    }

    public Path socket() {
        return listener.path();
    }

    /** Serves until {@link #stop}. */
    public void run() {
        runnerId = Thread.currentThread().threadId();
        while (!stopped) {
            int ready = epoll.await(-1);
            for (int i = 0; i < ready; i++) {
                handle(epoll.token(i), epoll.events(i));
            }
            Runnable command = commands.poll();
            while (command != null) {
                command.run();
                command = commands.poll();
            }
            settle();
        }
    }

    /** Runs a command on the server's thread. */
    @Override
    public void execute(Runnable command) {
        commands.add(command);
        wakeUp();
    }

    /** Makes {@link #run} return. */
    public void stop() {
        stopped = true;
        wakeUp();
    }

    /** The descriptor's number may be another's once it is closed. */
    private void wakeUp() {
        synchronized (wakeUp) {
            if (!closed) {
                wakeUp.signal();
            }
        }
    }

    /** Drops all clients and removes the socket; after {@link #run} has returned. */
    @Override
    public void close() {
        connections.values().forEach(RpcConnection::close);
        connections.clear();
        listener.close();
        epoll.close();
        synchronized (wakeUp) {
            closed = true;
            wakeUp.close();
        }
        buffer.close();
    }

    /** An answer that comes from another thread must find this one awake to be sent. */
    private void signalIfElsewhere() {
        if (Thread.currentThread().threadId() != runnerId) {
            wakeUp();
        }
    }

    private void handle(long token, int events) {
        if (token == LISTENER) {
            accept();
        } else if (token == COMMANDS) {
            wakeUp.drain();
        } else {
            RpcConnection connection = connections.get(token);
            if (connection != null) {
                connection.ready(events);
            }
        }
    }

    private void accept() {
        UnixSocket socket;
        try {
            socket = listener.accept();
        } catch (LinuxException e) {
            LOG.warn("{}", e.getMessage());
            pause();
            return;
        }
        if (socket == null) {
            return;
        }
        if (connections.size() == MAX_CONNECTIONS) {
            LOG.warn("{}: {} clients are connected already; one more was refused", listener.path(), MAX_CONNECTIONS);
            socket.close();
            return;
        }
        long token = nextToken++;
        connections.put(token, new RpcConnection(socket, buffer, dispatch, this::signalIfElsewhere));
        epoll.add(socket.fd().value(), Epoll.EPOLLIN, token);
    }

    /** Sends what is due, drops who is done, and sets what to wait for. */
    private void settle() {
        connections.entrySet().removeIf(entry -> {
            RpcConnection connection = entry.getValue();
            connection.progress();
            if (connection.isOver()) {
                epoll.remove(connection.fd());
                connection.close();
                return true;
            }
            epoll.modify(connection.fd(), connection.interest(), entry.getKey());
            return false;
        });
    }

    private static void pause() {
        try {
            Thread.sleep(OUT_OF_DESCRIPTORS_PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
