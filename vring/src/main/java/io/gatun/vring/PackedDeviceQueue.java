package io.gatun.vring;

import static io.gatun.vring.PackedLayout.DESCRIPTOR_FLAGS;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_SHIFT;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_WORD;
import static io.gatun.vring.PackedLayout.DESC_F_AVAIL;
import static io.gatun.vring.PackedLayout.DESC_F_INDIRECT;
import static io.gatun.vring.PackedLayout.DESC_F_NEXT;
import static io.gatun.vring.PackedLayout.DESC_F_USED;
import static io.gatun.vring.PackedLayout.DESC_F_WRITE;
import static io.gatun.vring.PackedLayout.EVENT_DESCRIPTOR;
import static io.gatun.vring.PackedLayout.EVENT_DISABLE;
import static io.gatun.vring.PackedLayout.EVENT_ENABLE;
import static io.gatun.vring.PackedLayout.EVENT_FLAGS_SHIFT;
import static io.gatun.vring.PackedLayout.EVENT_WRAP_SHIFT;
import static io.gatun.vring.PackedLayout.PHASE;
import static io.gatun.vring.PackedLayout.WORD_FLAGS_SHIFT;
import static io.gatun.vring.PackedLayout.WORD_ID_SHIFT;

import io.gatun.linux.Memory;

/**
 * The device side of a packed virtqueue (VIRTIO 1.3 §2.8).
 *
 * <p>A position in the ring is a slot and the flags that a descriptor there has if it is available, or used, on the
 * present lap: comparing flags is all that the wrap counters are for.
 * What is given back is {@link PackedUsed}'s.
 *
 * <p>Longer than a file should be: what is left reads one position that only this class moves, chain by chain, in runs
 * or from the in-flight copies, and the compiler inlines it as one.
 */
public final class PackedDeviceQueue extends DeviceQueue {
    private final boolean eventIndex;
    private final boolean indirectAllowed;
    private final long ringUserAddress;
    private final long driverEventUserAddress;
    private final long deviceEventUserAddress;

    /** Null if the front-end keeps no in-flight buffer. */
    private final PackedInflight inflight;

    // Host addresses, proven by mapRings: every slot below is in [0, size).
    private long ring;
    private long driverEvent;
    private long deviceEvent;

    /** The slot of the next chain, and the flags it has once that chain is available. */
    private int nextAvail;

    private int availPhase;

    private final PackedUsed used;

    /** Slots popped and not yet published used: the driver cannot have made more available than the rest. */
    private int outstanding;

    private boolean kicksSuppressed;

    /** Validates the configuration; throws {@link IllegalArgumentException} with what is wrong. */
    public PackedDeviceQueue(QueueConfig config) {
        super(PackedLayout.requireSize(config.size()), config.features(), config.memory());
        eventIndex = VirtioFeatures.has(config.features(), VirtioFeatures.EVENT_IDX);
        indirectAllowed = VirtioFeatures.has(config.features(), VirtioFeatures.INDIRECT_DESC);
        used = new PackedUsed(config.size(), VirtioFeatures.has(config.features(), VirtioFeatures.IN_ORDER));
        ringUserAddress = config.descriptorAddress();
        driverEventUserAddress = config.availAddress();
        deviceEventUserAddress = config.usedAddress();
        String problem = mapRings(config.memory());
        if (problem != null) {
            throw new IllegalArgumentException(problem);
        }
        // The used half of the base is ignored, as DPDK's back-end does and its front-end relies on: without an
        // in-flight buffer nothing is in flight when a queue starts, so the next used slot is the next available one.
        nextAvail = config.base() & PackedLayout.EVENT_OFFSET_MASK;
        if (nextAvail >= config.size()) {
            throw new IllegalArgumentException("base " + nextAvail + " is outside a packed queue of " + config.size());
        }
        int wrap = (config.base() >>> EVENT_WRAP_SHIFT) & 1;
        used.start(nextAvail, wrap);
        availPhase = wrap == 0 ? DESC_F_USED : DESC_F_AVAIL;
        if (config.inflightAddress() == 0) {
            inflight = null;
        } else {
            inflight = PackedInflight.open(
                    config.inflightAddress(), config.inflightBytes(), config.size(), ring, nextAvail, wrap);
            continueFrom(inflight);
        }
    }

