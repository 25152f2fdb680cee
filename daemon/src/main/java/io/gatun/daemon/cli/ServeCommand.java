package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.cli.ConfigFile.Call;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.daemon.target.NvmeAccess;
import io.gatun.daemon.target.Settings;
import io.gatun.daemon.target.Target;
import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vhostuser.BackendOptions;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun serve}: the daemon. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        description = "Serves disks and networks at vhost-user sockets until it is told to stop (SIGTERM, Ctrl-C).",
        footer = {
            "",
            "A disk, KIND:NAME,…, is one of",
            "  malloc:NAME,size=SIZE[,block-size=512|4096][,uuid=UUID]",
            "  file:NAME,path=PATH[,direct=on][,block-size=512|4096][,readonly=on][,uuid=UUID]",
            "  null:NAME,size=SIZE[,block-size=512|4096][,uuid=UUID]",
            "  nvme:NAME,traddr=ADDRESS       a drive; its namespaces are the disks NAMEn1, NAMEn2 …",
            "SOCKET,… is",
            "  PATH,bdev=NAME[,queues=N][,readonly=on][,packed=off][,connect=on][,cpumask=MASK][,serial=TEXT]",
            "with 64 queues and packed rings offered unless it says otherwise.",
            "A packet port, KIND:NAME,…, is one of (gatun rpc --list explains the keys of port_KIND_create)",
            "  vhost:NAME,socket=PATH[,connect=on][,queues=N][,packed=off][,in-order=off][,mergeable=off]",
            "        [,offloads=off][,mtu=BYTES][,mac=ADDRESS]",
            "  virtio-user:NAME,socket=PATH[,listen=on][,queues=N][,packed=on][,in-order=on][,mergeable=off]",
            "        [,offloads=on][,queue-size=N][,mtu=BYTES][,mac=ADDRESS][,hugepages=off]",
            "  tap:NAME[,ifname=NAME][,queues=N][,mtu=BYTES][,offloads=off]",
            "  pcap:NAME[,path=FILE][,replay=FILE][,rounds=N][,timing=on][,rate=PACKETS][,snaplen=BYTES]",
            "  null:NAME[,queues=N][,size=BYTES][,rate=PACKETS]",
            "every one with [,cpumask=MASK]. A switch, NAME,…, is",
            "  NAME,ports=PORT+PORT…[,access=PORT:VLAN+…][,trunk=PORT:10/20-29+…][,native=PORT:VLAN+…]",
            "        [,mirror=PORT][,packet-rate=PORT:N+…][,byte-rate=PORT:N+…][,port-macs=PORT:N+…][,mac-limit=N]",
            "        [,ageing=SECONDS]",
            "MODE:PORT,…, what is done without a switch, is one of",
            "  macswap:PORT | icmpecho:PORT | rxonly:PORT | txonly:PORT[,size=64] | io:PORT[+PORT]",
            "A comma within a value is written twice.",
            "",
            "Examples:",
            "  gatun serve --bdev malloc:m0,size=256M --vhost-blk /tmp/m0.sock,bdev=m0",
            "  gatun serve --cores 2,3 --bdev file:d0,path=disk.img,direct=on \\",
            "      --vhost-blk /tmp/d0.sock,bdev=d0,queues=4",
            "  gatun pci bind 0000:00:04.0 && \\",
            "      gatun serve --bdev nvme:nv0,traddr=0000:00:04.0 --vhost-blk /tmp/nv0.sock,bdev=nv0n1",
            "  gatun serve --port vhost:p0,socket=/tmp/p0.sock --port vhost:p1,socket=/tmp/p1.sock \\",
            "      --switch br0,ports=p0+p1",
            "  gatun serve --port vhost:p0,socket=/tmp/p0.sock --loop icmpecho:p0",
            "  qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -numa node,memdev=mem \\",
            "      -chardev socket,id=c0,path=/tmp/d0.sock,reconnect=1 -device vhost-user-blk-pci,chardev=c0 …"
        })
final class ServeCommand implements Callable<Integer> {
    @Option(
            names = "--cores",
            paramLabel = "LIST",
            description = "Processors, one reactor pinned to each: 0,1 or 2-5 (one reactor, not pinned).")
    private String cores;

    @Option(names = "--poll", description = "Reactors never sleep: the lowest latency, all of their cores.")
    private boolean poll;

    @Option(
            names = {"-s", "--rpc"},
            paramLabel = "SOCKET",
            defaultValue = RpcSocket.DEFAULT,
            description = "Where to listen for JSON-RPC (default: ${DEFAULT-VALUE}).")
    private Path rpc;

    @Option(names = "--config", paramLabel = "FILE", description = "Method calls to start with, as save_config prints.")
    private Path config;

    @Option(names = "--bdev", paramLabel = "KIND:NAME,…", description = "Make a disk.")
    private List<String> bdevs = List.of();

    @Option(names = "--vhost-blk", paramLabel = "SOCKET,…", description = "Serve a disk at a vhost-user socket.")
    private List<String> vhostBlks = List.of();

    @Option(names = "--port", paramLabel = "KIND:NAME,…", description = "Make a packet port.")
    private List<String> ports = List.of();

    @Option(names = "--switch", paramLabel = "NAME,…", description = "Connect packet ports by a learning switch.")
    private List<String> switches = List.of();

    @Option(names = "--loop", paramLabel = "MODE:PORT,…", description = "Do with a port's packets as testpmd does.")
    private List<String> loops = List.of();

    @Option(
            names = "--vhost-dir",
            paramLabel = "DIR",
            defaultValue = "",
            description = "Where sockets go whose path is relative (the working directory).")
    private Path vhostDirectory;

