package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the driver's tests stand on: the transport to QEMU's model does what {@link NvmeTransport} says. */
@RequiresPeer(Peer.QEMU)
class QtestTransportTest {
    private static final int ENABLE = Registers.CC_EN | 6 << Registers.CC_IOSQES_SHIFT | 4 << Registers.CC_IOCQES_SHIFT;

    private QtestMachine machine;
    private QtestTransport transport;

    @BeforeEach
    void start() {
        machine = QtestMachine.builder()
                .controller(NvmeModel.of("one").with(NvmeDisk.ofMegabytes(8)))
                .start();
        transport = new QtestTransport(machine, 0);
    }

    @AfterEach
    void stop() {
        transport.close();
        machine.close();
    }

    @Test
    void memoryIsTakenZeroedAndGivenBack() {
        DmaSpace space = transport.memory();
        long before = space.mappedBytes();
        DmaBuffer first = space.allocate(3 * DmaSpace.PAGE_BYTES);
        DmaBuffer second = space.allocate(1);
        assertEquals(3 * DmaSpace.PAGE_BYTES, space.contiguousBytes(first.address()));
        assertEquals(space.translate(first.address()) + 3 * DmaSpace.PAGE_BYTES, space.translate(second.address()));
        Memory.fill(first.address(), first.lengthBytes(), (byte) 1);
        first.close();
        try (DmaBuffer again = space.allocate(3 * DmaSpace.PAGE_BYTES)) {
            assertEquals(first.address(), again.address());
            assertEquals(0, Memory.getLong(again.address()));
        }
        second.close();
        assertEquals(before, space.mappedBytes());
        assertThrows(IllegalStateException.class, () -> space.allocate(1L << 30));
    }

    @Test
    void controllerFetchesACommandAndInterrupts() {
        assertEquals(0x1_0400, transport.readInt(Registers.VS));
        assertEquals(transport.readInt(Registers.CAP), (int) transport.readLong(Registers.CAP));
        try (DmaBuffer memory = transport.memory().allocate(3 * DmaSpace.PAGE_BYTES)) {
            QueuePair queue = enable(memory);
            long data = memory.address() + 2 * DmaSpace.PAGE_BYTES;
            CompletionBurst burst = new CompletionBurst(4);

            identify(queue, data);
            await("completion", queue::hasCompletion);
            assertEquals(1, queue.poll(burst));
            queue.release(burst.identifiers[0]);
            assertEquals(NvmeStatus.SUCCESS, burst.statuses[0]);
            assertEquals('o', Memory.getByte(data + 4));
            assertEquals(0, EventFd.drain(transport.vectorFd(0)), "the vector is disabled");

            transport.enableVector(0);
            await("the pending interrupt", () -> EventFd.drain(transport.vectorFd(0)) == 1);
            identify(queue, data);
            await("an interrupt", () -> EventFd.drain(transport.vectorFd(0)) == 1);
            assertTrue(queue.hasCompletion());
        }
    }

    @Test
    void withoutBusMasterTheControllerReachesNothing() {
        try (DmaBuffer memory = transport.memory().allocate(3 * DmaSpace.PAGE_BYTES)) {
            QueuePair queue = enable(memory);
            transport.setBusMaster(false);
            identify(queue, memory.address() + 2 * DmaSpace.PAGE_BYTES);
            await("a fatal status", () -> (transport.readInt(Registers.CSTS) & Registers.CSTS_CFS) != 0);
            assertFalse(queue.hasCompletion());

            transport.setBusMaster(true);
            assertTrue(transport.resetFunction());
            assertEquals(0, transport.readInt(Registers.CSTS));
        }
    }

    @Test
    void removedControllerReadsAsOnes() {
        assertTrue(transport.probe());
        machine.remove(0);
        assertFalse(transport.probe());
        assertEquals(-1, transport.readInt(Registers.CSTS));
        transport.writeInt(Registers.CC, 0);
    }

    @Test
    void deadMachineIsARemovedController() {
        machine.process().kill();
        assertFalse(transport.probe());
        assertEquals(-1, transport.readInt(Registers.CSTS));
        transport.writeInt(Registers.CC, 0);
    }

    /** Enables the controller with its admin queue in the first two pages. */
    private QueuePair enable(DmaBuffer memory) {
        long completions = memory.address() + DmaSpace.PAGE_BYTES;
        int stride = Registers.doorbellStride(transport.readLong(Registers.CAP));
        transport.writeInt(Registers.AQA, 15 | 15 << 16);
        transport.writeLong(Registers.ASQ, transport.memory().translate(memory.address()));
        transport.writeLong(Registers.ACQ, transport.memory().translate(completions));
        transport.writeInt(Registers.CC, ENABLE);
        await("CSTS.RDY", () -> transport.readInt(Registers.CSTS) == Registers.CSTS_RDY);
        return new QueuePair(transport, 0, memory.address(), completions, 16, 8, stride);
    }

    private void identify(QueuePair queue, long data) {
        long prp = transport.memory().translate(data);
        queue.submit(queue.take(), Opcode.IDENTIFY, 0, prp, 0, Opcode.CNS_CONTROLLER, 0, 0);
        queue.ring();
    }

    private static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "no " + what);
            Thread.onSpinWait();
        }
    }
}
