package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.bridge.BridgePortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * Packet ports and what moves packets between them, by name and in the order they were made.
 *
 * <p><b>Thread-safety:</b> as {@link Target}.
 */
final class Net implements AutoCloseable {
    /** How often switches look for addresses that are too old: each look goes through the whole table. */
    private static final int AGE_SECONDS = 5;

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,63}");

    private final List<Reactor> reactors;
    private final Map<String, NetPort> ports = new LinkedHashMap<>();
    private final Map<String, NetLoop> loops = new LinkedHashMap<>();
    private final Map<String, NetSwitch> switches = new LinkedHashMap<>();

    Net(List<Reactor> reactors) {
        this.reactors = reactors;
    }

    Map<String, NetPort> ports() {
        return ports;
    }

    Map<String, NetLoop> loops() {
        return loops;
    }

    /** The port of that name; throws {@link RpcException} with ENODEV. */
    NetPort port(String name) {
        return find("port", ports, name);
    }

    /** The loop of that name; throws {@link RpcException} with ENODEV. */
    NetLoop loop(String name) {
        return find("loop", loops, name);
    }

    Map<String, NetSwitch> switches() {
        return switches;
    }

    /** The switch of that name; throws {@link RpcException} with ENODEV. */
    NetSwitch bridge(String name) {
        return find("switch", switches, name);
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
            throw RpcException.errno(
                    Errno.EBUSY, "port " + port.name() + " is used by " + port.user + "; end that first");
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

    /** Takes a new switch, and lets it forget addresses that are not seen any more. */
    void add(NetSwitch added, ControlLoop loop) {
        switches.put(added.bridge.name(), added);
        loop.schedule(AGE_SECONDS, TimeUnit.SECONDS, () -> age(added, loop));
    }

    private static void age(NetSwitch each, ControlLoop loop) {
        if (!each.closed) {
            each.bridge.age();
            loop.schedule(AGE_SECONDS, TimeUnit.SECONDS, () -> age(each, loop));
        }
    }

    /** Adds a port to a switch; {@code parameters} are what {@code switch_add_port} does so with. */
    void attach(NetSwitch to, NetPort port, BridgePortOptions options, ObjectNode parameters) {
        to.bridge.addPort(port.port, options);
        to.ports.put(port, parameters);
        port.user = to.user();
    }

    /** Takes a port out of a switch; no reactor sends to it any more on its behalf when this returns. */
    void detach(NetSwitch from, NetPort port) {
        from.bridge.removePort(port.port).join();
        from.ports.remove(port);
        port.user = null;
    }

    /** Ends a switch. */
    void remove(NetSwitch removed) {
        switches.remove(removed.bridge.name());
        removed.closed = true;
        removed.bridge.close();
        removed.ports.keySet().forEach(port -> port.user = null);
        removed.ports.clear();
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
        List.copyOf(switches.values()).forEach(this::remove);
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
