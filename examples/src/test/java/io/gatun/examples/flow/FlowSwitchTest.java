package io.gatun.examples.flow;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.pmd.Drop;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What flows do with packets: ovs-actions(7). */
class FlowSwitchTest {
    private static final int TCP = 6;
    private static final int UDP = 17;
    private static final int NETWORK = 14;
    private static final int TRANSPORT = 34;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final FlowSwitch flowSwitch = new FlowSwitch("br0");
    private final FlowCommands commands = new FlowCommands(flowSwitch);
    private final TestPort[] ports = {new TestPort("a"), new TestPort("b"), new TestPort("c")};

    FlowSwitchTest() {
        for (TestPort port : ports) {
            flowSwitch.addPort(port);
        }
    }

    @AfterEach
    void close() {
        flowSwitch.close();
        for (TestPort port : ports) {
            port.close();
        }
    }

    @Test
    void atFirstItIsALearningSwitch() {
        byte[] there = Packet.ipv4(UDP, 1, 2);
        byte[] back = Packet.ipv4(UDP, 2, 1);
        assertSent(1, there, 2, 3);
        assertSent(2, back, 1);
        assertSent(1, there, 2);
        assertTrue(commands.run("fdb/show").contains("02:00:00:00:00:01"));
    }

    @Test
    void thePortDecides() {
        flows("in_port=1,actions=2", "in_port=b,actions=output:1");
        assertSent(1, Packet.ipv4(TCP, 1, 2), 2);
        assertSent(2, Packet.ipv4(TCP, 1, 2), 1);
        assertSent(3, Packet.ipv4(TCP, 1, 2));
    }

    @Test
    void theHighestPriorityDecides() {
        flows("priority=10,actions=2", "priority=20,tcp,tp_dst=2000,actions=3", "priority=30,udp,actions=drop");
        assertSent(1, Packet.ipv4(TCP, 1, 2), 3);
        assertSent(1, Packet.ipv4(UDP, 1, 2));
        assertSent(1, Packet.tagged(Packet.ipv4(TCP, 1, 2), 9), 3);
        assertSent(1, Packet.ipv6(TCP), 2);
    }

    @Test
    void addressesMatchUnderMasks() {
        flows("ip,nw_dst=10.0.0.0/30,actions=2", "ip,nw_dst=10.0.0.4/255.255.255.254,actions=3",
                "priority=40000,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=3",
                "ipv6,ipv6_src=fd00::/16,actions=2");
        assertSent(1, Packet.withDestination("10.0.0.3"), 2);
        assertSent(1, Packet.withDestination("10.0.0.5"), 3);
        assertSent(1, Packet.withDestination("10.0.0.6"));
        assertSent(1, Packet.broadcast(), 3);
        assertSent(1, Packet.ipv6(UDP), 2);
    }

    @Test
    void vlansMatchAndTagsComeAndGo() {
        flows("in_port=1,vlan_tci=0,actions=mod_vlan_vid:7,2", "in_port=1,dl_vlan=7,actions=strip_vlan,2",
                "in_port=2,actions=push_vlan:0x8100,set_field:4105->vlan_vid,output:3",
                "in_port=3,dl_vlan=5,dl_vlan_pcp=3,actions=mod_vlan_pcp:1,1");
        byte[] plain = Packet.ipv4(UDP, 1, 2);
        assertArrayEquals(Packet.tagged(plain, 7), one(1, plain, 2));
        assertArrayEquals(plain, one(1, Packet.tagged(plain, 7), 2));
        assertArrayEquals(Packet.tagged(Packet.tagged(plain, 5), 9), one(2, Packet.tagged(plain, 5), 3));
        assertArrayEquals(Packet.tagged(plain, 0x2005), one(3, Packet.tagged(plain, 0x6005), 1));
        assertSent(3, Packet.tagged(plain, 5));
    }

