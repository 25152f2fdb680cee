package io.gatun.linux;

import java.util.ArrayList;
import java.util.List;

/**
 * The child JVM of {@link VanishingMemoryTest}: truncates the file behind a mapping under every accessor of {@link
 * Memory}, after having warmed the accessor up, and says what came of it.
 *
 * <p>C2 folds a load into the instruction that uses it where it can, and HotSpot survives a fault only in instructions
 * that it can decode: so each accessor appears in every use that has a folded form.
 */
@SuppressWarnings({"IntLongMath", "NarrowCalculation"}) // uses of a value, not sums that mean something
final class VanishingMemory {
    private static final int LENGTH = 1 << 16;

    private static final byte[] ARRAY = new byte[LENGTH];
    private static final Mapping SAFE = Mapping.anonymous(LENGTH);

    /** Keeps results alive. */
    private static long sink;

    private static boolean settledInside;

    private interface Access {
        void at(long address);
    }

    private record Case(String name, Access access) {}

    private static final List<Case> CASES = new ArrayList<>();

    private VanishingMemory() {}

    /** Arguments: how often each access is warmed up; and, for looking into one, the name of the only case to run. */
    public static void main(String[] arguments) {
        int warmUps = Integer.parseInt(arguments[0]);
        bytes();
        shorts();
        ints();
        longs();
        stores();
        readModifyWrites();
        bulk();
        loops();
        for (Case one : CASES) {
            if (arguments.length == 1 || one.name.equals(arguments[1])) {
                System.out.println("try " + one.name);
                System.out.println((survives(one.access, warmUps) ? "caught " : "missed ") + one.name);
            }
        }
        System.out.println(settledInside ? "done" : "an error came after settle()");
    }

    private static void bytes() {
        add("getByte", a -> sink = Memory.getByte(a));
        add("getByte: bit", a -> sink = (Memory.getByte(a) & 4) == 0 ? 1 : 2);
        add("getByte: branch", a -> {
            if ((Memory.getByte(a) & 5) != 0) {
                sink++;
            }
        });
        add("getByte: unsigned branch", a -> {
            if ((Memory.getByte(a) & 0xff & 0x85) != 0) {
                sink++;
            }
        });
        add("getByte: sign", a -> sink = Memory.getByte(a) < 0 ? 1 : 2);
        add("getByte: compared", a -> sink = Memory.getByte(a) == 3 ? 1 : 2);
        add("getByte: variable mask", a -> sink = (Memory.getByte(a) & (int) sink) == 0 ? 1 : 2);
        add("getByte: unsigned", a -> sink = (Memory.getByte(a) & 0xff) * 3L);
    }

    private static void shorts() {
        add("getUnsignedShort", a -> sink = Memory.getUnsignedShort(a));
        add("getUnsignedShort: odd", a -> sink = Memory.getUnsignedShort(a + 1));
        add("getUnsignedShort: bit", a -> sink = (Memory.getUnsignedShort(a) & 4) == 0 ? 1 : 2);
        add("getUnsignedShort: branch", a -> {
            if ((Memory.getUnsignedShort(a) & 5) != 0) {
                sink++;
            }
        });
        add("getUnsignedShort: high bit", a -> sink = (Memory.getUnsignedShort(a) & 0x8000) == 0 ? 1 : 2);
        add("getUnsignedShort: compared", a -> sink = Memory.getUnsignedShort(a) == 1234 ? 1 : 2);
        add("getUnsignedShort: variable", a -> sink = Memory.getUnsignedShort(a) == (int) sink ? 1 : 2);
        add("getUnsignedShort: low byte", a -> sink = Memory.getUnsignedShort(a) & 0xff);
        add("getUnsignedShort: high byte", a -> sink = Memory.getUnsignedShort(a) >>> 8);
        add("getUnsignedShort: signed", a -> sink = (short) Memory.getUnsignedShort(a));
        add("getUnsignedShort: scaled", a -> sink = Memory.getUnsignedShort(a) * 16L + a);
        add("loadAcquireShort", a -> sink = Memory.loadAcquireShort(a));
        add("loadAcquireShort: difference", a -> sink = (short) (Memory.loadAcquireShort(a) - (int) sink));
        add("loadAcquireShort: bit", a -> sink = (Memory.loadAcquireShort(a) & 0x80) == 0 ? 1 : 2);
    }

