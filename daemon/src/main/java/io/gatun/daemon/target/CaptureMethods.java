package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.pmd.pcap.Capture;
import java.nio.file.Path;
import java.util.List;

/**
 * Methods that write a running port's packets to a file. A capture is something one does for a while: {@code
 * save_config} does not tell of it.
 */
final class CaptureMethods {
    private static final Param NAME = required("name", STRING, "Name of the port.");

    private CaptureMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "port_capture_start",
                RUNTIME,
                "Writes what a port receives and sends to a file that tcpdump and tshark read.",
                List.of(
                        NAME,
                        required("path", STRING, "The file, made anew."),
                        optional("snaplen", UINT32, "The most bytes kept of a packet, 14 to 262144 (all).")),
                CaptureMethods::start);
        registry.add(
                "port_capture_stop",
                RUNTIME,
                "Ends a port's capture and returns what became of it; the file is complete then.",
                List.of(NAME),
                CaptureMethods::stop);
    }

    private static JsonNode start(Target target, Arguments arguments) {
        NetPort port = target.net().port(arguments.string("name"));
        if (port.capture != null) {
            throw RpcException.errno(
                    Errno.EBUSY,
                    "port " + port.name() + " is captured to " + port.capture.file() + "; stop that first");
        }
        try {
            Path file = Path.of(arguments.string("path")).toAbsolutePath();
            int length = PortKinds.integer(arguments, "snaplen", PortKinds.ALL_BYTES);
            port.capture = Capture.start(port.port, file, length);
        } catch (LinuxException e) {
            throw RpcException.errno(e.errno(), e.getMessage());
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, e.getMessage());
        }
        return BooleanNode.TRUE;
    }

    private static JsonNode stop(Target target, Arguments arguments) {
        NetPort port = target.net().port(arguments.string("name"));
        Capture capture = port.capture;
        if (capture == null) {
            throw RpcException.errno(Errno.ENOENT, "port " + port.name() + " is not being captured");
        }
        port.stopCapture();
        return describe(capture, JsonNodeFactory.instance.objectNode());
    }

    static ObjectNode describe(Capture capture, ObjectNode entry) {
        return entry.put("path", capture.file().toString())
                .put("packets", capture.packets())
                .put("dropped", capture.dropped());
    }
}
