package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;

/**
 * A guest under verified load whose disk server is killed (SIGKILL) at random moments and started again. The guest must
 * see no error, and no block may be lost or stale. What is timed is when the guest's reads are answered again.
 */
final class RestartScenario {
    private static final Duration STEP = Duration.ofSeconds(90);
    private static final Duration SERVICE = Duration.ofSeconds(30);

    private final DiskServer server;
    private final Random random;
    private long slowestAfterStartNanos;
    private long slowestAfterListeningNanos;

    private RestartScenario(DiskServer server, long seed) {
        this.server = server;
        this.random = new Random(seed);
    }

    /**
     * How long the disk was without service, at worst.
     *
     * @param afterStart from the start of the new process
     * @param afterListening from when its socket listened; the same as {@code afterStart} for a server that connects
     */
    record Outcome(Duration afterStart, Duration afterListening) {}

    /** Runs one guest through a number of kills. @throws AssertionError at the first error that the guest sees */
    static Outcome run(DiskProgram program, DiskSpec spec, int kills, long seed) {
        System.out.printf("%s (%s): %d kills, seed %d%n", program.name(), spec, kills, seed);
        try (DiskServer server = DiskServer.start(program, spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            RestartScenario scenario = new RestartScenario(server, seed);
            guest.run("load_start vda 2", STEP);
            guest.run("pulse_start vda", STEP);
            for (int kill = 1; kill <= kills; kill++) {
                scenario.killOnce(guest, kill);
            }
            guest.run("pulse_stop", STEP);
            QemuGuest.StepResult verdict = guest.run("load_stop", STEP);
            assertEquals(2, count(verdict, "LOAD-DONE"), verdict::toString);
            guest.run("kernel_log", STEP);
            guest.powerOff();
            return new Outcome(
                    Duration.ofNanos(scenario.slowestAfterStartNanos),
                    Duration.ofNanos(scenario.slowestAfterListeningNanos));
        }
    }

    private void killOnce(QemuGuest guest, int number) {
        LineLog console = guest.console();
        // Let the load get going again, then strike anywhere.
        console.await("load", console.size(), line -> line.startsWith("LOAD "), SERVICE);
        LockSupport.parkNanos(random.nextLong(1_000_000_000L));
        server.kill();
        LockSupport.parkNanos(random.nextLong(500_000_000L));

        // A read that was answered before the kill may still be printed: the one after the next needs the new server.
        int before = console.size();
        int awaited = lastPulse(console) + 2;
        long started = System.nanoTime();
        server.start();
        long listening = server.spec().serverConnects() ? started : System.nanoTime();
        LineLog.Line answer = console.await("service after kill " + number, before, reached(awaited), SERVICE);
        long afterStart = answer.timeNanos() - started;
        long afterListening = answer.timeNanos() - listening;
        slowestAfterStartNanos = Math.max(slowestAfterStartNanos, afterStart);
        slowestAfterListeningNanos = Math.max(slowestAfterListeningNanos, afterListening);
        System.out.printf(
                "  kill %2d: service %4d ms after the start, %4d ms after the socket listened%n",
                number, afterStart / 1_000_000, afterListening / 1_000_000);
    }

    private static long count(QemuGuest.StepResult result, String prefix) {
        return result.lines().stream().filter(line -> line.startsWith(prefix)).count();
    }

    private static int lastPulse(LineLog console) {
        return console.from(0).reversed().stream()
                .filter(line -> line.text().startsWith("PULSE n="))
                .findFirst()
                .map(line -> pulse(line.text()))
                .orElse(0);
    }

    private static Predicate<String> reached(int awaited) {
        return line -> line.startsWith("PULSE n=") && pulse(line) >= awaited;
    }

    /** Two writers share the console: a line may have come together with another one. */
    private static int pulse(String line) {
        String digits = line.substring("PULSE n=".length());
        return digits.chars().allMatch(Character::isDigit) && !digits.isEmpty() ? Integer.parseInt(digits) : 0;
    }
}
