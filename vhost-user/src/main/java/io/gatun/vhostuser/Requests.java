package io.gatun.vhostuser;

import static io.gatun.vhostuser.MessageLayout.MAX_CONFIG_BYTES;
import static io.gatun.vhostuser.MessageLayout.MAX_MEMORY_SLOTS;
import static io.gatun.vhostuser.MessageLayout.MAX_QUEUE_SIZE;
import static io.gatun.vhostuser.MessageLayout.VRING_INDEX_MASK;
import static io.gatun.vhostuser.MessageLayout.VRING_NO_DESCRIPTOR;

import io.gatun.linux.Fd;
import io.gatun.vhostuser.Payload.Config;
import io.gatun.vhostuser.Payload.Inflight;
import io.gatun.vhostuser.Payload.MemoryRegion;
import io.gatun.vhostuser.Payload.VringAddress;
import io.gatun.vhostuser.Payload.VringState;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/**
 * What each request does to a session. Requests arrive here well-formed, with their feature set and their descriptors
 * counted (see {@link RequestRule}); what only the session can judge is judged here.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only.
 */
final class Requests {
    /** Never offered, whatever a device says: dirty logging, an IOMMU and queue reset have no implementation here. */
    private static final long UNSUPPORTED = (1L << 26) | VirtioFeatures.ACCESS_PLATFORM | VirtioFeatures.RING_RESET;

    private final Session session;
    private final VirtioDevice device;
    private final DeviceEvents events;
    private final long offered;
    private final long offeredProtocol;

    private long protocolFeatures;
    private long status;

    Requests(Session session, DeviceEvents events) {
        this.session = session;
        this.device = session.device;
        this.events = events;
        this.offered = (device.features() & ~UNSUPPORTED) | ProtocolFeatures.VIRTIO_BIT;
        this.offeredProtocol =
                ProtocolFeatures.OFFERED | (device.protocolFeatures() & ProtocolFeatures.DEVICE_SPECIFIC);
    }

    /** The protocol features that were set, whether or not anybody asked for the offer first. */
    long protocolFeatures() {
        return protocolFeatures;
    }

    /** Serves one request. Attached descriptors that it does not take are closed by the caller. */
    CompletableFuture<Outcome> dispatch(Message message) throws ProtocolViolation {
        int request = message.request();
        ByteBuffer payload = message.payload();
        return switch (request) {
            case Request.GET_FEATURES -> Outcome.reply(request, offered);
            case Request.SET_FEATURES -> setFeatures(message.u64());
            case Request.GET_PROTOCOL_FEATURES -> Outcome.reply(request, offeredProtocol);
            case Request.SET_PROTOCOL_FEATURES -> setProtocolFeatures(message.u64());
            // The owner is whoever is connected; resetting it is deprecated and best ignored. Nothing is logged as
            // dirty.
            case Request.SET_OWNER, Request.RESET_OWNER, Request.SET_LOG_FD -> Outcome.DONE;
            case Request.GET_QUEUE_NUM -> Outcome.reply(request, device.announcedQueueCount());
            case Request.GET_MAX_MEM_SLOTS -> Outcome.reply(request, MAX_MEMORY_SLOTS);
            case Request.SET_MEM_TABLE -> session.setMemory(MemoryRegion.readTable(payload), message.descriptors());
            case Request.ADD_MEM_REG ->
                session.addMemory(
                        MemoryRegion.read(payload, 8), message.descriptors().getFirst());
            case Request.REM_MEM_REG -> session.removeMemory(MemoryRegion.read(payload, 8));
            case Request.SET_VRING_NUM,
                    Request.SET_VRING_BASE,
                    Request.SET_VRING_ADDR,
                    Request.GET_VRING_BASE,
                    Request.SET_VRING_ENABLE,
                    Request.SET_VRING_KICK,
                    Request.SET_VRING_CALL,
                    Request.SET_VRING_ERR ->
                dispatchToRing(message);
            case Request.GET_CONFIG -> getConfig(Config.read(payload));
            case Request.SET_CONFIG -> setConfig(Config.read(payload));
            case Request.SET_BACKEND_REQ_FD -> {
                session.setChannel(message.takeDescriptor());
                yield Outcome.DONE;
            }
            case Request.GET_INFLIGHT_FD -> Outcome.reply(session.createInflight(Inflight.read(payload)));
            case Request.SET_INFLIGHT_FD -> {
                session.setInflight(Inflight.read(payload), message.descriptors().getFirst());
                yield Outcome.DONE;
            }
            case Request.RESET_DEVICE -> reset();
            case Request.SET_STATUS -> setStatus(message.u64());
            case Request.GET_STATUS -> Outcome.reply(request, status);
            case Request.NET_SET_MTU -> setMtu(message.u64());
            case Request.SEND_RARP -> announce(payload);
            default -> throw new ProtocolViolation("request %d is not implemented", request);
        };
    }

