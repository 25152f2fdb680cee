package io.gatun.benchmarks;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** The one client of a network comparison: DPDK's testpmd with {@code net_virtio_user} ports, on one core. */
final class TestpmdClient {
    private static final int MBUFS = 8192;
    private static final int EXIT_SECONDS = 20;
    private static final String SHOW = "show port stats all\n";

    /** So many bursts of 32 packets go round from each port: a little less than its ring holds, and none is lost. */
    private static final int RETURNED_BURSTS = 7;

    private TestpmdClient() {}

    /** The command line as far as every testpmd has it, all of its threads on {@code core}. */
    static List<String> onCore(Path testpmd, int core) {
        return new ArrayList<>(List.of(
                testpmd.toString(), "--lcores", "0@" + core + ",1@" + core, "--no-pci", "--no-telemetry"));
    }

    /** The application's half of the command line: forwards at once, and takes commands. */
    static List<String> forward(String mode, NetCell cell) {
        List<String> options = new ArrayList<>(waiting(mode, cell));
        options.add("-a");
        return options;
    }

    /** The same, forwarding only when it is told to. */
    private static List<String> waiting(String mode, NetCell cell) {
        return List.of(
                "--",
                "-i",
                "--nb-cores=1",
                "--total-num-mbufs=" + MBUFS,
                "--txpkts=" + cell.packetBytes(mode),
                "--forward-mode=" + mode);
    }

    private static String mac(int port) {
        return "52:54:00:00:00:0" + port;
    }

    /**
     * Runs the client's half of a cell against a server and returns packets a second, as testpmd counts them between
     * two looks: sent packets where the client is the source, received ones otherwise, of all ports together.
     */
    static double measure(Path testpmd, int core, NetCell cell, ServerProcess server, int warmUp, int seconds, Path log)
            throws IOException, InterruptedException {
        List<String> command = onCore(testpmd, core);
        // Memory that can be shared: one file of huge pages.
        command.addAll(List.of("-m", "128", "--in-memory", "--single-file-segments"));
        int ports = server.sockets().size();
        for (int i = 0; i < ports; i++) {
            command.add("--vdev");
            command.add("net_virtio_user" + i + ",path=" + server.sockets().get(i) + ",mac=" + mac(i) + ","
                    + cell.devargs());
        }
        boolean returned = cell.direction().isReturned();
        if (returned) {
            command.addAll(waiting(cell.direction().client, cell));
            for (int i = 0; i < ports; i++) {
                command.add("--eth-peer=" + i + "," + mac(ports - 1 - i));
            }
        } else {
            command.addAll(forward(cell.direction().client, cell));
        }
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try (Writer commands = process.outputWriter()) {
            if (returned) {
                TimeUnit.SECONDS.sleep(1);
                commands.append("start tx_first " + RETURNED_BURSTS + "\n").flush();
            }
            TimeUnit.SECONDS.sleep(warmUp);
            commands.append(SHOW).flush();
            TimeUnit.SECONDS.sleep(seconds);
            commands.append(SHOW).append("quit\n").flush();
            if (!process.waitFor(EXIT_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException("testpmd does not end; see " + log);
            }
        } finally {
            process.destroyForcibly();
        }
        return rate(Files.readString(log), cell, log);
    }

    private static double rate(String output, NetCell cell, Path log) throws IOException {
        String counter = cell.direction() == NetCell.Direction.GUEST_TO_HOST ? "Tx-pps" : "Rx-pps";
        List<Double> rates = Pattern.compile(counter + ":\\s+(\\d+)")
                .matcher(output)
                .results()
                .map(result -> Double.parseDouble(result.group(1)))
                .toList();
        int ports = cell.direction().ports();
        if (rates.size() != 2 * ports) {
            throw new IOException("testpmd did not report its rates; see " + log);
        }
        return rates.subList(ports, 2 * ports).stream().mapToDouble(Double::doubleValue).sum();
    }
}
