package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Json;
import java.io.PrintWriter;
import java.util.Map;

/** What a command found out, printed for a program (JSON) or for people: a line a fact, indented by what it is of. */
final class Facts {
    private static final String INDENT = "  ";
    private static final int COLUMN = 34;

    private Facts() {}

    static void print(PrintWriter out, ObjectNode facts, boolean json) {
        if (json) {
            out.println(Json.pretty(facts));
        } else {
            print(out, facts, "");
        }
        out.flush();
    }

    private static void print(PrintWriter out, ObjectNode facts, String indent) {
        for (Map.Entry<String, JsonNode> fact : facts.properties()) {
            String name = indent + fact.getKey().replace('_', ' ');
            switch (fact.getValue()) {
                case ObjectNode object -> {
                    out.println(name);
                    print(out, object, indent + INDENT);
                }
                case ArrayNode list when list.isEmpty() -> line(out, name, "none");
                case ArrayNode list -> list.forEach(element -> {
                    if (element instanceof ObjectNode object) {
                        out.println(name);
                        print(out, object, indent + INDENT);
                    } else {
                        line(out, name, element.asText());
                    }
                });
                default -> line(out, name, fact.getValue().asText());
            }
        }
    }

    private static void line(PrintWriter out, String name, String value) {
        out.println(String.format("%-" + COLUMN + "s%s", name, value).stripTrailing());
    }
}
