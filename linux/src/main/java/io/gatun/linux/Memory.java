package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * Reads and writes memory by plain address: the one door to memory that a peer shares with us.
 *
 * <p>All accesses go through a single all-address segment in a {@code static final}, so the compiler sees a constant
 * base, constant layouts and no liveness check. Addresses are proven elsewhere (a guest address is checked once, on
 * translation); with {@code -Dgatun.memory.checked=true} every access is also looked up among the live mappings and
 * refused with the address, the length and the nearest mapping.
 *
 * <p><b>Memory that vanishes.</b> A peer can truncate the file behind a mapping. HotSpot turns the resulting SIGBUS
 * into an {@link InternalError} where it can decode the faulting instruction, and ends the JVM where it cannot.
 * Measured on JDK 25 (x86-64): release, opaque and volatile stores of bytes and shorts, every compare-and-set, and an
 * {@code int} load that C2 folds into a sign extension all end it. So nothing of the kind is offered: publication is
 * {@link #releaseFence()} and then a plain store, and 32-bit loads are kept from folding. {@code VanishingMemoryTest}
 * truncates under every accessor, in each use that has a folded form.
 *
 * <p>In code that C2 compiled the error comes <em>late</em>: the load yields an arbitrary value (a store or copy does
 * nothing), the program goes on, and the error surfaces at the next point where the thread can be stopped: a call of
 * native code, the return of the compiled method, a loop's back edge (of a counted loop: some thousand iterations
 * later). Hence:
 *
 * <ul>
 *   <li>a {@code try} right around the access is no protection: either it ends with {@link #settle}, or the error is
 *       caught in the worker's loop, outside of everything that may be compiled together with the access;
 *   <li>whose memory vanished is known for certain after a {@code settle} only: else, ask the files for their lengths;
 *   <li>what was read meanwhile is no worse than what a hostile peer could have written, and is validated as such.
 * </ul>
 *
 * <p><b>Byte order.</b> VIRTIO 1.x is little-endian and so is every host that Gatun runs on; class initialisation
 * refuses others.
 *
 * <p><b>Thread-safety:</b> stateless. Ordering is what each method's name says; everything else is a plain access.
 */
public final class Memory {
    /**
     * Whether each access is checked against the live mappings; a constant, so that the unchecked mode costs nothing.
     */
    public static final boolean CHECKED = Boolean.getBoolean("gatun.memory.checked");

    private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    private static final int COPY_STEP = 32;

    /** From here on a bulk copy is faster, despite its call. */
    private static final int COPY_BY_HAND = 256;

    private static final long USER_SPACE = (1L << 56) - 1;
    private static final VarHandle SHORT = JAVA_SHORT.varHandle();
    private static final VarHandle INT = JAVA_INT.varHandle();

    /**
     * Zero, which the compiler cannot know: what is between a 32-bit load and its use, so that they stay two
     * instructions.
     */
    private static int unknownZero;

    /** Somewhere to put what {@link #touch} reads, so that it is read. */
    @SuppressWarnings("UnusedVariable")
    private static int touched;

    static {
        if (java.nio.ByteOrder.nativeOrder() != java.nio.ByteOrder.LITTLE_ENDIAN) {
            throw new ExceptionInInitializerError("Gatun runs on little-endian machines only (VIRTIO 1.3 §1.4)");
        }
    }

    private static volatile StoreWatcher storeWatcher;

    private Memory() {}

    /**
     * Returns {@code address} in a form whose range the compiler knows, so that it drops the bounds checks of accesses
     * near it: for the base of a ring or table, once per burst. An address of user space passes unchanged.
     */
    public static long base(long address) {
        assert (address & USER_SPACE) == address : "not an address: 0x" + Long.toHexString(address);
        return address & USER_SPACE;
    }

    public static byte getByte(long address) {
        check(address, 1);
        return ALL.get(JAVA_BYTE, address);
    }

    public static void putByte(long address, byte value) {
        checkStore(address, 1);
        ALL.set(JAVA_BYTE, address, value);
    }

    /** Reads 16 bits, zero-extended. */
    public static int getUnsignedShort(long address) {
        check(address, 2);
        return ALL.get(JAVA_SHORT_UNALIGNED, address) & 0xffff;
    }

    /** Writes the low 16 bits of {@code value}. */
    public static void putShort(long address, int value) {
        checkStore(address, 2);
        ALL.set(JAVA_SHORT_UNALIGNED, address, (short) value);
    }

    /** Reads 32 bits, zero-extended. */
    public static long getUnsignedInt(long address) {
        check(address, 4);
        return (ALL.get(JAVA_INT_UNALIGNED, address) ^ unknownZero) & 0xffff_ffffL;
    }

    /** Reads 32 bits. */
    public static int getInt(long address) {
        check(address, 4);
        return ALL.get(JAVA_INT_UNALIGNED, address) ^ unknownZero;
    }

    public static void putInt(long address, int value) {
        checkStore(address, 4);
        ALL.set(JAVA_INT_UNALIGNED, address, value);
    }

    public static long getLong(long address) {
        check(address, 8);
        return ALL.get(JAVA_LONG_UNALIGNED, address);
    }

    public static void putLong(long address, long value) {
        checkStore(address, 8);
        ALL.set(JAVA_LONG_UNALIGNED, address, value);
    }

    /** Reads 16 bits, zero-extended, with acquire semantics; {@code address} must be even. */
    public static int loadAcquireShort(long address) {
        check(address, 2);
        return (short) SHORT.getAcquire(ALL, address) & 0xffff;
    }

    /** Reads 32 bits with acquire semantics; {@code address} must be a multiple of four. */
    public static int loadAcquireInt(long address) {
        check(address, 4);
        return (int) INT.getAcquire(ALL, address);
    }

    /** Orders every earlier load and store before every later store: the first half of a publication. */
    public static void releaseFence() {
        VarHandle.releaseFence();
    }

    /** Orders every earlier load before every later load and store. */
    public static void acquireFence() {
        VarHandle.acquireFence();
    }

    /** Orders every earlier access before every later one, a store before a later load included. */
    public static void fullFence() {
        VarHandle.fullFence();
    }

    /**
     * Throws the {@link InternalError} of any earlier access of this thread to memory that has vanished, if it has not
     * surfaced by itself. Costs about as much as a call of a C function: for set-up and tear-down, or once per burst.
     */
    public static void settle() {
        Native.pause();
    }

    /**
     * Reads the first and the last byte of a range, to find out, with {@link #settle}, whether a truncation took it.
     */
    public static void touch(long address, long length) {
        touched = getByte(address) + getByte(address + length - 1);
    }

    /** Copies {@code length} bytes; the ranges may overlap. */
    public static void copy(long source, long target, long length) {
        check(source, length);
        checkStore(target, length);
        MemorySegment.copy(ALL, source, ALL, target, length);
    }

    /**
     * Copies {@code length} bytes between ranges that do not overlap: faster than {@link #copy} for what is about as
     * long as a small packet, as it needs no call.
     */
    public static void copyApart(long source, long target, int length) {
        if (length < COPY_STEP || length > COPY_BY_HAND) {
            copy(source, target, length);
            return;
        }
        check(source, length);
        checkStore(target, length);
        long from = base(source);
        long to = base(target);
        int last = length - COPY_STEP;
        for (int at = 0; at < last; at += COPY_STEP) {
            copyStep(from + at, to + at);
        }
        // The rest, and some of the step before once more.
        copyStep(from + last, to + last);
    }

    /** Copies {@value #COPY_STEP} bytes. */
    private static void copyStep(long from, long to) {
        long first = ALL.get(JAVA_LONG_UNALIGNED, from);
        long second = ALL.get(JAVA_LONG_UNALIGNED, from + 8);
        long third = ALL.get(JAVA_LONG_UNALIGNED, from + 16);
        long fourth = ALL.get(JAVA_LONG_UNALIGNED, from + 24);
        ALL.set(JAVA_LONG_UNALIGNED, to, first);
        ALL.set(JAVA_LONG_UNALIGNED, to + 8, second);
        ALL.set(JAVA_LONG_UNALIGNED, to + 16, third);
        ALL.set(JAVA_LONG_UNALIGNED, to + 24, fourth);
    }

    /** Copies memory into a Java array. */
    public static void copyToArray(long source, byte[] target, int offset, int length) {
        check(source, length);
        MemorySegment.copy(ALL, JAVA_BYTE, source, target, offset, length);
    }

    /** Copies a Java array into memory. */
    public static void copyFromArray(byte[] source, int offset, long target, int length) {
        checkStore(target, length);
        MemorySegment.copy(source, offset, ALL, JAVA_BYTE, target, length);
    }

    /** Sets {@code length} bytes to {@code value}. */
    public static void fill(long address, long length, byte value) {
        checkStore(address, length);
        ALL.asSlice(address, length).fill(value);
    }

    /**
     * Sees every store of checked mode, from any thread, before it happens, and may throw to stop it: a test can so end
     * a protocol between any two stores, as a crash would.
     */
    @FunctionalInterface
    public interface StoreWatcher {
        void beforeStore(long address, long lengthBytes);
    }

    /** Sets the watcher, or removes it with null; throws {@link IllegalStateException} unless in checked mode. */
    public static void watchStores(StoreWatcher watcher) {
        if (!CHECKED) {
            throw new IllegalStateException("stores are watched in checked mode only: -Dgatun.memory.checked=true");
        }
        storeWatcher = watcher;
    }

    private static void check(long address, long length) {
        if (CHECKED) {
            LiveMappings.require(address, length);
        }
    }

    private static void checkStore(long address, long length) {
        if (CHECKED) {
            LiveMappings.require(address, length);
            StoreWatcher watcher = storeWatcher;
            if (watcher != null) {
                watcher.beforeStore(address, length);
            }
        }
    }
}
