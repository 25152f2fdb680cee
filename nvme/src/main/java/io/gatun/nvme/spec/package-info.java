/** Layouts and numbers of the specifications; constants, and functions that take a field out of a register. */
package io.gatun.nvme.spec;
