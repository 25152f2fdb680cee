package io.gatun.pmd.offload;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.MemoryPort;
import io.gatun.pmd.TestFrames;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** RFC 1071, RFC 1624, RFC 768: the sum against one that is made byte by byte. */
class InternetChecksumTest {
    private static final long SEED = 20261121;

    private final Random random = new Random(SEED);

    @Test
    void everyShortLengthAtEveryAlignment() {
        byte[] bytes = new byte[128];
        random.nextBytes(bytes);
        try (Mapping memory = Mapping.anonymous(4096)) {
            Memory.copyFromArray(bytes, 0, memory.address(), bytes.length);
            for (int from = 0; from < 16; from++) {
                for (int to = from; to <= bytes.length; to++) {
                    int sum = InternetChecksum.fold(InternetChecksum.sum(memory.address() + from, to - from));
                    assertEquals(TestFrames.onesSum(bytes, from, to, 0), network(sum), from + " to " + to);
                }
            }
        }
    }

    @Test
    void carriesOfManyBytesAreKept() {
        byte[] bytes = new byte[65_535];
        java.util.Arrays.fill(bytes, (byte) 0xff);
        try (Mapping memory = Mapping.anonymous(1 << 16)) {
            Memory.copyFromArray(bytes, 0, memory.address(), bytes.length);
            int sum = InternetChecksum.fold(InternetChecksum.sum(memory.address(), bytes.length));
            assertEquals(TestFrames.onesSum(bytes, 0, bytes.length, 0), network(sum));
        }
    }

    @Test
    void anySplitIntoSegmentsHasTheSameSum() {
        try (MemoryPort port = new MemoryPort("p", 1)) {
            for (int round = 0; round < 2_000; round++) {
                byte[] bytes = new byte[1 + random.nextInt(300)];
                random.nextBytes(bytes);
                int[] runs = random.ints(random.nextInt(12), 1, 40).toArray();
                Burst burst = port.burst();
                port.with(bytes, runs);
                int from = random.nextInt(bytes.length);
                assertEquals(
                        TestFrames.onesSum(bytes, from, bytes.length, 0),
                        network(InternetChecksum.fold(InternetChecksum.sum(burst, 0, from))),
                        "round " + round + " of seed " + SEED);
            }
        }
    }

    @Test
    void anUpdateIsTheSameAsANewSum() {
        for (int round = 0; round < 2_000; round++) {
            byte[] bytes = new byte[40];
            random.nextBytes(bytes);
            int before = ~TestFrames.onesSum(bytes, 0, 40, 0) & 0xffff;
            int oldWord = TestFrames.number(bytes, 10);
            int newWord = random.nextInt(1 << 16);
            bytes[10] = (byte) (newWord >> 8);
            bytes[11] = (byte) newWord;
            int after = ~TestFrames.onesSum(bytes, 0, 40, 0) & 0xffff;
            int updated = InternetChecksum.update(
                    network(before), InternetChecksum.number(oldWord), InternetChecksum.number(newWord));
            assertEquals(after % 0xffff, network(updated) % 0xffff);
        }
    }

    @Test
    void aUdpChecksumIsNeverZero() {
        assertEquals(0, InternetChecksum.finish(0xffff));
        assertEquals(0xffff, InternetChecksum.finishUdp(0xffff));
        assertEquals(0xffff, InternetChecksum.finishUdp(0));
    }

    private static int network(int folded) {
        return (folded & 0xff) << 8 | folded >> 8;
    }
}
