package io.gatun.examples;

import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.VhostUserBackend;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Serves a {@link RandomNumberDevice} at a socket until it is interrupted. */
public final class ServeRandomNumbers {
    private ServeRandomNumbers() {}

    /** The one argument is the path of the socket. */
    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length != 1) {
            System.err.println("usage: ServeRandomNumbers SOCKET");
            System.exit(2);
        }
        Path socket = Path.of(arguments[0]);
        ControlLoop loop = ControlLoop.start();
        Reactor reactor = Reactor.start("random-numbers", -1, Reactor.IdlePolicy.ADAPTIVE);
        VhostUserBackend backend = VhostUserBackend.listen(
                loop, socket, new RandomNumberDevice(), List.of(reactor), BackendOptions.DEFAULT);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            backend.close();
            reactor.close();
            loop.close();
        }));
        System.out.println("random numbers at " + socket);
        new CountDownLatch(1).await();
    }
}
