package io.gatun.examples;

import io.gatun.linux.Memory;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.VirtioDevice;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.VirtioFeatures;
import java.security.SecureRandom;

/**
 * A virtio-rng device, whole: one queue of buffers that the guest wants filled with random bytes.
 *
 * <p>Source: VIRTIO 1.3 §5.4. The device has no features and no configuration of its own. A buffer is device-writable,
 * and the device fills as much of it as it likes, at least one byte.
 */
public final class RandomNumberDevice implements VirtioDevice {
    @Override
    public long features() {
        return VirtioFeatures.VERSION_1
                | VirtioFeatures.INDIRECT_DESC
                | VirtioFeatures.EVENT_IDX
                | VirtioFeatures.RING_PACKED;
    }

    @Override
    public int queueCount() {
        return 1;
    }

    @Override
    public int configLength() {
        return 0;
    }

    @Override
    public void readConfig(byte[] target) {}

    @Override
    public QueueHandler startQueue(int index, Vring vring) {
        return new RequestQueue(vring);
    }

    /** Fills each buffer as it comes: nothing is ever in flight, so there is nothing to wait for. */
    private static final class RequestQueue implements QueueHandler {
        private final Vring vring;
        private final DescriptorChain chain = new DescriptorChain(1);
        private final byte[] bytes = new byte[256];
        private final SecureRandom random = new SecureRandom();

        private RequestQueue(Vring vring) {
            this.vring = vring;
        }

        @Override
        public int poll(int maxChains) {
            DeviceQueue queue = vring.queue();
            int count = 0;
            while (count < maxChains && queue.pop(chain)) {
                queue.putUsed(chain, fill());
                count++;
            }
            vring.publish(count);
            return count;
        }

        /** Fills what fits of the first writable segment; returns how many bytes that is. */
        private int fill() {
            if (chain.readableCount == chain.segmentCount) {
                return 0;
            }
            random.nextBytes(bytes);
            int length = Math.min(bytes.length, chain.lengths[chain.readableCount]);
            Memory.copyFromArray(bytes, 0, chain.addresses[chain.readableCount], length);
            return length;
        }

        @Override
        public int inFlight() {
            return 0;
        }
    }
}
