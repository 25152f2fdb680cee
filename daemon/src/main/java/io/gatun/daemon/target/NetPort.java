package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.pmd.Port;
import io.gatun.pmd.pcap.Capture;
import java.util.function.Consumer;

/** A packet port that a method created, with the call that recreates it. */
final class NetPort {
    final Port port;
    /** The kind as the command line spells it: {@code vhost}, {@code tap} … */
    final PortKind kind;
    /** The parameters that the kind's method makes this port from. */
    final ObjectNode parameters;
    /** Adds what {@code port_get} says about this kind of port only. */
    final Consumer<ObjectNode> specific;

    /** Who decides where this port's packets go, such as {@code switch br0}; null where nobody does. */
    String user;

    /** What writes this port's packets to a file, or null. */
    Capture capture;

    NetPort(Port port, PortKind kind, ObjectNode parameters, Consumer<ObjectNode> specific) {
        this.port = port;
        this.kind = kind;
        this.parameters = parameters;
        this.specific = specific;
    }

    String name() {
        return port.name();
    }

    /** Ends what still watches the port, and the port. */
    void close() {
        stopCapture();
        port.close();
    }

    /** Ends the capture, if there is one; the file is complete then. */
    void stopCapture() {
        if (capture != null) {
            capture.close();
            capture = null;
        }
    }
}
