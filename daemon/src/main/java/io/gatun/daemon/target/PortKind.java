package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.Param;
import io.gatun.pmd.Port;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A kind of packet port.
 *
 * @param name as the command line spells it
 * @param description what such a port is, for {@code rpc --list}
 * @param params what it takes besides its name
 * @param opener makes one
 */
record PortKind(String name, String description, List<Param> params, Opener opener) {

    /**
     * A port that was made.
     *
     * @param specific tells {@code port_get} more about it
     * @param settled parameters as a saved configuration has them where they were given in another form
     */
    record Opened(Port port, Consumer<ObjectNode> specific, Map<String, String> settled) {
        Opened(Port port, Consumer<ObjectNode> specific) {
            this(port, specific, Map.of());
        }
    }

    /** Makes a port, or throws {@link io.gatun.linux.LinuxException} or {@link IllegalArgumentException}. */
    @FunctionalInterface
    interface Opener {
        Opened open(Target target, String name, Arguments arguments);
    }

    /** The method that makes such a port. */
    String method() {
        return "port_" + name.replace('-', '_') + "_create";
    }
}
