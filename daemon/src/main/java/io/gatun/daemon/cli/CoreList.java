package io.gatun.daemon.cli;

import io.gatun.linux.Scheduling;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** {@code --cores}: numbers and ranges of processors, such as {@code 0,1} or {@code 2-5}. */
final class CoreList {
    private CoreList() {}

    /** The processors in the order given, none for {@code null}; throws {@link UsageException}. */
    static List<Integer> parse(String text) {
        if (text == null) {
            return List.of();
        }
        BitSet allowed = Scheduling.allowedCpus();
        List<Integer> cores = new ArrayList<>();
        for (String range : text.split(",", -1)) {
            int dash = range.indexOf('-');
            int first = number(text, dash < 0 ? range : range.substring(0, dash));
            int last = dash < 0 ? first : number(text, range.substring(dash + 1));
            for (int core = first; core <= last; core++) {
                if (!allowed.get(core)) {
                    throw wrong(text, "processor " + core + " is not there; expected some of " + allowed);
                }
                if (cores.contains(core)) {
                    throw wrong(text, "processor " + core + " is named twice");
                }
                cores.add(core);
            }
            if (last < first) {
                throw wrong(text, range + " is empty; expected a list such as 0,1 or 2-5");
            }
        }
        return cores;
    }

    private static int number(String text, String digits) {
        try {
            int number = Integer.parseInt(digits);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw wrong(text, "expected a list such as 0,1 or 2-5");
    }

    private static UsageException wrong(String text, String why) {
        return new UsageException("--cores " + text + ": " + why);
    }
}
