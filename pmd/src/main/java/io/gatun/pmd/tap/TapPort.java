package io.gatun.pmd.tap;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.TapDevice;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A TAP interface: the host's kernel at the other end. What the host sends to the interface is received here.
 *
 * <p>One system call per packet, so this is for management and for the host's own traffic, not for speed. An interface
 * that was made by this port goes with it; one that was there stays.
 *
 * <p><b>Thread-safety:</b> as every {@link Port}.
 */
public final class TapPort extends Port {
    private static final Logger LOG = LoggerFactory.getLogger(TapPort.class);
    private static final int KERNEL_OFFLOADS =
            TapDevice.CHECKSUM | TapDevice.TSO4 | TapDevice.TSO6 | TapDevice.TSO_ECN;
    private static final long OFFLOADS =
            Offloads.CHECKSUM | Offloads.TSO4 | Offloads.TSO6 | Offloads.ECN;

    private final String interfaceName;
    private final List<TapRxPoller> rx = new ArrayList<>();
    private final List<TapTxQueue> tx = new ArrayList<>();
    private final List<TapDevice> devices;
    private final AtomicBoolean up = new AtomicBoolean(true);
    private boolean released;

    private TapPort(String name, List<TapDevice> devices, long offloads, List<Reactor> reactors) {
        super(name);
        this.devices = devices;
        this.interfaceName = devices.getFirst().name();
        for (int i = 0; i < devices.size(); i++) {
            Reactor owner = reactors.isEmpty() ? null : reactors.get(i % reactors.size());
            rx.add(new TapRxPoller(this, newRxQueue(i, owner), devices.get(i)));
            tx.add(new TapTxQueue(this, i, owner, devices.get(i), offloads));
        }
    }

    /**
     * Attaches to an interface, which is made if there is none, and takes it up.
     *
     * @param reactors who owns the queue pairs, in turn; empty where a test drives them
     * @throws LinuxException with the remedy
     */
    public static TapPort open(String name, TapOptions options, List<Reactor> reactors) {
        List<TapDevice> devices = new ArrayList<>();
        try {
            String interfaceName = options.interfaceName();
            long offloads = OFFLOADS;
            for (int i = 0; i < options.queues(); i++) {
                TapDevice device = TapDevice.open(interfaceName, options.queues() > 1);
                devices.add(device);
                interfaceName = device.name();
                require(device, "set the header's length of", device.setHeaderBytes(NetHeader.BYTES));
                offloads = setOffloads(device, options.offloads());
            }
            configure(devices.getFirst(), options);
            TapPort port = new TapPort(name, devices, offloads, reactors);
            port.setMtu(devices.getFirst().mtu());
            port.begin();
            return port;
        } catch (RuntimeException e) {
            devices.forEach(TapDevice::close);
            throw e;
        }
    }

    @Override
    public String type() {
        return "tap";
    }

    /** The interface's name. */
    public String interfaceName() {
        return interfaceName;
    }

    @Override
    public List<RxQueue> rxQueues() {
        return rx.stream().map(TapRxPoller::queue).toList();
    }

    @Override
    public List<? extends TxQueue> txQueues() {
        return List.copyOf(tx);
    }

    @Override
    public TxQueue txFor(int hash) {
        return tx.size() == 1 ? tx.getFirst() : tx.get(Integer.remainderUnsigned(hash, tx.size()));
    }

    /** Whether the interface is there. That somebody took it down shows in {@code link_down} drops. */
    @Override
    public boolean linkUp() {
        return up.get();
    }

    /** Receives once from a queue that no reactor polls, for tests. */
    int poll(int index) {
        return rx.get(index).poll();
    }

    /** The interface has been removed under us; told once. Takes no lock: {@link #release} waits for this thread. */
    void gone(int errno) {
        if (up.getAndSet(false)) {
            LOG.warn("{}: the interface {} has gone ({})", this, interfaceName, Errno.name(errno));
            linkChanged(false);
        }
    }

    @Override
    protected synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        up.set(false);
        for (TapRxPoller poller : rx) {
            Reactor owner = poller.queue().owner();
            runOn(owner, () -> poller.end(owner));
        }
        rx.forEach(TapRxPoller::close);
        tx.forEach(TapTxQueue::close);
        devices.forEach(TapDevice::close);
    }

    private void begin() {
        for (TapRxPoller poller : rx) {
            Reactor owner = poller.queue().owner();
            runOn(owner, () -> poller.begin(owner));
        }
    }

    private static long setOffloads(TapDevice device, boolean wanted) {
        if (wanted && device.setOffloads(KERNEL_OFFLOADS | TapDevice.USO) == 0) {
            return OFFLOADS | Offloads.USO;
        }
        require(device, "set the offloads of", device.setOffloads(wanted ? KERNEL_OFFLOADS : 0));
        return wanted ? OFFLOADS : Offloads.NONE;
    }

    private static void configure(TapDevice device, TapOptions options) {
        int mtu = device.mtu();
        if (options.mtu() != 0 && mtu != options.mtu()) {
            require(device, "set the MTU of", device.setMtu(options.mtu()));
        }
        if (device.isUp() != 1) {
            require(device, "take up", device.setUp(true));
        }
        // Older kernels cannot say so, and have a carrier anyway.
        int ignored = device.setCarrier(true);
    }

    private static void require(TapDevice device, String what, int result) {
        if (result < 0) {
            String remedy = result == -Errno.EPERM
                    ? "it needs CAP_NET_ADMIN: run as root, or do it beforehand with ip link"
                    : "";
            throw new LinuxException(what + " " + device, result, remedy);
        }
    }
}
