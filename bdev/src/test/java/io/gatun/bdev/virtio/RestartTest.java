package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A back-end that dies with requests in flight is followed by one that runs exactly those again, in order; the guest
 * sees each request answered once.
 */
class RestartTest {
    private static final byte[] NONE = {};

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void survivorsRunAgainInOrderBeforeNewRequests(boolean packed) {
        HeldBdev disk = new HeldBdev();
        try (BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, packed)) {
            for (int i = 0; i < 6; i++) {
                guest.add(VirtioBlk.T_IN, i, NONE, 512);
            }
            guest.handler.poll(32);
            // Out of order: 3 and 0 are answered, 1, 2, 4 and 5 are not.
            disk.complete(3, 0);
            disk.complete(0, 0);
            guest.handler.poll(0);
            assertEquals(VirtioBlk.S_OK, guest.take().status());
            assertEquals(VirtioBlk.S_OK, guest.take().status());
            guest.add(VirtioBlk.T_IN, 6, NONE, 512);
            die(disk, guest);
            guest.handler.poll(32);
            assertEquals(List.of("read 1", "read 2", "read 4", "read 5", "read 6"), disk.log);
            while (!disk.held.isEmpty()) {
                disk.complete(0, 0);
            }
            guest.handler.poll(0);
            for (int i = 0; i < 5; i++) {
                assertEquals(VirtioBlk.S_OK, guest.take().status());
            }
            assertNull(guest.take());
            assertEquals(0, guest.handler.inFlight());
        }
    }

    /** The process is gone, its requests with it; the front-end tells the successor where the ring was stopped. */
    private static void die(HeldBdev disk, BlkGuest guest) {
        disk.held.clear();
        disk.log.clear();
        guest.restart(guest.queue.base());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyRequestIsAnsweredOnceThroughManyDeaths(boolean packed) {
        long seed = Long.getLong("gatun.seed", System.nanoTime());
        System.out.println("RestartTest seed " + seed);
        Random random = new Random(seed);
        HeldBdev disk = new HeldBdev();
        try (BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, packed)) {
            Set<Integer> waiting = new TreeSet<>();
            List<String> expected = new ArrayList<>();
            for (int step = 0; step < 3_000; step++) {
                switch (random.nextInt(6)) {
                    case 0, 1 -> {
                        if (waiting.size() < 16) {
                            assertTrue(waiting.add(guest.add(VirtioBlk.T_IN, step, NONE, 512)));
                        }
                    }
                    case 2 -> guest.handler.poll(random.nextInt(4));
                    case 3, 4 -> {
                        if (!disk.held.isEmpty()) {
                            disk.complete(random.nextInt(disk.held.size()), 0);
                        }
                        guest.handler.poll(0);
                        for (BlkGuest.Answer a = guest.take(); a != null; a = guest.take()) {
                            assertTrue(waiting.remove(a.id()), "answered twice, or never asked");
                        }
                    }
                    default -> {
                        expected.clear();
                        disk.held.forEach(r -> expected.add("read " + r.offsetBytes / 512));
                        die(disk, guest);
                        guest.handler.poll(32);
                        assertEquals(expected, disk.log.subList(0, expected.size()), "in the order of their arrival");
                    }
                }
                if (step % 64 == 0 && waiting.isEmpty()) {
                    guest.releaseBuffers();
                }
            }
            finish(disk, guest, waiting);
        }
    }

    private static void finish(HeldBdev disk, BlkGuest guest, Set<Integer> waiting) {
        guest.handler.poll(32);
        while (!disk.held.isEmpty()) {
            disk.complete(0, 0);
            guest.handler.poll(32);
        }
        for (BlkGuest.Answer a = guest.take(); a != null; a = guest.take()) {
            assertTrue(waiting.remove(a.id()));
        }
        assertTrue(waiting.isEmpty(), waiting + " were never answered");
    }

    /** A write that was carried out but not yet answered when its process died is carried out again, to no effect. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aWriteDoneTwiceIsDoneOnce(boolean packed) {
        try (MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", 1 << 20, 512))) {
            HeldBdev held = new HeldBdev();
            try (BlkGuest guest = new BlkGuest(held, VirtioBlkOptions.DEFAULTS, packed);
                    BlkGuest other = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, packed)) {
                byte[] data = VirtioBlkQueueTest.random(4096, 1);
                guest.add(VirtioBlk.T_OUT, 8, data, 0);
                guest.handler.poll(1);
                assertEquals(VirtioBlk.S_OK, other.write(8, data).status());
                die(held, guest);
                guest.handler.poll(1);
                assertEquals(List.of("write 8"), held.log);
                assertEquals(VirtioBlk.S_OK, other.write(8, data).status());
                assertArrayEquals(data, other.read(8, 4096).data());
            }
        }
    }
}
