package io.gatun.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Gatun as its users start it: the script {@code gatun} at the root of the source tree, or the program that the system
 * property {@code gatun.program} names.
 *
 * @param script the program
 */
public record GatunProgram(Path script) implements DiskProgram {
    /** The system property that names another program. */
    public static final String PROPERTY = "gatun.program";

    private static final Duration BUILD_TIMEOUT = Duration.ofMinutes(8);

    /** The program of this source tree, if it is there. */
    public static Optional<GatunProgram> find() {
        String named = System.getProperty(PROPERTY);
        if (named != null && !named.isBlank()) {
            return Optional.of(new GatunProgram(Path.of(named)));
        }
        for (Path folder = Path.of("").toAbsolutePath(); folder != null; folder = folder.getParent()) {
            Path script = folder.resolve("gatun");
            if (Files.isExecutable(script) && Files.isRegularFile(script)) {
                return Optional.of(new GatunProgram(script));
            }
        }
        return Optional.empty();
    }

    /**
     * The program, ready to start: the script builds on first use, which no test wants to wait for.
     *
     * @throws IllegalStateException if there is none
     */
    public static GatunProgram require() {
        return Ready.PROGRAM;
    }

    private static GatunProgram prepare() {
        GatunProgram program = search();
        PeerProcess.output(List.of(program.script.toString(), "--version"), BUILD_TIMEOUT);
        return program;
    }

    private static GatunProgram search() {
        return find().orElseThrow(
                () -> new IllegalStateException("no script gatun above " + Path.of("").toAbsolutePath()));
    }

    /** Prepared once per JVM. */
    private static final class Ready {
        private static final GatunProgram PROGRAM = prepare();
    }

    @Override
    public String name() {
        return "gatun";
    }

    @Override
    public boolean supports(DiskSpec spec) {
        return true;
    }

    @Override
    public boolean offersWriteCache() {
        return true;
    }

    @Override
    public List<String> command(DiskSpec spec, Path image, Path socket) {
        List<String> command = new ArrayList<>(List.of(script.toString(), "serve"));
        // A control socket of its own: other instances may run on this machine.
        command.addAll(List.of("--rpc", socket.resolveSibling("rpc.sock").toString()));
        if (spec.polling()) {
            command.add("--poll");
        }
        String medium =
                switch (spec.medium()) {
                    case MEMORY -> "malloc:disk,size=" + spec.sizeMegabytes() + "M";
                    case FILE -> "file:disk,path=" + image;
                };
        StringBuilder controller = new StringBuilder(socket + ",bdev=disk,queues=" + spec.queues());
        if (spec.readOnly()) {
            controller.append(",readonly=on");
        }
        if (spec.serverConnects()) {
            controller.append(",connect=on");
        }
        command.addAll(List.of("--bdev", medium, "--vhost-blk", controller.toString()));
        return command;
    }
}
