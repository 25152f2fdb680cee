package io.gatun.examples.flow;

/** What is done with a packet. The text of each is that of ovs-ofctl(8). */
sealed interface Action {
    /** To a port, unless the packet came from there. */
    record Output(int port) implements Action {
        @Override
        public String toString() {
            return "output:" + port;
        }
    }

    /** Actions that are a word. */
    enum Word implements Action {
        /** Back to where it came from. */
        IN_PORT,
        /** To all ports but where it came from. */
        FLOOD,
        /** The same: no port is kept out of floods here. */
        ALL,
        /** As a learning switch does. */
        NORMAL;
    }

    /** Writes a field of a header, and its checksums. */
    record SetField(Field field, long high, long low) implements Action {
        @Override
        public String toString() {
            String text = FlowText.value(field, high, low, -1, -1);
            return switch (field) {
                case DL_SRC, DL_DST, NW_SRC, NW_DST, NW_TOS, TP_SRC, TP_DST -> "mod_" + field.label + ":" + text;
                case DL_VLAN -> "mod_vlan_vid:" + text;
                case DL_VLAN_PCP -> "mod_vlan_pcp:" + text;
                default -> "set_field:" + text + "->" + field.label;
            };
        }
    }

    /** A new tag before all others, with what the outermost one said. */
    record PushVlan(int etherType) implements Action {
        @Override
        public String toString() {
            return String.format("push_vlan:0x%04x", etherType);
        }
    }

    /** Takes the outermost tag away. */
    record PopVlan() implements Action {
        @Override
        public String toString() {
            return "pop_vlan";
        }
    }

    /** Goes on in a later table, and does not come back. */
    record GotoTable(int table) implements Action {
        @Override
        public String toString() {
            return "goto_table:" + table;
        }
    }

    /** Does what a table says and comes back; looks up with another {@code in_port} unless that is negative. */
    record Resubmit(int port, int table) implements Action {
        @Override
        public String toString() {
            return "resubmit(" + (port < 0 ? "" : port) + "," + table + ")";
        }
    }
}
