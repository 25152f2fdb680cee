package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/** Register offsets and commands: NVM Express Base Specification 2.0, §3.1.3 and §5. */
@RequiresPeer(Peer.QEMU)
class QtestMachineTest {
    private static final int CAP = 0x00;
    private static final int VS = 0x08;
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final int ASQ = 0x28;
    private static final int ACQ = 0x30;
    private static final int DOORBELLS = 0x1000;
    private static final int ENABLE = 0x0046_0001;

    private static final int SQ = 0x10_0000;
    private static final int CQ = 0x10_1000;
    private static final int DATA = 0x10_2000;
    private static final int INTERRUPT = 0x10_3000;

    private static final NvmeModel MODEL = NvmeModel.of("one").with(NvmeDisk.ofMegabytes(8));

    @Test
    void registersAndConfigurationSpaceAreRead() {
        try (QtestMachine machine =
                QtestMachine.builder().controller(MODEL).controller(NvmeModel.of("two")).start()) {
            for (int i = 0; i < 2; i++) {
                QtestFunction nvme = machine.controller(i);
                assertEquals(0x0108_02, nvme.readConfig(0x08) >>> 8, "class, subclass and interface of NVMe");
                long cap = nvme.readLong(CAP);
                assertEquals((int) cap, nvme.readInt(CAP));
                assertEquals((int) (cap >>> 32), nvme.readInt(CAP + 4));
                assertEquals(2047, cap & 0xffff, "MQES of QEMU's model");
                assertEquals(0x1_0400, nvme.readInt(VS));
                assertEquals(1 << 14, nvme.registerBytes());
                assertFalse(nvme.gone());
            }
        }
    }

    @Test
    void storesArriveInOrderAndBehindThem() {
        try (QtestMachine machine = QtestMachine.builder().controller(MODEL).start()) {
            QtestFunction nvme = machine.controller(0);
            for (int i = 0; i < 2_000; i++) {
                nvme.writeInt(AQA, i & 0xfff);
                nvme.writeLong(ASQ, (long) i << 12);
            }
            assertEquals(1_999, nvme.readInt(AQA));
            assertEquals(1_999L << 12, nvme.readLong(ASQ));
        }
    }

    @Test
    void controllerReachesTheSharedMemoryAndInterruptsIntoIt() throws IOException {
        try (QtestMachine machine = QtestMachine.builder().controller(MODEL).start();
                FileChannel file = open(machine)) {
            QtestFunction nvme = machine.controller(0);
            nvme.aimVector(0, INTERRUPT, 0x1234_5678);
            ByteBuffer memory = enable(nvme, file);

            assertEquals("one", identify(nvme, memory, 1));
            await("interrupt", () -> memory.getInt(INTERRUPT) == 0x1234_5678);
        }
    }

    @Test
    void frozenControllerDoesNothingUntilItIsThawed() throws IOException, InterruptedException {
        try (QtestMachine machine = QtestMachine.builder().controller(MODEL).start();
                FileChannel file = open(machine)) {
            QtestFunction nvme = machine.controller(0);
            ByteBuffer memory = enable(nvme, file);
            machine.freeze();
            submitIdentify(nvme, memory, 1);
            Thread.sleep(200);
            assertEquals(0, memory.getShort(CQ + 14), "no completion");
            nvme.writeInt(CC, 0);
            assertEquals(0, nvme.readInt(CC), "registers keep what is written");
            assertEquals(1, nvme.readInt(CSTS), "and nothing comes of it");
            machine.thaw();
            await("the end of CSTS.RDY", () -> nvme.readInt(CSTS) == 0);
            memory.put(CQ, new byte[16]);
            nvme.writeInt(CC, ENABLE);
            await("CSTS.RDY", () -> nvme.readInt(CSTS) == 1);
            assertEquals("one", identify(nvme, memory, 1));
        }
    }

    @Test
    void functionLevelResetDisablesTheController() throws IOException {
        try (QtestMachine machine = QtestMachine.builder().controller(MODEL).start();
                FileChannel file = open(machine)) {
            QtestFunction nvme = machine.controller(0);
            ByteBuffer ignored = enable(nvme, file);
            assertTrue(nvme.reset());
            assertEquals(0, nvme.readInt(CSTS));
            assertEquals(0, nvme.readInt(CC));
            ByteBuffer memory = enable(nvme, file);
            memory.put(CQ, new byte[16]);
            assertEquals("one", identify(nvme, memory, 1));
        }
    }

    @Test
    void removedControllerReadsAsOnesAndTheOtherStays() {
        try (QtestMachine machine =
                QtestMachine.builder().controller(MODEL).controller(NvmeModel.of("two")).start()) {
            machine.remove(0);
            assertTrue(machine.controller(0).gone());
            assertEquals(-1, machine.controller(0).readInt(CSTS));
            assertEquals(-1L, machine.controller(0).readLong(CAP));
            assertNotEquals(-1, machine.controller(1).readInt(CSTS));
            assertEquals(0x1_0400, machine.controller(1).readInt(VS));
        }
    }

    @Test
    void deadMachineIsAnExceptionAndNoHang() {
        try (QtestMachine machine = QtestMachine.builder()
                .controller(MODEL)
                .lifetime(Duration.ofMillis(500))
                .start()) {
            UncheckedIOException lost = assertThrows(UncheckedIOException.class, () -> {
                while (true) {
                    int ignored = machine.controller(0).readInt(VS);
                }
            });
            assertEquals("the qtest machine has gone", lost.getMessage());
        }
    }

    private static FileChannel open(QtestMachine machine) throws IOException {
        return FileChannel.open(machine.memory(), StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    private static ByteBuffer enable(QtestFunction nvme, FileChannel file) throws IOException {
        ByteBuffer memory = file.map(FileChannel.MapMode.READ_WRITE, 0, 2 << 20).order(ByteOrder.LITTLE_ENDIAN);
        nvme.writeInt(AQA, 15 | 15 << 16);
        nvme.writeLong(ASQ, SQ);
        nvme.writeLong(ACQ, CQ);
        nvme.writeInt(CC, ENABLE);
        await("CSTS.RDY", () -> nvme.readInt(CSTS) == 1);
        return memory;
    }

    /** Identify Controller; gives the serial number. */
    private static String identify(QtestFunction nvme, ByteBuffer memory, int tail) {
        submitIdentify(nvme, memory, tail);
        await("completion", () -> (memory.getShort(CQ + 16 * (tail - 1) + 14) & 1) == 1);
        byte[] serial = new byte[20];
        memory.get(DATA + 4, serial);
        return new String(serial, StandardCharsets.US_ASCII).strip();
    }

    private static void submitIdentify(QtestFunction nvme, ByteBuffer memory, int tail) {
        int entry = SQ + 64 * (tail - 1);
        memory.putInt(entry, 0x06);
        memory.putLong(entry + 24, DATA);
        memory.putInt(entry + 40, 1);
        nvme.writeInt(DOORBELLS, tail);
    }

    private static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "no " + what);
            Thread.onSpinWait();
        }
    }
}
