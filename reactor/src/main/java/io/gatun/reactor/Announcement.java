package io.gatun.reactor;

import java.lang.invoke.VarHandle;

/**
 * Says that a sleeper is about to sleep: the flag that no wake-up is lost over.
 *
 * <p>The sleeper {@linkplain #announce announces} and then looks for work. Whoever brings work makes it visible and
 * then asks whether the announcement {@linkplain #isMade is made}. Each side writes and then reads what the other
 * writes, with a full fence in between, so at least one of them sees the other.
 *
 * <p><b>Thread-safety:</b> {@link #isMade} is for any thread, the rest for the sleeper.
 */
final class Announcement {
    private volatile boolean made;

    /** To be followed by a last look for work. */
    void announce() {
        made = true;
        // Pairs with isMade(): the announcement before the look for work.
        VarHandle.fullFence();
    }

    /** Whether the sleeper sleeps or is about to; to be asked after work was made visible. */
    boolean isMade() {
        // Pairs with announce(): the work before the look for the announcement.
        VarHandle.fullFence();
        return made;
    }

    /** The sleeper is awake. */
    void withdraw() {
        made = false;
    }
}
