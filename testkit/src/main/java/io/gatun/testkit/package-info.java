/**
 * The lab: finds the real peers of Gatun on this machine, starts them, talks to them, and takes them down again.
 *
 * <p>Read in this order: {@link io.gatun.testkit.Peer} and {@link io.gatun.testkit.RequiresPeer} (what must be
 * installed), {@link io.gatun.testkit.PeerProcess} (any program), {@link io.gatun.testkit.QemuGuest} (a Linux guest
 * driven step by step over its serial console), {@link io.gatun.testkit.DiskServer} (a vhost-user disk, whoever serves
 * it), {@link io.gatun.testkit.QtestMachine} (an NVMe controller without a guest), {@link io.gatun.testkit.Fuzz} (peers
 * that nobody has met yet). Everything that is started is
 * bounded in time, is closed by its owner, and dies with this JVM.
 */
package io.gatun.testkit;
