package io.gatun.benchmarks;

import java.util.Locale;

/** How operations a second are written: three digits and a unit. */
final class Rate {
    private Rate() {}

    static String text(double perSecond) {
        if (perSecond >= 1e6) {
            return String.format(Locale.ROOT, "%.2f M/s", perSecond / 1e6);
        }
        return String.format(Locale.ROOT, "%.1f k/s", perSecond / 1e3);
    }
}