    private static void ints() {
        add("getInt", a -> sink = Memory.getInt(a) == 77 ? 1 : 2);
        add("getInt: odd", a -> sink = Memory.getInt(a + 1) == 77 ? 1 : 2);
        add("getInt: widened", a -> sink = Memory.getInt(a));
        add("getInt: scaled", a -> sink = Memory.getInt(a) * 16L + a);
        add("getInt: added", a -> sink = Memory.getInt(a) + (int) a);
        add("getInt: multiplied", a -> sink = Memory.getInt(a) * (int) a);
        add("getInt: bit", a -> sink = (Memory.getInt(a) & 4) == 0 ? 1 : 2);
        add("getInt: branch", a -> {
            if ((Memory.getInt(a) & 5) != 0) {
                sink++;
            }
        });
        add("getInt: variable branch", a -> {
            if ((Memory.getInt(a) & (int) sink) != 0) {
                sink++;
            }
        });
        add("getInt: shifted", a -> sink = Memory.getInt(a) << 3);
        add("getInt: double", a -> sink = Double.doubleToRawLongBits(Memory.getInt(a)));
        add("getInt: bit count", a -> sink = Integer.bitCount(Memory.getInt(a)));
        add("getUnsignedInt", a -> sink = Memory.getUnsignedInt(a));
        add("getUnsignedInt: odd", a -> sink = Memory.getUnsignedInt(a + 1));
        add("getUnsignedInt: narrowed and widened", a -> sink = (int) Memory.getUnsignedInt(a));
        add("getUnsignedInt: shifted down", a -> sink = Memory.getUnsignedInt(a) >>> 8);
        add("getUnsignedInt: shifted up", a -> sink = Memory.getUnsignedInt(a) << 9);
        add("getUnsignedInt: masked", a -> sink = Memory.getUnsignedInt(a) & 0xfff);
        add("getUnsignedInt: compared", a -> sink = Memory.getUnsignedInt(a) > 4096 ? 1 : 2);
        add("getUnsignedInt: added", a -> sink = Memory.getUnsignedInt(a) + a);
        add("loadAcquireInt", a -> sink = Memory.loadAcquireInt(a) == 77 ? 1 : 2);
        add("loadAcquireInt: widened", a -> sink = Memory.loadAcquireInt(a));
    }

    private static void longs() {
        add("getLong", a -> sink = Memory.getLong(a));
        add("getLong: odd", a -> sink = Memory.getLong(a + 1));
        add("getLong: added", a -> sink = Memory.getLong(a) + a);
        add("getLong: narrowed", a -> sink = (int) Memory.getLong(a));
        add("getLong: bit", a -> sink = (Memory.getLong(a) & 4) == 0 ? 1 : 2);
        add("getLong: branch", a -> {
            if ((Memory.getLong(a) & 5) != 0) {
                sink++;
            }
        });
        add("getLong: high bit", a -> sink = (Memory.getLong(a) & 1L << 40) == 0 ? 1 : 2);
        add("getLong: compared", a -> sink = Memory.getLong(a) == 77 ? 1 : 2);
        add("getLong: unsigned", a -> sink = Long.compareUnsigned(Memory.getLong(a), a) < 0 ? 1 : 2);
        add("getLong: bit count", a -> sink = Long.bitCount(Memory.getLong(a)));
        add("getLong: multiplied", a -> sink = Memory.getLong(a) * a);
    }

    private static void stores() {
        add("putByte", a -> Memory.putByte(a, (byte) sink));
        add("putByte: constant", a -> Memory.putByte(a, (byte) 1));
        add("putShort", a -> Memory.putShort(a, (int) sink));
        add("putShort: constant", a -> Memory.putShort(a, 1));
        add("putShort: odd", a -> Memory.putShort(a + 1, (int) sink));
        add("putInt", a -> Memory.putInt(a, (int) sink));
        add("putInt: constant", a -> Memory.putInt(a, 1));
        add("putInt: odd", a -> Memory.putInt(a + 1, (int) sink));
        add("putLong", a -> Memory.putLong(a, sink));
        add("putLong: constant", a -> Memory.putLong(a, 1));
        add("putLong: odd", a -> Memory.putLong(a + 1, sink));
        add("publish", a -> {
            Memory.putLong(a, sink);
            Memory.releaseFence();
            Memory.putShort(a + 8, (int) sink);
            Memory.fullFence();
            sink = Memory.getUnsignedShort(a + 10);
        });
        add("adjacent bytes", a -> {
            for (int i = 0; i < 8; i++) {
                Memory.putByte(a + i, (byte) 0);
            }
        });
    }

    private static void readModifyWrites() {
        add("byte or", a -> Memory.putByte(a, (byte) (Memory.getByte(a) | 4)));
        add("byte or variable", a -> Memory.putByte(a, (byte) (Memory.getByte(a) | (int) sink)));
        add("short increment", a -> Memory.putShort(a, Memory.getUnsignedShort(a) + 1));
        add("short xor", a -> Memory.putShort(a, Memory.getUnsignedShort(a) ^ 0x8080));
        add("int increment", a -> Memory.putInt(a, Memory.getInt(a) + 1));
        add("int and", a -> Memory.putInt(a, Memory.getInt(a) & (int) sink));
        add("long increment", a -> Memory.putLong(a, Memory.getLong(a) + 1));
        add("long set high bit", a -> Memory.putLong(a, Memory.getLong(a) | 1L << 40));
        add("long clear high bit", a -> Memory.putLong(a, Memory.getLong(a) & ~(1L << 40)));
        add("long shift", a -> Memory.putLong(a, Memory.getLong(a) << 3));
    }

