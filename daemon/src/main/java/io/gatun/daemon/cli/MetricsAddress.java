package io.gatun.daemon.cli;

import java.net.InetSocketAddress;

/** {@code --metrics [HOST:]PORT}. */
final class MetricsAddress {
    private MetricsAddress() {}

    /** The address, on this machine only where no host is named; throws {@link UsageException}. */
    static InetSocketAddress parse(String text) {
        int colon = text.lastIndexOf(':');
        String host = colon < 0 ? "127.0.0.1" : text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        try {
            int port = Integer.parseInt(text.substring(colon + 1));
            InetSocketAddress address = new InetSocketAddress(host, port);
            if (!host.isEmpty() && !address.isUnresolved()) {
                return address;
            }
        } catch (IllegalArgumentException e) {
            // Told below.
        }
        throw new UsageException("--metrics " + text + ": expected [HOST:]PORT with a port from 0 to 65535");
    }
}
