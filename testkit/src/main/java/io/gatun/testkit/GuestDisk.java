package io.gatun.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A vhost-user-blk disk as a guest is given it; immutable, made with the {@code with} methods.
 *
 * @param socket the vhost-user socket
 * @param qemuListens QEMU is the server of the socket and the back-end connects; otherwise QEMU connects, and connects
 * again each second
 *     when the back-end has gone
 * @param queues virtqueues, 1 to 1024
 * @param packed offer the packed ring to the guest
 * @param bootable the firmware boots from this disk
 * @param deviceProperties further properties of QEMU's {@code vhost-user-blk-pci}, such as {@code config-wce=off}
 */
public record GuestDisk(
        Path socket, boolean qemuListens, int queues, boolean packed, boolean bootable, List<String> deviceProperties) {

    /** A disk of one split queue at a socket on which a back-end listens. */
    public static GuestDisk at(Path socket) {
        return new GuestDisk(socket, false, 1, false, false, List.of());
    }

    public GuestDisk withQemuListening() {
        return new GuestDisk(socket, true, queues, packed, bootable, deviceProperties);
    }

    public GuestDisk withQueues(int count) {
        return new GuestDisk(socket, qemuListens, count, packed, bootable, deviceProperties);
    }

    public GuestDisk withPacked(boolean offer) {
        return new GuestDisk(socket, qemuListens, queues, offer, bootable, deviceProperties);
    }

    public GuestDisk withBoot() {
        return new GuestDisk(socket, qemuListens, queues, packed, true, deviceProperties);
    }

    public GuestDisk withProperty(String property) {
        List<String> all = new ArrayList<>(deviceProperties);
        all.add(property);
        return new GuestDisk(socket, qemuListens, queues, packed, bootable, List.copyOf(all));
    }

    /** QEMU's arguments for the disk with a number; its device id is {@code disk0}, {@code disk1} and so on. */
    List<String> arguments(int number) {
        String side = qemuListens ? "server=on" : "reconnect=1";
        String chardev = "socket,id=vhost%d,path=%s,%s".formatted(number, socket, side);
        StringBuilder device = new StringBuilder("vhost-user-blk-pci,id=disk%1$d,chardev=vhost%1$d".formatted(number));
        device.append(",num-queues=").append(queues);
        if (packed) {
            device.append(",packed=on");
        }
        if (bootable) {
            device.append(",bootindex=").append(number);
        }
        deviceProperties.forEach(property -> device.append(',').append(property));
        return List.of("-chardev", chardev, "-device", device.toString());
    }
}