    /** What comes to light is matched as if it had been outermost all along; also what was put on top in between. */
    @Test
    void innerTagsMatchOncePopped() {
        flows("in_port=1,dl_vlan=9,actions=pop_vlan,resubmit(,1)",
                "in_port=2,actions=push_vlan:0x8100,mod_vlan_vid:4,pop_vlan,pop_vlan,resubmit(,1)",
                "table=1,dl_vlan=5,actions=3", "table=1,dl_vlan=6,dl_vlan_pcp=3,actions=pop_vlan,resubmit(,2)",
                "table=1,vlan_tci=0,actions=mod_dl_src:02:00:00:00:00:99,3",
                "table=2,vlan_tci=0,actions=3", "table=2,actions=drop");
        byte[] plain = Packet.ipv4(UDP, 1, 2);
        assertArrayEquals(Packet.tagged(plain, 5), one(1, Packet.tagged(Packet.tagged(plain, 5), 9), 3));
        assertArrayEquals(plain, one(1, Packet.tagged(Packet.tagged(plain, 0x6006), 9), 3));
        assertSent(1, Packet.tagged(Packet.tagged(plain, 0x2006), 9));
        assertEquals("020000000099", Packet.hex(one(1, Packet.tagged(plain, 9), 3), 6, 12));
        assertArrayEquals(Packet.tagged(plain, 5), one(2, Packet.tagged(Packet.tagged(plain, 5), 9), 3));
        assertEquals("020000000099", Packet.hex(one(2, Packet.tagged(plain, 9), 3), 6, 12));
        assertSent(1, Arrays.copyOf(Packet.tagged(Packet.tagged(plain, 5), 9), 20));
    }

    @Test
    void fieldsAreSetAndChecksumsStayRight() {
        flows("in_port=1,tcp,actions=mod_nw_src:192.168.1.9,mod_nw_dst:1.2.3.4,mod_tp_src:1,mod_tp_dst:65535,"
                + "mod_nw_tos:184,mod_dl_src:02:aa:bb:cc:dd:ee,mod_dl_dst:02:11:22:33:44:55,2",
                "in_port=1,udp,actions=mod_nw_dst:1.2.3.4,mod_tp_dst:53,2",
                "in_port=1,tcp6,actions=set_field:fd11:2233::77->ipv6_dst,mod_tp_src:9,2");
        byte[] tcp = one(1, Packet.ipv4(TCP, 1, 2), 2);
        assertEquals("0211223344 5502aabbccddee".replace(" ", ""), Packet.hex(tcp, 0, 12));
        assertEquals("c0a8010901020304", Packet.hex(tcp, 26, 34));
        assertEquals("0001ffff", Packet.hex(tcp, 34, 38));
        assertEquals(184, tcp[15] & 0xff);
        assertTrue(Packet.isRight(tcp, NETWORK, TRANSPORT, TCP));
        assertTrue(Packet.isRight(one(1, Packet.ipv4(UDP, 1, 2), 2), NETWORK, TRANSPORT, UDP));
        byte[] tcp6 = one(1, Packet.ipv6(TCP), 2);
        assertTrue(Packet.isRight(tcp6, NETWORK, 54, TCP));
        assertEquals("fd112233", Packet.hex(tcp6, 38, 42));
        byte[] none = Packet.ipv4(UDP, 1, 2);
        none[40] = 0;
        none[41] = 0;
        assertEquals("0000", Packet.hex(one(1, none, 2), 40, 42));
    }

    @Test
    void aChecksumThatIsNotThereYetStaysAsItShould() {
        flows("actions=mod_nw_dst:1.2.3.4,mod_tp_dst:99,2");
        for (int protocol : new int[] {TCP, UDP}) {
            byte[] seeded = Packet.seeded(Packet.ipv4(protocol, 1, 2), protocol);
            ports[0].receive(seeded, 34, protocol == TCP ? 16 : 6);
            // The port finishes it in software: it has no offloads.
            assertTrue(Packet.isRight(ports[1].taken().getFirst(), NETWORK, TRANSPORT, protocol));
        }
    }

