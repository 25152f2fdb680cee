package io.gatun.nvme.bdev;

import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeNamespace;
import io.gatun.reactor.Reactor;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A controller whose namespaces are block devices, and the queue pairs that they share: one for each reactor that uses
 * any of them.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class NvmeDrive implements AutoCloseable {
    private final String name;
    private final NvmeController controller;
    private final TreeMap<Integer, NvmeBdev> bdevs = new TreeMap<>();
    private final IdentityHashMap<Reactor, ReactorQueue> queues = new IdentityHashMap<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final Runnable rescan = this::namespacesChanged;

    /**
     * Makes a block device of each namespace.
     *
     * @param name what the devices' names start with: {@code nv0} makes {@code nv0n1}, {@code nv0n2} and so on
     * @param controller owned by the drive from now on
     */
    public NvmeDrive(String name, NvmeController controller) {
        this.name = name;
        this.controller = controller;
        // In this order: what changes in between is told, not missed.
        controller.onNamespacesChanged(rescan);
        takeNamespaces();
    }

    public String name() {
        return name;
    }

    public NvmeController controller() {
        return controller;
    }

    /**
     * The block devices, by namespace. Those of namespaces that are gone stay, and fail what they are asked; where
     * another namespace has the number now, or the same one has other blocks, its new device takes the place.
     */
    public List<NvmeBdev> bdevs() {
        synchronized (bdevs) {
            return List.copyOf(bdevs.values());
        }
    }

    /** Calls {@code listener}, on a thread of the controller's, after namespaces came, went or changed. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** Takes the devices away: what is in flight fails, and the controller is shut down and given back. */
    @Override
    public void close() {
        controller.removeListener(rescan);
        bdevs().forEach(NvmeBdev::close);
        controller.close();
    }

    @Override
    public String toString() {
        return name + " (" + controller + ")";
    }

    private void namespacesChanged() {
        bdevs().forEach(NvmeBdev::lookAgain);
        takeNamespaces();
        listeners.forEach(Runnable::run);
    }

    private void takeNamespaces() {
        synchronized (bdevs) {
            for (NvmeNamespace namespace : controller.namespaces()) {
                int id = namespace.id();
                NvmeBdev before = bdevs.get(id);
                if (before == null || !before.isUsable()) {
                    bdevs.put(id, new NvmeBdev(this, name + "n" + id, namespace));
                }
            }
        }
    }

    /** The queue pair of a reactor, for one user more; a new one where there is no reactor. */
    ReactorQueue openQueue(Reactor reactor) {
        if (reactor == null) {
            return new ReactorQueue(controller, null);
        }
        synchronized (queues) {
            ReactorQueue queue = queues.computeIfAbsent(reactor, r -> new ReactorQueue(controller, r));
            queue.users++;
            return queue;
        }
    }

    /** One user less. */
    void closeQueue(Reactor reactor, ReactorQueue queue) {
        if (reactor == null) {
            queue.close();
            return;
        }
        synchronized (queues) {
            queue.users--;
            if (queue.users == 0) {
                queues.remove(reactor);
                queue.close();
            }
        }
    }
}
