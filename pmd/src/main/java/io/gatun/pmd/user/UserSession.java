package io.gatun.pmd.user;

import io.gatun.linux.LinuxException;
import io.gatun.pmd.MacAddress;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.net.VirtioNet;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.FrontendException;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.ProtocolFeatures;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * One connection with a back-end, from the choice of features to the last buffer. Everything it holds is its own: the
 * next connection begins with new memory and new rings.
 *
 * <p><b>Thread-safety:</b> the port's connecting thread, except {@link #violated}.
 */
final class UserSession implements AutoCloseable {
    /** Not 0, so that a back-end that mixes up its address spaces shows. */
    private static final long GUEST_ADDRESS = 1L << 32;

    private static final long ALWAYS = VirtioFeatures.VERSION_1 | VirtioFeatures.EVENT_IDX;
    private static final long OFFLOADS = VirtioNet.F_CSUM
            | VirtioNet.F_GUEST_CSUM
            | VirtioNet.F_GUEST_TSO4
            | VirtioNet.F_GUEST_TSO6
            | VirtioNet.F_GUEST_ECN
            | VirtioNet.F_GUEST_USO4
            | VirtioNet.F_GUEST_USO6
            | VirtioNet.F_HOST_TSO4
            | VirtioNet.F_HOST_TSO6
            | VirtioNet.F_HOST_ECN
            | VirtioNet.F_HOST_USO;
    private static final long LARGE_RECEIVED = VirtioNet.F_GUEST_TSO4
            | VirtioNet.F_GUEST_TSO6
            | VirtioNet.F_GUEST_USO4
            | VirtioNet.F_GUEST_USO6;

    private static final int LONG_BUFFERS = 64;
    private static final int LONGEST = align(NetHeader.BYTES + VirtioNet.MAX_PACKET_BYTES);

    /** Features that are the back-end's knowledge: what it says is heard. */
    private static final long ADVICE = VirtioNet.F_MAC | VirtioNet.F_MTU;

    private final VhostUserFrontend device;
    private final VirtioUserPort port;
    private final VirtioUserOptions options;
    private final List<Pair> pairs = new ArrayList<>();
    private final AtomicReference<String> violation = new AtomicReference<>();
    private SharedMemory memory;
    private long features;
    private byte[] macAddress;

    /** One queue pair and its owner. */
    private record Pair(
            Reactor owner, FrontendQueue rx, FrontendQueue tx, ReceiveRing receive, TransmitRing transmit) {}

    /** Takes a front-end and sets its device up; closes it if that fails. */
    UserSession(VhostUserFrontend device, VirtioUserPort port, VirtioUserOptions options) {
        this.device = device;
        this.port = port;
        this.options = options;
        try {
            setUp();
        } catch (Throwable t) {
            close();
            throw t;
        }
    }

    private void setUp() {
        features = choose(device.features());
        device.negotiate(features);
        macAddress = macAddress();
        port.setMtu(mtu());
        if (has(ProtocolFeatures.MTU)) {
            device.setMtu(port.mtu());
        }
        boolean many = (features & VirtioNet.F_MQ) != 0;
        int count = many ? Math.clamp(device.queueLimit(), 1, options.queues()) : 1;
        long needed = count * pairBytes();
        memory = options.hugepages()
                ? SharedMemory.ofBestPages(GUEST_ADDRESS, needed)
                : SharedMemory.ofPages(GUEST_ADDRESS, needed);
        device.shareMemory(memory);
        for (int i = 0; i < count; i++) {
            pairs.add(pair(i));
        }
    }

    /** The port's own address, else the back-end's (VIRTIO 1.3 §5.1.5), or null. */
    private byte[] macAddress() {
        if (!options.mac().isEmpty()) {
            return MacAddress.parse(options.mac());
        }
        boolean known = (features & VirtioNet.F_MAC) != 0 && has(ProtocolFeatures.CONFIG);
        return known ? device.readConfig(VirtioNet.CONFIG_MAC, MacAddress.BYTES) : null;
    }

    /** The port's MTU, or the back-end's limit of it if that is less (§5.1.4.2). */
    private int mtu() {
        if ((features & VirtioNet.F_MTU) == 0 || !has(ProtocolFeatures.CONFIG)) {
            return options.mtu();
        }
        byte[] limit = device.readConfig(VirtioNet.CONFIG_MTU, Short.BYTES);
        int bytes = ByteBuffer.wrap(limit).order(ByteOrder.LITTLE_ENDIAN).getShort() & 0xffff;
        if (bytes < Port.MIN_MTU) {
            throw new FrontendException("the back-end offers an MTU of " + bytes + " bytes");
        }
        return Math.min(options.mtu(), bytes);
    }

    private boolean has(long protocolFeature) {
        return (device.protocolFeatures() & protocolFeature) != 0;
    }

    private long choose(long offered) {
        if ((offered & VirtioFeatures.VERSION_1) == 0) {
            throw new FrontendException("the back-end offers no VIRTIO 1 (features 0x" + Long.toHexString(offered)
                    + ")");
        }
        if (options.packed() && (offered & VirtioFeatures.RING_PACKED) == 0) {
            throw new FrontendException("the back-end offers no packed rings");
        }
        long wanted = ALWAYS
                | ADVICE
                | when(options.packed(), VirtioFeatures.RING_PACKED)
                | when(options.inOrder(), VirtioFeatures.IN_ORDER)
                | when(options.mergeable(), VirtioNet.F_MRG_RXBUF)
                | when(options.offloads(), OFFLOADS)
                | when(options.queues() > 1, VirtioNet.F_MQ);
        return offered & wanted;
    }

