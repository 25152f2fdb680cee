package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A back-end that dies between any two of its stores (vhost-user, "Inflight I/O tracking"): its successor gets exactly
 * the requests that the driver does not see used, in the order in which they were made available.
 */
class InflightCrashTest {
    private static final int OPERATIONS = 60;

    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (int size : packed ? new int[] {1, 2, 3, 4, 5, 8} : new int[] {1, 2, 4, 8}) {
                for (long features : RingKinds.FEATURES) {
                    cases.add(Arguments.of(packed, size, features | VirtioFeatures.INDIRECT_DESC));
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    @DisplayName("vhost-user inflight: death before every single store, then recovery")
    void deathBeforeEveryStore(boolean packed, int size, long features) {
        for (long seed = 1; seed <= 3; seed++) {
            long stores = runWithDeathAt(packed, size, features, seed, Long.MAX_VALUE);
            assertTrue(stores > 0);
            for (long at = 0; at < stores; at++) {
                runWithDeathAt(packed, size, features, seed, at);
            }
        }
    }

    private static long runWithDeathAt(boolean packed, int size, long features, long seed, long store) {
        try (MortalDevice model = new MortalDevice(packed, size, features, seed)) {
            model.dieBeforeStore(store);
            model.run(OPERATIONS);
            long stores = model.stores();
            model.finish();
            return stores;
        } catch (AssertionError | RuntimeException e) {
            throw new AssertionError("seed " + seed + ", death before store " + store, e);
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    @DisplayName("vhost-user inflight: death again and again, also while recovering")
    void deathAgainAndAgain(boolean packed, int size, long features) {
        manyLives(packed, size, features, 20);
    }

    @Tag("stress")
    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    @DisplayName("vhost-user inflight: thousands of deaths")
    void thousandsOfDeaths(boolean packed, int size, long features) {
        manyLives(packed, size, features, 2000);
    }

    private static void manyLives(boolean packed, int size, long features, int seeds) {
        for (long seed = 1; seed <= seeds; seed++) {
            try (MortalDevice model = new MortalDevice(packed, size, features, seed)) {
                for (int life = 0; life < 20; life++) {
                    model.dieBeforeStore(model.random(80));
                    model.run(OPERATIONS);
                }
                model.finish();
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
    }
}