    @Test
    void anOutputSendsThePacketAsItIsAtThatMoment() {
        flows("in_port=1,ip,actions=2,mod_nw_dst:9.9.9.9,3,in_port");
        ports[0].receive(Packet.ipv4(UDP, 1, 2));
        assertEquals("0a000002", Packet.hex(ports[1].taken().getFirst(), 30, 34));
        assertEquals("09090909", Packet.hex(ports[2].taken().getFirst(), 30, 34));
        assertEquals("09090909", Packet.hex(ports[0].taken().getFirst(), 30, 34));
    }

    @Test
    void tablesFollowEachOther() {
        flows("table=0,ip,actions=mod_nw_dst:7.7.7.7,goto_table:5", "table=5,ip,nw_dst=7.7.7.7,actions=resubmit(3,6),2",
                "table=6,in_port=3,actions=3", "table=6,actions=drop");
        assertSent(1, Packet.ipv4(TCP, 1, 2), 2, 3);
        String dump = commands.run("dump-flows table=6");
        assertTrue(dump.contains("table=6, n_packets=1, n_bytes=64, in_port=3 actions=output:3"), dump);
    }

    /** What a resubmit says of the port is for its own look: further ones are about the port of the packet again. */
    @Test
    void aResubmitPretendsItsPortForOneLookOnly() {
        flows("actions=resubmit(3,1)", "table=1,in_port=3,actions=resubmit(,2),goto_table:4",
                "table=2,in_port=1,actions=2", "table=2,in_port=3,actions=drop",
                "table=4,in_port=1,actions=3", "table=4,in_port=3,actions=drop");
        assertSent(1, Packet.ipv4(TCP, 1, 2), 2, 3);
    }

    /** {@code nw_tos} is the six bits of DSCP; the other two are ECN's, which routers on the way write. */
    @Test
    void congestionIsNeitherMatchedNorForgotten() {
        flows("in_port=1,ip,nw_tos=184,actions=mod_nw_tos:32,resubmit(,1)", "table=1,ip,nw_tos=32,actions=2",
                "in_port=1,ipv6,nw_tos=184,actions=mod_nw_tos:32,2");
        byte[] four = Packet.ipv4(TCP, 1, 2);
        four[15] = (byte) (184 | 3);
        assertEquals(32 | 3, one(1, four, 2)[15]);
        byte[] six = Packet.ipv6(TCP);
        six[14] = 0x60 | 0xb;
        six[15] = (byte) 0xb0;
        assertEquals("6230", Packet.hex(one(1, six, 2), 14, 16));
    }

    @Test
    void whatNoActionSendsIsCountedAsDropped() {
        flows("in_port=1,actions=mod_nw_dst:1.2.3.4", "in_port=2,actions=2");
        assertSent(1, Packet.ipv4(TCP, 1, 2));
        assertSent(2, Packet.ipv4(TCP, 1, 2));
        assertEquals(1, ports[0].rxQueues().getFirst().counters().dropped(Drop.REFUSED));
        assertEquals(1, ports[1].rxQueues().getFirst().counters().dropped(Drop.REFUSED));
    }

    @Test
    void aLoopOfResubmitsEnds() {
        flows("actions=resubmit(,0),resubmit(,0),2");
        assertSent(1, Packet.ipv4(TCP, 1, 2));
    }

    @Test
    void moreTagsThanThereIsRoomForAreLeftOut() {
        flows("actions=" + "push_vlan:0x8100,".repeat(100) + "2");
        ports[0].receive(Packet.ipv4(TCP, 1, 2));
        assertTrue(ports[1].taken().getFirst().length <= 64 + 64);
    }

    /** The type of what is left says that a tag follows, and none does. */
    @Test
    void moreTagsThanThereAreAreNotTaken() {
        flows("in_port=1,actions=pop_vlan,pop_vlan,pop_vlan,2",
                "in_port=2,actions=pop_vlan,pop_vlan,push_vlan:0x8100,3");
        byte[] tags = Arrays.copyOf(Packet.tagged(Packet.tagged(Packet.ipv4(UDP, 1, 2), 1), 2), 22);
        tags[20] = (byte) 0x81;
        tags[21] = 0;
        assertEquals("8100", Packet.hex(one(1, tags, 2), 12, 14));
        assertEquals("810000008100", Packet.hex(one(2, tags, 3), 12, 18));
    }

