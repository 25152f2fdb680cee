package io.gatun.daemon.target;

/** What methods work on. */
public final class Target {
}
