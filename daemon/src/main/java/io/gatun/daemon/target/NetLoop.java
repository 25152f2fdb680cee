package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.pmd.Forwarder;
import java.util.List;

/**
 * What testpmd calls a forward mode, at work on one or two ports.
 *
 * @param name as the command line would spell it: {@code macswap:p0}
 * @param parameters what {@code loop_create} makes it from
 */
record NetLoop(String name, String mode, List<NetPort> ports, Forwarder forwarder, ObjectNode parameters) {
    String user() {
        return "loop " + name;
    }
}
