package io.gatun.testkit;

/** Proves the lab itself: QEMU's storage daemon meets the contract as far as it offers the features. */
@RequiresPeer({Peer.GUEST, Peer.STORAGE_DAEMON})
class StorageDaemonDiskTest extends GuestDiskContract {
    @Override
    DiskProgram program() {
        return StorageDaemon.PLAIN;
    }
}
