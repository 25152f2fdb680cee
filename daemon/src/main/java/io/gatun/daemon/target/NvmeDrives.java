package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.vfio.PciAddress;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The NVMe drives that this process has, by name and in the order they were asked for. A target's disks are kept the
 * same as the drives' namespaces.
 *
 * <p>A controller may take seconds to start or to stop: that happens on a thread of its own, while other methods are
 * answered.
 *
 * <p><b>Thread-safety:</b> as {@link Target}.
 */
final class NvmeDrives implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NvmeDrives.class);

    private final Target target;
    private final NvmeAccess access;
    private final Function<NvmeBdev, Disk> describer;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** A drive that was asked for. */
    static final class Entry {
        final String name;
        final PciAddress address;

        /** What it is attached with. */
        final ObjectNode parameters;

        /** Every disk that it has had. */
        private final Map<NvmeBdev, Disk> disks = new HashMap<>();

        /** Starts the controller, or stops it, and then leads to null. */
        private CompletableFuture<NvmeDrive> work;

        /** Null before it is started, and once it is to be stopped. */
        private NvmeDrive drive;

        private boolean detaching;

        /** What the drive answers, or has answered, about its health. */
        private CompletableFuture<ObjectNode> health = CompletableFuture.completedFuture(null);

        private Entry(String name, PciAddress address, ObjectNode parameters) {
            this.name = name;
            this.address = address;
            this.parameters = parameters;
        }

        /** The drive; null while its controller is being started or stopped. */
        NvmeDrive drive() {
            return drive;
        }

        /** Whether it is on its way out. */
        boolean isDetaching() {
            return detaching;
        }

        Collection<Disk> disks() {
            return disks.values();
        }
    }

    /** @param describer makes a disk of a namespace */
    NvmeDrives(Target target, NvmeAccess access, Function<NvmeBdev, Disk> describer) {
        this.target = target;
        this.access = access;
        this.describer = describer;
    }

    /** The drive of that name, or null. */
    Entry find(String name) {
        return entries.get(name);
    }

    Collection<Entry> all() {
        return entries.values();
    }

    /**
     * Takes the controller at an address; its namespaces become disks. Fails with {@link io.gatun.linux.LinuxException}
     * or {@link io.gatun.nvme.NvmeException} where it cannot be had, with {@link RpcException} where a disk has a name
     * that is taken.
     */
    CompletionStage<NvmeDrive> attach(
            String name, PciAddress address, NvmeOptions options, ObjectNode parameters) {
        Entry entry = new Entry(name, address, parameters);
        entry.work = onThreadOfItsOwn(
                entry, () -> new NvmeDrive(name, NvmeController.attach(access.open(address), options)));
        entries.put(name, entry);
        return entry.work
                .handleAsync((drive, failure) -> started(entry, drive, failure), target.commands())
                .thenCompose(Function.identity());
    }

    private CompletionStage<NvmeDrive> started(Entry entry, NvmeDrive drive, Throwable failure) {
        if (failure != null) {
            entries.remove(entry.name);
            return CompletableFuture.failedFuture(failure);
        }
        entry.drive = drive;
        try {
            drive.bdevs().forEach(bdev -> target.checkFree(bdev.name()));
        } catch (RpcException taken) {
            return detach(entry).thenCompose(_ -> CompletableFuture.failedFuture(taken));
        }
        drive.onChange(() -> target.commands().execute(() -> refresh(entry)));
        refresh(entry);
        return CompletableFuture.completedFuture(drive);
    }

    /** A name is free again, which a namespace may have wanted. */
    void retry() {
        entries.values().forEach(this::refresh);
    }

    /** Makes a disk of each namespace that is there, and of no other. */
    private void refresh(Entry entry) {
        if (entry.drive == null) {
            return; // on its way out
        }
        entry.disks.forEach((bdev, disk) -> {
            if (!bdev.isUsable() && target.drop(disk)) {
                LOG.warn("{}: its namespace is gone, or has other blocks now", disk.name());
            }
        });
        for (NvmeBdev bdev : entry.drive.bdevs()) {
            if (bdev.isUsable()) {
                Disk disk = entry.disks.computeIfAbsent(bdev, describer);
                Disk there = target.findDisk(bdev.name());
                if (there == null) {
                    LOG.info("{}: {} blocks of {} bytes", disk.name(), bdev.blockCount(), bdev.blockSizeBytes());
                    target.add(disk);
                } else if (!there.equals(disk)) {
                    LOG.error("{} cannot be a disk: another one has its name", bdev.namespace());
                }
            }
        }
    }

    /** Takes its disks away, which nobody uses, shuts the controller down and gives it back. */
    CompletionStage<Void> detach(Entry entry) {
        NvmeDrive drive = entry.drive;
        CompletableFuture<?> asked = entry.health.handle((_, _) -> null);
        entry.work = onThreadOfItsOwn(entry, () -> {
            asked.join(); // whoever asked before gets the answer
            drive.close();
            return null;
        });
        entry.detaching = true;
        entry.drive = null;
        entry.disks.values().forEach(target::drop);
        return entry.work.handleAsync(
                (_, failure) -> {
                    entries.remove(entry.name);
                    if (failure != null) {
                        throw new CompletionException(failure);
                    }
                    return null;
                },
                target.commands());
    }

    /** How an attached drive is. It is asked once at a time: who asks meanwhile gets the same answer. */
    CompletionStage<ObjectNode> health(Entry entry) {
        if (entry.health.isDone()) {
            NvmeController controller = entry.drive.controller();
            entry.health = onThreadOfItsOwn(entry, () -> {
                ObjectNode health = NvmeFacts.health(controller);
                health.set("host_error_log", NvmeErrors.log(controller.hostErrors()));
                return health;
            });
        }
        return entry.health;
    }

    /** Resets an attached drive; fails with {@link io.gatun.nvme.NvmeException} where it does not come back. */
    CompletionStage<Void> reset(Entry entry) {
        // The thread that tells is the controller's, and has other things to do.
        return entry.drive.controller().reset().thenApplyAsync(Function.identity(), target.commands());
    }

    private static <T> CompletableFuture<T> onThreadOfItsOwn(Entry entry, Supplier<T> work) {
        return Commands.elsewhere("nvme-" + entry.name, work);
    }

    @Override
    public void close() {
        // Side by side, and before those that are just starting: that may take longer than we have.
        entries.values().parallelStream().filter(entry -> entry.drive != null).forEach(entry -> shutDown(entry.drive));
        for (Entry entry : entries.values()) {
            if (entry.drive == null) {
                try {
                    shutDown(entry.work.join());
                } catch (CompletionException e) {
                    LOG.debug("{} was never there", entry.name, e);
                }
            }
        }
        entries.clear();
        access.close();
    }

    /** Gives a drive back, if there is one; what fails there is no reason to leave the others as they are. */
    private static void shutDown(NvmeDrive drive) {
        try {
            if (drive != null) {
                drive.close();
            }
        } catch (RuntimeException e) {
            LOG.error("{} was not shut down", drive, e);
        }
    }
}
