package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * A machine without a system: QEMU with NVMe controllers and a processor that halts at once. The test is its processor
 * ({@link QtestFunction}) and shares its memory, a file whose offsets are the addresses that the controllers use for
 * DMA: what a driver in an ordinary process needs of a real drive, without hardware, root or a guest.
 *
 * <p><b>Thread-safety:</b> all methods may be called from any thread.
 */
public final class QtestMachine implements AutoCloseable {
    /** The device slots from here on are free. */
    private static final int FIRST_SLOT = 4;
    /** Between the end of memory and the interrupt controllers. */
    private static final long FIRST_BAR = 0xe800_0000L;

    private static final long BAR_STRIDE = 1 << 20;
    /** Slots to eject, a bit each (QEMU, docs/specs/acpi_pci_hotplug.txt). */
    private static final int HOT_PLUG_EJECT = 0xae08;

    private static final String QTEST_SOCKET = "qtest.sock";
    private static final String QMP_SOCKET = "qmp.sock";
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final long STEP_NANOS = 1_000_000;

    /** Of a machine that another process has started these are null. */
    private final Lab.Workspace workspace;

    private final PeerProcess process;
    private final QmpClient qmp;

    private final Path folder;
    private final QtestClient client;
    private final List<NvmeModel> models;
    private final List<QtestFunction> functions = new ArrayList<>();

    private QtestMachine(Lab.Workspace workspace, PeerProcess process, List<NvmeModel> models) {
        this.workspace = workspace;
        this.process = process;
        this.models = models;
        folder = workspace.folder();
        ListeningSockets.await(folder.resolve(QTEST_SOCKET), process, PATIENCE);
        client = QtestClient.connect(folder.resolve(QTEST_SOCKET));
        qmp = QmpClient.connect(folder.resolve(QMP_SOCKET));
        setUp(models.size());
    }

    private QtestMachine(Path folder, int controllers) {
        this.folder = folder;
        workspace = null;
        process = null;
        qmp = null;
        models = List.of();
        client = QtestClient.connect(folder.resolve(QTEST_SOCKET));
        setUp(controllers);
    }

    private void setUp(int controllers) {
        for (int i = 0; i < controllers; i++) {
            functions.add(QtestFunction.setUp(client, FIRST_SLOT + i, FIRST_BAR + i * BAR_STRIDE));
        }
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * The controllers and the memory, no more, of a machine that another process has started and {@link #lend lends}.
     * That goes on when this process ends, in whatever way.
     */
    public static QtestMachine join(Path folder, int controllers) {
        return new QtestMachine(folder, controllers);
    }

    /** Leaves the controllers to another process, which joins by {@link #folder}, until {@link #takeBack}. */
    public void lend() {
        client.disconnect();
    }

    /** Has the controllers again, as the other process left them, which has ended. */
    public void takeBack() {
        client.reconnect();
    }

    /** Where the machine's files are. */
    public Path folder() {
        return folder;
    }

    /** The controller that was added with this number, from 0. */
    public QtestFunction controller(int number) {
        return functions.get(number);
    }

    /** The machine's memory: a file to map shared. An offset in it is an address for DMA. */
    public Path memory() {
        return folder.resolve("memory");
    }

    /** The image of a namespace, which are numbered from 1. */
    public Path image(int controller, int namespace) {
        return folder.resolve(models.get(controller).serial() + "n" + namespace + ".img");
    }

    /** The monitor. */
    public QmpClient qmp() {
        return qmp;
    }

    public PeerProcess process() {
        return process;
    }

    /**
     * Freezes the controllers, as if their firmware hung: what is in flight stays in flight, registers are read as they
     * are and keep what is written, and nothing comes of it until {@link #thaw}. (QMP's {@code stop} does not do this:
     * the model of a controller goes on without the machine's clock.) The monitor does not answer meanwhile.
     */
    public void freeze() {
        synchronized (client) {
            client.flush();
            functions.forEach(QtestFunction::freeze);
            process.suspend();
        }
    }

    /** Ends {@link #freeze}: the controllers go on where they were, and see what was written meanwhile. */
    public void thaw() {
        synchronized (client) {
            process.resume();
            functions.forEach(QtestFunction::thaw);
        }
    }

    /** Pulls a controller out, without asking its driver; returns when it has gone. */
    public void remove(int number) {
        qmp.execute("device_del", Map.of("id", models.get(number).serial()));
        client.outInt(HOT_PLUG_EJECT, 1 << (FIRST_SLOT + number));
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!controller(number).gone()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the controller is still there after " + PATIENCE + "\n" + process.tail());
            }
            LockSupport.parkNanos(STEP_NANOS);
        }
    }

