package io.gatun.benchmarks;

import java.util.List;
import java.util.Locale;

/** Draws a comparison as SVG: for each row the peer's and Gatun's median, and the ratio. */
final class BarChart {
    private static final int WIDTH = 760;
    private static final int LABEL_WIDTH = 230;
    private static final int BAR_WIDTH = 400;
    private static final int BAR_HEIGHT = 16;
    private static final int ROW_HEIGHT = 52;
    private static final int TOP = 56;

    private BarChart() {}

    /** Each row has its own scale, since a row compares two servers and rows differ by orders of magnitude. */
    static String draw(String title, String unit, List<Series> rows) {
        int height = TOP + ROW_HEIGHT * rows.size() + 12;
        StringBuilder svg = new StringBuilder(4096);
        svg.append(String.format(Locale.ROOT,
                """
                <svg xmlns='http://www.w3.org/2000/svg' width='%1$d' height='%2$d' viewBox='0 0 %1$d %2$d' \
                font-family='sans-serif' font-size='13'>
                <rect width='100%%' height='100%%' fill='white'/>
                <text x='12' y='24' font-size='16' font-weight='bold'>%3$s</text>
                <text x='12' y='43' fill='#555'>median of alternating runs, %4$s; each row has its own scale</text>
                """,
                WIDTH, height, title, unit));
        for (int i = 0; i < rows.size(); i++) {
            row(svg, rows.get(i), TOP + i * ROW_HEIGHT);
        }
        return svg.append("</svg>\n").toString();
    }

    private static void row(StringBuilder svg, Series row, int y) {
        double scale = BAR_WIDTH / Math.max(row.medianPeer(), row.medianGatun());
        svg.append(String.format(Locale.ROOT,
                """
                <text x='12' y='%d' font-weight='bold'>%s</text>
                <text x='12' y='%d' fill='#555'>%.2f × the peer</text>
                """,
                y + 14, row.name(), y + 32, row.medianRatio()));
        bar(svg, y, row.medianPeer() * scale, "#9aa5b1", row.peerName(), row.medianPeer());
        bar(svg, y + BAR_HEIGHT + 3, row.medianGatun() * scale, "#1f77b4", "Gatun", row.medianGatun());
    }

    private static void bar(StringBuilder svg, int y, double length, String colour, String name, double value) {
        double end = LABEL_WIDTH + length + 5;
        String rate = Rate.text(value);
        svg.append(String.format(
                Locale.ROOT,
                """
                <rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/>
                <text x='%.1f' y='%d' font-size='11'>%s %s</text>
                """,
                LABEL_WIDTH, y + 2, length, BAR_HEIGHT, colour, end, y + 14, name, rate));
    }
}
