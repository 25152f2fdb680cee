/**
 * Devices written from scratch against the library: what it takes to give a virtual machine a device of your own.
 *
 * <p>{@link io.gatun.examples.RandomNumberDevice} is a whole one.
 */
package io.gatun.examples;