    @Option(
            names = "--metrics",
            paramLabel = "[HOST:]PORT",
            description = "Answer Prometheus at http://HOST:PORT/metrics (HOST: 127.0.0.1).")
    private String metrics;

    @Option(
            names = "--require-sealed-memory",
            description = "Refuse guest memory that the front-end could shrink under us.")
    private boolean requireSealedMemory;

    @Option(names = "--wait-for-rpc", description = "Serve nothing before the method framework_start_init is called.")
    private boolean waitForRpc;

    @Mixin
    private LogLevel logLevel;

    /**
     * Understands a plain {@code serve} command line without picocli, which takes a noticeable part of the time that a
     * restart has. Returns {@code null} for everything else, such as {@code --help} and mistakes, so that picocli
     * explains; a test holds the two together.
     */
    static ServeCommand parse(String... arguments) {
        ServeCommand serve = new ServeCommand();
        serve.rpc = Path.of(RpcSocket.DEFAULT);
        serve.vhostDirectory = Path.of("");
        serve.bdevs = new ArrayList<>();
        serve.vhostBlks = new ArrayList<>();
        serve.ports = new ArrayList<>();
        serve.switches = new ArrayList<>();
        serve.loops = new ArrayList<>();
        serve.logLevel = new LogLevel();
        for (int i = 1; i < arguments.length; i++) {
            boolean known = serve.set(arguments[i]);
            if (!known && i + 1 < arguments.length && !arguments[i + 1].startsWith("-")) {
                known = serve.set(arguments[i], arguments[i + 1]);
                i++;
            }
            if (!known) {
                return null;
            }
        }
        return serve;
    }

    private boolean set(String option) {
        switch (option) {
            case "--poll" -> poll = true;
            case "--require-sealed-memory" -> requireSealedMemory = true;
            case "--wait-for-rpc" -> waitForRpc = true;
            default -> {
                return false;
            }
        }
        return true;
    }

    private boolean set(String option, String value) {
        switch (option) {
            case "--cores" -> cores = value;
            case "-s", "--rpc" -> rpc = Path.of(value);
            case "--config" -> config = Path.of(value);
            case "--bdev" -> bdevs.add(value);
            case "--vhost-blk" -> vhostBlks.add(value);
            case "--port" -> ports.add(value);
            case "--switch" -> switches.add(value);
            case "--loop" -> loops.add(value);
            case "--metrics" -> metrics = value;
            case "--vhost-dir" -> vhostDirectory = Path.of(value);
            case "--log-level" -> {
                return logLevel.set(value);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    @Override
    public Integer call() {
        return start().run();
    }

    /** Starts all that the options say. */
    Daemon start() {
        return start(NvmeAccess::ofMachine);
    }

    /** As {@link #start()}, with drives that are reached in another way. */
    Daemon start(Supplier<NvmeAccess> drives) {
        logLevel.apply();
        // Everything that can be refused is, before anything is started.
        Settings settings = new Settings(
                CoreList.parse("--cores", cores),
                poll ? IdlePolicy.POLL : IdlePolicy.ADAPTIVE,
                BackendOptions.DEFAULT.withRequireSealedMemory(requireSealedMemory),
                vhostDirectory.toAbsolutePath());
        List<Start> calls = calls();
        if (waitForRpc && !calls.isEmpty()) {
            throw new UsageException("--wait-for-rpc: expected without --config and options that make something,"
                    + " which are calls that have to wait as well; make them by gatun rpc");
        }
        InetSocketAddress metricsAddress = metrics == null ? null : MetricsAddress.parse(metrics);
        return Daemon.start(settings, drives.get(), rpc, metricsAddress, target -> {
            if (!waitForRpc) {
                target.finishStart();
            }
            calls.forEach(call -> call.run(target));
        });
    }

    /** How a method begins its answer to what could not have been meant; all else was tried and failed. */
    private static final List<String> MISTAKES = List.of(
            "Invalid parameters", "Invalid argument", "No such device: no bdev", "No such device: no port");

    /** A call, and where it was asked for. */
    private record Start(String origin, Call call) {
        void run(Target target) {
            try {
                JsonNode _ = target.await(target.call(call.method(), call.params()));
            } catch (RpcException e) {
                throw refused(e);
            } catch (CompletionException e) {
                throw e.getCause() instanceof RpcException told ? refused(told) : e;
            }
        }

        private RuntimeException refused(RpcException e) {
            String what = origin + ": " + (origin.startsWith("--config") ? call.method() + ": " : "") + e.getMessage();
            boolean wrong = e.code() == RpcException.METHOD_NOT_FOUND
                    || MISTAKES.stream().anyMatch(e.getMessage()::startsWith);
            return wrong ? new UsageException(what) : new RpcException(e.code(), what);
        }
    }

    private List<Start> calls() {
        List<Start> calls = new ArrayList<>();
        if (config != null) {
            byte[] text;
            try {
                text = Files.readAllBytes(config);
            } catch (IOException e) {
                throw new UsageException("--config " + config + ": cannot be read (" + e.getClass().getSimpleName()
                        + "): expected a file that save_config printed");
            }
            String origin = "--config " + config;
            ConfigFile.parse(origin, text).forEach(call -> calls.add(new Start(origin, call)));
        }
        bdevs.forEach(given -> calls.add(new Start("--bdev " + given, DeviceOption.bdev(given))));
        vhostBlks.forEach(given -> calls.add(new Start("--vhost-blk " + given, DeviceOption.vhostBlk(given))));
        ports.forEach(given -> calls.add(new Start("--port " + given, NetOption.port(given))));
        switches.forEach(given -> calls.add(new Start("--switch " + given, NetOption.bridge(given))));
        loops.forEach(given -> calls.add(new Start("--loop " + given, NetOption.loop(given))));
        return calls;
    }
}
