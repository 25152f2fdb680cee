package io.gatun.pmd.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class MacTableTest {
    @Test
    void itAgreesWithAMap() {
        Random random = new Random(20261121);
        MacTable table = new MacTable(4096, 8);
        Map<Long, Integer> ports = new HashMap<>();
        Map<Long, Integer> seen = new HashMap<>();
        for (int round = 0, second = 0; round < 200_000; round++) {
            long key = MacTable.key(2 + (random.nextInt(3000) << 8), random.nextInt(3));
            if (random.nextInt(1000) == 0) {
                second += 3;
                table.age(second, 30);
                int now = second;
                seen.values().removeIf(when -> now - when > 30);
                ports.keySet().retainAll(seen.keySet());
            } else if (random.nextBoolean() && ports.size() < 4000) {
                int port = random.nextInt(8);
                table.learn(key, port, 4096);
                ports.put(key, port);
                seen.put(key, second);
            } else {
                assertEquals(ports.getOrDefault(key, MacTable.UNKNOWN), table.lookup(key));
            }
            assertEquals(ports.size(), table.size());
        }
        for (int port = 0; port < 8; port++) {
            int number = port;
            assertEquals(ports.values().stream().filter(p -> p == number).count(), table.size(port));
        }
    }

    @Test
    void nearlyAllAddressesFindASlotInATableThatIsFull() {
        for (int limit : new int[] {1, 16, 1000, 8192}) {
            MacTable table = new MacTable(limit, 1);
            for (int i = 1; i <= limit; i++) {
                table.learn(MacTable.key(i * 0x0100_0000L, 0), 0, limit);
            }
            assertTrue(table.size() >= limit * 0.999, table.size() + " of " + limit);
        }
    }

    @Test
    void readersNeverSeeAnAddressAtAPortWhereItWasNot() throws InterruptedException {
        MacTable table = new MacTable(256, 64);
        AtomicBoolean done = new AtomicBoolean();
        AtomicBoolean wrong = new AtomicBoolean();
        // Address n is only ever at port n % 32 or 32 + n % 32.
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 3; t++) {
            int seed = t;
            threads.add(Thread.ofPlatform().start(() -> {
                Random random = new Random(seed);
                while (!done.get()) {
                    int number = 1 + random.nextInt(400);
                    if (random.nextInt(4) == 0) {
                        table.learn(MacTable.key(number, 0), number % 32 + (random.nextBoolean() ? 32 : 0), 256);
                    } else {
                        int port = table.lookup(MacTable.key(number, 0));
                        if (port != MacTable.UNKNOWN && port % 32 != number % 32) {
                            wrong.set(true);
                        }
                    }
                }
            }));
        }
        for (int i = 0; i < 300; i++) {
            table.flush(i % 64);
            Thread.sleep(1);
        }
        done.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        assertEquals(false, wrong.get());
    }
}