    @Test
    void flowsAreChangedUnderTraffic() {
        byte[] packet = Packet.ipv4(TCP, 1, 2);
        flows("actions=2");
        assertSent(1, packet, 2);
        flows("actions=3");
        assertSent(1, packet, 3);
        flows("priority=40000,in_port=1,actions=2");
        assertSent(1, packet, 2);
        assertEquals("", commands.run("del-flows --strict br0 priority=40000,in_port=1"));
        assertSent(1, packet, 3);
        assertTrue(commands.run("del-flows priority=7").startsWith("error"));
        commands.run("del-flows");
        assertSent(1, packet);
    }

    @Test
    void aPacketOfAKnownConnectionAllocatesNothing() {
        flows("in_port=1,actions=push_vlan:0x8100,mod_nw_dst:1.2.3.4,pop_vlan,resubmit(,1),normal",
                "table=1,actions=2");
        byte[] packet = Packet.ipv4(TCP, 1, 2);
        ports[1].countOnly();
        ports[2].countOnly();
        long thread = Thread.currentThread().threadId();
        long deadline = System.nanoTime() + 20_000_000_000L;
        long allocated;
        do {
            long before = THREADS.getThreadAllocatedBytes(thread);
            for (int i = 0; i < 2_000; i++) {
                ports[0].receive(packet);
            }
            allocated = THREADS.getThreadAllocatedBytes(thread) - before;
        } while (allocated != 0 && System.nanoTime() < deadline);
        assertEquals(0, allocated, "bytes allocated for 2000 packets");
    }

    @Test
    void whatIsNoPacketIsDropped() {
        flows("actions=mod_nw_dst:1.2.3.4,mod_tp_dst:1,mod_dl_dst:02:00:00:00:00:01,strip_vlan,mod_vlan_vid:5,2");
        for (byte[] whole : List.of(Packet.ipv4(TCP, 1, 2), Packet.tagged(Packet.ipv6(UDP), 1))) {
            for (int length = 1; length < whole.length; length++) {
                ports[0].receive(Arrays.copyOf(whole, length));
            }
        }
        java.util.Random random = new java.util.Random(20261121);
        for (int round = 0; round < 20_000; round++) {
            byte[] packet = random.nextBoolean() ? Packet.ipv4(UDP, 1, 2) : Packet.ipv6(TCP);
            for (int i = 0; i < 4; i++) {
                packet[12 + random.nextInt(packet.length - 12)] = (byte) random.nextInt();
            }
            ports[0].receive(packet);
        }
        assertTrue(ports[0].rxQueues().getFirst().counters().dropped() >= 26);
    }

    private void flows(String... flows) {
        flowSwitch.remove(flow -> flow.priority == 0);
        for (String flow : flows) {
            assertEquals("", commands.run("add-flow br0 " + flow));
        }
    }

    private byte[] one(int from, byte[] packet, int to) {
        ports[from - 1].receive(packet);
        List<byte[]> taken = ports[to - 1].taken();
        assertEquals(1, taken.size());
        return taken.getFirst();
    }

    /** Says at which ports a packet comes out, and that its payload is the same. */
    private void assertSent(int from, byte[] packet, int... to) {
        ports[from - 1].receive(packet);
        for (int number = 1; number <= ports.length; number++) {
            int port = number;
            List<byte[]> taken = ports[number - 1].taken();
            boolean expected = Arrays.stream(to).anyMatch(p -> p == port);
            assertEquals(expected ? 1 : 0, taken.size(), "at port " + number);
            for (byte[] sent : taken) {
                assertArrayEquals(
                        Arrays.copyOfRange(packet, packet.length - 8, packet.length),
                        Arrays.copyOfRange(sent, sent.length - 8, sent.length));
            }
        }
    }
}
