package io.gatun.pmd;

import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Which reactors the queues of a port live on: all ports of a process take turns, whatever their kind, so that the
 * first queues of many ports do not meet on one reactor.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class Placement {
    private static final AtomicInteger NEXT = new AtomicInteger();

    private Placement() {}

    /**
     * The reactors, from the one on whose turn it is: queue pair {@code i} of the port belongs to element {@code i},
     * and round again.
     *
     * @param some at least one
     * @param queues how many pairs the port has, which is how far the turn moves on
     * @throws IllegalArgumentException if there is no reactor
     */
    public static List<Reactor> inTurn(List<Reactor> some, int queues) {
        if (some.isEmpty()) {
            throw new IllegalArgumentException("a port needs at least one reactor");
        }
        List<Reactor> rotated = new ArrayList<>(some);
        Collections.rotate(rotated, -Math.floorMod(NEXT.getAndAdd(queues), some.size()));
        return List.copyOf(rotated);
    }
}