    /** Plugs a {@linkplain NvmeModel#pluggable pluggable} controller in again, and places its registers as before. */
    public void plug(int number) {
        Map<String, String> device = new HashMap<>(models.get(number).device(place(number)));
        device.put("driver", "nvme");
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        synchronized (client) {
            while (true) {
                try {
                    qmp.execute("device_add", device);
                    break;
                } catch (AssertionError stillInUse) {
                    // The device that was there lets go of its medium a moment after it has left the bus.
                    if (System.nanoTime() > deadline) {
                        throw stillInUse;
                    }
                    LockSupport.parkNanos(STEP_NANOS);
                }
            }
            controller(number).place();
        }
    }

    private static String place(int number) {
        return "addr=%x.0".formatted(FIRST_SLOT + number);
    }

    @Override
    public void close() {
        client.close();
        if (workspace != null) {
            qmp.close();
            process.close();
            workspace.close();
        }
    }

    /** Collects what a machine is made of. */
    public static final class Builder {
        private static final int BIOS_BYTES = 1 << 16;
        /** A processor starts 16 bytes before the end: cli; hlt; jmp to the hlt. */
        private static final byte[] HALT = {(byte) 0xfa, (byte) 0xf4, (byte) 0xeb, (byte) 0xfd};

        private final List<NvmeModel> models = new ArrayList<>();
        private final List<String> extraArguments = new ArrayList<>();
        private int memoryMegabytes = 64;
        private Duration lifetime = PeerProcess.DEFAULT_LIFETIME;

        private Builder() {}

        /** Adds a controller. */
        public Builder controller(NvmeModel model) {
            models.add(model);
            return this;
        }

        /** Further arguments of QEMU, before the controllers. */
        public Builder arguments(String... arguments) {
            extraArguments.addAll(List.of(arguments));
            return this;
        }

        public Builder memoryMegabytes(int size) {
            memoryMegabytes = size;
            return this;
        }

        /** QEMU is killed when it has run this long; who waits for its answer then gets an exception. */
        public Builder lifetime(Duration limit) {
            lifetime = limit;
            return this;
        }

        public QtestMachine start() {
            Lab.Workspace workspace = Lab.workspace();
            PeerProcess process = null;
            try {
                process = PeerProcess.start("qemu", command(workspace), Map.of(), workspace.folder(), lifetime);
                return new QtestMachine(workspace, process, List.copyOf(models));
            } catch (Throwable t) {
                if (process != null) {
                    process.close();
                }
                workspace.close();
                throw t;
            }
        }

        private List<String> command(Lab.Workspace workspace) {
            Path bios = workspace.path("bios");
            byte[] code = new byte[BIOS_BYTES];
            System.arraycopy(HALT, 0, code, BIOS_BYTES - 16, HALT.length);
            try {
                Files.write(bios, code);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            // The older of QEMU's two machines: devices on its root bus can be pulled out.
            List<String> command = new ArrayList<>(List.of(
                    Peer.QEMU.path().toString(),
                    "-machine", "pc,memory-backend=memory,usb=off",
                    "-accel", "tcg",
                    "-bios", bios.toString(),
                    "-object", "memory-backend-file,id=memory,share=on,size=" + memoryMegabytes + "M,mem-path="
                            + workspace.path("memory"),
                    "-m", Integer.toString(memoryMegabytes),
                    "-nodefaults", "-no-user-config",
                    "-display", "none",
                    "-qtest", "unix:" + workspace.path(QTEST_SOCKET) + ",server=on,wait=off",
                    "-qtest-log", "none",
                    "-qmp", "unix:" + workspace.path(QMP_SOCKET) + ",server=on,wait=off"));
            command.addAll(extraArguments);
            for (int i = 0; i < models.size(); i++) {
                command.addAll(models.get(i).arguments(place(i), workspace.folder()));
            }
            return command;
        }
    }
}
