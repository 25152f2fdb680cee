package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.Bdev;
import io.gatun.bdev.RateLimit;
import java.util.Map;

/** A block device that a method made, with the call that makes it again. */
final class Disk {
    /** What SPDK calls the limits of a device, in the order of {@link #limits}. */
    static final String[] LIMITS = {"rw_ios_per_sec", "rw_mbytes_per_sec", "r_mbytes_per_sec", "w_mbytes_per_sec"};

    final Bdev bdev;
    /** The method that made it. */
    final String method;

    final String productName;
    /** What {@link #method} makes it from; null where that makes other disks as well, and knows by itself from what. */
    final ObjectNode parameters;
    /** What {@code bdev_get_bdevs} says about this kind of device only. */
    final ObjectNode specific;

    /** Per second: requests, and bytes in units of 2^20 of both, read and written; 0 is unlimited. */
    final long[] limits = new long[LIMITS.length];

    /** These limits at work, or null where there are none. */
    RateLimit rateLimit;

    /** What controllers that are gone have done. */
    final Counts earlier = new Counts();
    /** What a reset took from the counts that are shown. */
    Counts forgotten = new Counts();
    /** Likewise, of what an NVMe drive's error statuses are counted, by status. */
    Map<Integer, Long> forgottenErrors = Map.of();

    Disk(Bdev bdev, String method, String productName, ObjectNode parameters, ObjectNode specific) {
        this.bdev = bdev;
        this.method = method;
        this.productName = productName;
        this.parameters = parameters;
        this.specific = specific;
    }

    String name() {
        return bdev.name();
    }

    /** Whether this is the device that a caller names: by its name, or by its UUID as an alias. */
    boolean isCalled(String name) {
        return bdev.name().equals(name) || bdev.uuid().toString().equalsIgnoreCase(name);
    }
}
