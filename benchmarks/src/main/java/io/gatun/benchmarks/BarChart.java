package io.gatun.benchmarks;

import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Draws a comparison as SVG: for each row the peer's and Gatun's median, and the ratio. */
final class BarChart {
    private static final int MARGIN = 12;
    private static final int BAR_WIDTH = 400;
    private static final int BAR_HEIGHT = 16;
    private static final int ROW_HEIGHT = 52;
    private static final int TOP = 56;

    /** Beside the longest bar: a server's name and its rate. */
    private static final int VALUE_WIDTH = 190;

    /** Of bold text; a sans-serif letter is narrower on the average. */
    private static final double LETTER_WIDTH = 7.4;

    private final StringBuilder svg = new StringBuilder(4096);
    private final int barX;

    private BarChart(List<Series> rows) {
        int longest = rows.stream().flatMapToInt(row -> IntStream.of(
                row.name().length(), verdict(row).length())).max().orElse(0);
        barX = MARGIN + (int) (longest * LETTER_WIDTH) + MARGIN;
    }

    /** Each row has its own scale, since a row compares two servers and rows differ by orders of magnitude. */
    static String draw(String title, String unit, List<Series> rows) {
        return new BarChart(rows).drawAll(title, unit, rows);
    }

    private String drawAll(String title, String unit, List<Series> rows) {
        int width = barX + BAR_WIDTH + VALUE_WIDTH;
        int height = TOP + ROW_HEIGHT * rows.size() + MARGIN;
        svg.append(String.format(Locale.ROOT,
                """
                <svg xmlns='http://www.w3.org/2000/svg' width='%1$d' height='%2$d' viewBox='0 0 %1$d %2$d' \
                font-family='sans-serif' font-size='13'>
                <rect width='100%%' height='100%%' fill='white'/>
                <text x='12' y='24' font-size='16' font-weight='bold'>%3$s</text>
                <text x='12' y='43' fill='#555'>median of alternating runs, %4$s; each row has its own scale</text>
                """,
                width, height, title, unit));
        for (int i = 0; i < rows.size(); i++) {
            row(rows.get(i), TOP + i * ROW_HEIGHT);
        }
        return svg.append("</svg>\n").toString();
    }

    private static String verdict(Series row) {
        return String.format(
                Locale.ROOT,
                "%.2f × the peer, best %.2f ×, %d pair%s",
                row.medianRatio(),
                row.bestRatio(),
                row.peer().size(),
                row.peer().size() == 1 ? "" : "s");
    }

    private void row(Series row, int y) {
        double scale = BAR_WIDTH / Math.max(row.medianPeer(), row.medianGatun());
        svg.append(String.format(Locale.ROOT,
                """
                <text x='12' y='%d' font-weight='bold'>%s</text>
                <text x='12' y='%d' fill='#555'>%s</text>
                """,
                y + 14, row.name(), y + 32, verdict(row)));
        bar(y, row.medianPeer() * scale, "#9aa5b1", row.peerName(), row.medianPeer());
        bar(y + BAR_HEIGHT + 3, row.medianGatun() * scale, "#1f77b4", "Gatun", row.medianGatun());
    }

    private void bar(int y, double length, String colour, String name, double value) {
        double end = barX + length + 5;
        svg.append(String.format(
                Locale.ROOT,
                """
                <rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/>
                <text x='%.1f' y='%d' font-size='11'>%s %s</text>
                """,
                barX, y + 2, length, BAR_HEIGHT, colour, end, y + 14, name, Rate.text(value)));
    }
}