    /**
     * Takes the positions from the in-flight region: after a crash the front-end cannot know them. A predecessor that
     * died while it put a batch may have marked slots used that the driver does not see yet; it would see them as soon
     * as the slot before them is published, so they become available descriptors again. The driver does not touch them
     * meanwhile: they are ours until they are used.
     */
    private void continueFrom(PackedInflight recovered) {
        nextAvail = recovered.usedIndex();
        used.start(nextAvail, recovered.usedWrap());
        availPhase = recovered.usedWrap() == 0 ? DESC_F_USED : DESC_F_AVAIL;
        outstanding = recovered.survivorDescriptors();
        for (int i = 0; i < outstanding; i++) {
            long flagsAt = slot(nextAvail) + DESCRIPTOR_FLAGS;
            int flags = Memory.getUnsignedShort(flagsAt);
            if ((flags & PHASE) != availPhase) {
                Memory.putShort(flagsAt, (flags & ~PHASE) | availPhase);
            }
            advanceAvail(1);
        }
        Memory.releaseFence();
    }

    @Override
    String mapRings(GuestMemory memory) {
        ring = memory.translateUser(ringUserAddress, PackedLayout.ringBytes(size()));
        used.map(ring);
        driverEvent = memory.translateUser(driverEventUserAddress, PackedLayout.EVENT_BYTES);
        deviceEvent = memory.translateUser(deviceEventUserAddress, PackedLayout.EVENT_BYTES);
        String problem = ringProblem("descriptor ring", ringUserAddress, ring, PackedLayout.RING_ALIGNMENT);
        if (problem == null) {
            problem = ringProblem(
                    "driver event suppression", driverEventUserAddress, driverEvent, PackedLayout.EVENT_ALIGNMENT);
        }
        return problem != null
                ? problem
                : ringProblem(
                        "device event suppression",
                        deviceEventUserAddress,
                        deviceEvent,
                        PackedLayout.EVENT_ALIGNMENT);
    }

    private long slot(int index) {
        return ring + ((long) index << DESCRIPTOR_SHIFT);
    }

    private void advanceAvail(int slots) {
        int next = nextAvail + slots;
        if (next >= size()) {
            next -= size();
            availPhase ^= PHASE;
        }
        nextAvail = next;
    }

    @Override
    public boolean pop(DescriptorChain chain) {
        // First, for a broken queue's ring may not be mapped any more.
        if (isBroken()) {
            return false;
        }
        if (inflight != null && inflight.hasSurvivor()) {
            return popSurvivor(chain);
        }
        // Acquire: pairs with the driver's release before it writes the flags of the chain's first descriptor, so the
        // whole chain is visible (§2.8.21.1.1).
        int flags = Memory.loadAcquireShort(slot(nextAvail) + DESCRIPTOR_FLAGS);
        if ((flags & PHASE) != availPhase) {
            return false;
        }
        chain.clear();
        if (inflight == null) {
            return follow(chain, flags);
        }
        inflight.begin();
        if (!follow(chain, flags)) {
            return false;
        }
        chain.inflightSlot = inflight.end(chain.descriptorCount);
        return true;
    }

    @Override
    public int popBurst(ChainBurst burst, int max) {
        requireNoLog(inflight);
        burst.clear();
        while (burst.count < max && !isBroken()) {
            // Acquire: as in pop.
            int flags = Memory.loadAcquireShort(slot(nextAvail) + DESCRIPTOR_FLAGS);
            if ((flags & PHASE) != availPhase) {
                break;
            }
            boolean single = (flags & (DESC_F_NEXT | DESC_F_INDIRECT)) == 0;
            if (!single || takeRun(burst, max - burst.count) == 0) {
                burst.chain.clear();
                if (follow(burst.chain, flags)) {
                    burst.append(burst.chain);
                }
            }
        }
        if (isBroken()) {
            burst.clear();
        }
        return burst.count;
    }

    /**
     * Takes the buffers of one descriptor that follow each other from {@link #nextAvail} on, up to the ring's end;
     * returns how many. The rest is for {@link #follow}.
     */
    private int takeRun(ChainBurst burst, int max) {
        int most = Math.min(max, Math.min(size() - nextAvail, size() - outstanding));
        long first = Memory.base(slot(nextAvail));
        int available = fetchWords(burst.words, first, most);
        // Acquire: as in pop, once for all of them.
        Memory.acquireFence();
        int taken = burst.appendRun(memory(), first, available);
        advanceAvail(taken);
        outstanding += taken;
        return taken;
    }

    /** Reads length, id and flags of up to {@code most} descriptors; returns how many are available and alone. */
    private int fetchWords(long[] words, long first, int most) {
        int wanted = availPhase;
        for (int i = 0; i < most; i++) {
            // One aligned load: the flags are of the same moment as the rest.
            long word = Memory.getLong(first + ((long) i << DESCRIPTOR_SHIFT) + DESCRIPTOR_WORD);
            int flags = (int) (word >>> WORD_FLAGS_SHIFT);
            if ((flags & (PHASE | DESC_F_NEXT | DESC_F_INDIRECT)) != wanted) {
                return i;
            }
            words[i] = word;
        }
        return most;
    }

