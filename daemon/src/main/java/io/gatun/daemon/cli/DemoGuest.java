package io.gatun.daemon.cli;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A Linux guest of the demo, driven by its serial console: it says what it does, and ends within two minutes. */
final class DemoGuest implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 120;

    private final String name;
    private final PrintWriter out;
    private final Process process;
    private final BufferedReader console;
    private final Writer keyboard;
    private final Thread watchdog;

    /** Starts a guest with a command of {@link DemoLab}. */
    DemoGuest(String name, List<String> command, PrintWriter out) throws IOException {
        this.name = name;
        this.out = out;
        process = new ProcessBuilder(command).redirectErrorStream(true).start();
        console = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        keyboard = new BufferedWriter(new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8));
        watchdog = Thread.ofPlatform().daemon().start(this::endInTime);
    }

    /** Shows what the guest says until a line begins with {@code good}; false if it ended before, or failed a step. */
    boolean await(String good) throws IOException {
        String line = console.readLine();
        while (line != null) {
            out.println("  " + name + ": " + line);
            out.flush();
            if (line.startsWith(good)) {
                return true;
            }
            if (line.startsWith("STEP-FAIL")) {
                return false;
            }
            line = console.readLine();
        }
        return false;
    }

    /** Has a step done, such as {@code ping 10.0.0.2 20}; false if the guest failed at it. */
    boolean run(String step) throws IOException {
        keyboard.write(step + "\n");
        keyboard.flush();
        return await("STEP-OK " + step.split(" ", 2)[0]);
    }

    @Override
    public void close() {
        process.destroyForcibly();
        watchdog.interrupt();
    }

    private void endInTime() {
        try {
            boolean ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (!ended) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
