package io.gatun.examples.flow;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Flows as {@code ovs-ofctl dump-flows} prints them. */
final class FlowText {
    private FlowText() {}

    static String flow(Flow flow) {
        double seconds = (System.nanoTime() - flow.madeNanos) / 1e9;
        String match = match(flow);
        return String.format(
                Locale.ROOT,
                " cookie=0x%x, duration=%.3fs, table=%d, n_packets=%d, n_bytes=%d, %s%sactions=%s",
                flow.cookie,
                seconds,
                flow.table,
                flow.packets.sum(),
                flow.bytes.sum(),
                match,
                match.isEmpty() ? "" : " ",
                actions(flow));
    }

    /** Priority and match; empty for everything at the default priority. */
    static String match(Flow flow) {
        StringBuilder text = new StringBuilder();
        if (flow.priority != Flow.DEFAULT_PRIORITY) {
            text.append("priority=").append(flow.priority);
        }
        Match match = flow.match;
        Protocol protocol = Protocol.of(match);
        if (protocol != null) {
            append(text, protocol.label);
        }
        for (Field field : new Field[] {
            Field.IN_PORT, Field.VLAN_TCI, Field.DL_SRC, Field.DL_DST, Field.DL_TYPE, Field.NW_SRC, Field.NW_DST,
            Field.IPV6_SRC, Field.IPV6_DST, Field.NW_PROTO, Field.NW_TOS, Field.TP_SRC, Field.TP_DST
        }) {
            long mask = match.maskOf(field);
            long highMask = field.bits == 128 ? match.mask[field.word] : 0;
            if ((mask | highMask) == 0 || (protocol != null && protocol.says(field))) {
                continue;
            }
            append(text, field == Field.VLAN_TCI ? vlan(match) : field.label + "=" + value(
                    field, match.value[field.word], field.get(match.value), highMask, mask));
        }
        return text.toString();
    }

    /** The tag, in whichever of its forms says what is demanded. */
    private static String vlan(Match match) {
        long mask = match.maskOf(Field.VLAN_TCI);
        long value = Field.VLAN_TCI.get(match.value);
        long vlanMask = Field.TAG_PRESENT | 0xfff;
        if (mask == vlanMask && (value & Field.TAG_PRESENT) != 0) {
            return "dl_vlan=" + (value & 0xfff);
        }
        if (mask == (vlanMask | 0xe000) && (value & Field.TAG_PRESENT) != 0) {
            return "dl_vlan=" + (value & 0xfff) + ",dl_vlan_pcp=" + (value >>> 13);
        }
        return mask == 0xffff
                ? String.format("vlan_tci=0x%04x", value)
                : String.format("vlan_tci=0x%04x/0x%04x", value, mask);
    }

    static String actions(Flow flow) {
        return flow.actions.isEmpty()
                ? "drop"
                : flow.actions.stream().map(Object::toString).collect(Collectors.joining(","));
    }

    /** A value under a mask, in the form of its field. */
    static String value(Field field, long high, long low, long highMask, long lowMask) {
        return switch (field) {
            case DL_SRC, DL_DST -> mac(low) + (isAll(field, lowMask) ? "" : "/" + mac(lowMask));
            case DL_TYPE -> String.format("0x%04x", low) + suffix(field, lowMask);
            case NW_SRC, NW_DST -> ipv4(low) + prefix(-1L << 32 | lowMask, 32, () -> ipv4(lowMask));
            case IPV6_SRC, IPV6_DST -> ipv6(high, low) + ipv6Mask(highMask, lowMask);
            default -> low + suffix(field, lowMask);
        };
    }

    private static String ipv6Mask(long high, long low) {
        if (high == -1) {
            return prefix(low, 128, () -> ipv6(high, low));
        }
        return low == 0 && isPrefix(high) ? "/" + Long.bitCount(high) : "/" + ipv6(high, low);
    }

    /** {@code /24} for a mask of leading ones, whose last 64 bits these are; else the mask in full. */
    private static String prefix(long mask, int bits, java.util.function.Supplier<String> full) {
        if (mask == -1) {
            return "";
        }
        return isPrefix(mask) ? "/" + (bits - Long.numberOfTrailingZeros(mask)) : "/" + full.get();
    }

    private static boolean isPrefix(long mask) {
        return Long.bitCount(mask) + Long.numberOfTrailingZeros(mask) == Long.SIZE;
    }

    private static String suffix(Field field, long mask) {
        return isAll(field, mask) ? "" : String.format("/0x%x", mask);
    }

    private static boolean isAll(Field field, long mask) {
        return (~mask & field.mask() >>> field.shift) == 0;
    }

    private static String mac(long mac) {
        StringBuilder text = new StringBuilder();
        for (int shift = 40; shift >= 0; shift -= 8) {
            text.append(String.format("%02x%s", mac >>> shift & 0xff, shift == 0 ? "" : ":"));
        }
        return text.toString();
    }

    private static String ipv4(long address) {
        return (address >>> 24 & 0xff) + "." + (address >>> 16 & 0xff) + "." + (address >>> 8 & 0xff) + "."
                + (address & 0xff);
    }

    /** As RFC 5952 wants it: the first of the longest runs of zero groups, of two at least, is left out. */
    private static String ipv6(long high, long low) {
        if (high == 0 && low >>> 32 == 0xffff) {
            return "::ffff:" + ipv4(low);
        }
        int[] groups = new int[8];
        for (int i = 0; i < 8; i++) {
            groups[i] = (int) ((i < 4 ? high : low) >>> (48 - 16 * (i & 3))) & 0xffff;
        }
        int first = 0;
        int length = 0;
        for (int from = 0, i = 0; i < 8; i++) {
            from = groups[i] == 0 ? from : i + 1;
            if (i + 1 - from > length) {
                first = from;
                length = i + 1 - from;
            }
        }
        if (length < 2) {
            return groups(groups, 0, 8);
        }
        return groups(groups, 0, first) + "::" + groups(groups, first + length, 8);
    }

    private static String groups(int[] groups, int from, int to) {
        return Arrays.stream(groups, from, to).mapToObj(Integer::toHexString).collect(Collectors.joining(":"));
    }

    private static void append(StringBuilder text, String item) {
        text.append(text.isEmpty() ? "" : ",").append(item);
    }
}
