package io.gatun.vring;

/** What generic ring tests run over: one list, so that every suite covers the same rings. */
final class RingKinds {
    /** Split, packed. */
    static final boolean[] ALL = {false, true};

    /** Feature sets that change how a ring works; each suite adds INDIRECT_DESC where it needs it. */
    static final long[] FEATURES = {
        0, VirtioFeatures.EVENT_IDX, VirtioFeatures.IN_ORDER, VirtioFeatures.IN_ORDER | VirtioFeatures.EVENT_IDX
    };

    private RingKinds() {}

    /** The sizes small enough for every state to be tried; packed rings need not have a power of two (§2.8.10.1). */
    static int[] sizes(boolean packed) {
        return packed ? new int[] {1, 2, 3, 4} : new int[] {1, 2, 4};
    }
}
