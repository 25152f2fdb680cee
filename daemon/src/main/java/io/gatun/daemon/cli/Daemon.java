package io.gatun.daemon.cli;

import io.gatun.daemon.rpc.JsonRpcServer;
import io.gatun.daemon.target.Settings;
import io.gatun.daemon.target.Target;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A target and its JSON-RPC socket from start to stop.
 *
 * <p>SIGTERM and SIGINT make {@link #run} return: rings finish what is in flight, sockets are removed, and the process
 * ends with 0, since it did what it was told.
 */
final class Daemon {
    private static final Logger LOG = LoggerFactory.getLogger("gatun");
    /** Rings have 20 seconds to drain; then the process ends in any case. */
    private static final int STOP_SECONDS = 30;

    private final Target target;
    private final JsonRpcServer server;

    private Daemon(Target target, JsonRpcServer server) {
        this.target = target;
        this.server = server;
    }

    /**
     * Starts everything.
     *
     * @param prepare makes what is to be there before others may call methods
     */
    static Daemon start(Settings settings, Path rpc, Consumer<Target> prepare) {
        Target target = Target.start(settings);
        try {
            // The socket first: it tells whether another instance is running, before its disks are touched.
            JsonRpcServer server = new JsonRpcServer(rpc, target::call);
            try {
                prepare.accept(target);
                return new Daemon(target, server);
            } catch (RuntimeException e) {
                server.close();
                throw e;
            }
        } catch (RuntimeException e) {
            target.close();
            throw e;
        }
    }

    /** Serves until {@link #stop} or a signal; returns the exit code. */
    int run() {
        CountDownLatch done = new CountDownLatch(1);
        Thread hook = new Thread(() -> onSignal(done), "gatun-stop");
        Runtime.getRuntime().addShutdownHook(hook);
        LOG.info("ready, pid {}, JSON-RPC at {}", ProcessHandle.current().pid(), server.socket());
        try {
            server.run();
        } finally {
            server.close();
            target.close();
            LOG.info("stopped");
            done.countDown();
        }
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException stopping) {
            // The hook is what stopped us.
        }
        return Gatun.OK;
    }

    /** Makes {@link #run} return; from any thread. */
    void stop() {
        server.stop();
    }

    private void onSignal(CountDownLatch done) {
        stop();
        try {
            if (done.await(STOP_SECONDS, TimeUnit.SECONDS)) {
                Runtime.getRuntime().halt(Gatun.OK);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        LOG.error("not stopped within {} seconds", STOP_SECONDS);
        Runtime.getRuntime().halt(Gatun.FAILED);
    }
}
