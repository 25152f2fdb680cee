package io.gatun.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.reactor.Reactor;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QemuGuest;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.VhostUserBackend;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A Linux guest reads {@code /dev/hwrng}, and the bytes come from the example. */
@RequiresPeer({Peer.QEMU, Peer.GUEST_KERNEL, Peer.BUSYBOX})
class RandomNumberGuestTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void linuxReadsRandomBytes(boolean packed) {
        Path socket = directory.resolve("rng.sock");
        try (ControlLoop loop = ControlLoop.start();
                Reactor reactor = Reactor.start("rng", -1, Reactor.IdlePolicy.ADAPTIVE);
                VhostUserBackend backend = VhostUserBackend.listen(
                        loop, socket, new RandomNumberDevice(), List.of(reactor), BackendOptions.DEFAULT);
                QemuGuest guest = QemuGuest.builder()
                        .processors(1)
                        .memoryMegabytes(256)
                        .arguments(
                                "-chardev", "socket,id=rng,path=" + socket,
                                "-device", "vhost-user-rng-pci,chardev=rng" + (packed ? ",packed=on" : ""))
                        .boot()) {
            QemuGuest.StepResult result = guest.run("random", Duration.ofSeconds(30));
            assertTrue(result.value("RNG").startsWith("virtio_rng"), result.toString());
            assertTrue(backend.rings().getFirst().counters().chains() > 0, "the bytes came from here");
            assertEquals(0, backend.rings().getFirst().counters().broken());
            guest.powerOff();
        }
    }
}
