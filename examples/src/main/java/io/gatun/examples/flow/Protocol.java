package io.gatun.examples.flow;

import java.util.Arrays;

/** Words that stand for a type and a protocol: {@code tcp} for {@code dl_type=0x0800,nw_proto=6}. */
enum Protocol {
    // Those with a protocol come first: they say more.
    TCP("tcp", 0x0800, 6),
    UDP("udp", 0x0800, 17),
    ICMP("icmp", 0x0800, 1),
    TCP6("tcp6", 0x86dd, 6),
    UDP6("udp6", 0x86dd, 17),
    ICMP6("icmp6", 0x86dd, 58),
    IP("ip", 0x0800, -1),
    IPV6("ipv6", 0x86dd, -1),
    ARP("arp", 0x0806, -1);

    final String label;
    private final int type;
    private final int protocol;

    Protocol(String label, int type, int protocol) {
        this.label = label;
        this.type = type;
        this.protocol = protocol;
    }

    /** The protocol of a word, or null. */
    static Protocol named(String word) {
        return Arrays.stream(values()).filter(p -> p.label.equals(word)).findAny().orElse(null);
    }

    /** What a match demands, in one word; or null. */
    static Protocol of(Match match) {
        return Arrays.stream(values()).filter(p -> p.isDemandedBy(match)).findFirst().orElse(null);
    }

    private boolean isDemandedBy(Match match) {
        return match.maskOf(Field.DL_TYPE) == 0xffff
                && Field.DL_TYPE.get(match.value) == type
                && (protocol < 0
                        || (match.maskOf(Field.NW_PROTO) == 0xff && Field.NW_PROTO.get(match.value) == protocol));
    }

    /** Whether this word says all about a field. */
    boolean says(Field field) {
        return field == Field.DL_TYPE || (field == Field.NW_PROTO && protocol >= 0);
    }

    void addTo(Match match) {
        match.with(Field.DL_TYPE, type, 0xffff);
        if (protocol >= 0) {
            match.with(Field.NW_PROTO, protocol, 0xff);
        }
    }
}
