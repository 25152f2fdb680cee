/** Poll-mode packet ports, the virtio-net device behind them, and a switch. */
module io.gatun.pmd {
    requires transitive io.gatun.vhostuser;
    requires org.jctools.core.jdk11;
    requires org.slf4j;

    exports io.gatun.pmd;
    exports io.gatun.pmd.bridge;
    exports io.gatun.pmd.offload;
    exports io.gatun.pmd.loop;
    exports io.gatun.pmd.net;
    exports io.gatun.pmd.pcap;
    exports io.gatun.pmd.tap;
    exports io.gatun.pmd.user;
}
