package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import io.gatun.reactor.Reactor;
import io.gatun.vfio.DmaSpace;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An NVMe controller that this process drives: its namespaces, admin commands, and I/O queue pairs.
 *
 * <p>A controller that stops answering is reset, and one that went away is taken again when it is back, without its
 * users' doing: see {@link IoQueue}.
 *
 * <p><b>Thread-safety:</b> any thread. Admin commands wait for their completion, so they are not for reactors; {@link
 * #openQueue} does not wait.
 */
public final class NvmeController implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NvmeController.class);

    private static final int ALL_NAMESPACES = -1;

    private final NvmeTransport transport;
    private final NvmeOptions options;
    private final ControllerSwitch power;
    private final AdminQueue admin;
    private final ControllerWatch watch;
    private final ControllerLife life;
    private final HostErrorLog hostErrors = new HostErrorLog();
    private final Namespaces namespaces = new Namespaces(this);
    private final BitSet queueIds = new BitSet();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private boolean closed;

    private NvmeController(NvmeTransport transport, NvmeOptions options) {
        this.transport = transport;
        this.options = options;
        power = new ControllerSwitch(transport);
        power.readCapabilities();
        watch = new ControllerWatch(this);
        admin = new AdminQueue(transport, power, hostErrors, watch::requestReset);
        life = new ControllerLife(this, power, admin);
    }

    /**
     * Takes a controller: resets and enables it, whatever state it is in, and looks for its namespaces.
     *
     * @param transport owned by the controller from now on; closed where this throws
     * @throws NvmeException where it cannot be driven, with the reason
     * @throws io.gatun.linux.LinuxException where memory for it cannot be had, with the remedy
     */
    public static NvmeController attach(NvmeTransport transport, NvmeOptions options) {
        NvmeController controller;
        try {
            controller = new NvmeController(transport, options);
        } catch (RuntimeException e) {
            transport.close();
            throw e;
        }
        try {
            controller.life.bringUp();
        } catch (RuntimeException e) {
            controller.life.abandon();
            throw e;
        }
        controller.watch.start();
        return controller;
    }

    /** What messages call it: the transport's name. */
    public String name() {
        return transport.name();
    }

    public NvmeOptions options() {
        return options;
    }

    /** What the controller says of itself. */
    public ControllerData data() {
        return life.data();
    }

    /** CAP, the controller's capabilities. */
    public long capabilities() {
        return power.capabilities();
    }

    /** VS, such as 0x10400 for version 1.4. */
    public int version() {
        return transport.readInt(Registers.VS);
    }

    /** The memory that the controller reaches. */
    public DmaSpace memory() {
        return transport.memory();
    }

    /** The namespaces that can be used now, by identifier. */
    public List<NvmeNamespace> namespaces() {
        return namespaces.active();
    }

    /** Whether the function does not answer any more. */
    public boolean isGone() {
        return life.isGone();
    }

    /** How often it was reset since it was attached. */
    public long resets() {
        return watch.resets();
    }

    /** How many events it has reported by itself since it was attached. */
    public long events() {
        return life.events();
    }

    /** How many I/O queue pairs there can be. */
    public int ioQueueLimit() {
        return life.grantedQueues();
    }

    /** How many I/O queue pairs are open. */
    public int openQueueCount() {
        synchronized (queueIds) {
            return queueIds.cardinality();
        }
    }

    /** Whether doorbells go through memory. */
    public boolean usesShadowDoorbells() {
        return life.usesShadowDoorbells();
    }

    /** Calls {@code listener}, on a thread of the controller's, after namespaces came, went or changed. */
    public void onNamespacesChanged(Runnable listener) {
        listeners.add(listener);
    }

    /** Undoes {@link #onNamespacesChanged}. */
    public void removeListener(Runnable listener) {
        listeners.remove(listener);
    }

    /** Bytes that one command transfers at most: MDTS, and the 2 MiB that one page of PRP entries can name. */
    public int maxTransferBytes() {
        long most = data().maxTransferBytes(Registers.minPageBytes(power.capabilities()));
        return (int) Math.min(most, DataPointer.MAX_BYTES);
    }

    /**
     * Bytes that one Write Zeroes covers at most: WZSL, and where the controller does not say, its limit for data, as a
     * safe one. A command counts up to 65536 blocks in any case.
     */
    public long maxZeroesBytes() {
        long most = life.maxZeroesBytes();
        return most == 0 ? maxTransferBytes() : most;
    }

    /**
     * Opens an I/O queue pair. It takes commands once the controller knows it, shortly after this returns: until then
     * it says {@code -EAGAIN}.
     *
     * @param reactor whose thread uses it, and is woken where that is needed; null for a thread that polls by itself
     * @throws NvmeException where all queue pairs of the controller are in use
     */
    public IoQueue openQueue(Reactor reactor) {
        int id;
        synchronized (queueIds) {
            if (closed) {
                throw new NvmeException(name() + " is detached");
            }
            id = queueIds.nextClearBit(1);
            if (id > ioQueueLimit()) {
                throw new NvmeException(name() + " has " + ioQueueLimit()
                        + " I/O queue pairs, and all are in use; use fewer queues or reactors");
            }
            queueIds.set(id);
        }
        try {
            IoQueue queue = new IoQueue(this, watch, id, reactor);
            watch.add(queue);
            return queue;
        } catch (RuntimeException e) {
            freeQueueId(id);
            throw e;
        }
    }

    /**
     * Resets the controller soon. I/O in flight is sent again by its owners.
     *
     * @return leads to null, on a thread of the controller's, once it takes commands again on all queue pairs, but for
     *     those that nobody polls for a second; to an {@link NvmeException} if it does not come back at the first
     *     attempt (others follow), or is closed before
     */
    public CompletionStage<Void> reset() {
        return watch.reset();
    }

    /** Get Features: the current value. */
    public int getFeature(int feature, int namespace) {
        return execute(
                "get feature " + feature,
                new AdminCommand(Opcode.GET_FEATURES).namespace(namespace).words(feature, 0));
    }

    /** Set Features, until the next reset. */
    public void setFeature(int feature, int namespace, int value) {
        AdminCommand command =
                new AdminCommand(Opcode.SET_FEATURES).namespace(namespace).words(feature, value);
        int ignored = execute("set feature " + feature, command);
    }

    /**
     * Get Log Page.
     *
     * @param page the log's identifier
     * @param namespace 0xffffffff for the controller's
     * @param bytes how much of it, a multiple of 4
     */
    public byte[] log(int page, int namespace, int bytes) {
        byte[] log = new byte[bytes];
        for (int at = 0; at < bytes; at += AdminQueue.DATA_BYTES) {
            int piece = Math.min(AdminQueue.DATA_BYTES, bytes - at);
            if (at != 0 && !data().hasLogOffsets()) {
                throw new NvmeException(
                        name() + " returns the first " + AdminQueue.DATA_BYTES + " bytes of a log only");
            }
            int doubleWords = piece / 4 - 1;
            AdminCommand command = new AdminCommand(Opcode.GET_LOG_PAGE)
                    .namespace(namespace)
                    .words(page | doubleWords << 16, doubleWords >>> 16)
                    .offset(at, 0);
            byte[] part = admin.read("get log page " + page, command, piece, adminNanos());
            System.arraycopy(part, 0, log, at, piece);
        }
        return log;
    }

    /** The SMART and health log. */
    public HealthLog health() {
        return new HealthLog(log(Opcode.LOG_HEALTH, ALL_NAMESPACES, HealthLog.BYTES));
    }

    /** The error log, newest entry first, without the unused ones. */
    public List<ErrorLogEntry> errors() {
        int entries = Math.min(data().errorLogEntries(), AdminQueue.DATA_BYTES / ErrorLogEntry.BYTES);
        return ErrorLogEntry.parse(log(Opcode.LOG_ERROR, ALL_NAMESPACES, entries * ErrorLogEntry.BYTES));
    }

    /** What this process itself has seen the controller fail since it was attached, resets or not. */
    public HostErrorLog hostErrors() {
        return hostErrors;
    }

    /** Which firmware is in which slot. */
    public FirmwareSlots firmwareSlots() {
        return new FirmwareSlots(log(Opcode.LOG_FIRMWARE_SLOTS, ALL_NAMESPACES, FirmwareSlots.BYTES));
    }

    /**
     * Formats a namespace: all its data is lost. Nothing may be in flight on it.
     *
     * @param format the index of one of its formats, without metadata
     * @param secureErase 0 for none, 1 for user data, 2 for the encryption key
     * @param timeout how long that may take
     */
    public void format(NvmeNamespace namespace, int format, int secureErase, java.time.Duration timeout) {
        Objects.checkIndex(format, namespace.data().formatCount());
        Objects.checkIndex(secureErase, 3);
        if (!data().supportsFormat()) {
            throw new NvmeException(name() + " cannot format");
        }
        int low = (format & 0xf) | (format >>> 4 & 3) << 12;
        AdminCommand command =
                new AdminCommand(Opcode.FORMAT_NVM).namespace(namespace.id()).words(low | secureErase << 9, 0);
        int ignored = admin.execute("format " + namespace, command, timeout.toNanos());
        rescan();
    }

    /** Looks for namespaces that came, went or changed. */
    public void rescan() {
        if (namespaces.scan()) {
            listeners.forEach(Runnable::run);
        }
    }

    /**
     * Shuts the controller down, so that nothing in its caches is lost, and gives it back: at once if all queue pairs
     * were closed, else when the last one is.
     */
    @Override
    public void close() {
        synchronized (queueIds) {
            if (closed) {
                return;
            }
            closed = true;
        }
        watch.close();
    }

    @Override
    public String toString() {
        return name();
    }

    NvmeTransport transport() {
        return transport;
    }

    int execute(String what, AdminCommand command) {
        return admin.execute(what, command, adminNanos());
    }

    byte[] identify(String what, int cns, int namespace) {
        AdminCommand command = new AdminCommand(Opcode.IDENTIFY).namespace(namespace).words(cns, 0);
        return admin.read(what, command, AdminQueue.DATA_BYTES, adminNanos());
    }

    /** As {@link #identify}, of what not every controller knows; null where it refuses, which is not an error. */
    byte[] identifyIfKnown(String what, int cns, int namespace) {
        AdminCommand command =
                new AdminCommand(Opcode.IDENTIFY).namespace(namespace).words(cns, 0).mayBeRefused();
        try {
            return admin.read(what, command, AdminQueue.DATA_BYTES, adminNanos());
        } catch (NvmeException e) {
            if (e.status() < 0) {
                throw e;
            }
            LOG.debug("{}", e.getMessage());
            return null;
        }
    }

    private long adminNanos() {
        return options.adminTimeout().toNanos();
    }

    // What follows is for the watch.

    void freeQueueId(int id) {
        synchronized (queueIds) {
            queueIds.clear(id);
        }
    }

    ControllerLife life() {
        return life;
    }
}
