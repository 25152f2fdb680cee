package io.gatun.vhostuser;

/**
 * One ring of a back-end, as it was a moment ago.
 *
 * @param size number of descriptors, 0 while no front-end has said
 * @param packed whether the packed layout is negotiated
 * @param reactor the name of the reactor that serves it
 * @param broken why it is broken, or null
 * @param counters live, and the same for as long as the back-end exists
 */
public record VringStatus(
        int index,
        int size,
        boolean packed,
        boolean started,
        boolean enabled,
        String reactor,
        String broken,
        VringCounters counters) {}
