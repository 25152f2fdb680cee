package io.gatun.vfio;

import io.gatun.linux.EventFd;
import java.util.List;

/** What the suites that run in a guest share: its NVMe controllers, and patience for their interrupts. */
final class InGuest {
    static final PciBus BUS = PciBus.system();

    private InGuest() {}

    /** The NVMe controllers that the guest has, in the order of their addresses. */
    static List<PciAddress> nvme() {
        return BUS.functions().stream()
                .filter(f -> f.classCode() == PciFunction.CLASS_NVME)
                .map(PciFunction::address)
                .toList();
    }

    /** How often {@code event} was signalled: waits two seconds for the first time, then returns 0. */
    static long awaitCount(EventFd event) throws InterruptedException {
        for (int i = 0; i < 200; i++) {
            long count = event.drain();
            if (count != 0) {
                return count;
            }
            Thread.sleep(10);
        }
        return 0;
    }
}
