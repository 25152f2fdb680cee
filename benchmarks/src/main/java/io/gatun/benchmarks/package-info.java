/** JMH benchmarks of the hot paths, and comparisons with the C peers in one run; nothing depends on this. */
package io.gatun.benchmarks;