    private CompletableFuture<Outcome> dispatchToRing(Message message) throws ProtocolViolation {
        int request = message.request();
        ByteBuffer payload = message.payload();
        return switch (request) {
            case Request.SET_VRING_NUM -> setSize(VringState.read(payload));
            case Request.SET_VRING_BASE -> setBase(VringState.read(payload));
            case Request.SET_VRING_ADDR -> setAddress(VringAddress.read(payload));
            case Request.GET_VRING_BASE -> stop(session.ring("GET_VRING_BASE", VringState.read(payload).index()));
            case Request.SET_VRING_ENABLE -> {
                VringState state = VringState.read(payload);
                // SPDK's initiator sends the queue's size to say yes.
                yield done(session.ring("SET_VRING_ENABLE", state.index()).enable(state.num() != 0));
            }
            case Request.SET_VRING_KICK -> {
                Ring ring = descriptorRing("SET_VRING_KICK", message);
                boolean start = !ring.isStarted();
                CompletableFuture<Void> taken = ring.kick(eventFd("SET_VRING_KICK", message));
                yield start ? session.start(ring) : done(taken);
            }
            case Request.SET_VRING_CALL -> {
                Ring ring = descriptorRing("SET_VRING_CALL", message);
                yield done(ring.call(eventFd("SET_VRING_CALL", message)));
            }
            default -> {
                Ring ring = descriptorRing("SET_VRING_ERR", message);
                yield done(ring.error(eventFd("SET_VRING_ERR", message)));
            }
        };
    }

    private CompletableFuture<Outcome> setFeatures(long wanted) throws ProtocolViolation {
        if ((wanted & ~offered) != 0) {
            throw new ProtocolViolation("SET_FEATURES has 0x%x, which was not offered", wanted & ~offered);
        }
        long features = wanted & ~ProtocolFeatures.VIRTIO_BIT;
        if (features != session.features) {
            if (session.isRunning()) {
                throw new ProtocolViolation("SET_FEATURES changes the features while rings are running");
            }
            session.features = features;
            device.attached(events, features);
        }
        if ((wanted & ProtocolFeatures.VIRTIO_BIT) != 0) {
            return Outcome.DONE;
        }
        // An old front-end, which knows nothing of SET_VRING_ENABLE.
        return done(Session.all(session.rings.stream().map(r -> r.enable(true)).toList()));
    }

    private CompletableFuture<Outcome> setProtocolFeatures(long wanted) throws ProtocolViolation {
        if ((wanted & ~offeredProtocol) != 0) {
            throw new ProtocolViolation(
                    "SET_PROTOCOL_FEATURES has 0x%x, which was not offered", wanted & ~offeredProtocol);
        }
        protocolFeatures = wanted;
        return Outcome.DONE;
    }

    private CompletableFuture<Outcome> setSize(VringState state) throws ProtocolViolation {
        Ring ring = session.ring("SET_VRING_NUM", state.index());
        int size = state.num();
        boolean legal = size > 0 && size <= MAX_QUEUE_SIZE && (session.isPacked() || Integer.bitCount(size) == 1);
        if (!legal) {
            throw new ProtocolViolation(
                    "SET_VRING_NUM gives ring %d the size %d; it is a power of two up to %d",
                    ring.index, Integer.toUnsignedLong(size), MAX_QUEUE_SIZE);
        }
        if (size != ring.size) {
            ring.requireStopped("SET_VRING_NUM");
            ring.size = size;
        }
        return Outcome.DONE;
    }

