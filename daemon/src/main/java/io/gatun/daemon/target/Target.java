package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;

/**
 * Everything that methods work on: reactors, block devices, controllers and packet ports, by name and in the order they
 * were made.
 *
 * <p><b>Thread-safety:</b> one thread at a time, the one that calls methods.
 */
public final class Target implements AutoCloseable {
    private final Settings settings;
    private final List<Reactor> reactors;
    private final ControlLoop loop;
    private final Map<String, Disk> disks = new LinkedHashMap<>();
    private final Map<String, Controller> controllers = new LinkedHashMap<>();
    /** Names of controllers that are on their way out. */
    private final Set<String> leaving = new HashSet<>();

    private final Commands commands = new Commands();
    private final NvmeDrives nvme;
    private final Net net;
    private final List<Waiter> waiters = new ArrayList<>();
    private final CompletableFuture<Void> started = new CompletableFuture<>();

    /** Somebody waits until a disk of this name appears. */
    private record Waiter(String disk, CompletableFuture<Disk> appeared) {}

    private Target(Settings settings, NvmeAccess access, List<Reactor> reactors, ControlLoop loop) {
        this.settings = settings;
        this.reactors = reactors;
        this.loop = loop;
        this.nvme = new NvmeDrives(this, access, NvmeMethods::disk);
        this.net = new Net(reactors);
    }

    /** Starts the reactors; throws {@link io.gatun.linux.LinuxException} where one may not run on its processor. */
    public static Target start(Settings settings) {
        return start(settings, NvmeAccess.ofMachine());
    }

    /**
     * As {@link #start(Settings)}, with drives that are reached in another way.
     *
     * @param access closed by the target
     */
    public static Target start(Settings settings, NvmeAccess access) {
        List<Reactor> reactors = new ArrayList<>();
        try {
            if (settings.cores().isEmpty()) {
                reactors.add(Reactor.start("reactor-0", -1, settings.idle()));
            }
            for (int core : settings.cores()) {
                reactors.add(Reactor.start("reactor-" + core, core, settings.idle()));
            }
            return new Target(settings, access, List.copyOf(reactors), ControlLoop.start());
        } catch (RuntimeException e) {
            reactors.forEach(Reactor::close);
            access.close();
            throw e;
        }
    }

    /** Calls a method on this target. */
    public CompletionStage<JsonNode> call(String method, JsonNode params) {
        return Methods.REGISTRY.call(this, isStarted(), method, params);
    }

    /** Waits for a method's answer, on the thread that calls methods, while nothing else serves them. */
    public JsonNode await(CompletionStage<JsonNode> answer) {
        return commands.await(answer);
    }

    /** From now on methods are called on the thread of {@code server}. */
    public void serveBy(Executor server) {
        commands.runBy(server);
    }

    /** For what other threads have for this target. */
    Commands commands() {
        return commands;
    }

    /** Whether start-up is over: everything may be called that is not only for start-up. */
    boolean isStarted() {
        return started.isDone();
    }

    /** Ends start-up, and answers those who waited for it. */
    public void finishStart() {
        started.complete(null);
    }

    CompletionStage<Void> whenStarted() {
        return started;
    }

    Settings settings() {
        return settings;
    }

    List<Reactor> reactors() {
        return reactors;
    }

    ControlLoop loop() {
        return loop;
    }

    /** Packet ports, switches and loops. */
    Net net() {
        return net;
    }

    NvmeDrives nvme() {
        return nvme;
    }

    Collection<Disk> disks() {
        return disks.values();
    }

    /** The disk of that name or UUID; throws {@link RpcException} with ENODEV. */
    Disk disk(String name) {
        Disk disk = findDisk(name);
        if (disk == null) {
            throw RpcException.errno(Errno.ENODEV, noDisk(name));
        }
        return disk;
    }

    /** Why there is no such disk, with those that there are. */
    String noDisk(String name) {
        String known = disks.isEmpty() ? "there is none yet" : "expected one of " + String.join(", ", disks.keySet());
        return "no bdev is called " + name + "; " + known;
    }

    Disk findDisk(String name) {
        for (Disk disk : disks.values()) {
            if (disk.isCalled(name)) {
                return disk;
            }
        }
        return null;
    }

    /** Throws {@link RpcException} with EEXIST where the name is taken, with EINVAL where it is none. */
    void checkFree(String name) {
        if (name.isEmpty()) {
            throw RpcException.errno(Errno.EINVAL, "a bdev has a name");
        }
        if (findDisk(name) != null) {
            throw RpcException.errno(Errno.EEXIST, "a bdev is called " + name + " already");
        }
    }

    /** Takes a new disk; closes it again where its name is taken after all. */
    void add(Disk disk) {
        disks.put(disk.name(), disk);
        Iterator<Waiter> each = waiters.iterator();
        while (each.hasNext()) {
            Waiter waiter = each.next();
            if (disk.isCalled(waiter.disk())) {
                each.remove();
                waiter.appeared().complete(disk);
            }
        }
    }

    /** Completes when a disk of that name is there; it is the caller's to limit the wait. */
    CompletableFuture<Disk> whenThere(String name) {
        Disk disk = findDisk(name);
        CompletableFuture<Disk> appeared = new CompletableFuture<>();
        if (disk != null) {
            appeared.complete(disk);
        } else {
            waiters.removeIf(waiter -> waiter.appeared().isDone());
            waiters.add(new Waiter(name, appeared));
        }
        return appeared;
    }

    /** Closes a disk that a method made and no controller uses; throws {@link RpcException} with ENODEV or EBUSY. */
    void remove(String name, String method) {
        Disk disk = disk(name);
        if (!disk.method.equals(method)) {
            throw RpcException.errno(Errno.ENODEV, name + " was made by " + disk.method);
        }
        for (Controller controller : controllers.values()) {
            if (controller.disk().equals(disk)) {
                throw RpcException.errno(Errno.EBUSY, "controller " + controller.name() + " uses " + disk.name());
            }
        }
        disks.remove(disk.name());
        disk.bdev.close();
        nvme.retry();
    }

    /** Forgets a disk, whoever uses it, without closing it; whether it was there. */
    boolean drop(Disk disk) {
        return disks.remove(disk.name(), disk);
    }

    Map<String, Controller> controllers() {
        return controllers;
    }

    /** Whether a controller is on its way out: it still uses its disk, and nobody wants it back. */
    boolean isLeaving(Controller controller) {
        return leaving.contains(controller.name());
    }

    /**
     * Ends a controller; its guest's last requests are waited for, while other methods are called.
     *
     * @param controller one that is not leaving
     */
    CompletionStage<Void> remove(Controller controller) {
        String name = controller.name();
        CompletableFuture<Void> closing = Commands.elsewhere("vhost-" + name, () -> {
            controller.backend().close();
            return null;
        });
        leaving.add(name);
        return closing.whenCompleteAsync(
                (_, _) -> {
                    leaving.remove(name);
                    controllers.remove(name);
                    controller.device().counters().forEach(controller.disk().earlier::add);
                },
                commands);
    }

    /** Whether a controller uses the disk. */
    boolean isClaimed(Disk disk) {
        return controllers.values().stream().anyMatch(controller -> controller.disk().equals(disk));
    }

    /** Ends all sessions, then closes the disks and the threads. */
    @Override
    public void close() {
        net.close();
        // Side by side: each may wait for its own guest's last requests.
        controllers.values().parallelStream().forEach(controller -> controller.backend().close());
        controllers.clear();
        disks.values().forEach(disk -> disk.bdev.close());
        disks.clear();
        nvme.close();
        loop.close();
        reactors.forEach(Reactor::close);
    }
}
