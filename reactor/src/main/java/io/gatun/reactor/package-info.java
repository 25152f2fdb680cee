/**
 * Polling workers: one {@link io.gatun.reactor.Reactor} is one platform thread, usually pinned to one core, that runs
 * {@link io.gatun.reactor.Poller pollers} and commands and nothing else.
 *
 * <p>Decisions that shape this package:
 *
 * <ul>
 *   <li><b>Commands are unbounded.</b> Reactors and the control plane send commands to each other; a bounded queue
 *       would make a full one block its sender, and two reactors that wait for each other never recover. Commands are
 *       control work (add a queue, replace a memory table): their number is bounded by what asks for them.
 *   <li><b>A sleeping reactor sleeps for ever</b>, without a time-out that would hide a lost wake-up.
 *   <li><b>The clock is read every sixteenth cycle.</b> Reading it costs as much as an idle cycle does.
 * </ul>
 */
package io.gatun.reactor;
