package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/**
 * A guest under verified load whose disk server is killed (SIGKILL) at random moments and started again. The guest must
 * see no error, and no block may be lost or stale. What is timed is when the guest's reads are answered again.
 */
final class RestartScenario {
    private static final Duration STEP = Duration.ofSeconds(90);
    private static final Duration SERVICE = Duration.ofSeconds(30);
    /** A guest whose disk is gone prints its last answers well within this time. */
    private static final long SILENCE_NANOS = 150_000_000;

    private final DiskServer server;
    private final Random random;
    private final List<Outage> outages = new ArrayList<>();

    private RestartScenario(DiskServer server, long seed) {
        this.server = server;
        this.random = new Random(seed);
    }

    /**
     * One time without service, from the start of the new process on; nanoseconds.
     *
     * @param listening its socket listened (0 for a server that connects)
     * @param connected QEMU and the server were connected
     * @param answered the guest had read a block
     */
    record Outage(long listening, long connected, long answered) {
        @Override
        public String toString() {
            return "listening after %4d ms, connected after %4d ms, a read answered after %4d ms"
                    .formatted(listening / 1_000_000, connected / 1_000_000, answered / 1_000_000);
        }
    }

    /** Runs one guest through a number of kills. @throws AssertionError at the first error that the guest sees */
    static List<Outage> run(DiskProgram program, DiskSpec spec, int kills, long seed) {
        System.out.printf("%s (%s): %d kills, seed %d%n", program.name(), spec, kills, seed);
        try (DiskServer server = DiskServer.start(program, spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            RestartScenario scenario = new RestartScenario(server, seed);
            guest.run("load_start vda 2", STEP);
            guest.run("pulse_start vda", STEP);
            for (int kill = 1; kill <= kills; kill++) {
                scenario.killOnce(guest.console());
                System.out.printf("  kill %2d: %s%n", kill, scenario.outages.getLast());
            }
            guest.run("pulse_stop", STEP);
            QemuGuest.StepResult verdict = guest.run("load_stop", STEP);
            assertEquals(2, count(verdict, "LOAD-DONE"), verdict::toString);
            guest.run("kernel_log", STEP);
            guest.powerOff();
            return scenario.outages;
        }
    }

    private void killOnce(LineLog console) {
        // Let the load get going again, then strike anywhere.
        console.await("load", console.size(), line -> line.startsWith("LOAD "), SERVICE);
        LockSupport.parkNanos(random.nextLong(1_000_000_000L));
        server.kill();
        awaitSilence(console);
        LockSupport.parkNanos(random.nextLong(300_000_000L));

        // All that was answered by the old server has been printed: the next answer is the new one's.
        int from = console.size();
        long started = System.nanoTime();
        server.start();
        long listening = server.spec().serverConnects() ? started : System.nanoTime();
        ListeningSockets.awaitConnection(server.socket(), server.process(), SERVICE);
        long connected = System.nanoTime();
        LineLog.Line answer = console.await("service", from, line -> line.startsWith("PULSE n="), SERVICE);
        outages.add(new Outage(listening - started, connected - started, answer.timeNanos() - started));
    }

    private static void awaitSilence(LineLog console) {
        int size;
        do {
            size = console.size();
            LockSupport.parkNanos(SILENCE_NANOS);
        } while (console.size() != size);
    }

    private static long count(QemuGuest.StepResult result, String prefix) {
        return result.lines().stream().filter(line -> line.startsWith(prefix)).count();
    }
}
