package io.gatun.testkit;

import java.nio.file.Path;
import java.util.List;

/**
 * A network interface as a guest is given it: QEMU's {@code virtio-net-pci} over vhost-user. The first is {@code eth0}.
 *
 * @param socket where QEMU and the back-end meet
 * @param qemuListens QEMU listens and the back-end connects; otherwise QEMU connects, and again every second
 * @param mac the guest's address
 * @param queues queue pairs; Linux uses no more of them than it has processors
 * @param packed offer the packed ring to the guest
 * @param offloads offer checksum and segmentation offloads to the guest
 */
public record GuestNic(Path socket, boolean qemuListens, String mac, int queues, boolean packed, boolean offloads) {
    /** Modules of a guest with interfaces. */
    static final String MODULE = "virtio_net";

    private static final String OFFLOADS_OFF = ",csum=off,guest_csum=off,gso=off,host_tso4=off,host_tso6=off"
            + ",host_ecn=off,host_ufo=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off";

    /** An interface of one split queue pair with all offloads, at a socket on which a back-end listens. */
    public static GuestNic at(Path socket, String mac) {
        return new GuestNic(socket, false, mac, 1, false, true);
    }

    public GuestNic withQemuListening() {
        return new GuestNic(socket, true, mac, queues, packed, offloads);
    }

    public GuestNic withQueues(int count) {
        return new GuestNic(socket, qemuListens, mac, count, packed, offloads);
    }

    public GuestNic withPacked(boolean offer) {
        return new GuestNic(socket, qemuListens, mac, queues, offer, offloads);
    }

    public GuestNic withOffloads(boolean offer) {
        return new GuestNic(socket, qemuListens, mac, queues, packed, offer);
    }

    /** QEMU's arguments for the interface with a number; its device id is {@code nic0}, {@code nic1} and so on. */
    List<String> arguments(int number) {
        String side = qemuListens ? "server=on" : "reconnect=1";
        String chardev = "socket,id=vnet%d,path=%s,%s".formatted(number, socket, side);
        String netdev = "vhost-user,id=net%1$d,chardev=vnet%1$d,queues=%2$d".formatted(number, queues);
        // vectors=0: QEMU 7.2 under TCG crashes with MSI-X on vhost-user-net.
        String device = "virtio-net-pci,id=nic%1$d,netdev=net%1$d,mac=%2$s,vectors=0".formatted(number, mac)
                + (queues > 1 ? ",mq=on" : "") + (packed ? ",packed=on" : "") + (offloads ? "" : OFFLOADS_OFF);
        return List.of("-chardev", chardev, "-netdev", netdev, "-device", device);
    }
}
