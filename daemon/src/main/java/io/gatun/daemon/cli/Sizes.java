package io.gatun.daemon.cli;

/** Sizes as people write them: digits, and k, M, G or T for powers of 1024; {@code 4k}, {@code 256M}, {@code 1G}. */
final class Sizes {
    static final String ACCEPTED = "bytes, or a number followed by k, M, G or T such as 256M";

    private Sizes() {}

    /** The bytes, at least 1; throws {@link NumberFormatException}. */
    static long parse(String text) {
        int end = text.length();
        int shift = 0;
        if (end > 0) {
            shift = switch (text.charAt(end - 1)) {
                case 'k', 'K' -> 10;
                case 'm', 'M' -> 20;
                case 'g', 'G' -> 30;
                case 't', 'T' -> 40;
                default -> 0;
            };
        }
        long number = Long.parseLong(text.substring(0, shift == 0 ? end : end - 1));
        if (number < 1 || number > Long.MAX_VALUE >> shift) {
            throw new NumberFormatException(text);
        }
        return number << shift;
    }

    /** The size in the largest unit that divides it. */
    static String format(long bytes) {
        String units = " kMGT";
        int unit = 0;
        long number = bytes;
        while (number != 0 && number % 1024 == 0 && unit < units.length() - 1) {
            number /= 1024;
            unit++;
        }
        return unit == 0 ? number + "" : number + "" + units.charAt(unit);
    }
}
