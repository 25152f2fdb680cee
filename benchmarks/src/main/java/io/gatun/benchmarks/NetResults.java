package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * The pairs that were measured of each cell, in packets a second. Where there is a file, each pair is a line of it as
 * soon as it is measured, and earlier runs' pairs count like this one's: a table may be made piece by piece.
 */
final class NetResults {
    private static final String HEADER = "time,direction,ring,bytes,peer_pps,gatun_pps";
    private static final String PEER = "net_vhost";

    private final Path file;
    private final Map<NetCell, Series> cells = new TreeMap<>();

    /** Reads what is in {@code file}, which need not exist and may be null. @throws IOException if it is another's */
    NetResults(Path file) throws IOException {
        this.file = file;
        if (file == null || !Files.exists(file)) {
            return;
        }
        List<String> lines = Files.readAllLines(file);
        if (lines.isEmpty() || !lines.getFirst().equals(HEADER)) {
            throw new IOException(file + " is not a table of compare-net: its first line is not " + HEADER);
        }
        for (String line : lines.subList(1, lines.size())) {
            try {
                String[] fields = line.split(",", -1);
                NetCell.Direction direction = NetCell.Direction.of(fields[1]);
                note(
                        new NetCell(fields[2], direction, Integer.parseInt(fields[3])),
                        Double.parseDouble(fields[4]),
                        Double.parseDouble(fields[5]));
            } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
                throw new IOException(file + ": not a pair of runs: " + line, e);
            }
        }
    }

    /** Adds a pair, to the file as well. */
    void add(NetCell cell, double peer, double gatun) throws IOException {
        note(cell, peer, gatun);
        if (file != null) {
            String start = Files.exists(file) ? "" : HEADER + "\n";
            String line = String.format(
                    Locale.ROOT,
                    "%s,%s,%s,%d,%.0f,%.0f%n",
                    Instant.now().truncatedTo(ChronoUnit.SECONDS),
                    cell.direction().text,
                    cell.ring(),
                    cell.sizeBytes(),
                    peer,
                    gatun);
            Files.writeString(file, start + line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private void note(NetCell cell, double peer, double gatun) {
        Series series = cells.computeIfAbsent(
                cell,
                key -> new Series(
                        key.name(), PEER, key.direction().target, new ArrayList<>(), new ArrayList<>(), List.of()));
        series.peer().add(peer);
        series.gatun().add(gatun);
    }

    /** The cells of which there is a pair, in the order of the table. */
    List<Series> rows() {
        return List.copyOf(cells.values());
    }
}
