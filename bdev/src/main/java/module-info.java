/** Block devices and the virtio-blk device that serves them. */
module io.gatun.bdev {
    requires transitive io.gatun.vhostuser;
    requires org.slf4j;

    exports io.gatun.bdev;
    exports io.gatun.bdev.virtio;
}
