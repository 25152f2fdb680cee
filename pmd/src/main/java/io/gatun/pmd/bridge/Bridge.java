package io.gatun.pmd.bridge;

import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * A learning Ethernet switch.
 *
 * <p>A packet goes to the port where its destination was last seen as a source, and to all ports of its VLAN if nobody
 * has seen it or if it is for many; never back, and never to another VLAN. What is refused is counted at the receive
 * queue that it came from, by cause: {@code bad_header} for what is no Ethernet packet of a station, {@code refused}
 * for another VLAN and for addresses that switches keep to themselves, {@code rate} for what is above the port's limit,
 * {@code no_destination} for packets to a neighbour on the same port.
 *
 * <p>The switch has no thread: it works on the reactors of its ports, and somebody calls {@link #age()} every few
 * seconds. Ages are as exact as that is regular: an address is forgotten by the first call after its time is over, and
 * one call's sightings all count as of the call before ({@code gatun serve} calls every 5 s).
 *
 * <p><b>Thread-safety:</b> any thread. Ports are added and removed while traffic runs: reactors see a new, immutable
 * set of members with their next burst, and a removed port's number is used again only when each of them has passed.
 */
public final class Bridge implements AutoCloseable {
    /** The most ports of a switch. */
    public static final int MAX_PORTS = 1024;

    /** The most queues of a port that is spread over. */
    static final int MAX_QUEUES = 1024;

    private static final long SECOND_NANOS = 1_000_000_000;

    private final String name;
    private final BridgeOptions options;
    private final MacTable table;
    private final long startNanos = System.nanoTime();
    private final BitSet numbers = new BitSet();
    private volatile Members members = Members.NONE;
    private long floodedByFormer;

    /** A switch without ports. */
    public Bridge(String name, BridgeOptions options) {
        this.name = name;
        this.options = options;
        table = new MacTable(options.macLimit(), MAX_PORTS);
    }

    public String name() {
        return name;
    }

    public BridgeOptions options() {
        return options;
    }

    /**
     * Adds a port, whose packets come here from now on.
     *
     * @return where its packets go, for an application that puts something of its own in between
     * @throws IllegalArgumentException if it is a port of this switch already
     * @throws IllegalStateException if there are {@value #MAX_PORTS} already
     */
    public synchronized Forwarder addPort(Port port, BridgePortOptions portOptions) {
        if (find(port) != null) {
            throw new IllegalArgumentException(port + " is a port of " + name + " already");
        }
        int number = numbers.nextClearBit(0);
        if (number == MAX_PORTS) {
            throw new IllegalStateException(name + " has " + MAX_PORTS + " ports already");
        }
        BridgePort member = new BridgePort(this, number, port, portOptions);
        numbers.set(number);
        members = members.with(number, member);
        port.forwardTo(member);
        return member;
    }

    /**
     * Removes a port; what it receives from now on is dropped.
     *
     * @return completes when no reactor sends to the port on behalf of this switch any more, so that it may be closed
     * @throws IllegalArgumentException if it is no port of this switch
     */
    public synchronized CompletableFuture<Void> removePort(Port port) {
        BridgePort member = find(port);
        if (member == null) {
            throw new IllegalArgumentException(port + " is no port of " + name);
        }
        port.forwardTo(null);
        Set<Reactor> reactors = reactors();
        members = members.with(member.number, null);
        floodedByFormer += member.flooded();
        return Reactor.quiesce(reactors).thenRun(() -> release(member.number));
    }

    /** Only now does nobody learn for that number any more. */
    private synchronized void release(int number) {
        table.flush(number);
        numbers.clear(number);
    }

    /** Its ports, mirrors included, in the order of their numbers. */
    public List<Port> ports() {
        return Arrays.stream(members.all()).map(member -> member.port).toList();
    }

    /** The options of a port; throws {@link IllegalArgumentException} if it is none of this switch. */
    public BridgePortOptions portOptions(Port port) {
        BridgePort member = find(port);
        if (member == null) {
            throw new IllegalArgumentException(port + " is no port of " + name);
        }
        return member.options;
    }

    /** What has been learned. */
    public List<MacEntry> macs() {
        Members now = members;
        List<MacEntry> entries = new ArrayList<>();
        table.forEach((mac, vlan, number, ageSeconds) -> {
            BridgePort member = now.get(number);
            if (member != null) {
                entries.add(new MacEntry(mac, vlan, member.port, ageSeconds));
            }
        });
        return entries;
    }

    /** How many addresses are known. */
    public int macCount() {
        return table.size();
    }

    /** How often an address was seen at another port than before. */
    public long macMoves() {
        return table.moves();
    }

    /** How often an address was not learned because a limit was reached. */
    public long macRefusals() {
        return table.refusals();
    }

    /** Packets that were sent to all ports, since the switch was made. */
    public synchronized long flooded() {
        return floodedByFormer
                + Arrays.stream(members.all()).mapToLong(BridgePort::flooded).sum();
    }

    /**
     * Forgets addresses that have not been seen for more than {@link BridgeOptions#ageingSeconds}, and sets the time
     * for the sightings to come: to be called every few seconds, which is how exact ages are. Goes through the whole
     * table.
     */
    public void age() {
        age((int) ((System.nanoTime() - startNanos) / SECOND_NANOS));
    }

    void age(int second) {
        table.age(second, options.ageingSeconds());
    }

    /** Forgets all addresses of a port; throws {@link IllegalArgumentException} if it is none of this switch. */
    public void flush(Port port) {
        BridgePort member = find(port);
        if (member == null) {
            throw new IllegalArgumentException(port + " is no port of " + name);
        }
        table.flush(member.number);
    }

    /** Removes all ports and waits until no reactor sends to them any more; not for a reactor's thread. */
    @Override
    public void close() {
        List<CompletableFuture<Void>> removals = new ArrayList<>();
        synchronized (this) {
            ports().forEach(port -> removals.add(removePort(port)));
        }
        CompletableFuture.allOf(removals.toArray(CompletableFuture<?>[]::new)).join();
    }

    @Override
    public String toString() {
        return "switch " + name;
    }

    Members members() {
        return members;
    }

    MacTable table() {
        return table;
    }

    @SuppressWarnings("ReferenceEquality") // a port is itself
    private BridgePort find(Port port) {
        return Arrays.stream(members.all())
                .filter(member -> member.port == port)
                .findAny()
                .orElse(null);
    }

    private Set<Reactor> reactors() {
        Set<Reactor> reactors = new LinkedHashSet<>();
        for (BridgePort member : members.all()) {
            member.port.rxQueues().stream()
                    .map(queue -> queue.owner())
                    .filter(Objects::nonNull)
                    .forEach(reactors::add);
        }
        return reactors;
    }
}
