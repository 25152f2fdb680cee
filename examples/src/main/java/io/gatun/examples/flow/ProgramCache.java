package io.gatun.examples.flow;

import java.util.Arrays;

/**
 * The programs of keys that were seen lately: each key has one place, and the newest key in a place stays.
 *
 * <p><b>Thread-safety:</b> one thread; each lane has its own.
 */
final class ProgramCache {
    private static final int PLACES = 4096;
    private static final long MULTIPLIER = 0x9e3779b97f4a7c15L;

    private final long[] keys = new long[PLACES * Field.WORDS];
    private final Program[] programs = new Program[PLACES];
    private final Translator translator = new Translator();
    private FlowTables tables;

    ProgramCache() {}

    /** The program of a key, from here or from the tables. */
    Program get(FlowTables now, long[] key) {
        if (now != tables) {
            Arrays.fill(programs, null);
            tables = now;
        }
        int place = place(key);
        int at = place * Field.WORDS;
        Program program = programs[place];
        if (program == null || !Arrays.equals(keys, at, at + Field.WORDS, key, 0, Field.WORDS)) {
            program = translator.translate(now, key);
            System.arraycopy(key, 0, keys, at, Field.WORDS);
            programs[place] = program;
        }
        return program;
    }

    private static int place(long[] key) {
        long hash = 0;
        for (long word : key) {
            hash = (hash ^ word) * MULTIPLIER;
            hash ^= hash >>> 32;
        }
        return (int) hash & (PLACES - 1);
    }
}
