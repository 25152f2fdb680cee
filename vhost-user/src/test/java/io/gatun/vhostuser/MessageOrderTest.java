package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static io.gatun.vhostuser.RawFrontend.message;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.UnixSocket;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The orders in which real front-ends send their messages, acknowledged where they ask for it; each ends in served
 * requests.
 */
@Timeout(30)
class MessageOrderTest {
    private static final long PROTOCOL = 1L << 30;

    private final BackendLab lab = new BackendLab();
    private final TestGuest guest = TestGuest.connect(lab.backend.socket());
    private final RawFrontend raw = guest.raw;
    private UnixSocket[] channel;

    @AfterEach
    void nothingLeaks() {
        if (channel != null) {
            channel[1].close();
        }
        guest.close();
        lab.assertReleased();
        lab.close();
    }

    /** The descriptor is passed with the message, then our copy is closed. */
    private void setChannel() {
        channel = UnixSocket.pair();
        raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), channel[0].fd().value());
        channel[0].close();
    }

    private void exchangeSome(int... rings) {
        for (int i = 0; i < 20; i++) {
            for (int ring : rings) {
                guest.exchange(ring);
            }
        }
    }

    private void vring(int request, int ring, int num) {
        raw.send(request, bytes(ring, num));
    }

    private void descriptor(int request, int ring, EventFd event) {
        raw.send(request, bytes((long) ring), event.fd().value());
    }

    private byte[] getInflight(int queues, int size) {
        RawFrontend.Reply reply =
                raw.ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) queues, (short) size, 0));
        byte[] description = new byte[24];
        reply.payload().get(0, description);
        Fd file = reply.descriptors().getFirst();
        raw.send(RawFrontend.SET_INFLIGHT_FD, description, file.value());
        file.close();
        return description;
    }

    // QEMU, vhost-user-blk.

    private void qemuRealize() {
        raw.askU64(RawFrontend.GET_FEATURES);
        long offer = raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES);
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(offer & TestGuest.ALL_PROTOCOL));
        assertEquals(2, raw.askU64(RawFrontend.GET_QUEUE_NUM));
        raw.askU64(RawFrontend.GET_MAX_MEM_SLOTS);
        setChannel();
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.askU64(RawFrontend.GET_FEATURES);
        for (int ring = 0; ring < 2; ring++) {
            // A placeholder for the call descriptor, before anything is known about the ring.
            try (EventFd placeholder = EventFd.create()) {
                descriptor(RawFrontend.SET_VRING_CALL, ring, placeholder);
            }
            descriptor(RawFrontend.SET_VRING_ERR, ring, guest.errors[ring]);
        }
        ByteBuffer config =
                raw.ask(RawFrontend.GET_CONFIG, bytes(0, 24, 0, new byte[24])).payload();
        assertEquals(36, config.limit());
    }

    /** What QEMU does when the guest's driver is ready; firmware uses one ring of a device with several. */
    private void qemuStart(boolean withSlots, int... rings) {
        raw.send(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        getInflight(2, 128);
        raw.send(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        int fd = guest.file.fd().value();
        if (withSlots) {
            raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, TestGuest.wholeMemory()), fd);
        } else {
            raw.ok(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), fd);
        }
        for (int ring : rings) {
            guest.makeQueue(ring, 128);
            vring(RawFrontend.SET_VRING_NUM, ring, 128);
            vring(RawFrontend.SET_VRING_BASE, ring, guest.isPacked() ? 0x8000_8000 : 0);
            raw.send(RawFrontend.SET_VRING_ADDR, guest.address(ring));
            descriptor(RawFrontend.SET_VRING_KICK, ring, guest.kicks[ring]);
            guest.kicks[ring].signal();
        }
        for (int ring : rings) {
            guest.enable(ring, 1);
        }
        for (int ring : rings) {
            guest.setCall(ring);
        }
    }

    private void qemuStop(boolean withSlots, int... rings) {
        for (int ring : rings) {
            guest.stop(ring);
        }
        if (withSlots) {
            raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, TestGuest.wholeMemory()));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 32 | 1L << 28 | 1L << 29, 1L << 32 | 1L << 28 | 1L << 29 | 1L << 34})
    void qemuFirmwareThenGuest(long features) {
        guest.features = features;
        qemuRealize();
        qemuStart(true, 0);
        exchangeSome(0);
        qemuStop(true, 0);
        qemuStart(true, 0, 1);
        exchangeSome(0, 1);
        qemuStop(true, 0, 1);
    }

    @Test
    void qemuWithoutMemorySlotsReplacesTheTableWhileRunning() {
        qemuRealize();
        qemuStart(false, 0, 1);
        for (int i = 0; i < 10; i++) {
            exchangeSome(0, 1);
            raw.ok(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), guest.file.fd().value());
        }
        qemuStop(false, 0, 1);
    }

    @Test
    void qemuMasksAndUnmasksTheInterruptWhileRunning() {
        qemuRealize();
        qemuStart(true, 0);
        try (EventFd masked = EventFd.create()) {
            for (int i = 0; i < 50; i++) {
                guest.offer(0);
                raw.ok(RawFrontend.SET_VRING_CALL, bytes(0L), masked.fd().value());
                guest.setCall(0);
                guest.awaitUsed(0);
            }
        }
        qemuStop(true, 0);
    }

    // Cloud Hypervisor: asks for every acknowledgement, sizes first, the channel last.

    @Test
    void cloudHypervisor() {
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.askU64(RawFrontend.GET_FEATURES);
        raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES);
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(1L | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 12 | 1 << 15));
        raw.sendBytes(message(RawFrontend.GET_QUEUE_NUM, 9, bytes()));
        assertEquals(2, raw.receive(RawFrontend.GET_QUEUE_NUM).u64());
        raw.ok(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, TestGuest.wholeMemory()), guest.file.fd().value());
        guest.setNum(0, 64);
        guest.setNum(1, 64);
        getInflight(2, 64);
        for (int ring = 0; ring < 2; ring++) {
            guest.makeQueue(ring, 64);
            guest.setAddress(ring);
            guest.setBase(ring, 0);
            guest.setCall(ring);
            guest.setKick(ring);
        }
        guest.enable(0, 1);
        guest.enable(1, 1);
        setChannel();
        exchangeSome(0, 1);
        for (int ring = 0; ring < 2; ring++) {
            guest.enable(ring, 0);
            assertEquals(20, guest.stop(ring));
        }
    }

    // DPDK's virtio-user: few protocol features, features last, STATUS throughout.

    @Test
    void dpdkVirtioUser() {
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.askU64(RawFrontend.GET_FEATURES);
        raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES);
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(1L | 1 << 3 | 1 << 16));
        raw.askU64(RawFrontend.GET_QUEUE_NUM);
        raw.ok(RawFrontend.SET_STATUS, bytes(0L));
        for (long status : new long[] {1, 3}) {
            raw.ok(RawFrontend.SET_STATUS, bytes(status));
        }
        raw.ok(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        raw.ok(RawFrontend.SET_STATUS, bytes(11L));
        assertEquals(11, raw.askU64(RawFrontend.GET_STATUS));
        for (int ring = 0; ring < 2; ring++) {
            guest.setCall(ring);
        }
        raw.ok(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), guest.file.fd().value());
        for (int ring = 0; ring < 2; ring++) {
            guest.makeQueue(ring, 256);
            guest.setNum(ring, 256);
            guest.setBase(ring, 0);
            guest.setAddress(ring);
            guest.setKick(ring);
            guest.enable(ring, 1);
        }
        raw.ok(RawFrontend.SET_STATUS, bytes(15L));
        assertEquals(15, raw.askU64(RawFrontend.GET_STATUS));
        exchangeSome(0, 1);
        guest.enable(0, 0);
        guest.enable(1, 0);
        assertEquals(20, guest.stop(0));
        assertEquals(20, guest.stop(1));
        raw.ok(RawFrontend.SET_STATUS, bytes(0L));
        assertTrue(lab.device.log.contains("reset"));
    }

    // SPDK's initiator (bdev_virtio): no acknowledgements, enables with the queue's size before anything else.

    @Test
    void spdkInitiator() {
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.askU64(RawFrontend.GET_FEATURES);
        raw.send(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES);
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(0x201L));
        for (int i = 0; i < 5; i++) {
            assertEquals(268, raw.ask(RawFrontend.GET_CONFIG, bytes(0, 256, 0, new byte[256])).payload().limit());
        }
        vring(RawFrontend.SET_VRING_ENABLE, 0, 512);
        assertEquals(2, raw.askU64(RawFrontend.GET_QUEUE_NUM));
        descriptor(RawFrontend.SET_VRING_CALL, 0, guest.calls[0]);
        raw.send(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), guest.file.fd().value());
        raw.askU64(RawFrontend.GET_FEATURES);
        guest.makeQueue(0, 512);
        vring(RawFrontend.SET_VRING_NUM, 0, 512);
        vring(RawFrontend.SET_VRING_BASE, 0, 0);
        raw.send(RawFrontend.SET_VRING_ADDR, guest.address(0));
        descriptor(RawFrontend.SET_VRING_KICK, 0, guest.kicks[0]);
        exchangeSome(0);
        assertEquals(20, guest.stop(0));
        raw.send(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), guest.file.fd().value());
        raw.askU64(RawFrontend.GET_FEATURES);
    }

    // A front-end of the first years: no protocol features at all, so no acknowledgements and no enabling.

    @Test
    void legacyFrontend() {
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.askU64(RawFrontend.GET_FEATURES);
        raw.send(RawFrontend.SET_FEATURES, bytes(guest.features));
        raw.send(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), guest.file.fd().value());
        guest.makeQueue(0, 64);
        vring(RawFrontend.SET_VRING_NUM, 0, 64);
        vring(RawFrontend.SET_VRING_BASE, 0, 0);
        raw.send(RawFrontend.SET_VRING_ADDR, guest.address(0));
        descriptor(RawFrontend.SET_VRING_KICK, 0, guest.kicks[0]);
        descriptor(RawFrontend.SET_VRING_CALL, 0, guest.calls[0]);
        exchangeSome(0);
        assertEquals(20, guest.stop(0));
    }
}
