/**
 * A controller that is software in this process and completes each command as its doorbell is rung: for tests of the
 * driver, which bend its behaviour, and for the benchmark of what the driver itself costs. Not exported, so no program
 * on the module path reaches it.
 *
 * <p>It is strict where a drive would be lenient: what breaks a rule of the specification is answered with the status
 * that the specification has for it, and never repaired.
 */
package io.gatun.nvme.software;
