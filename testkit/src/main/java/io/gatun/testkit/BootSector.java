package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;

/**
 * A boot sector that reads the disk's second sector through the firmware (int 13h, function 42h) and prints the text in
 * it on the first serial port: what is seen there has come from the disk, twice.
 */
public final class BootSector {
    private static final int SECTOR_BYTES = 512;
    private static final int PACKET_OFFSET = 0x40;
    private static final int SIGNATURE_OFFSET = 510;

    // 16-bit code, loaded at 0x7c00; the firmware passes the drive in dl.
    private static final String CODE = String.join(
            "",
            "31c0", //        xor  ax, ax
            "8ed8", //        mov  ds, ax
            "8ed0", //        mov  ss, ax
            "bc007c", //      mov  sp, 0x7c00
            "be407c", //      mov  si, 0x7c40      ; the address packet
            "b442", //        mov  ah, 0x42        ; extended read
            "cd13", //        int  0x13
            "7214", //        jc   halt
            "be007e", //      mov  si, 0x7e00      ; where the second sector is now
            "ac", //    next: lodsb
            "84c0", //        test al, al
            "740c", //        jz   halt
            "88c3", //        mov  bl, al
            "bafd03", //      mov  dx, 0x3fd       ; line status
            "ec", //    wait: in   al, dx
            "a820", //        test al, 0x20        ; transmitter empty
            "74fb", //        jz   wait
            "eb04", //        jmp  send
            "f4", //    halt: hlt
            "ebfd", //        jmp  halt
            "90", //          nop
            "88d8", //  send: mov  al, bl
            "baf803", //      mov  dx, 0x3f8       ; data
            "ee", //          out  dx, al
            "ebe3"); //       jmp  next

    // Disk address packet: 16 bytes, 1 sector, to 0000:7e00, from sector 1.
    private static final String PACKET = "10000100007e00000100000000000000";

    private BootSector() {}

    /** Makes a disk image bootable: overwrites its first two sectors. The text is ASCII of at most 500 characters. */
    public static void write(Path image, String text) {
        byte[] line = (text + "\r\n").getBytes(StandardCharsets.US_ASCII);
        ByteBuffer sectors = ByteBuffer.allocate(2 * SECTOR_BYTES);
        sectors.put(0, HexFormat.of().parseHex(CODE));
        sectors.put(PACKET_OFFSET, HexFormat.of().parseHex(PACKET));
        sectors.put(SIGNATURE_OFFSET, new byte[] {0x55, (byte) 0xaa});
        sectors.put(SECTOR_BYTES, line);
        try (var channel = Files.newByteChannel(image, StandardOpenOption.WRITE)) {
            while (sectors.hasRemaining()) {
                channel.write(sectors);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
