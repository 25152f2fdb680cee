package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The value of an option in the form {@code FIRST,key=value,…}. A comma within a value is written twice, as QEMU wants
 * it. What does not make sense is a {@link UsageException}: the option as given, and what is accepted in its place.
 */
final class OptionText {
    /** Stands for a doubled comma while the others separate; no argument of a program can hold it. */
    private static final String COMMA = "\0";

    private final String option;
    private final String given;
    private final Map<String, String> values = new LinkedHashMap<>();

    OptionText(String option, String given) {
        this.option = option;
        this.given = given;
    }

    /** Takes the {@code key=value} pairs behind the first comma, and returns what is before it. */
    String split(String text) {
        String[] parts = text.replace(",,", COMMA).split(",", -1);
        for (int i = 0; i < parts.length; i++) {
            parts[i] = parts[i].replace(COMMA, ",");
        }
        for (int i = 1; i < parts.length; i++) {
            int equals = parts[i].indexOf('=');
            if (equals < 1) {
                throw wrong("'" + parts[i] + "': expected key=value");
            }
            if (values.put(parts[i].substring(0, equals), parts[i].substring(equals + 1)) != null) {
                throw wrong(parts[i].substring(0, equals) + " is given twice");
            }
        }
        return parts[0];
    }

    void checkKeys(List<String> known) {
        for (String key : values.keySet()) {
            if (!known.contains(key)) {
                throw wrong("unknown key " + key + ": expected "
                        + (known.isEmpty() ? "none" : "one of " + String.join(", ", known)));
            }
        }
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    /** The value, or null. */
    String value(String key) {
        return values.get(key);
    }

    String required(String key, String accepted) {
        String value = values.get(key);
        if (value == null || value.isEmpty()) {
            throw wrong(key + " is missing: expected " + key + "= and " + accepted);
        }
        return value;
    }

    boolean truth(String key, boolean absent) {
        String value = values.get(key);
        if (value == null) {
            return absent;
        }
        return switch (value) {
            case "on", "true", "yes" -> true;
            case "off", "false", "no" -> false;
            default -> throw wrong(key + "=" + value + ": expected on or off");
        };
    }

    int number(String key, int min, int max) {
        String value = values.get(key);
        try {
            int number = Integer.parseInt(value);
            if (number >= min && number <= max) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw wrong(key + "=" + value + ": expected a number from " + min + " to " + max);
    }

    /** The bytes of a size such as 64k. */
    long size(String key, String value) {
        try {
            return Sizes.parse(value);
        } catch (NumberFormatException e) {
            throw wrong(key + "=" + value + ": expected " + Sizes.ACCEPTED);
        }
    }

    void copy(String key, ObjectNode params) {
        if (values.containsKey(key)) {
            params.put(key, values.get(key));
        }
    }

    UsageException wrong(String why) {
        return new UsageException(option + " " + given + ": " + why);
    }
}
