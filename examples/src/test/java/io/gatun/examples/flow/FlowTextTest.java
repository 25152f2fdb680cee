package io.gatun.examples.flow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The text of flows: ovs-ofctl(8), "Flow Syntax". */
class FlowTextTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "actions=drop | actions=drop",
                "priority=7,in_port=3,actions=output:2,1 | priority=7,in_port=3 actions=output:2,output:1",
                "ip,nw_src=10.1.2.3/16 actions=normal | ip,nw_src=10.1.0.0/16 actions=NORMAL",
                "dl_type=0x800,nw_proto=6,tp_dst=80,action=flood,all | tcp,tp_dst=80 actions=FLOOD,ALL",
                "udp6,ipv6_dst=fd00::/8,udp_src=0x35,actions=in_port"
                        + " | udp6,ipv6_dst=fd00::/8,tp_src=53 actions=IN_PORT",
                "tcp,tp_src=0x1000/0xf000,actions=2 | tcp,tp_src=4096/0xf000 actions=output:2",
                "dl_vlan=5,dl_vlan_pcp=3,actions=strip_vlan,2 | dl_vlan=5,dl_vlan_pcp=3 actions=pop_vlan,output:2",
                "dl_vlan=0xffff,actions=mod_vlan_vid:9,2 | vlan_tci=0x0000 actions=mod_vlan_vid:9,output:2",
                "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=2"
                        + " | dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=output:2",
                "eth_src=2:0:0:0:0:a,eth_type=0x88cc,actions=2"
                        + " | dl_src=02:00:00:00:00:0a,dl_type=0x88cc actions=output:2",
                "arp,actions=push_vlan:0x88a8,resubmit(,7) | arp actions=push_vlan:0x88a8,resubmit(,7)",
                "ip,nw_dst=1.2.3.4/255.0.255.0,actions=resubmit:4"
                        + " | ip,nw_dst=1.0.3.0/255.0.255.0 actions=resubmit(4,0)",
                "icmp,actions=mod_nw_src:1.1.1.1,goto_table:2 | icmp actions=mod_nw_src:1.1.1.1,goto_table:2",
                "tcp actions=set_field:8080->tcp_dst,set_field:fd00::1->ipv6_src,2"
                        + " | tcp actions=mod_tp_dst:8080,set_field:fd00::1->ipv6_src,output:2",
                "in_port=uplink,actions=uplink | in_port=42 actions=output:42",
            })
    void whatIsReadIsPrintedAsOvsPrintsIt(String text, String printed) {
        assertEquals(printed, print(parser().flow(text)));
        // And what is printed says the same.
        assertEquals(printed, print(parser().flow(printed)));
    }

    /** RFC 5952, its section where there is one; OVS prints addresses so. */
    @ParameterizedTest
    @CsvSource({
        "0:0:0:0:0:0:0:0, ::",
        "0:0:0:0:0:0:0:1, ::1",
        "1:0:0:0:0:0:0:0, 1::",
        "2001:0db8:0000:0000:0001:0000:0000:0001, 2001:db8::1:0:0:1", // §4.2.3: the first of two
        "2001:db8:0:1:1:1:1:1, 2001:db8:0:1:1:1:1:1", // §4.2.2: one group is not left out
        "2001:0:0:1:0:0:0:1, 2001:0:0:1::1", // §4.2.3: the longest
        "2001:DB8::ABCD, 2001:db8::abcd", // §4.3
        "1:2:3:4:5:6:7:8, 1:2:3:4:5:6:7:8",
        "::2:3:4:5:6:7:8, 0:2:3:4:5:6:7:8",
        "::ffff:102:304, ::ffff:1.2.3.4", // §5
        "::ffff:1.2.3.4, ::ffff:1.2.3.4",
        "::ffff:1.2.3.4/::ffff:255.255.0.0, ::ffff:1.2.0.0/::ffff:255.255.0.0",
        "fd00:0:0:0:1::/ffff:0:0:0:ffff:0:0:0, fd00::1:0:0:0/ffff::ffff:0:0:0",
        "fd00::/64, fd00::/64",
    })
    void ipv6AddressesAreShort(String given, String printed) {
        Flow flow = parser().flow("ipv6,ipv6_src=" + given + ",actions=1");
        assertEquals("ipv6,ipv6_src=" + printed, FlowText.match(flow));
        assertEquals("ipv6,ipv6_src=" + printed, FlowText.match(parser().flow(FlowText.match(flow) + ",actions=1")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ip,nw_src=::ffff:1.2.3.4,actions=1",
                "ipv6,ipv6_src=1.2.3.4,actions=1",
                "in_port=1",
                "nw_src=1.2.3.4,actions=1",
                "ipv6,nw_src=1.2.3.4,actions=1",
                "ip,tp_dst=80,actions=1",
                "ip,nw_src=1.2.3.4/33,actions=1",
                "ip,nw_src=fd00::1,actions=1",
                "ip,nw_src=example,actions=1",
                "tcp,tp_dst=65536,actions=1",
                "dl_src=1:2:3,actions=1",
                "dl_src=1:2:3:4:5:6:7,actions=1",
                "dl_vlan=5000,actions=1",
                "table=254,actions=1",
                "priority=65536,actions=1",
                "colour=blue,actions=1",
                "blue,actions=1",
                "actions=",
                "actions=1,,2",
                "actions=drop,1",
                "actions=fly",
                "actions=fly:1",
                "actions=push_vlan:0x1234,1",
                "actions=mod_vlan_vid:4095,1",
                "actions=goto_table:0",
                "table=3,actions=goto_table:3",
                "actions=goto_table:1,2",
                "actions=resubmit(1,2,3)",
                "actions=resubmit(,999)",
                "actions=set_field:1->in_port",
                "actions=set_field:1",
                "cookie=nonsense,actions=1",
                "cookie=1/-1,actions=1",
                "ip,nw_tos=1,actions=1",
                "ip,actions=mod_nw_tos:3,1",
            })
    void whatIsWrongIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> parser().flow(text));
    }

    @Test
    void aFlowIsDumpedWithItsCounters() {
        Flow flow = parser().flow("cookie=0x1f,table=2,priority=5,tcp,actions=2");
        flow.packets.add(3);
        flow.bytes.add(180);
        String text = FlowText.flow(flow);
        assertTrue(
                text.matches(" cookie=0x1f, duration=\\d+\\.\\d{3}s, table=2, n_packets=3, n_bytes=180,"
                        + " priority=5,tcp actions=output:2"),
                text);
    }

    @Test
    void commandsAnswer() {
        try (FlowSwitch flowSwitch = new FlowSwitch("br0")) {
            FlowCommands commands = new FlowCommands(flowSwitch);
            assertTrue(commands.run("dump-flows").contains("priority=0 actions=NORMAL"));
            assertEquals("", commands.run("add-flow br0 \"tcp,actions=1\""));
            assertEquals("", commands.run("add-flow 'udp,nw_src=10.0.0.0/8,actions=1'"));
            assertEquals(1, commands.run("dump-flows br0 udp").lines().count());
            assertEquals(3, commands.run("dump-flows br0").lines().count());
            assertEquals("", commands.run("del-flows ip"));
            assertEquals(1, commands.run("dump-flows").lines().count());
            assertTrue(commands.run("make-coffee").startsWith("error: unknown command"));
            assertTrue(commands.run("add-flow tcp").startsWith("error: a flow needs actions"));
            assertTrue(commands.run("help").contains("add-flow"));
        }
    }

    /** As in OVS, a cookie without a mask is one to be set: to delete by it must not delete everything. */
    @Test
    void flowsAreFoundByTheirCookie() {
        try (FlowSwitch flowSwitch = new FlowSwitch("br0")) {
            FlowCommands commands = new FlowCommands(flowSwitch);
            assertEquals("", commands.run("add-flow cookie=0x15,tcp,actions=1"));
            assertEquals("", commands.run("add-flow cookie=0x25,udp,actions=1"));
            assertEquals(1, commands.run("dump-flows cookie=0x15/-1").lines().count());
            assertEquals(2, commands.run("dump-flows cookie=5/0xf").lines().count());
            assertEquals(1, commands.run("dump-flows cookie=5/0xf,tcp").lines().count());
            assertTrue(commands.run("dump-flows cookie=0x15").startsWith("error: a cookie to look for has a mask"));
            assertTrue(commands.run("del-flows cookie=0x15").startsWith("error: a cookie to look for has a mask"));
            assertEquals("", commands.run("del-flows --strict udp,cookie=0x15/-1"));
            assertEquals(3, commands.run("dump-flows").lines().count());
            assertEquals("", commands.run("del-flows cookie=0x15/-1"));
            assertEquals(2, commands.run("dump-flows").lines().count());
        }
    }

    private static FlowParser parser() {
        return new FlowParser(name -> name.equals("uplink") ? 42 : -1);
    }

    private static String print(Flow flow) {
        String match = FlowText.match(flow);
        return match + (match.isEmpty() ? "" : " ") + "actions=" + FlowText.actions(flow);
    }
}
