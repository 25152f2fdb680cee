package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;

/** The parts of the demo with Linux guests, where QEMU and the lab's images are at hand; says what is missing else. */
final class DemoGuests {
    private final DemoLab lab = new DemoLab();
    private final PrintWriter out;
    private final JsonRpcClient client;

    DemoGuests(PrintWriter out, JsonRpcClient client) {
        this.out = out;
        this.client = client;
    }

    /** Boots a guest on the disk at {@code socket}; true if it found it, or if there is nothing to boot it with. */
    boolean useDisk(Path socket) {
        Optional<Path> image = lab.image("step_info()", "virtio_blk.ko");
        if (image.isEmpty()) {
            out.println("No guest: " + lab.missing() + ".");
            return true;
        }
        say("== A Linux guest in QEMU on the RAM disk, packed ring (emulated, so give it a minute)");
        try (DemoGuest guest = new DemoGuest("guest", lab.command(
                image.get(),
                "-chardev", "socket,id=disk,path=" + socket,
                "-device", "vhost-user-blk-pci,chardev=disk,packed=on"), out)) {
            boolean found = guest.await("GUEST-UP") && guest.run("info vda");
            showQueues();
            return found;
        } catch (IOException e) {
            say("gatun: the guest failed: " + e.getMessage());
            return false;
        }
    }

    /** Boots two guests at the switch's ports; true if one reached the other, or if there is nothing to boot. */
    boolean talk(Path directory) {
        Optional<Path> image = lab.image("step_net_up()", "virtio_net.ko");
        if (image.isEmpty()) {
            out.println("No guests at the switch: " + lab.missing() + ".");
            return true;
        }
        say("== Two Linux guests in QEMU talk through the switch, one on a split ring, one on a packed one");
        try (DemoGuest first = guest("guest0", image.get(), directory.resolve("p0.sock"), 0, "");
                DemoGuest second = guest("guest1", image.get(), directory.resolve("p1.sock"), 1, ",packed=on")) {
            boolean good = first.await("GUEST-UP")
                    && second.await("GUEST-UP")
                    && first.run("net_up eth0 10.0.0.1/24")
                    && second.run("net_up eth0 10.0.0.2/24")
                    && first.run("ping 10.0.0.2 20");
            JsonNode switches = client.call("switch_get", null);
            say("  gatun: the switch has learned " + switches.path(0).path("macs").asInt() + " addresses");
            return good;
        } catch (IOException e) {
            say("gatun: a guest failed: " + e.getMessage());
            return false;
        }
    }

    /** QEMU 7.2 without KVM crashes with MSI-X on vhost-user interfaces: hence no vectors. */
    private DemoGuest guest(String name, Path image, Path socket, int number, String more) throws IOException {
        return new DemoGuest(name, lab.command(
                image,
                "-chardev", "socket,id=c0,path=" + socket,
                "-netdev", "vhost-user,id=n0,chardev=c0",
                "-device", "virtio-net-pci,netdev=n0,vectors=0,mac=52:54:00:00:00:0" + number + more), out);
    }

    private void showQueues() {
        for (JsonNode controller : client.call("vhost_get_controllers", null)) {
            for (JsonNode queue : controller.path("queues")) {
                if (queue.path("started").asBoolean()) {
                    say("  gatun: " + controller.path("ctrlr").asText() + " queue "
                            + queue.path("index").asInt() + ": " + queue.path("reads").asLong() + " reads, "
                            + (queue.path("packed").asBoolean() ? "packed" : "split") + " ring");
                }
            }
        }
    }

    private void say(String line) {
        out.println(line);
        out.flush();
    }
}
