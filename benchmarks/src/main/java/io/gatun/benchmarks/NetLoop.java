package io.gatun.benchmarks;

import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.loop.Io;
import io.gatun.pmd.loop.Macswap;
import io.gatun.pmd.loop.RxOnly;
import io.gatun.pmd.loop.TxOnly;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** A server of vhost ports with one loop, on one polling reactor: what {@link CompareNet} measures. */
public final class NetLoop {
    private NetLoop() {}

    /** Arguments: the loop's kind, the core, the packets' size in bytes where the loop makes them, and the sockets. */
    public static void main(String[] arguments) throws InterruptedException {
        ControlLoop control = ControlLoop.start();
        int core = Integer.parseInt(arguments[1]);
        int size = Integer.parseInt(arguments[2]);
        List<Reactor> reactors = List.of(Reactor.start("net", core, Reactor.IdlePolicy.POLL));
        List<Port> ports = new ArrayList<>();
        for (int i = 3; i < arguments.length; i++) {
            Path socket = Path.of(arguments[i]);
            ports.add(VhostPort.listen("p" + (i - 3), control, socket, VhostPortOptions.DEFAULTS, reactors));
        }
        Port first = ports.getFirst();
        switch (arguments[0]) {
            case "rxonly" -> first.forwardTo(new RxOnly());
            case "txonly" -> TxOnly.start(first, size);
            case "macswap" -> first.forwardTo(new Macswap(first));
            case "io" -> {
                Forwarder io = new Io(first, ports.get(1));
                first.forwardTo(io);
                ports.get(1).forwardTo(io);
            }
            default -> throw new IllegalArgumentException("no loop " + arguments[0]);
        }
        new CountDownLatch(1).await();
    }
}
