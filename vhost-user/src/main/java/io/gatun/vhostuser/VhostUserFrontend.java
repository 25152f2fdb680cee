package io.gatun.vhostuser;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixListener;
import io.gatun.linux.UnixSocket;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * The front-end of a vhost-user device: sets a device up as a virtual machine monitor would, and gives its queues to
 * the caller. Every call blocks until the back-end has answered, or throws {@link FrontendException}.
 *
 * <pre>{@code
 * try (SharedMemory memory = SharedMemory.ofPages(0, 64 << 20);
 *         VhostUserFrontend device = VhostUserFrontend.connect(path, Duration.ofSeconds(5))) {
 *     device.negotiate(device.features() & VirtioFeatures.VERSION_1);
 *     device.shareMemory(memory);
 *     FrontendQueue queue = device.startQueue(0, 128);
 *     queue.driver().add(…);
 * }
 * }</pre>
 *
 * <p>Requests whose effect matters are acknowledged: through REPLY_ACK where it was negotiated, else by the answer to a
 * GET_FEATURES that is sent after them. Source: QEMU {@code docs/interop/vhost-user.rst}.
 *
 * <p>Longer than a file should be, as a list of what a front-end can ask for, one short method each; how a question is
 * put and answered is {@link FrontendChannel}'s.
 *
 * <p><b>Thread-safety:</b> one thread; each queue may belong to another one.
 */
public final class VhostUserFrontend implements AutoCloseable {
    /** The protocol features that this front-end asks for where they are offered. */
    public static final long PROTOCOL_FEATURES = ProtocolFeatures.MQ
            | ProtocolFeatures.RARP
            | ProtocolFeatures.REPLY_ACK
            | ProtocolFeatures.MTU
            | ProtocolFeatures.BACKEND_REQ
            | ProtocolFeatures.CONFIG
            | ProtocolFeatures.INFLIGHT_SHMFD
            | ProtocolFeatures.RESET_DEVICE
            | ProtocolFeatures.CONFIGURE_MEM_SLOTS
            | ProtocolFeatures.STATUS;

    private static final int STATUS_ACKNOWLEDGE = 1;
    private static final int STATUS_DRIVER = 2;
    private static final int STATUS_DRIVER_OK = 4;
    private static final int STATUS_FEATURES_OK = 8;

    private final FrontendChannel channel;
    private final long offered;
    private final long protocolFeatures;
    private final int queueLimit;

    private FrontendChannel backendChannel;
    private long negotiated;
    private SharedMemory memory;

    /** What {@link #close} closes. */
    private final FrontendQueue[] queues = new FrontendQueue[256];

    private VhostUserFrontend(FrontendChannel channel, long wantedProtocolFeatures) {
        this.channel = channel;
        try {
            this.offered = channel.callForNumber(Message.request(Request.GET_FEATURES));
            this.protocolFeatures = negotiateProtocol(wantedProtocolFeatures);
            this.queueLimit = has(ProtocolFeatures.MQ)
                    ? Math.clamp(channel.callForNumber(Message.request(Request.GET_QUEUE_NUM)), 0, queues.length)
                    : queues.length;
            if (has(ProtocolFeatures.BACKEND_REQ)) {
                openBackendChannel();
            }
            channel.send(Message.request(Request.SET_OWNER));
        } catch (Throwable t) {
            close();
            throw t;
        }
    }

    /** Connects to a back-end that listens, and starts a session; each later request may take as long as this one. */
    public static VhostUserFrontend connect(Path socket, Duration timeout) {
        return connect(socket, timeout, PROTOCOL_FEATURES);
    }

    /** As {@link #connect(Path, Duration)}, with the protocol features that are asked for. */
    public static VhostUserFrontend connect(Path socket, Duration timeout, long protocolFeatures) {
        UnixSocket connected = UnixSocket.connect(socket.toString());
        return new VhostUserFrontend(new FrontendChannel(socket.toString(), connected, timeout), protocolFeatures);
    }

    /** Listens at {@code socket} until a back-end connects, then stops listening. */
    public static VhostUserFrontend accept(Path socket, Duration timeout) {
        try (UnixListener listener = UnixListener.listen(socket.toString())) {
            return accept(listener, timeout, PROTOCOL_FEATURES);
        }
    }

    /** Waits for a back-end at a listener, which stays the caller's, so that back-ends can come back. */
    public static VhostUserFrontend accept(UnixListener listener, Duration timeout, long protocolFeatures) {
        VhostUserFrontend accepted = accept(listener, timeout, timeout, protocolFeatures);
        if (accepted == null) {
            throw new FrontendException(
                    "no back-end connected to " + listener.path() + " within " + timeout.toMillis() + " ms");
        }
        return accepted;
    }

