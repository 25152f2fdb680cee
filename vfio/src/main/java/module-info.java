/** PCI functions in user space: VFIO, UIO, and memory that a device reaches. */
module io.gatun.vfio {
    requires transitive io.gatun.linux;

    exports io.gatun.vfio;
}
