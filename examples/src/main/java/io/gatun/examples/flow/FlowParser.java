package io.gatun.examples.flow;

import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToIntFunction;

/**
 * Reads a flow in the syntax of ovs-ofctl(8):
 * {@code priority=10,tcp,nw_dst=10.0.0.0/24,actions=mod_tp_dst:80,output:2}.
 *
 * <p>Throws {@link IllegalArgumentException} with what is wrong.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class FlowParser {
    private static final Map<String, Field> FIELDS = Map.ofEntries(
            Map.entry("eth_dst", Field.DL_DST),
            Map.entry("eth_src", Field.DL_SRC),
            Map.entry("eth_type", Field.DL_TYPE),
            Map.entry("vlan_pcp", Field.DL_VLAN_PCP),
            Map.entry("ip_proto", Field.NW_PROTO),
            Map.entry("ip_src", Field.NW_SRC),
            Map.entry("ip_dst", Field.NW_DST),
            Map.entry("tcp_src", Field.TP_SRC),
            Map.entry("tcp_dst", Field.TP_DST),
            Map.entry("udp_src", Field.TP_SRC),
            Map.entry("udp_dst", Field.TP_DST));

    private final ToIntFunction<String> portNumber;

    /** What a flow text said. */
    int table = -1;

    int priority = -1;
    long cookie;

    /** Which bits of a cookie are looked for. */
    long cookieMask;

    private boolean setsCookie;
    Match match = new Match();

    /** {@code portNumber} gives the number of a named port, or -1. */
    FlowParser(ToIntFunction<String> portNumber) {
        this.portNumber = portNumber;
    }

    /** A whole flow, with actions. */
    Flow flow(String text) {
        int at = actionsAt(text);
        if (at < 0) {
            throw new IllegalArgumentException("a flow needs actions=…");
        }
        match(text.substring(0, at));
        if (cookieMask != 0) {
            throw new IllegalArgumentException("a flow's cookie has no mask");
        }
        String actions = text.substring(text.indexOf('=', at) + 1);
        int inTable = Math.max(table, 0);
        return new Flow(
                inTable,
                priority < 0 ? Flow.DEFAULT_PRIORITY : priority,
                cookie,
                match,
                new ActionParser(this, inTable).actions(actions));
    }

    private static int actionsAt(String text) {
        int at = text.indexOf("actions=");
        return at >= 0 ? at : text.indexOf("action=");
    }

    /** A match alone, as {@code del-flows} and {@code dump-flows} take it. */
    FlowParser filter(String text) {
        match(text);
        if (setsCookie) {
            throw new IllegalArgumentException("a cookie to look for has a mask, such as cookie=0x1/-1");
        }
        return this;
    }

    private void match(String text) {
        for (String item : text.split("[,\\s]+", -1)) {
            if (!item.isEmpty()) {
                item(item);
            }
        }
        requirePrerequisites();
    }

    private void item(String item) {
        int equals = item.indexOf('=');
        if (equals < 0) {
            Protocol protocol = Protocol.named(item);
            if (protocol == null) {
                throw new IllegalArgumentException("what is " + item + "?");
            }
            protocol.addTo(match);
            return;
        }
        String name = item.substring(0, equals);
        String value = item.substring(equals + 1);
        switch (name) {
            case "table" -> table = (int) number(name, value, FlowTables.COUNT - 1);
            case "priority" -> priority = (int) number(name, value, 0xffff);
            case "cookie" -> cookie(value);
            case "in_port" -> match.with(Field.IN_PORT, port(value), 0xffff);
            case "dl_vlan", "vlan_vid" -> vlan(name, value);
            default -> field(field(name), value);
        }
    }

    private void cookie(String text) {
        String[] parts = text.split("/", 2);
        cookie = cookieBits(parts[0]);
        setsCookie = parts.length == 1;
        cookieMask = setsCookie ? 0 : cookieBits(parts[1]);
    }

    private static long cookieBits(String text) {
        try {
            boolean hexadecimal = text.startsWith("0x");
            return text.equals("-1")
                    ? -1
                    : Long.parseUnsignedLong(hexadecimal ? text.substring(2) : text, hexadecimal ? 16 : 10);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("a cookie is a number of 64 bits, not " + text);
        }
    }

    /** The field with a name. */
    static Field field(String name) {
        for (Field field : Field.values()) {
            if (field.label.equals(name)) {
                return field;
            }
        }
        Field field = FIELDS.get(name);
        if (field == null) {
            throw new IllegalArgumentException("unknown field " + name);
        }
        return field;
    }

    private void vlan(String name, String value) {
        long vlan = number(name, value, 0xffff);
        if (vlan == 0xffff) {
            match.with(Field.VLAN_TCI, 0, 0xffff);
        } else if (vlan <= 0xfff || (name.equals("vlan_vid") && (vlan & ~0xfffL) == Field.TAG_PRESENT)) {
            match.with(Field.VLAN_TCI, Field.TAG_PRESENT | vlan, Field.TAG_PRESENT | 0xfff);
        } else {
            throw new IllegalArgumentException(name + "=" + value + " is no VLAN");
        }
    }

    private void field(Field field, String text) {
        int slash = text.indexOf('/');
        String value = slash < 0 ? text : text.substring(0, slash);
        String mask = slash < 0 ? null : text.substring(slash + 1);
        long[] bits = value(field, value);
        long[] maskBits = mask == null ? new long[] {-1, field.mask() >>> field.shift} : mask(field, mask);
        if (field == Field.DL_VLAN_PCP) {
            match.with(Field.VLAN_TCI, Field.TAG_PRESENT, Field.TAG_PRESENT);
        }
        match.with(field, bits[0], bits[1], maskBits[0], maskBits[1]);
    }

    private static long[] mask(Field field, String text) {
        boolean ipv4 = field == Field.NW_SRC || field == Field.NW_DST;
        if ((!ipv4 && field.bits != 128) || text.contains(".") || text.contains(":")) {
            return value(field, text);
        }
        int length = (int) number("prefix length", text, field.bits);
        if (ipv4) {
            return new long[] {0, length == 0 ? 0 : -1L << (32 - length) & 0xffff_ffffL};
        }
        long high = length == 0 ? 0 : length >= 64 ? -1 : -1L << (64 - length);
        return new long[] {high, length <= 64 ? 0 : -1L << (128 - length)};
    }

    /** A value in the form of its field: both words of a long one. */
    static long[] value(Field field, String text) {
        return switch (field) {
            case DL_SRC, DL_DST -> new long[] {0, mac(text)};
            case NW_SRC, NW_DST -> new long[] {0, address(text, 4).getInt() & 0xffff_ffffL};
            case IPV6_SRC, IPV6_DST -> {
                ByteBuffer address = address(text, 16);
                yield new long[] {address.getLong(), address.getLong()};
            }
            case NW_TOS -> new long[] {0, dscp(text)};
            default -> new long[] {0, number(field.label, text, field.mask() >>> field.shift)};
        };
    }

    private static long dscp(String text) {
        long tos = number(Field.NW_TOS.label, text, 0xff);
        if ((tos & ~KeyReader.DSCP) != 0) {
            throw new IllegalArgumentException("nw_tos is a multiple of 4, not " + text);
        }
        return tos;
    }

    private static long mac(String text) {
        String[] octets = text.split(":", -1);
        long mac = 0;
        for (String octet : octets) {
            if (octets.length != 6 || !octet.matches("[0-9a-fA-F]{1,2}")) {
                throw new IllegalArgumentException(text + " is no Ethernet address");
            }
            mac = mac << 8 | Integer.parseInt(octet, 16);
        }
        return mac;
    }

    private static ByteBuffer address(String text, int bytes) {
        byte[] address = InetAddress.ofLiteral(text).getAddress();
        boolean sixteen = text.contains(":");
        if (sixteen != (bytes == 16)) {
            throw new IllegalArgumentException(text + " is no IPv" + (bytes == 4 ? 4 : 6) + " address");
        }
        if (address.length == bytes) {
            return ByteBuffer.wrap(address);
        }
        // The JDK makes IPv4 addresses of ::ffff:1.2.3.4 and the like.
        return ByteBuffer.allocate(16).putInt(8, 0xffff).put(12, address);
    }

    /** A decimal or hexadecimal number of 0 to {@code most}. */
    static long number(String what, String text, long most) {
        try {
            String lower = text.toLowerCase(Locale.ROOT);
            long number = lower.startsWith("0x") ? Long.parseLong(lower.substring(2), 16) : Long.parseLong(lower);
            if (number >= 0 && number <= most) {
                return number;
            }
        } catch (NumberFormatException said) {
            // below
        }
        throw new IllegalArgumentException(what + " is 0 to " + most + ", not " + text);
    }

    /** A port by number or name. */
    int port(String text) {
        int named = portNumber.applyAsInt(text.replace("\"", ""));
        return named >= 0 ? named : (int) number("a port", text, 0xfeff);
    }

    /** A field that other protocols use differently must say which one is meant. */
    private void requirePrerequisites() {
        long type = match.maskOf(Field.DL_TYPE) == 0xffff ? Field.DL_TYPE.get(match.value) : -1;
        long protocol = match.maskOf(Field.NW_PROTO) == 0xff ? Field.NW_PROTO.get(match.value) : -1;
        boolean ip = type == 0x0800 || type == 0x86dd;
        require(type == 0x0800, "ip", Field.NW_SRC, Field.NW_DST);
        require(type == 0x86dd, "ipv6", Field.IPV6_SRC, Field.IPV6_DST);
        require(ip, "ip or ipv6", Field.NW_PROTO, Field.NW_TOS);
        require(ip && (protocol == 6 || protocol == 17), "tcp, udp, tcp6 or udp6", Field.TP_SRC, Field.TP_DST);
    }

    private void require(boolean met, String what, Field... fields) {
        for (Field field : fields) {
            if (!met && ((match.maskOf(field) | (field.bits == 128 ? match.mask[field.word] : 0)) != 0)) {
                throw new IllegalArgumentException("a match on " + field.label + " needs " + what);
            }
        }
    }
}
