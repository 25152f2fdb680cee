/** The vhost-user protocol: messages, sessions, the device SPI; both ends. */
module io.gatun.vhostuser {
    requires transitive io.gatun.vring;
    requires transitive io.gatun.reactor;
    requires org.slf4j;

    exports io.gatun.vhostuser;
}
