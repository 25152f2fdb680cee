package io.gatun.daemon.cli;

import io.gatun.linux.Scheduling;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** {@code --cores} and {@code --core}: numbers and ranges of processors, such as {@code 0,1} or {@code 2-5}. */
final class CoreList {
    private CoreList() {}

    /** The processors in the order given, none for {@code null}; throws {@link UsageException} naming the option. */
    static List<Integer> parse(String option, String text) {
        if (text == null) {
            return List.of();
        }
        BitSet allowed = Scheduling.allowedCpus();
        List<Integer> cores = new ArrayList<>();
        for (String range : text.split(",", -1)) {
            int dash = range.indexOf('-');
            int first = number(option, text, dash < 0 ? range : range.substring(0, dash));
            int last = dash < 0 ? first : number(option, text, range.substring(dash + 1));
            for (int core = first; core <= last; core++) {
                if (!allowed.get(core)) {
                    throw wrong(option, text, "processor " + core + " is not there; expected some of " + allowed);
                }
                if (cores.contains(core)) {
                    throw wrong(option, text, "processor " + core + " is named twice");
                }
                cores.add(core);
            }
            if (last < first) {
                throw wrong(option, text, range + " is empty; expected a list such as 0,1 or 2-5");
            }
        }
        return cores;
    }

    private static int number(String option, String text, String digits) {
        try {
            int number = Integer.parseInt(digits);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw wrong(option, text, "expected a list such as 0,1 or 2-5");
    }

    private static UsageException wrong(String option, String text, String why) {
        return new UsageException(option + " " + text + ": " + why);
    }
}