    private static void bulk() {
        for (int length : new int[] {1, 7, 8, 16, 31, 63, 64, 65, 512, 4096, LENGTH}) {
            add("copy from, " + length, a -> Memory.copy(a, SAFE.address(), length));
            add("copy to, " + length, a -> Memory.copy(SAFE.address(), a, length));
            add("copyToArray, " + length, a -> Memory.copyToArray(a, ARRAY, 0, length));
            add("copyFromArray, " + length, a -> Memory.copyFromArray(ARRAY, 0, a, length));
            add("fill, " + length, a -> Memory.fill(a, length, (byte) 0));
            add("fill with sink, " + length, a -> Memory.fill(a, length, (byte) sink));
        }
        for (int length : new int[] {8, 32, 60, 64, 65, 256, 257}) {
            add("copyApart from, " + length, a -> Memory.copyApart(a, SAFE.address(), length));
            add("copyApart to, " + length, a -> Memory.copyApart(SAFE.address(), a, length));
        }
        add("touch", a -> Memory.touch(a, 64));
        add("copy from odd", a -> Memory.copy(a + 1, SAFE.address(), 513));
        add("copy to odd", a -> Memory.copy(SAFE.address(), a + 1, 513));
        add("copy within", a -> Memory.copy(a, a + 64, 512));
        add("copy 16", a -> Memory.copy(a, SAFE.address(), 16));
        add("copy 4096", a -> Memory.copy(a, SAFE.address(), 4096));
        add("fill 16", a -> Memory.fill(a, 16, (byte) 0));
        add("fill 4096", a -> Memory.fill(a, 4096, (byte) 0));
    }

    private static void loops() {
        add("long loop", a -> sink = sumOfLongs(a));
        add("long loop, based", a -> sink = sumOfLongs(Memory.base(a)));
        add("int loop", a -> sink = sumOfInts(a));
        add("int loop, based", a -> sink = sumOfInts(Memory.base(a)));
        add("short loop", a -> sink = sumOfShorts(a));
        add("short loop, based", a -> sink = sumOfShorts(Memory.base(a)));
        add("byte loop", VanishingMemory::bytesToArray);
        add("byte loop, based", a -> bytesToArray(Memory.base(a)));
        add("zero loop", VanishingMemory::zero);
        add("zero loop, based", a -> zero(Memory.base(a)));
        add("settle", VanishingMemory::settles);
        add("descriptor loop", a -> sink = descriptors(Memory.base(a)));
    }

    /** Late errors come before settle() returns, wherever the code is compiled into. */
    private static void settles(long a) {
        boolean inside = false;
        try {
            sink = Memory.getLong(a);
            Memory.settle();
        } catch (InternalError e) {
            inside = true;
            throw e;
        } finally {
            settledInside = inside;
        }
    }

    private static long sumOfLongs(long a) {
        long sum = 0;
        for (int i = 0; i < 512; i += 8) {
            sum += Memory.getLong(a + i);
        }
        return sum;
    }

    private static long sumOfInts(long a) {
        long sum = 0;
        for (int i = 0; i < 512; i += 4) {
            sum += Memory.getInt(a + i) + (Memory.getUnsignedInt(a + i) >>> 1);
        }
        return sum;
    }

    private static long sumOfShorts(long a) {
        int sum = 0;
        for (int i = 0; i < 512; i += 2) {
            sum += Memory.getUnsignedShort(a + i);
        }
        return sum;
    }

    private static void bytesToArray(long a) {
        for (int i = 0; i < 512; i++) {
            ARRAY[i] = Memory.getByte(a + i);
        }
    }

    private static void zero(long a) {
        for (int i = 0; i < 512; i += 8) {
            Memory.putLong(a + i, 0);
        }
    }

    /** Follows a table as a device does: address, length, flags, next. */
    private static long descriptors(long table) {
        long sum = 0;
        int next = 0;
        for (int i = 0; i < 32; i++) {
            long descriptor = table + next * 16L;
            sum += Memory.getLong(descriptor) + Memory.getUnsignedInt(descriptor + 8);
            if ((Memory.getUnsignedShort(descriptor + 12) & 2) != 0) {
                sum++;
            }
            next = Memory.getUnsignedShort(descriptor + 14) & 255;
        }
        return sum;
    }

    private static void add(String name, Access access) {
        CASES.add(new Case(name, access));
    }

    private static boolean survives(Access access, int warmUps) {
        try (MemoryFile file = MemoryFile.create("vanishing", LENGTH);
                Mapping map = file.map()) {
            for (int i = 0; i < warmUps; i++) {
                access.at(map.address());
            }
            file.setLength(0);
            try {
                access.at(map.address());
                Memory.settle();
            } catch (InternalError expected) {
                return true;
            }
            return false;
        }
    }
}