    /**
     * As {@link #accept(UnixListener, Duration, long)}, but waits for {@code patience} only, and returns null if no
     * back-end has come by then; {@code timeout} is for each request.
     */
    public static VhostUserFrontend accept(
            UnixListener listener, Duration patience, Duration timeout, long protocolFeatures) {
        try (Epoll epoll = Epoll.create(1)) {
            int result = epoll.add(listener.fd().value(), Epoll.EPOLLIN, 0);
            if (result < 0) {
                throw new LinuxException("wait at " + listener.path(), result, "");
            }
            long deadline = System.nanoTime() + patience.toNanos();
            UnixSocket accepted = listener.accept();
            while (accepted == null) {
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    return null;
                }
                epoll.await(Math.clamp((left + 999_999) / 1_000_000, 0, Integer.MAX_VALUE));
                accepted = listener.accept();
            }
            String peer = listener.path().toString();
            return new VhostUserFrontend(new FrontendChannel(peer, accepted, timeout), protocolFeatures);
        }
    }

    /** The virtio features that the back-end offers, without the protocol's own bit 30. */
    public long features() {
        return offered & ~ProtocolFeatures.VIRTIO_BIT;
    }

    /** The virtio features of the last {@link #negotiate}. */
    public long negotiatedFeatures() {
        return negotiated;
    }

    /** The protocol features in use; see {@link ProtocolFeatures}. */
    public long protocolFeatures() {
        return protocolFeatures;
    }

    /** How many queues the back-end has at most, as far as it says. */
    public int queueLimit() {
        return queueLimit;
    }

    /**
     * Settles the virtio features, with the status steps of a driver where the back-end follows the device status.
     *
     * @throws IllegalArgumentException if one of them is not offered
     */
    public void negotiate(long features) {
        if ((features & ~features()) != 0) {
            throw new IllegalArgumentException(String.format(
                    "%s does not offer features 0x%x", channel.peer(), features & ~features()));
        }
        if (has(ProtocolFeatures.STATUS)) {
            setStatus(0);
            setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        }
        channel.acknowledged(Message.request(Request.SET_FEATURES, features | (offered & ProtocolFeatures.VIRTIO_BIT)));
        if (has(ProtocolFeatures.STATUS)) {
            setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
            if ((getStatus() & STATUS_FEATURES_OK) == 0) {
                throw new FrontendException(String.format("%s refused features 0x%x", channel.peer(), features));
            }
        }
        negotiated = features;
    }

    /** Reads the configuration space; throws {@link FrontendException} if the back-end has not that much of it. */
    public byte[] readConfig(int offset, int size) {
        ByteBuffer wanted = new Payload.Config(offset, 0, ByteBuffer.allocate(size)).encode();
        try (Message reply = channel.call(Message.request(Request.GET_CONFIG, wanted))) {
            if (reply.size() == 0) {
                throw new FrontendException(String.format(
                        "GET_CONFIG: %s refused %d bytes at offset %d", channel.peer(), size, offset));
            }
            channel.requireSize(reply, MessageLayout.CONFIG_HEADER_BYTES + size);
            byte[] bytes = new byte[size];
            reply.payload().get(MessageLayout.CONFIG_HEADER_BYTES, bytes);
            return bytes;
        }
    }

    /** Writes to the configuration space; {@code migration} lets a restored machine write read-only fields. */
    public void writeConfig(int offset, byte[] value, boolean migration) {
        int flags = migration ? MessageLayout.CONFIG_MIGRATION : MessageLayout.CONFIG_WRITABLE;
        ByteBuffer config = new Payload.Config(offset, flags, ByteBuffer.wrap(value)).encode();
        channel.acknowledged(Message.request(Request.SET_CONFIG, config));
    }

    /** Tells a network device the MTU in bytes, before its queues are started; needs MTU. */
    public void setMtu(int bytes) {
        channel.acknowledged(Message.request(Request.NET_SET_MTU, bytes));
    }

    /** Has a network device tell its network that the driver's address, six bytes, is here now; needs RARP. */
    public void announce(byte[] macAddress) {
        ByteBuffer payload = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        payload.put(0, macAddress);
        channel.acknowledged(Message.request(Request.SEND_RARP, payload));
    }

    /** Replaces the whole memory table; {@code memory} stays the caller's and must outlive this front-end. */
    public void shareMemory(SharedMemory memory) {
        List<SharedMemory.Region> regions = memory.regions();
        if (regions.size() > MessageLayout.MAX_TABLE_REGIONS) {
            throw new IllegalArgumentException(regions.size() + " regions; one table takes "
                    + MessageLayout.MAX_TABLE_REGIONS + ", add the others one by one");
        }
        ByteBuffer table = Payload.MemoryRegion.encodeTable(
                regions.stream().map(SharedMemory.Region::toPayload).toList());
        Fd[] files = regions.stream().map(r -> r.file().fd().duplicate()).toArray(Fd[]::new);
        channel.acknowledged(Message.request(Request.SET_MEM_TABLE, table, files));
        this.memory = memory;
    }

    /** How many regions the back-end takes one by one; needs CONFIGURE_MEM_SLOTS. */
    public long memorySlots() {
        return channel.callForNumber(Message.request(Request.GET_MAX_MEM_SLOTS));
    }

    /** Shares one more region; needs CONFIGURE_MEM_SLOTS. */
    public void addRegion(SharedMemory.Region region) {
        Fd file = region.file().fd().duplicate();
        channel.acknowledged(Message.request(Request.ADD_MEM_REG, region.toPayload().encode(), file));
    }

    /** Takes a region away from the back-end; needs CONFIGURE_MEM_SLOTS. */
    public void removeRegion(SharedMemory.Region region) {
        channel.acknowledged(Message.request(Request.REM_MEM_REG, region.toPayload().encode()));
    }

    /**
     * Starts a queue that has not run before, on ring memory taken from the shared memory.
     *
     * @param size descriptors; a power of two for a split ring
     */
    public FrontendQueue startQueue(int index, int size) {
        if (memory == null) {
            throw new IllegalStateException("share memory before starting queues");
        }
        boolean packed = (negotiated & VirtioFeatures.RING_PACKED) != 0;
        long bytes = DriverQueue.memoryBytes(packed, size);
        long ring = memory.allocate(bytes, 4096);
        Memory.fill(ring, bytes, (byte) 0);
        FrontendQueue queue = new FrontendQueue(index, DriverQueue.create(packed, size, negotiated, ring, ring));
        try {
            // The base of a fresh packed ring has both wrap counters set.
            resumeQueue(queue, packed ? 0x8000_8000 : 0);
        } catch (Throwable t) {
            releaseQueue(queue);
            queue.close();
            throw t;
        }
        return queue;
    }

    /**
     * Starts a queue where it was stopped, perhaps in front of another back-end, and takes it into this one's care.
     *
     * @param base what {@link #stopQueue} returned
     */
    public void resumeQueue(FrontendQueue queue, int base) {
        int index = queue.index();
        DriverQueue ring = queue.driver();
        channel.acknowledged(state(Request.SET_VRING_NUM, index, ring.size()));
        channel.acknowledged(state(Request.SET_VRING_BASE, index, base));
        channel.acknowledged(Message.request(
                Request.SET_VRING_ADDR,
                new Payload.VringAddress(
                                index, 0, ring.descriptorAddress(), ring.usedAddress(), ring.availAddress(), 0)
                        .encode()));
        channel.acknowledged(eventFd(Request.SET_VRING_CALL, index, queue.callFd()));
        channel.acknowledged(eventFd(Request.SET_VRING_ERR, index, queue.errorFd()));
        channel.acknowledged(eventFd(Request.SET_VRING_KICK, index, queue.kickFd()));
        queues[index] = queue;
        setEnabled(index, true);
        if (has(ProtocolFeatures.STATUS) && (getStatus() & STATUS_DRIVER_OK) == 0) {
            setStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
        }
        // Back-ends that start a ring on its first kick, and those that looked before there was something, need one.
        queue.kick();
    }

    /** Enables or disables a queue; without protocol features every queue is enabled from its start. */
    public void setEnabled(int index, boolean enabled) {
        if ((offered & ProtocolFeatures.VIRTIO_BIT) != 0) {
            channel.acknowledged(state(Request.SET_VRING_ENABLE, index, enabled ? 1 : 0));
        }
    }

    /** Stops a queue and returns its base; what was in flight is complete by then. The queue can be resumed. */
    public int stopQueue(int index) {
        Message request = state(Request.GET_VRING_BASE, index, 0);
        try (Message reply = channel.call(request)) {
            channel.requireSize(reply, MessageLayout.VRING_STATE_BYTES);
            return Payload.VringState.read(reply.payload()).num();
        }
    }

    /** Has the back-end make a buffer for requests in flight; needs INFLIGHT_SHMFD. The caller owns it. */
    public InflightRegion getInflight(int queues, int queueSize) {
        ByteBuffer wanted = new Payload.Inflight(0, 0, queues, queueSize).encode();
        Message reply = channel.call(Message.request(Request.GET_INFLIGHT_FD, wanted));
        boolean sized = reply.size() == MessageLayout.INFLIGHT_BYTES
                || reply.size() == MessageLayout.INFLIGHT_FIELD_BYTES;
        if (reply.descriptors().size() != 1 || !sized) {
            reply.close();
            throw new FrontendException(String.format(
                    "GET_INFLIGHT_FD: %s answered with %d bytes and %d descriptors",
                    channel.peer(), reply.size(), reply.descriptors().size()));
        }
        Payload.Inflight got = Payload.Inflight.read(reply.payload());
        return new InflightRegion(
                reply.descriptors().getFirst(), got.mmapBytes(), got.mmapOffset(), queues, queueSize);
    }

    /** Gives the back-end a buffer that it, or its predecessor, has made; before the queues are started. */
    public void setInflight(InflightRegion region) {
        Fd file = region.file().duplicate();
        channel.acknowledged(Message.request(Request.SET_INFLIGHT_FD, region.toPayload().encode(), file));
    }

    /** Sets the virtio device status; needs STATUS. */
    public void setStatus(int status) {
        channel.acknowledged(Message.request(Request.SET_STATUS, status));
    }

    /** The virtio device status; needs STATUS. */
    public int getStatus() {
        return (int) channel.callForNumber(Message.request(Request.GET_STATUS));
    }

    /** Resets the device and stops its queues; needs RESET_DEVICE. */
    public void resetDevice() {
        channel.acknowledged(Message.request(Request.RESET_DEVICE));
    }

    /**
     * Waits until the back-end says that the configuration space changed; false if it does not in time. Needs
     * BACKEND_REQ.
     */
    public boolean awaitConfigChange(Duration timeout) {
        if (backendChannel == null) {
            throw new IllegalStateException(channel.peer() + " has no back-end channel (BACKEND_REQ)");
        }
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            long left = Math.max(0, deadline - System.nanoTime());
            try (Message message = backendChannel.receive(left, "CONFIG_CHANGE_MSG")) {
                if (message == null) {
                    return false;
                }
                boolean known = message.request() == Request.BACKEND_CONFIG_CHANGE_MSG;
                if (message.needsReply()) {
                    backendChannel.send(Message.reply(message.request(), known ? 0 : 1));
                }
                if (known) {
                    return true;
                }
            }
        }
    }

    /** Whether the back-end still holds its end of the connection; does not wait. */
    public boolean isConnected() {
        return channel.isConnected();
    }

    /** Waits until the back-end lets go of its end of the connection, up to a time; returns whether it has. */
    public boolean awaitDisconnect(Duration timeout) {
        return !channel.isConnected(Math.clamp(timeout.toMillis(), 0, Integer.MAX_VALUE));
    }

    /** Waits until the back-end has handled everything sent before. */
    public void barrier() {
        channel.barrier();
    }

    /** Takes a queue out of this front-end's care, to resume it on another one; the caller closes it. */
    public void releaseQueue(FrontendQueue queue) {
        queues[queue.index()] = null;
    }

    /** Ends the connection, and with it the device's use of the queues, which are closed unless they were released. */
    @Override
    public void close() {
        channel.close();
        if (backendChannel != null) {
            backendChannel.close();
        }
        for (FrontendQueue queue : queues) {
            if (queue != null) {
                queue.close();
            }
        }
    }

    private long negotiateProtocol(long wanted) {
        if ((offered & ProtocolFeatures.VIRTIO_BIT) == 0) {
            return 0;
        }
        long chosen = channel.callForNumber(Message.request(Request.GET_PROTOCOL_FEATURES)) & wanted;
        channel.send(Message.request(Request.SET_PROTOCOL_FEATURES, chosen));
        if ((chosen & ProtocolFeatures.REPLY_ACK) != 0) {
            channel.expectResults();
        }
        return chosen;
    }

    private void openBackendChannel() {
        UnixSocket[] pair = UnixSocket.pair();
        backendChannel = new FrontendChannel(channel.peer(), pair[0], Duration.ofSeconds(1));
        try (UnixSocket theirs = pair[1]) {
            channel.acknowledged(Message.request(
                    Request.SET_BACKEND_REQ_FD, Message.buffer(0), theirs.fd().duplicate()));
        }
    }

    private boolean has(long protocolFeature) {
        return (protocolFeatures & protocolFeature) != 0;
    }

    private static Message state(int request, int index, int num) {
        return Message.request(request, new Payload.VringState(index, num).encode());
    }

    private static Message eventFd(int request, int index, EventFd eventFd) {
        return Message.request(request, Message.u64(index), eventFd.fd().duplicate());
    }
}
