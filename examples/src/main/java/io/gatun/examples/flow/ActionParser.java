package io.gatun.examples.flow;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Reads the actions of a flow; throws {@link IllegalArgumentException} with what is wrong. */
final class ActionParser {
    private final FlowParser flow;
    private final int table;

    /** For a flow in {@code table}. */
    ActionParser(FlowParser flow, int table) {
        this.flow = flow;
        this.table = table;
    }

    List<Action> actions(String text) {
        List<Action> actions = new ArrayList<>();
        // A comma within parentheses is not between two actions.
        for (String item : text.strip().split("\\s*,\\s*(?![^(]*\\))", -1)) {
            if (item.isEmpty()) {
                throw new IllegalArgumentException("an action is empty in " + text + "; nothing is: drop");
            }
            if (!actions.isEmpty() && actions.getLast() instanceof Action.GotoTable) {
                throw new IllegalArgumentException("goto_table comes last");
            }
            if (item.equalsIgnoreCase("drop")) {
                if (text.strip().length() != item.length()) {
                    throw new IllegalArgumentException("drop stands alone");
                }
            } else {
                actions.add(action(item));
            }
        }
        return actions;
    }

    private Action action(String item) {
        int colon = item.indexOf(':');
        int parenthesis = item.indexOf('(');
        int end = parenthesis >= 0 && (colon < 0 || parenthesis < colon) ? parenthesis : colon;
        String name = (end < 0 ? item : item.substring(0, end)).toLowerCase(Locale.ROOT);
        String argument = end < 0 ? "" : item.substring(end == colon ? end + 1 : end);
        return switch (name) {
            case "output" -> new Action.Output(flow.port(argument));
            case "in_port", "inport" -> Action.Word.IN_PORT;
            case "normal" -> Action.Word.NORMAL;
            case "flood" -> Action.Word.FLOOD;
            case "all" -> Action.Word.ALL;
            case "mod_dl_src", "mod_dl_dst", "mod_nw_src", "mod_nw_dst", "mod_nw_tos", "mod_tp_src", "mod_tp_dst" ->
                set(FlowParser.field(name.substring(4)), argument);
            case "mod_vlan_vid" -> set(Field.DL_VLAN, argument);
            case "mod_vlan_pcp" -> set(Field.DL_VLAN_PCP, argument);
            case "set_field" -> setField(argument);
            case "push_vlan" -> new Action.PushVlan(vlanType(argument));
            case "pop_vlan", "strip_vlan" -> new Action.PopVlan();
            case "goto_table" -> gotoTable(argument);
            case "resubmit" -> resubmit(argument);
            default -> {
                if (end >= 0) {
                    throw new IllegalArgumentException("unknown action " + item);
                }
                // A port alone is an output.
                yield new Action.Output(flow.port(item));
            }
        };
    }

    private static Action set(Field field, String text) {
        long[] value = FlowParser.value(field, text);
        if (field == Field.DL_VLAN && value[1] == 0xfff) {
            throw new IllegalArgumentException("VLAN 4095 is reserved");
        }
        return new Action.SetField(field, value[0], value[1]);
    }

    private static Action setField(String text) {
        int arrow = text.indexOf("->");
        if (arrow < 0) {
            throw new IllegalArgumentException("set_field:VALUE->FIELD, not set_field:" + text);
        }
        String name = text.substring(arrow + 2);
        Field field = name.equals("vlan_vid") ? Field.DL_VLAN : FlowParser.field(name);
        return switch (field) {
            case DL_TYPE, VLAN_TCI, IN_PORT, NW_PROTO ->
                throw new IllegalArgumentException(field.label + " cannot be set");
            default -> set(field, withoutPresence(field, text.substring(0, arrow)));
        };
    }

    /** In vlan_vid of OpenFlow 1.2 and later the bit 0x1000 says that there is a tag. */
    private static String withoutPresence(Field field, String text) {
        return field == Field.DL_VLAN
                ? Long.toString(FlowParser.number(field.label, text, 0x1fff) & 0xfff)
                : text;
    }

    private static int vlanType(String text) {
        int type = (int) FlowParser.number("push_vlan", text, 0xffff);
        if (type != 0x8100 && type != 0x88a8) {
            throw new IllegalArgumentException("push_vlan takes 0x8100 or 0x88a8, not " + text);
        }
        return type;
    }

    private Action gotoTable(String text) {
        int next = (int) FlowParser.number("goto_table", text, FlowTables.COUNT - 1);
        if (next <= table) {
            throw new IllegalArgumentException("goto_table goes to a later table, not from " + table + " to " + next);
        }
        return new Action.GotoTable(next);
    }

    /** {@code resubmit:PORT} and {@code resubmit([PORT],[TABLE])}. */
    private Action resubmit(String text) {
        String[] parts = text.replaceAll("[()\\s]", "").split(",", -1);
        if (parts.length > 2) {
            throw new IllegalArgumentException("resubmit([PORT],[TABLE]), not resubmit" + text);
        }
        int port = parts[0].isEmpty() || parts[0].equals("in_port") ? -1 : flow.port(parts[0]);
        int to = parts.length < 2 || parts[1].isEmpty()
                ? table
                : (int) FlowParser.number("a table", parts[1], FlowTables.COUNT - 1);
        return new Action.Resubmit(port, to);
    }
}
