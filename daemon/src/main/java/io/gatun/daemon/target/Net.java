package io.gatun.daemon.target;

import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.pmd.Forwarder;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Packet ports and what moves packets between them, by name and in the order they were made.
 *
 * <p><b>Thread-safety:</b> as {@link Target}.
 */
final class Net implements AutoCloseable {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,63}");

    private final List<Reactor> reactors;
    private final Map<String, NetPort> ports = new LinkedHashMap<>();
    private final Map<String, NetLoop> loops = new LinkedHashMap<>();
    private int nextReactor;

    Net(List<Reactor> reactors) {
        this.reactors = reactors;
    }

    Map<String, NetPort> ports() {
        return ports;
    }

    Map<String, NetLoop> loops() {
        return loops;
    }

    /** Some reactors, from the one on whose turn it is to take the next port, which has that many queues. */
    List<Reactor> inTurn(List<Reactor> some, int queues) {
        List<Reactor> rotated = new ArrayList<>(some);
        Collections.rotate(rotated, -(nextReactor % some.size()));
        nextReactor = (nextReactor + queues) % 0x1000_0000;
        return rotated;
    }

    /** The port of that name; throws {@link RpcException} with ENODEV. */
    NetPort port(String name) {
        return find("port", ports, name);
    }

    /** The loop of that name; throws {@link RpcException} with ENODEV. */
    NetLoop loop(String name) {
        return find("loop", loops, name);
    }

    /** Throws {@link RpcException} where the name cannot be, with EINVAL, or is taken, with EEXIST. */
    static void checkFree(String what, Map<String, ?> taken, String name) {
        if (!NAME.matcher(name).matches()) {
            throw RpcException.errno(
                    Errno.EINVAL, "name=" + name + ": expected 1 to 63 letters, digits, dots, dashes and underscores");
        }
        if (taken.containsKey(name)) {
            throw RpcException.errno(Errno.EEXIST, "a " + what + " is called " + name + " already");
        }
    }

    /** Throws {@link RpcException} with EBUSY where something else decides about the port's packets. */
    static void checkUnused(NetPort port) {
        if (port.user != null) {
            throw RpcException.errno(Errno.EBUSY, port.user + " uses port " + port.name() + "; delete it first");
        }
    }

    /** Lets {@code forwarder} decide where the port's packets go, on behalf of {@code user}. */
    void attach(NetPort port, String user, Forwarder forwarder) {
        port.user = user;
        port.port.forwardTo(forwarder);
    }

    /** Drops what these ports receive from now on; nothing is with their forwarder any more when this returns. */
    void detach(List<NetPort> from) {
        for (NetPort port : from) {
            port.port.forwardTo(null);
            port.user = null;
        }
        Reactor.quiesce(reactors).join();
    }

    /** Ends a loop. */
    void remove(NetLoop loop) {
        loops.remove(loop.name());
        detach(loop.ports());
        stop(loop.forwarder());
    }

    /** Closes a port that nothing uses; throws {@link RpcException} with EBUSY. */
    void remove(NetPort port) {
        checkUnused(port);
        ports.remove(port.name());
        port.close();
    }

    @Override
    public void close() {
        List.copyOf(loops.values()).forEach(this::remove);
        // Side by side: each may wait for its own guest.
        ports.values().parallelStream().forEach(NetPort::close);
        ports.clear();
    }

    private static void stop(Forwarder forwarder) {
        if (forwarder instanceof AutoCloseable closeable) {
            try {
                closeable.close();
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("closing a loop failed", e);
            }
        }
    }

    private static <T> T find(String what, Map<String, T> all, String name) {
        T found = all.get(name);
        if (found == null) {
            String known = all.isEmpty() ? "there is none yet" : "expected one of " + String.join(", ", all.keySet());
            throw RpcException.errno(Errno.ENODEV, "no " + what + " is called " + name + "; " + known);
        }
        return found;
    }
}
