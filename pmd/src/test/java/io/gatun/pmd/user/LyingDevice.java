package io.gatun.pmd.user;

import io.gatun.linux.Memory;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.net.VirtioNet;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.VirtioDevice;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.VirtioFeatures;
import java.util.concurrent.atomic.AtomicInteger;

/** Uses a receive buffer as no device may, again in each life. */
class LyingDevice implements VirtioDevice {
    /** What a device does with the first receive buffers. */
    enum Lie {
        SHORT_BUFFER("a used receive buffer has 5 bytes"),
        LONG_BUFFER("a used receive buffer has 70000 bytes"),
        NO_BUFFERS("num_buffers is 0"),
        MORE_BUFFERS_THAN_USED("num_buffers is 3, but 1 buffers were used"),
        MORE_BUFFERS_THAN_THERE_ARE("num_buffers is 65535 in a ring of 256"),
        EMPTY_MERGED_BUFFER("a merged receive buffer has 0 bytes");

        final String reason;

        Lie(String reason) {
            this.reason = reason;
        }
    }

    final AtomicInteger starts = new AtomicInteger();
    private final Lie lie;

    LyingDevice(Lie lie) {
        this.lie = lie;
    }

    @Override
    public long features() {
        return VirtioFeatures.VERSION_1 | VirtioNet.F_MRG_RXBUF;
    }

    @Override
    public int queueCount() {
        return 2;
    }

    @Override
    public int configLength() {
        return 0;
    }

    @Override
    public void readConfig(byte[] target) {}

    @Override
    public QueueHandler startQueue(int index, Vring vring) {
        if (index == 0) {
            starts.incrementAndGet();
        }
        return new LyingQueue(lie, index, vring);
    }

    private static final class LyingQueue implements QueueHandler {
        private final Lie lie;
        private final int index;
        private final Vring vring;
        private final DescriptorChain chain = new DescriptorChain(4);
        private boolean lied;

        LyingQueue(Lie lie, int index, Vring vring) {
            this.lie = lie;
            this.index = index;
            this.vring = vring;
        }

        @Override
        public int poll(int maxChains) {
            if (maxChains == 0 || index != 0 || lied || !vring.queue().pop(chain)) {
                return 0;
            }
            lied = true;
            Memory.putShort(chain.addresses[0] + NetHeader.NUM_BUFFERS, switch (lie) {
                case NO_BUFFERS -> 0;
                case MORE_BUFFERS_THAN_USED -> 3;
                case MORE_BUFFERS_THAN_THERE_ARE -> 0xffff;
                case EMPTY_MERGED_BUFFER -> 2;
                default -> 1;
            });
            vring.queue().putUsed(chain, switch (lie) {
                case SHORT_BUFFER -> 5;
                case LONG_BUFFER -> 70_000;
                default -> 100;
            });
            if (lie == Lie.EMPTY_MERGED_BUFFER && vring.queue().pop(chain)) {
                vring.queue().putUsed(chain, 0);
            }
            vring.publish();
            return 1;
        }

        @Override
        public int inFlight() {
            return 0;
        }
    }
}
