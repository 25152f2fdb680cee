package io.gatun.examples;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Connects two guests: what one sends, the other receives, copied once. */
public final class CrossoverCable implements Forwarder {
    private final Port left;
    private final Port right;

    private CrossoverCable(Port left, Port right) {
        this.left = left;
        this.right = right;
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        Port to = from.port().equals(left) ? right : left;
        to.txQueues().get(from.index()).send(burst);
    }

    /** The arguments are two socket paths and, if the reactor shall be pinned, the number of a core. */
    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length < 2) {
            System.err.println("usage: CrossoverCable SOCKET SOCKET [CORE]");
            System.exit(2);
        }
        ControlLoop loop = ControlLoop.start();
        int core = arguments.length > 2 ? Integer.parseInt(arguments[2]) : -1;
        List<Reactor> reactors = List.of(Reactor.start("cable", core, Reactor.IdlePolicy.ADAPTIVE));
        VhostPort left =
                VhostPort.listen("left", loop, Path.of(arguments[0]), VhostPortOptions.DEFAULTS, reactors);
        VhostPort right =
                VhostPort.listen("right", loop, Path.of(arguments[1]), VhostPortOptions.DEFAULTS, reactors);
        CrossoverCable cable = new CrossoverCable(left, right);
        left.forwardTo(cable);
        right.forwardTo(cable);
        new CountDownLatch(1).await();
    }
}
