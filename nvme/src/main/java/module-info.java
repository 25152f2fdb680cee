/** NVMe drives without the kernel: controllers, namespaces, queue pairs. */
module io.gatun.nvme {
    requires transitive io.gatun.bdev;
    requires transitive io.gatun.reactor;
    requires transitive io.gatun.vfio;
    requires org.slf4j;

    exports io.gatun.nvme;
    exports io.gatun.nvme.bdev;
}
