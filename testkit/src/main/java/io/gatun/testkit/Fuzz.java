package io.gatun.testkit;

import java.time.Duration;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * Runs a test on random input again and again: for a second, or, from another seed each time, for as long as {@code
 * -Dgatun.fuzz.seconds=N} says. A failure names its seed, and {@code -Dgatun.fuzz.seed=N} repeats that round alone.
 *
 * <p>The same body serves a fuzzer, which looks for bytes that reach code that none reached before: see {@link
 * #choices}.
 */
public final class Fuzz {
    private static final Long SECONDS = Long.getLong("gatun.fuzz.seconds");
    private static final Long ONE_SEED = Long.getLong("gatun.fuzz.seed");

    private Fuzz() {}

    /** Runs rounds, each of which depends on nothing but the numbers it is given; any thread. */
    public static void rounds(Consumer<RandomGenerator> round) {
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS == null ? 1 : SECONDS).toNanos();
        long seed = ONE_SEED != null ? ONE_SEED : SECONDS != null ? System.nanoTime() : 1;
        do {
            try {
                round.accept(new SplittableRandom(seed));
            } catch (Throwable t) {
                throw new AssertionError("repeat this round with -Dgatun.fuzz.seed=" + seed, t);
            }
            seed++;
        } while (ONE_SEED == null && System.nanoTime() < end);
    }

    /** The bytes of {@code input} as numbers, one after the other; zeros once they are used up. One thread. */
    public static RandomGenerator choices(byte[] input) {
        return new RandomGenerator() {
            private int next;

            @Override
            public int nextInt() {
                return take(Integer.BYTES);
            }

            @Override
            public int nextInt(int bound) {
                // As few bytes as will do, so that a fuzzer's change of one byte changes one choice.
                return (take(bound <= 1 << 8 ? 1 : Integer.BYTES) & Integer.MAX_VALUE) % bound;
            }

            @Override
            public boolean nextBoolean() {
                return (take(1) & 1) != 0;
            }

            @Override
            public long nextLong() {
                return ((long) nextInt() << Integer.SIZE) | (nextInt() & 0xffff_ffffL);
            }

            private int take(int bytes) {
                int value = 0;
                for (int i = 0; i < bytes; i++) {
                    value = (value << Byte.SIZE) | (next < input.length ? input[next++] & 0xff : 0);
                }
                return value;
            }
        };
    }
}
