package io.gatun.nvme;

import java.nio.charset.StandardCharsets;

/** Little-endian fields of a structure that a controller has returned. */
final class Fields {
    private Fields() {}

    static int u8(byte[] data, int at) {
        return data[at] & 0xff;
    }

    static int u16(byte[] data, int at) {
        return u8(data, at) | u8(data, at + 1) << 8;
    }

    static int i32(byte[] data, int at) {
        return u16(data, at) | u16(data, at + 2) << 16;
    }

    static long u32(byte[] data, int at) {
        return i32(data, at) & 0xffff_ffffL;
    }

    static long i64(byte[] data, int at) {
        return u32(data, at) | u32(data, at + 4) << 32;
    }

    /** ASCII padded with spaces (Base §1.4.2); what is not printable becomes a dot. */
    static String text(byte[] data, int at, int length) {
        return new String(data, at, length, StandardCharsets.ISO_8859_1)
                .replace('\0', ' ')
                .replaceAll("[^ -~]", ".")
                .strip();
    }
}
