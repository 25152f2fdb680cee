package io.gatun.testkit;

/** A Linux guest lives on a disk of Gatun: split and packed rings, one and four queues, memory and file. */
@RequiresPeer(Peer.GUEST)
class GatunDiskTest extends GuestDiskContract {
    @Override
    DiskProgram program() {
        return GatunProgram.require();
    }
}
