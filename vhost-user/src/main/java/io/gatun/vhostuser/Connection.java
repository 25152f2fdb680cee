package io.gatun.vhostuser;

import io.gatun.linux.Epoll;
import io.gatun.linux.UnixSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One front-end's socket: takes messages one after the other, and sends what becomes of them.
 *
 * <p>A message whose outcome depends on a ring parks the connection: no further message is read until the ring's
 * reactor has confirmed. The loop goes on with other connections. A violation is answered, if the front-end asked for
 * answers, and ends the connection.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only.
 */
final class Connection {
    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);

    /** Messages served before other connections have their turn. */
    private static final int MESSAGES_PER_TURN = 16;

    private final ControlLoop loop;
    private final UnixSocket socket;
    private final Requests requests;
    private final Session session;
    private final MessageReader reader;
    private final MessageWriter writer;
    private final ControlLoop.Watch watch;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private CompletableFuture<Outcome> parked;
    private ControlLoop.Timer deadline;

    Connection(ControlLoop loop, UnixSocket socket, Session session, Requests requests) {
        this.loop = loop;
        this.socket = socket;
        this.session = session;
        this.requests = requests;
        // The one step that can be refused comes first, so that there is nothing to undo.
        this.watch = loop.watch(socket.fd().value(), Epoll.EPOLLIN, this::ready);
        this.reader = new MessageReader(socket);
        this.writer = new MessageWriter(socket);
        session.whenHostile = this::end;
    }

    /** Completes, on the control loop, when the connection has ended and nothing of its session is left. */
    CompletableFuture<Void> ended() {
        return ended;
    }

    boolean isOpen() {
        return !socket.fd().isClosed();
    }

    private void ready(int events) {
        if (parked != null && (events & (Epoll.EPOLLHUP | Epoll.EPOLLERR)) != 0) {
            end(null);
            return;
        }
        if ((events & Epoll.EPOLLOUT) != 0 && writer.flush() < 0) {
            end(null);
            return;
        }
        serve();
    }

    private void serve() {
        for (int turn = 0; turn < MESSAGES_PER_TURN && isOpen() && parked == null && !writer.isBlocked(); turn++) {
            if (!serveOne()) {
                break;
            }
        }
        if (isOpen()) {
            watch.setEvents(writer.isBlocked() ? Epoll.EPOLLOUT : parked == null ? Epoll.EPOLLIN : 0);
            limitWait();
        }
    }

    /** Takes one message; false if none is here. */
    private boolean serveOne() {
        Message message;
        try {
            message = reader.read();
        } catch (ProtocolViolation e) {
            end(e.getMessage());
            return false;
        }
        if (message == null) {
            if (reader.hasEnded()) {
                end(null);
            }
            return false;
        }
        CompletableFuture<Outcome> outcome;
        // Descriptors that nobody took are closed before the answer says that the message is done with.
        try (message) {
            outcome = dispatch(message);
        }
        if (outcome.isDone()) {
            finish(message, outcome);
        } else {
            park(message, outcome);
        }
        return true;
    }

    private CompletableFuture<Outcome> dispatch(Message message) {
        try {
            if (message.isReply()) {
                throw new ProtocolViolation("request %d has the reply flag", message.request());
            }
            RequestRule.of(message.request()).check(message, requests.protocolFeatures());
            return requests.dispatch(message);
        } catch (Throwable t) {
            // Errors too: memory that vanished under the device must not leave the front-end without an answer.
            return CompletableFuture.failedFuture(t);
        }
    }

    private void park(Message message, CompletableFuture<Outcome> outcome) {
        parked = outcome;
        cancelDeadline();
        deadline = loop.schedule(
                session.options.drainSeconds(),
                TimeUnit.SECONDS,
                () -> end("request " + message.request() + " waited too long for a ring that does not drain"));
        CompletableFuture<?> _ = outcome.whenCompleteAsync((_, _) -> resume(message, outcome), loop);
    }

    private void resume(Message message, CompletableFuture<Outcome> outcome) {
        if (isOpen()) {
            parked = null;
            cancelDeadline();
            finish(message, outcome);
            serve();
        }
    }

    /** Answers as the request and its flags demand; the outcome is there. */
    private void finish(Message message, CompletableFuture<Outcome> outcome) {
        Outcome done;
        try {
            done = outcome.join();
        } catch (CompletionException e) {
            refuse(message, e.getCause());
            return;
        }
        if (done.reply() != null) {
            send(done.reply());
        } else if (wantsResult(message)) {
            send(Message.reply(message.request(), done.result()));
        }
    }

    private void refuse(Message message, Throwable cause) {
        boolean blameless = cause instanceof ProtocolViolation || cause instanceof IllegalArgumentException;
        if (!blameless) {
            LOG.error("{}: request {} failed", session.name, message.request(), cause);
        }
        if (wantsResult(message) && isOpen()) {
            writer.send(Message.reply(message.request(), 1));
        }
        end(blameless ? cause.getMessage() : "request " + message.request() + " failed: " + cause);
    }

    private boolean wantsResult(Message message) {
        return message.needsReply() && (requests.protocolFeatures() & ProtocolFeatures.REPLY_ACK) != 0;
    }

    private void send(Message reply) {
        if (writer.send(reply) < 0) {
            end(null);
        }
    }

    /**
     * A message that has begun has to be finished: a connection that stalls in the middle of one holds the device for
     * nothing.
     */
    private void limitWait() {
        if (parked != null) {
            return;
        }
        if (!reader.isInsideMessage()) {
            cancelDeadline();
        } else if (deadline == null) {
            deadline = loop.schedule(
                    session.options.messageSeconds(), TimeUnit.SECONDS, () -> end("a message was never finished"));
        }
    }

    private void cancelDeadline() {
        if (deadline != null) {
            deadline.cancel();
            deadline = null;
        }
    }

    /** As {@link #end}, because we have no more use for it. */
    void endInOrder() {
        if (isOpen()) {
            session.log.left();
            release();
        }
    }

    /** Ends the connection, once; what a ring is still doing is waited for in the background. */
    void end(String reason) {
        if (isOpen()) {
            session.log.ended(reason);
            release();
        }
    }

    private void release() {
        cancelDeadline();
        watch.close();
        reader.close();
        writer.close();
        socket.close();
        CompletableFuture<?> last = parked == null ? Outcome.DONE : parked;
        CompletableFuture<?> _ = last.handle((_, _) -> null)
                .thenComposeAsync(_ -> session.close(), loop)
                .whenCompleteAsync((_, _) -> ended.complete(null), loop);
    }
}