    private CompletableFuture<Outcome> setBase(VringState state) throws ProtocolViolation {
        Ring ring = session.ring("SET_VRING_BASE", state.index());
        ring.requireStopped("SET_VRING_BASE");
        ring.setBase(state.num());
        return Outcome.DONE;
    }

    private CompletableFuture<Outcome> setAddress(VringAddress address) throws ProtocolViolation {
        Ring ring = session.ring("SET_VRING_ADDR", address.index());
        if (address.flags() != 0) {
            throw new ProtocolViolation(
                    "SET_VRING_ADDR has flags 0x%x; dirty logging was not negotiated", address.flags());
        }
        if (address.descriptor() % 16 != 0 || address.available() % 2 != 0 || address.used() % 4 != 0) {
            throw new ProtocolViolation(
                    "SET_VRING_ADDR has descriptors at 0x%x, available at 0x%x, used at 0x%x, which are not aligned",
                    address.descriptor(), address.available(), address.used());
        }
        if (!address.equals(ring.address)) {
            ring.requireStopped("SET_VRING_ADDR");
            ring.address = address;
        }
        return Outcome.DONE;
    }

    private CompletableFuture<Outcome> stop(Ring ring) {
        return session.stop(ring)
                .thenApply(base -> new Outcome(
                        Message.reply(Request.GET_VRING_BASE, new VringState(ring.index, base).encode()), 0));
    }

    private Ring descriptorRing(String request, Message message) throws ProtocolViolation {
        return session.ring(request, (int) (message.u64() & VRING_INDEX_MASK));
    }

    /** The attached eventfd, taken, or null where the front-end says that there is none. */
    private static Fd eventFd(String request, Message message) throws ProtocolViolation {
        if ((message.u64() & VRING_NO_DESCRIPTOR) != 0) {
            return null;
        }
        Ring.requireEventFd(request, message.descriptors().getFirst());
        return message.takeDescriptor();
    }

    private CompletableFuture<Outcome> getConfig(Config wanted) {
        int size = wanted.bytes().limit();
        int offset = wanted.offset();
        if (size == 0 || offset < 0 || offset > MAX_CONFIG_BYTES - size) {
            // A reply without a payload is how this request fails.
            return Outcome.reply(Request.GET_CONFIG, Message.buffer(0));
        }
        byte[] config = new byte[device.configLength()];
        device.readConfig(config);
        // What is asked for past the device's own fields reads as zeros: front-ends ask for the whole 256 bytes.
        ByteBuffer bytes = Message.buffer(size);
        if (offset < config.length) {
            bytes.put(0, config, offset, Math.min(size, config.length - offset));
        }
        return Outcome.reply(Request.GET_CONFIG, new Config(offset, wanted.flags(), bytes).encode());
    }

    private CompletableFuture<Outcome> setConfig(Config wanted) throws ProtocolViolation {
        byte[] value = new byte[wanted.bytes().limit()];
        wanted.bytes().get(0, value);
        boolean inRange = wanted.offset() >= 0
                && value.length > 0
                && wanted.offset() <= device.configLength() - value.length;
        boolean migration = (wanted.flags() & MessageLayout.CONFIG_MIGRATION) != 0;
        if (!inRange || device.writeConfig(wanted.offset(), value, migration) != 0) {
            return Outcome.REFUSED;
        }
        session.saveDriverState();
        return Outcome.DONE;
    }

    private CompletableFuture<Outcome> setStatus(long value) {
        status = value & 0xff;
        return status == 0 ? reset() : Outcome.DONE;
    }

    private CompletableFuture<Outcome> reset() {
        status = 0;
        return session.reset();
    }

    private CompletableFuture<Outcome> setMtu(long mtu) {
        return mtu >= 0 && mtu <= 0xffff && device.setMtu((int) mtu) == 0 ? Outcome.DONE : Outcome.REFUSED;
    }

    private CompletableFuture<Outcome> announce(ByteBuffer payload) {
        byte[] macAddress = new byte[6];
        payload.get(0, macAddress);
        device.announce(macAddress);
        return Outcome.DONE;
    }

    private static CompletableFuture<Outcome> done(CompletableFuture<Void> confirmed) {
        return confirmed.thenCompose(_ -> Outcome.DONE);
    }
}