    private static long when(boolean wanted, long bits) {
        return wanted ? bits : 0;
    }

    /** What the back-end may refuse comes first; the receiving ring, whose memory is its own, comes last. */
    private Pair pair(int index) {
        FrontendQueue rx = device.startQueue(VirtioNet.QUEUES_PER_PAIR * index, options.queueSize());
        FrontendQueue tx = device.startQueue(VirtioNet.QUEUES_PER_PAIR * index + 1, options.queueSize());
        TransmitRing transmit = new TransmitRing(
                port.txQueues().get(index),
                tx,
                Buffers.allocate(memory, options.queueSize(), Buffers.USUAL_BYTES),
                sendsLong() ? Buffers.allocate(memory, LONG_BUFFERS, LONGEST) : null,
                sendsLong() ? LONG_BUFFERS : 0,
                this::violated);
        ReceiveRing receive = new ReceiveRing(
                rx,
                port.rxQueues().get(index),
                Buffers.allocate(memory, options.queueSize(), receiveBytes()),
                features,
                this::violated);
        rx.driver().suppressCalls();
        receive.post();
        return new Pair(port.rxQueues().get(index).owner(), rx, tx, receive, transmit);
    }

    /** Without mergeable buffers, one takes the largest packet. */
    private int receiveBytes() {
        if ((features & VirtioNet.F_MRG_RXBUF) != 0) {
            return Buffers.USUAL_BYTES;
        }
        boolean large = (features & LARGE_RECEIVED) != 0;
        return Math.max(
                Buffers.USUAL_BYTES,
                large ? LONGEST : align(NetHeader.BYTES + Port.HEADER_BYTES + options.mtu()));
    }

    private boolean sendsLong() {
        return (features & VirtioNet.F_CSUM) != 0
                || NetHeader.BYTES + Port.HEADER_BYTES + options.mtu() > Buffers.USUAL_BYTES;
    }

    private long pairBytes() {
        int size = options.queueSize();
        long rings = 2 * (DriverQueue.memoryBytes(options.packed(), size) + DriverQueue.ALIGNMENT_BYTES);
        return rings
                + Buffers.bytes(size, receiveBytes())
                + Buffers.bytes(size, Buffers.USUAL_BYTES)
                + (sendsLong() ? Buffers.bytes(LONG_BUFFERS, LONGEST) : 0)
                + 3L * DriverQueue.ALIGNMENT_BYTES;
    }

    private static int align(int bytes) {
        return (bytes + 63) & -64;
    }

    /** Queue pairs in use. */
    int pairs() {
        return pairs.size();
    }

    long features() {
        return features;
    }

    /** Has the owners poll the rings. */
    void start() {
        long offloads = offloads();
        for (int i = 0; i < pairs.size(); i++) {
            Pair pair = pairs.get(i);
            UserTxQueue tx = port.txQueues().get(i);
            VirtioUserPort.on(pair.owner(), () -> {
                pair.owner().watch(pair.receive().callFd());
                pair.owner().add(pair.receive());
                tx.attach(pair.transmit(), offloads);
            });
        }
    }

    /** Six bytes, or null if nobody has said. */
    byte[] address() {
        return macAddress;
    }

    /** Has the back-end tell its network that the address is here now (SEND_RARP), if it can and there is one. */
    void announce() {
        if (macAddress != null && has(ProtocolFeatures.RARP)) {
            device.announce(macAddress);
        }
    }

    /** What the back-end takes unfinished. */
    private long offloads() {
        if ((features & VirtioNet.F_CSUM) == 0) {
            return Offloads.NONE;
        }
        return Offloads.CHECKSUM
                | when((features & VirtioNet.F_HOST_TSO4) != 0, Offloads.TSO4)
                | when((features & VirtioNet.F_HOST_TSO6) != 0, Offloads.TSO6)
                | when((features & VirtioNet.F_HOST_ECN) != 0, Offloads.ECN)
                | when((features & VirtioNet.F_HOST_USO) != 0, Offloads.USO);
    }

    /** The back-end has violated the protocol: any thread. */
    void violated(String reason) {
        violation.compareAndSet(null, reason);
    }

    /** Waits for the end up to a time; returns its reason, or null if the connection lasts. */
    String awaitEnd(Duration patience) {
        boolean gone = device.awaitDisconnect(patience);
        for (Pair pair : pairs) {
            if (pair.rx().takeError() || pair.tx().takeError()) {
                violated("the back-end says that a ring is broken");
            }
            // Both, each time: a kick is stuck if two looks in a row see the same one.
            boolean stuck = pair.rx().freeStuckKick();
            stuck |= pair.tx().freeStuckKick();
            if (stuck) {
                violated("the back-end made a kick block");
            }
        }
        String reason = violation.get();
        return reason == null && gone ? "the back-end closed the connection" : reason;
    }

    /** Takes the rings off their owners and frees everything. */
    @Override
    public void close() {
        for (int i = 0; i < pairs.size(); i++) {
            Pair pair = pairs.get(i);
            UserTxQueue tx = port.txQueues().get(i);
            VirtioUserPort.on(pair.owner(), () -> {
                tx.attach(null, Offloads.NONE);
                pair.owner().remove(pair.receive());
                try {
                    pair.owner().unwatch(pair.receive().callFd());
                } catch (LinuxException notWatched) {
                    // The start did not come that far.
                }
            });
            pair.receive().close();
        }
        pairs.clear();
        device.close();
        if (memory != null) {
            memory.close();
        }
    }
}
