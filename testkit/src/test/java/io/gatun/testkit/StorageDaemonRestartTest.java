package io.gatun.testkit;

import org.junit.jupiter.api.Test;

/**
 * Proves the restart scenario itself: QEMU and its storage daemon survive it, so a failure with another server is that
 * server's.
 */
@RequiresPeer({Peer.GUEST, Peer.STORAGE_DAEMON})
class StorageDaemonRestartTest {
    @Test
    void guestSurvivesTwoKills() {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2);
        RestartScenario.run(StorageDaemon.PLAIN, spec, 2, System.nanoTime());
    }
}
