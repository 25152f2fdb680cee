package io.gatun.daemon.cli;

import io.gatun.daemon.metrics.MetricsServer;
import io.gatun.daemon.rpc.JsonRpcServer;
import io.gatun.daemon.target.Metrics;
import io.gatun.daemon.target.NvmeAccess;
import io.gatun.daemon.target.Settings;
import io.gatun.daemon.target.Target;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A target and its JSON-RPC socket from start to stop.
 *
 * <p>SIGTERM and SIGINT end {@link #run}: rings finish what is in flight, sockets are removed, and the process
 * ends with 0, since it did what it was told.
 */
final class Daemon {
    private static final Logger LOG = LoggerFactory.getLogger("gatun");
    /** Rings have 20 seconds to drain; then the process ends in any case. */
    private static final int STOP_SECONDS = 30;

    private final Target target;
    private final JsonRpcServer server;

    private final MetricsServer metrics;

    private Daemon(Target target, JsonRpcServer server, InetSocketAddress metricsAddress) {
        this.target = target;
        this.server = server;
        this.metrics = metricsAddress == null ? null : startMetrics(metricsAddress);
    }

    /**
     * Starts everything.
     *
     * @param drives closed by the daemon
     * @param metrics where to answer Prometheus, or null
     * @param prepare makes what is to be there before others may call methods
     */
    static Daemon start(
            Settings settings, NvmeAccess drives, Path rpc, InetSocketAddress metrics, Consumer<Target> prepare) {
        Target target = Target.start(settings, drives);
        try {
            // The socket first: it tells whether another instance is running, before its disks are touched.
            JsonRpcServer server = new JsonRpcServer(rpc, target::call);
            try {
                prepare.accept(target);
                target.serveBy(server);
                return new Daemon(target, server, metrics);
            } catch (RuntimeException e) {
                server.close();
                throw e;
            }
        } catch (RuntimeException e) {
            target.close();
            throw e;
        }
    }

    /** Serves until {@link #stop}, and closes everything. */
    void serve() {
        try {
            server.run();
        } finally {
            if (metrics != null) {
                metrics.close();
            }
            server.close();
            target.close();
        }
    }

    /** Serves until {@link #stop} or a signal; returns the exit code. */
    int run() {
        CountDownLatch done = new CountDownLatch(1);
        Thread hook = new Thread(() -> onSignal(done), "gatun-stop");
        Runtime.getRuntime().addShutdownHook(hook);
        LOG.info("ready, pid {}, JSON-RPC at {}", ProcessHandle.current().pid(), server.socket());
        try {
            serve();
            LOG.info("stopped");
        } finally {
            done.countDown();
        }
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException stopping) {
            // The hook is what stopped us.
        }
        return Gatun.OK;
    }

    private MetricsServer startMetrics(InetSocketAddress address) {
        try {
            return MetricsServer.start(
                    address, () -> CompletableFuture.supplyAsync(() -> Metrics.snapshot(target), server));
        } catch (IOException e) {
            int errno = e instanceof BindException ? Errno.EADDRINUSE : Errno.EIO;
            throw new LinuxException("--metrics: listen at " + address, errno, "choose another address");
        }
    }

    /** Where metrics are, or null. */
    InetSocketAddress metricsAddress() {
        return metrics == null ? null : metrics.address();
    }

    /** Makes {@link #serve} return; from any thread. */
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
