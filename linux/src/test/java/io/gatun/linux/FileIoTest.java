package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileIoTest {
    @TempDir
    Path directory;

    private Path path;
    private Fd file;
    private Mapping buffer;

    @BeforeEach
    void open() {
        path = directory.resolve("disk.img");
        file = FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_CREAT | FileIo.O_EXCL, 0600);
        buffer = Mapping.anonymous(1 << 16);
    }

    @AfterEach
    void close() {
        file.close();
        buffer.close();
    }

    @Test
    void aMemoryFileIsInMemoryAndProcIsNot() {
        try (MemoryFile memory = MemoryFile.create("in-memory", 4096);
                Fd proc = FileIo.open("/proc/self/stat", FileIo.O_RDONLY, 0)) {
            assertTrue(FileIo.isInMemory(memory.fd()));
            assertFalse(FileIo.isInMemory(proc));
        }
    }

    @Test
    void readsWhatItWrote() {
        Memory.fill(buffer.address(), 8192, (byte) 0x5a);
        assertEquals(8192, FileIo.pwriteFully(file.value(), buffer.address(), 8192, 4096));
        assertEquals(0, FileIo.fdatasync(file.value()));
        assertEquals(8192, FileIo.preadFully(file.value(), buffer.address() + 16384, 16384, 4096));
        assertEquals(0x5a5a_5a5aL, Memory.getUnsignedInt(buffer.address() + 16384 + 8188));
        assertEquals(0, FileIo.pread(file.value(), buffer.address(), 1, 1 << 20));
        FileStatus status = FileStatus.of(file);
        assertEquals(12288, status.lengthBytes());
        assertTrue(status.isRegular());
        assertFalse(status.isBlockDevice());
        assertTrue(status.blockSizeBytes() >= 512);
    }

    @Test
    void punchesHolesThatReadAsZeros() {
        Memory.fill(buffer.address(), 1 << 16, (byte) 1);
        FileIo.pwriteFully(file.value(), buffer.address(), 1 << 16, 0);
        int punch = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
        int result = FileIo.fallocate(file.value(), punch, 4096, 8192);
        assumeTrue(result != -Errno.EOPNOTSUPP, "this file system has no holes");
        assertEquals(0, result);
        assertEquals(1 << 16, FileIo.preadFully(file.value(), buffer.address(), 1 << 16, 0));
        assertEquals(1, Memory.getByte(buffer.address() + 4095));
        assertEquals(0, Memory.getLong(buffer.address() + 4096));
        assertEquals(0, Memory.getLong(buffer.address() + 12280));
        assertEquals(1, Memory.getByte(buffer.address() + 12288));
        assertEquals(1 << 16, FileStatus.lengthBytes(file.value()));
    }

    @Test
    void lockKeepsASecondOpenerOut() {
        try (Fd second = FileIo.open(path.toString(), FileIo.O_RDWR, 0)) {
            assertEquals(0, FileIo.lock(file.value(), false));
            assertEquals(0, FileIo.lock(file.value(), false));
            assertEquals(-Errno.EAGAIN, FileIo.lock(second.value(), false));
            assertEquals(-Errno.EAGAIN, FileIo.lock(second.value(), true));
            file.close();
            assertEquals(0, FileIo.lock(second.value(), false));
        }
    }

    @Test
    void readersShareALock() {
        try (Fd one = FileIo.open(path.toString(), FileIo.O_RDONLY, 0);
                Fd two = FileIo.open(path.toString(), FileIo.O_RDONLY, 0)) {
            assertEquals(0, FileIo.lock(one.value(), true));
            assertEquals(0, FileIo.lock(two.value(), true));
            assertEquals(-Errno.EAGAIN, FileIo.lock(file.value(), false));
        }
    }

    @Test
    void openSaysWhatToDo() {
        String missing = directory.resolve("missing").toString();
        LinuxException e = assertThrows(LinuxException.class, () -> FileIo.open(missing, FileIo.O_RDWR, 0));
        assertEquals("open " + missing + ": ENOENT; check the path", e.getMessage());
        LinuxException exists = assertThrows(
                LinuxException.class,
                () -> FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_CREAT | FileIo.O_EXCL, 0600));
        assertEquals(Errno.EEXIST, exists.errno());
    }

    @Test
    void readOnlyFilesRefuseWrites() {
        try (Fd readOnly = FileIo.open(path.toString(), FileIo.O_RDONLY, 0)) {
            assertEquals(-Errno.EBADF, FileIo.pwrite(readOnly.value(), buffer.address(), 1, 0));
            assertEquals(-Errno.EINVAL, FileIo.ftruncate(readOnly.value(), 1));
        }
    }

    @Test
    void regularFilesAreNoBlockDevices() {
        assertEquals(-Errno.ENOTTY, BlockDevice.lengthBytes(file.value()));
        assertEquals(-Errno.ENOTTY, BlockDevice.logicalBlockSizeBytes(file.value()));
        assertEquals(-Errno.ENOTTY, BlockDevice.discard(file.value(), 0, 4096));
    }

    @Test
    void blockDevicesDescribeThemselves() {
        Path device = Path.of("/dev/vda");
        assumeTrue(Files.isReadable(device), "no readable /dev/vda");
        try (Fd fd = FileIo.open(device.toString(), FileIo.O_RDONLY, 0)) {
            assertTrue(FileStatus.of(fd).isBlockDevice());
            assertTrue(BlockDevice.lengthBytes(fd.value()) > 0);
            assertTrue(BlockDevice.logicalBlockSizeBytes(fd.value()) >= 512);
            assertTrue(BlockDevice.physicalBlockSizeBytes(fd.value()) >= 512);
            assertTrue(BlockDevice.isReadOnly(fd.value()) >= 0);
        } catch (LinuxException e) {
            assumeTrue(e.errno() != Errno.EPERM, e.getMessage());
            throw e;
        }
    }

    @Test
    void directOpensTellTheirAlignment() {
        try (Fd direct = FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_DIRECT, 0)) {
            int alignment = FileStatus.of(direct).directAlignmentBytes();
            assertTrue(alignment == 0 || Integer.bitCount(alignment) == 1, "alignment " + alignment);
        } catch (LinuxException e) {
            assertTrue(e.getMessage().contains("O_DIRECT"), e.getMessage());
        }
    }
}
