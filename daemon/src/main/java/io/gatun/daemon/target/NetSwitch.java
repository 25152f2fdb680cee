package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.pmd.bridge.Bridge;
import java.util.LinkedHashMap;
import java.util.Map;

/** A switch that a method created, with the calls that recreate it and the ports it has. */
final class NetSwitch {
    final Bridge bridge;
    /** What {@code switch_create} makes it from, without ports. */
    final ObjectNode parameters;

    /** Its ports, each with what {@code switch_add_port} adds it from. */
    final Map<NetPort, ObjectNode> ports = new LinkedHashMap<>();

    /** Read by the control loop's thread, which ages addresses as long as this is false. */
    volatile boolean closed;

    NetSwitch(Bridge bridge, ObjectNode parameters) {
        this.bridge = bridge;
        this.parameters = parameters;
    }

    String user() {
        return "switch " + bridge.name();
    }
}