    @Override
    public void unpop(ChainBurst burst, int keep) {
        int slots = 0;
        for (int i = keep; i < burst.count; i++) {
            slots += burst.descriptorCounts[i];
        }
        burst.count = keep;
        outstanding -= slots;
        nextAvail -= slots;
        if (nextAvail < 0) {
            nextAvail += size();
            availPhase ^= PHASE;
        }
    }

    /** Appends the chain at {@link #nextAvail}, whose first descriptor has {@code flags}, and moves past it. */
    private boolean follow(DescriptorChain chain, int flags) {
        int room = size() - outstanding;
        int count = 0;
        int slot = nextAvail;
        int phase = availPhase;
        for (;;) {
            if (count == room) {
                return fail("a descriptor chain reaches into " + outstanding + " descriptors that are in use, of "
                        + size());
            }
            long at = slot(slot);
            long word = Memory.getLong(at + DESCRIPTOR_WORD);
            // The first descriptor's flags were read before its other fields; each field is fetched once.
            if (count != 0) {
                flags = (int) (word >>> WORD_FLAGS_SHIFT);
                if ((flags & PHASE) != phase) {
                    return fail("a descriptor chain runs on into slot " + slot + ", which is not available");
                }
            }
            long address = Memory.getLong(at);
            if (!appendDescriptor(chain, address, word, flags, count == 0)) {
                return false;
            }
            if (inflight != null) {
                inflight.copy(address, word, flags);
            }
            count++;
            slot++;
            if (slot == size()) {
                slot = 0;
                phase ^= PHASE;
            }
            if ((flags & DESC_F_NEXT) == 0) {
                // The buffer's id is the last descriptor's (§2.8.6). It is the driver's alone to interpret.
                chain.id = (int) (word >>> WORD_ID_SHIFT) & 0xffff;
                chain.descriptorCount = count;
                nextAvail = slot;
                availPhase = phase;
                outstanding += count;
                return true;
            }
        }
    }

    /** Appends what one descriptor of the ring, or its copy, describes. */
    private boolean appendDescriptor(DescriptorChain chain, long address, long word, int flags, boolean first) {
        long length = word & 0xffff_ffffL;
        if ((flags & DESC_F_INDIRECT) != 0) {
            return appendTable(chain, address, length, flags, first);
        }
        boolean writable = (flags & DESC_F_WRITE) != 0;
        if (!writable && chain.segmentCount != chain.readableCount) {
            return fail("a device-readable descriptor follows a device-writable one");
        }
        return append(chain, address, length, writable);
    }

    /** §2.8.7: the whole table is the buffer, whatever its descriptors' other flags say. */
    private boolean appendTable(DescriptorChain chain, long address, long length, int flags, boolean first) {
        if (!indirectAllowed) {
            return fail("an indirect descriptor, but VIRTIO_F_INDIRECT_DESC was not negotiated");
        }
        if (!first || (flags & DESC_F_NEXT) != 0) {
            return fail("an indirect descriptor in a chain of several");
        }
        if (length == 0 || length % PackedLayout.DESCRIPTOR_BYTES != 0) {
            return fail("an indirect table has " + length + " bytes, not a positive multiple of 16");
        }
        if (length > PackedLayout.ringBytes(longestChain())) {
            return fail("an indirect table of " + length / PackedLayout.DESCRIPTOR_BYTES
                    + " descriptors is longer than " + longestChain());
        }
        long table = memory().translate(address, length);
        if (table == GuestMemory.UNMAPPED) {
            return fail(String.format(
                    "indirect table of %d bytes at guest address 0x%x is not in one region", length, address));
        }
        for (long at = table; at < table + length; at += PackedLayout.DESCRIPTOR_BYTES) {
            long word = Memory.getLong(at + DESCRIPTOR_WORD);
            boolean writable = ((int) (word >>> WORD_FLAGS_SHIFT) & DESC_F_WRITE) != 0;
            if (!writable && chain.segmentCount != chain.readableCount) {
                // DPDK's driver marks the header of what it transmits, in a table's first descriptor, as writable. To
                // read what may be written harms nobody.
                if (at != table + PackedLayout.DESCRIPTOR_BYTES) {
                    return fail("a device-readable descriptor follows a device-writable one in an indirect table");
                }
                chain.makeReadable();
            }
            if (!append(chain, Memory.getLong(at), word & 0xffff_ffffL, writable)) {
                return false;
            }
        }
        return true;
    }

