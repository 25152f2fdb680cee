package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.ANY;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.Version;
import io.gatun.daemon.rpc.MethodRegistry;
import java.util.List;

/** Methods about the program itself. */
final class FrameworkMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private FrameworkMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add("spdk_get_version", ANY, "Returns this program's version.", List.of(), (_, _) -> version());
    }

    private static JsonNode version() {
        ObjectNode version = JSON.objectNode().put("version", "Gatun " + Version.TEXT);
        version.putObject("fields")
                .put("major", Version.MAJOR)
                .put("minor", Version.MINOR)
                .put("patch", Version.PATCH)
                .put("suffix", Version.SUFFIX);
        return version;
    }
}
