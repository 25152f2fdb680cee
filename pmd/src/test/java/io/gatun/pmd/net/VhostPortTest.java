package io.gatun.pmd.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.ProtocolFeatures;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A port at its socket: the link, as the front-end starts, enables and stops rings; MTU and announcements. */
@Timeout(60)
class VhostPortTest {
    private static final long PATIENCE_NANOS = 20_000_000_000L;

    @TempDir
    Path folder;

    private ControlLoop loop;
    private List<Reactor> reactors;
    private final Recorder recorder = new Recorder();

    /** What a forwarder hears and gets. */
    private static final class Recorder implements Forwarder {
        final List<Boolean> links = new CopyOnWriteArrayList<>();
        final List<byte[]> packets = new CopyOnWriteArrayList<>();

        @Override
        public void forward(RxQueue from, Burst burst) {
            for (int i = 0; i < burst.count; i++) {
                byte[] packet = new byte[burst.lengths[i]];
                try (Mapping copy = Mapping.anonymous(packet.length)) {
                    burst.copyOut(i, 0, copy.address(), packet.length);
                    Memory.copyToArray(copy.address(), packet, 0, packet.length);
                }
                packets.add(packet);
            }
        }

        @Override
        public void linkChanged(Port port, boolean up) {
            links.add(up);
        }
    }

    /** A front-end of single messages, each acknowledged. */
    private static final class Messages implements AutoCloseable {
        private static final int SET_PROTOCOL_FEATURES = 16;
        private static final int SEND_RARP = 19;
        private static final int NET_SET_MTU = 20;
        private static final int VERSION_1_NEED_REPLY = 1 | 8;
        private static final int MESSAGE_BYTES = 20;

        private final UnixSocket socket;
        private final Mapping bytes = Mapping.anonymous(64);

        Messages(Path path) {
            socket = UnixSocket.connect(path.toString());
            assertEquals(0, send(SET_PROTOCOL_FEATURES, ProtocolFeatures.REPLY_ACK | ProtocolFeatures.RARP
                    | ProtocolFeatures.MTU));
        }

        /** Sends a request with a number; returns the answer, 0 for yes. */
        long send(int request, long payload) {
            ByteBuffer message = ByteBuffer.allocate(MESSAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
            message.putInt(request).putInt(VERSION_1_NEED_REPLY).putInt(Long.BYTES).putLong(payload);
            Memory.copyFromArray(message.array(), 0, bytes.address(), MESSAGE_BYTES);
            assertEquals(MESSAGE_BYTES, socket.sendFully(bytes.address(), MESSAGE_BYTES, new int[0], 0, 5000));
            assertEquals(MESSAGE_BYTES, socket.receiveFully(bytes.address(), MESSAGE_BYTES, new int[8], 5000));
            assertEquals(request, Memory.getInt(bytes.address()));
            return Memory.getLong(bytes.address() + 12);
        }

        @Override
        public void close() {
            socket.close();
            bytes.close();
        }
    }

    @BeforeEach
    void start() {
        loop = ControlLoop.start();
        reactors = List.of(Reactor.start("first", -1, Reactor.IdlePolicy.ADAPTIVE));
    }

    @AfterEach
    void stop() {
        reactors.forEach(Reactor::close);
        loop.close();
    }

    private VhostPort port(VhostPortOptions options) {
        VhostPort port = VhostPort.listen("p0", loop, folder.resolve("net.sock"), options, reactors);
        port.forwardTo(recorder);
        return port;
    }