    /** Takes a chain that a predecessor had popped, from its copies; it is in flight already. */
    private boolean popSurvivor(DescriptorChain chain) {
        chain.clear();
        int head = inflight.takeSurvivor();
        int last = inflight.lastOf(head);
        int count = 0;
        for (int entry = head; ; entry = inflight.after(entry)) {
            long word = inflight.word(entry);
            int flags = (int) (word >>> WORD_FLAGS_SHIFT);
            if (!appendDescriptor(chain, inflight.address(entry), word, flags, count == 0)) {
                return false;
            }
            count++;
            if (entry == last) {
                chain.id = (int) (word >>> WORD_ID_SHIFT) & 0xffff;
                chain.descriptorCount = count;
                chain.inflightSlot = head;
                return true;
            }
        }
    }

    @Override
    public void putUsed(DescriptorChain chain, long writtenBytes) {
        if (isBroken()) {
            return;
        }
        assert used.pendingSlots() + chain.descriptorCount <= outstanding : "a chain was put that was not popped";
        used.put(chain.id, chain.descriptorCount, writtenBytes, chain.writableBytes);
        if (inflight != null) {
            inflight.put(chain.inflightSlot);
        }
    }

    @Override
    public void putUsedBurst(ChainBurst burst, int from, int to) {
        if (!isBroken()) {
            used.put(burst, from, to);
            assert used.pendingSlots() <= outstanding : "chains were put that were not popped";
        }
    }

    @Override
    public boolean publishUsed() {
        int slots = used.pendingSlots();
        if (slots == 0 || isBroken()) {
            return false;
        }
        used.endRun();
        if (inflight != null) {
            inflight.publishing(used.next(), used.wrap());
        }
        used.publish();
        if (inflight != null) {
            inflight.published();
        }
        outstanding -= slots;
        // Full: the driver must see the batch before we look whether it wants to hear of it (it does the reverse,
        // §2.8.22).
        Memory.fullFence();
        return isWanted(Memory.getUnsignedInt(driverEvent), slots);
    }

    /**
     * Whether the driver's event suppression asks for a call after the last {@code slots} slots were used (§2.8.10).
     */
    private boolean isWanted(long event, int slots) {
        int flags = (int) (event >>> EVENT_FLAGS_SHIFT) & PackedLayout.EVENT_FLAGS_MASK;
        if (flags != EVENT_DESCRIPTOR || !eventIndex) {
            return flags != EVENT_DISABLE;
        }
        // Positions on one line that does not wrap: this lap's are [0, size), the last one's are below 0.
        int position = (int) event & PackedLayout.EVENT_OFFSET_MASK;
        int wrap = (int) (event >>> EVENT_WRAP_SHIFT) & 1;
        if (wrap != used.wrap()) {
            position -= size();
        }
        return position < used.next() && position >= used.next() - slots;
    }

    @Override
    public void suppressKicks() {
        if (!kicksSuppressed && !isBroken()) {
            Memory.putInt(deviceEvent, EVENT_DISABLE << EVENT_FLAGS_SHIFT);
            kicksSuppressed = true;
        }
    }

    @Override
    public boolean armKicks() {
        if (isBroken()) {
            return true;
        }
        int event = EVENT_ENABLE << EVENT_FLAGS_SHIFT;
        if (eventIndex) {
            int wrap = availPhase == DESC_F_AVAIL ? 1 : 0;
            event = EVENT_DESCRIPTOR << EVENT_FLAGS_SHIFT | wrap << EVENT_WRAP_SHIFT | nextAvail;
        }
        // One store: the driver never sees the offset of one wish with the flags of another.
        Memory.putInt(deviceEvent, event);
        kicksSuppressed = false;
        // Full: the driver must see our wish before we conclude that there is nothing (it publishes, then looks,
        // §2.8.21.3.1).
        Memory.fullFence();
        return !hasWork();
    }

    private boolean hasWork() {
        return (inflight != null && inflight.hasSurvivor())
                || (Memory.loadAcquireShort(slot(nextAvail) + DESCRIPTOR_FLAGS) & PHASE) == availPhase;
    }

    @Override
    public boolean mayOweCall() {
        return inflight != null && !inflight.isFresh();
    }

    @Override
    public int base() {
        int avail = nextAvail | (availPhase == DESC_F_AVAIL ? 1 << EVENT_WRAP_SHIFT : 0);
        return avail | (used.next() | used.wrap() << EVENT_WRAP_SHIFT) << 16;
    }
}
