package io.gatun.nvme;

import java.util.ArrayList;
import java.util.List;

/**
 * The Firmware Slot Information log (Base figure 210).
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class FirmwareSlots {
    static final int BYTES = 512;

    private static final int SLOTS = 7;

    private final byte[] data;

    FirmwareSlots(byte[] data) {
        this.data = data;
    }

    /** The slot whose firmware runs, 1 to 7. */
    public int activeSlot() {
        return Fields.u8(data, 0) & 7;
    }

    /** The slot whose firmware runs after the next reset; 0 where the controller does not say. */
    public int nextSlot() {
        return Fields.u8(data, 0) >>> 4 & 7;
    }

    /** The revision in each slot, from slot 1 on; empty where a slot is. */
    public List<String> revisions() {
        List<String> revisions = new ArrayList<>();
        for (int i = 0; i < SLOTS; i++) {
            revisions.add(Fields.text(data, 8 + 8 * i, 8));
        }
        return revisions;
    }
}
