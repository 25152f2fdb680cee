package io.gatun.bdev;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Who wants to hear of a device's change of size.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class Resizes {
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();

    Bdev.Registration add(Runnable action) {
        Listener listener = new Listener(action);
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    void announce() {
        for (Listener listener : listeners) {
            listener.action.run();
        }
    }

    /** Makes two registrations of one action two. */
    private static final class Listener {
        private final Runnable action;

        private Listener(Runnable action) {
            this.action = action;
        }
    }
}
