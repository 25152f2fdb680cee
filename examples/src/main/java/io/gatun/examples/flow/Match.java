package io.gatun.examples.flow;

import java.util.Arrays;

/**
 * Which packets a flow is for: those whose key, under the mask, is the value.
 *
 * <p><b>Thread-safety:</b> immutable once it is in a flow.
 */
final class Match {
    final long[] value = new long[Field.WORDS];
    final long[] mask = new long[Field.WORDS];

    Match() {}

    /** Demands a value under a mask, both in the field's own bits; returns this. */
    Match with(Field field, long low, long lowMask) {
        return with(field, 0, low, 0, lowMask);
    }

    Match with(Field field, long high, long low, long highMask, long lowMask) {
        if (field.bits == 128) {
            mask[field.word] |= highMask;
            mask[field.word + 1] |= lowMask;
            value[field.word] = (value[field.word] & ~highMask) | (high & highMask);
            value[field.word + 1] = (value[field.word + 1] & ~lowMask) | (low & lowMask);
        } else {
            long shifted = lowMask << field.shift;
            mask[field.word] |= shifted;
            value[field.word] = (value[field.word] & ~shifted) | (low << field.shift & shifted);
        }
        return this;
    }

    /** The field's mask in its own bits; of one with two words, the second. */
    long maskOf(Field field) {
        return field.get(mask);
    }

    boolean matches(long[] key) {
        long different = 0;
        for (int i = 0; i < Field.WORDS; i++) {
            different |= (key[i] ^ value[i]) & mask[i];
        }
        return different == 0;
    }

    /** Whether every packet of {@code other} is one of these. */
    boolean covers(Match other) {
        for (int i = 0; i < Field.WORDS; i++) {
            if ((mask[i] & ~other.mask[i]) != 0 || ((value[i] ^ other.value[i]) & mask[i]) != 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Match match && Arrays.equals(value, match.value) && Arrays.equals(mask, match.mask);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(value) + Arrays.hashCode(mask);
    }
}
