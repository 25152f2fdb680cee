/** All native access of Gatun: system calls, mappings, file descriptors, sockets, io_uring, affinity. */
module io.gatun.linux {
    exports io.gatun.linux;
}
