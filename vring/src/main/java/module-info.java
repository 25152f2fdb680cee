/** Guest memory and virtqueues: rings and memory, no sockets and no devices. */
module io.gatun.vring {
    requires transitive io.gatun.linux;

    exports io.gatun.vring;
}
