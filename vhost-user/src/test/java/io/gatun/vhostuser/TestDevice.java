package io.gatun.vhostuser;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Memory;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.VirtioFeatures;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The smallest device: fills what a driver offers with {@link #FILL}. On demand it keeps requests in flight, throws, or
 * writes to memory that has vanished.
 */
class TestDevice implements VirtioDevice {
    static final byte FILL = (byte) 0xa5;
    static final int CONFIG_BYTES = 24;
    static final int WRITABLE_BYTE = 8;
    static final long FEATURES = VirtioFeatures.VERSION_1
            | VirtioFeatures.EVENT_IDX
            | VirtioFeatures.INDIRECT_DESC
            | VirtioFeatures.RING_PACKED
            | 0x40;

    final int queues;
    final byte[] config = new byte[CONFIG_BYTES];
    final List<String> log = new CopyOnWriteArrayList<>();
    /** Where the front-end's memory is, as the session tells. */
    final Set<Long> memory = ConcurrentHashMap.newKeySet();
    final AtomicInteger openHandlers = new AtomicInteger();
    private final AtomicInteger inFlight = new AtomicInteger();
    volatile DeviceEvents events;
    volatile long negotiated;

    /** Chains are taken and not completed. */
    volatile boolean hold;

    volatile RuntimeException failure;

    /** What {@link #startQueue} throws. */
    volatile RuntimeException refusal;

    /** What {@link #memoryAdded} throws. */
    volatile RuntimeException memoryRefusal;

    /** Memory was taken away that was in use, or never came. */
    volatile boolean memoryFault;

    TestDevice(int queues) {
        this.queues = queues;
        for (int i = 0; i < CONFIG_BYTES; i++) {
            config[i] = (byte) (i + 1);
        }
    }

    /** Requests taken and not answered, over all queues. */
    int inFlight() {
        return inFlight.get();
    }

    @Override
    public void memoryAdded(long address, long lengthBytes) {
        if (memoryRefusal != null) {
            throw memoryRefusal;
        }
        Memory.touch(address, lengthBytes);
        if (!memory.add(address)) {
            throw new IllegalStateException("memory came twice");
        }
    }

    @Override
    public void memoryRemoved(long address) {
        // Not touched: the front-end may have truncated it meanwhile.
        if (inFlight.get() != 0 || !memory.remove(address)) {
            memoryFault = true;
            throw new IllegalStateException("memory went that is in use, or never came");
        }
    }

    @Override
    public long features() {
        return FEATURES;
    }

    @Override
    public long protocolFeatures() {
        return ProtocolFeatures.MTU
                | ProtocolFeatures.RARP
                | ProtocolFeatures.CONFIG
                | ProtocolFeatures.INFLIGHT_SHMFD;
    }

    @Override
    public int queueCount() {
        return queues;
    }

    @Override
    public int configLength() {
        return CONFIG_BYTES;
    }

    @Override
    public void readConfig(byte[] target) {
        System.arraycopy(config, 0, target, 0, CONFIG_BYTES);
    }

    @Override
    public int writeConfig(int offset, byte[] value, boolean migration) {
        if (!migration && (offset != WRITABLE_BYTE || value.length != 1)) {
            return -Errno.EINVAL;
        }
        System.arraycopy(value, 0, config, offset, value.length);
        return 0;
    }

    @Override
    public int driverState() {
        return config[WRITABLE_BYTE];
    }

    @Override
    public void restoreDriverState(int state) {
        config[WRITABLE_BYTE] = (byte) state;
    }

    @Override
    public void attached(DeviceEvents deviceEvents, long features) {
        events = deviceEvents;
        negotiated = features;
    }

    @Override
    public void detached() {
        events = null;
        log.add("detached");
    }

    @Override
    public void reset() {
        log.add("reset");
    }

    @Override
    public int setMtu(int mtu) {
        log.add("mtu " + mtu);
        return mtu >= 68 ? 0 : -Errno.EINVAL;
    }

    @Override
    public void announce(byte[] macAddress) {
        log.add("announce " + macAddress.length);
    }

    @Override
    public QueueHandler startQueue(int index, Vring vring) {
        if (refusal != null) {
            throw refusal;
        }
        openHandlers.incrementAndGet();
        return new Handler(vring);
    }

    private final class Handler implements QueueHandler {
        private final Vring vring;
        private final ArrayDeque<DescriptorChain> held = new ArrayDeque<>();
        private DescriptorChain chain = new DescriptorChain(8);
        private final EventFd wake = EventFd.create();

        Handler(Vring vring) {
            this.vring = vring;
        }

        @Override
        public int poll(int maxChains) {
            if (failure != null && maxChains != 0) {
                throw failure;
            }
            int done = 0;
            while (!hold && !held.isEmpty()) {
                complete(held.remove());
                inFlight.decrementAndGet();
                done++;
            }
            int taken = 0;
            while (taken < maxChains && vring.queue().pop(chain)) {
                taken++;
                if (hold) {
                    held.add(chain);
                    inFlight.incrementAndGet();
                    chain = new DescriptorChain(8);
                } else {
                    complete(chain);
                    done++;
                }
            }
            vring.publish(done);
            return taken + done;
        }

        private void complete(DescriptorChain finished) {
            for (int i = finished.readableCount; i < finished.segmentCount; i++) {
                Memory.fill(finished.addresses[i], finished.lengths[i], FILL);
            }
            vring.queue().putUsed(finished, finished.writableBytes);
        }

        @Override
        public int inFlight() {
            return held.size();
        }

        /** While it holds requests nothing will wake it: the reactor has to keep looking. */
        @Override
        public boolean arm() {
            return held.isEmpty();
        }

        @Override
        public int wakeFd() {
            return wake.fd().value();
        }

        @Override
        public void close() {
            wake.close();
            openHandlers.decrementAndGet();
        }
    }
}
