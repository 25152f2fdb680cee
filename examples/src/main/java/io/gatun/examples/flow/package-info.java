/**
 * A switch that is programmed with flows, as Open vSwitch is, built on Gatun's ports.
 *
 * <p>Flows are in numbered tables; each has a priority, a match over the packet's headers, and actions. The first
 * packet of a connection is led through the tables once, and what comes out, a straight list of operations, is kept in
 * an exact-match cache for those that follow. The text of flows is that of ovs-ofctl(8).
 *
 * <p>Read in this order: {@code Field}, {@code Match}, {@code Action}, {@code FlowTables}, {@code Translator},
 * {@code ProgramCache}, {@code FlowLane}, {@code FlowSwitch}; then the text: {@code FlowParser}, {@code FlowCommands}.
 */
package io.gatun.examples.flow;
