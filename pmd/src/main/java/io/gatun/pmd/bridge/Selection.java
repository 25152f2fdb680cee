package io.gatun.pmd.bridge;

import io.gatun.pmd.Burst;

/**
 * The packets of a burst, sorted into groups; within a group they stay in order.
 *
 * <p>Memory for a group is made when it is first used, and kept.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class Selection {
    private final int[][] members;
    private final int[] counts;
    private final int[] used;
    private int groups;

    /** Groups are numbered from 0 to {@code limit - 1}. */
    Selection(int limit) {
        members = new int[limit][];
        counts = new int[limit];
        used = new int[limit];
    }

    void add(int group, int packet) {
        int count = counts[group];
        if (count == 0) {
            used[groups++] = group;
            if (members[group] == null) {
                members[group] = new int[Burst.CAPACITY];
            }
        }
        members[group][count] = packet;
        counts[group] = count + 1;
    }

    /** How many groups have packets. */
    int groups() {
        return groups;
    }

    /** The number of the {@code i}th of them. */
    int group(int i) {
        return used[i];
    }

    int[] members(int group) {
        return members[group];
    }

    int count(int group) {
        return counts[group];
    }

    /** Forgets all packets. */
    void clear() {
        for (int i = 0; i < groups; i++) {
            counts[used[i]] = 0;
        }
        groups = 0;
    }
}
