/** Devices written from scratch against the library. */
module io.gatun.examples {
    requires io.gatun.linux;
    requires io.gatun.pmd;
    requires io.gatun.reactor;
    requires io.gatun.vhostuser;
    requires io.gatun.vring;
}