    private static void await(BooleanSupplier done, String what) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!done.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "waited in vain: " + what);
            LockSupport.parkNanos(200_000);
        }
    }

    /** The forwarder has heard so many changes, and the last one is how the port is now. */
    private void awaitLink(VhostPort port, int changes, boolean up) {
        await(() -> recorder.links.size() == changes, changes + " changes, not " + recorder.links);
        assertEquals(up, recorder.links.getLast());
        assertEquals(up, port.linkUp());
    }

    @Test
    void theLinkIsUpWhileAReceiveRingIsStartedAndEnabled() {
        try (VhostPort port = port(VhostPortOptions.DEFAULTS)) {
            assertFalse(port.linkUp());
            try (FrontEnd guest = new FrontEnd(folder.resolve("net.sock"), 0)) {
                awaitLink(port, 1, true);
                assertTrue(port.features() != 0);
                guest.device.setEnabled(0, false);
                awaitLink(port, 2, false);
                guest.device.setEnabled(0, true);
                awaitLink(port, 3, true);
                int base = guest.device.stopQueue(0);
                awaitLink(port, 4, false);
                guest.device.resumeQueue(guest.receiveq, base);
                awaitLink(port, 5, true);
                // The transmit ring is the guest's own affair.
                int ignored = guest.device.stopQueue(1);
                guest.device.barrier();
                assertTrue(port.linkUp());
                guest.device.resetDevice();
                awaitLink(port, 6, false);
            }
            await(() -> !port.backend().connected(), "the front-end has gone");
            assertEquals(List.of(true, false, true, false, true, false), recorder.links);
            await(() -> port.features() == 0, "its features are forgotten");
        }
    }

    @Test
    void aFrontEndThatGoesTakesTheLinkDownAndTheNextOneUp() {
        try (VhostPort port = port(VhostPortOptions.DEFAULTS)) {
            for (int life = 1; life <= 3; life++) {
                try (FrontEnd guest = new FrontEnd(folder.resolve("net.sock"), 0)) {
                    assertTrue(guest.device.isConnected());
                    awaitLink(port, 2 * life - 1, true);
                }
                awaitLink(port, 2 * life, false);
                await(() -> port.features() == 0, "its features are forgotten");
            }
        }
    }

    @Test
    void flowsGoToTheQueuesThatTakePackets() {
        VhostPortOptions options = VhostPortOptions.DEFAULTS.withQueues(2);
        try (VhostPort port = port(options);
                FrontEnd guest = new FrontEnd(folder.resolve("net.sock"), 0)) {
            awaitLink(port, 1, true);
            assertSame(port.txQueues().get(0), port.txFor(1));
            assertTrue(guest.device.startQueue(2, 64).driver().free() > 0);
            await(() -> port.txFor(1) == port.txQueues().get(1), "the second pair");
            assertSame(port.txQueues().get(0), port.txFor(2));
            guest.device.setEnabled(0, false);
            await(() -> port.txFor(0) == port.txQueues().get(1), "only the second pair");
            assertEquals(List.of(true), recorder.links);
        }
    }

    @Test
    void anAnnouncementIsAReverseArpFromTheGuest() {
        try (VhostPort port = port(VhostPortOptions.DEFAULTS);
                Messages messages = new Messages(folder.resolve("net.sock"))) {
            // 52:54:00:12:34:56, first byte first.
            assertEquals(0, messages.send(Messages.SEND_RARP, 0x5634_1200_5452L));
            await(() -> recorder.packets.size() == 1, "the packet");
            byte[] address = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
            ByteBuffer wanted = ByteBuffer.allocate(60);
            wanted.put(new byte[] {-1, -1, -1, -1, -1, -1}).put(address).putShort((short) 0x8035);
            // Ethernet, IPv4, their lengths, "request reverse" (RFC 903); sender, nothing, target, nothing.
            wanted.putShort((short) 1).putShort((short) 0x0800).put((byte) 6).put((byte) 4).putShort((short) 3);
            wanted.put(address).putInt(0).put(address).putInt(0);
            assertArrayEquals(wanted.array(), recorder.packets.getFirst());
            assertEquals(1, port.rxQueues().getFirst().counters().packets());
        }
    }

    @Test
    void theFrontEndSetsThePortsMtuForAsLongAsItStays() {
        try (VhostPort port = port(VhostPortOptions.DEFAULTS)) {
            try (Messages messages = new Messages(folder.resolve("net.sock"))) {
                assertEquals(Port.DEFAULT_MTU, port.mtu());
                assertEquals(0, messages.send(Messages.NET_SET_MTU, 9000));
                assertEquals(9000, port.mtu());
                for (long refused : new long[] {0, Port.MIN_MTU - 1, Port.MAX_MTU + 1, -1}) {
                    assertEquals(1, messages.send(Messages.NET_SET_MTU, refused));
                    assertEquals(9000, port.mtu());
                }
                assertEquals(0, messages.send(Messages.NET_SET_MTU, 1280));
            }
            await(() -> port.mtu() == Port.DEFAULT_MTU, "the MTU of who has gone is forgotten");
        }
    }

    @Test
    void addressAndMtuAreInTheConfigurationSpace() {
        VhostPortOptions options = new VhostPortOptions(
                3, true, true, true, true, "52:54:00:12:34:56", 9000, VhostPortOptions.DEFAULTS.backend());
        try (VhostPort port = port(options);
                VhostUserFrontend device =
                        VhostUserFrontend.connect(folder.resolve("net.sock"), Duration.ofSeconds(20))) {
            assertEquals(9000, port.mtu());
            assertEquals(VirtioNet.F_MAC | VirtioNet.F_MTU | VirtioNet.F_MQ, device.features()
                    & (VirtioNet.F_MAC | VirtioNet.F_MTU | VirtioNet.F_MQ));
            ByteBuffer config =
                    ByteBuffer.wrap(device.readConfig(0, VirtioNet.CONFIG_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(0x5634_1200_5452L, config.getLong(VirtioNet.CONFIG_MAC) & 0xffff_ffff_ffffL);
            assertEquals(VirtioNet.S_LINK_UP, config.getShort(VirtioNet.CONFIG_STATUS));
            assertEquals(3, config.getShort(VirtioNet.CONFIG_MAX_VIRTQUEUE_PAIRS));
            assertEquals(9000, config.getShort(VirtioNet.CONFIG_MTU));
        }
    }

    @ParameterizedTest(name = "offloads={0}")
    @ValueSource(booleans = {true, false})
    void everyFeatureIsOfferedThatThereIs(boolean offloads) {
        long always = VirtioFeatures.VERSION_1
                | VirtioFeatures.INDIRECT_DESC
                | VirtioFeatures.EVENT_IDX
                | VirtioFeatures.RING_PACKED
                | VirtioFeatures.IN_ORDER
                | VirtioNet.F_MRG_RXBUF
                | VirtioNet.F_STATUS
                | VirtioNet.F_GUEST_ANNOUNCE
                | VirtioNet.F_MQ;
        long unfinished = VirtioNet.F_CSUM
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
        try (VhostPort _ = port(VhostPortOptions.DEFAULTS.withQueues(2).withOffloads(offloads));
                VhostUserFrontend device =
                        VhostUserFrontend.connect(folder.resolve("net.sock"), Duration.ofSeconds(20))) {
            assertEquals(always | (offloads ? unfinished : 0), device.features());
            assertEquals(
                    ProtocolFeatures.RARP | ProtocolFeatures.MTU | ProtocolFeatures.MQ,
                    device.protocolFeatures()
                            & (ProtocolFeatures.RARP | ProtocolFeatures.MTU | ProtocolFeatures.MQ));
        }
    }

    @Test
    void whatIsSentToAPortThatIsDownIsCounted() {
        try (VhostPort port = port(VhostPortOptions.DEFAULTS);
                Burst burst = new Burst();
                Mapping packet = Mapping.anonymous(64)) {
            burst.add(packet.address(), 64);
            reactors.getFirst()
                    .submit(() -> port.txFor(0).send(burst))
                    .join();
            assertEquals(1, port.txQueues().getFirst().counters().dropped(Drop.LINK_DOWN));
        }
    }
}
