package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;

/**
 * One queue of a TAP interface: what the kernel sends to the interface is read here, and what is written here the
 * kernel receives from it, each packet behind a {@code virtio_net_hdr}. Non-blocking. Source: {@code linux/if_tun.h},
 * {@code Documentation/networking/tuntap.rst}, netdevice(7).
 *
 * <p>{@link #open} throws with the remedy; the other methods return a value or {@code -errno}.
 *
 * <p><b>Thread-safety:</b> one thread reads, one writes; the rest is for any thread, {@link #close} last.
 */
public final class TapDevice implements AutoCloseable {
    /** The longest name of an interface. */
    public static final int MAX_NAME = 15;

    // What the reader of packets can do for itself: bits of setOffloads.
    public static final int CHECKSUM = 0x01;
    public static final int TSO4 = 0x02;
    public static final int TSO6 = 0x04;
    public static final int TSO_ECN = 0x08;
    /** Since Linux 6.2. */
    public static final int USO = 0x20 | 0x40;

    private static final String CLONE_DEVICE = "/dev/net/tun";
    private static final int O_NONBLOCK = 0x800;

    private static final int IFF_TAP = 0x0002;
    private static final int IFF_MULTI_QUEUE = 0x0100;
    private static final int IFF_NO_PI = 0x1000;
    private static final int IFF_VNET_HDR = 0x4000;
    private static final int IFF_UP = 1;

    private static final long TUNSETIFF = 0x400454caL;
    private static final long TUNSETOFFLOAD = 0x400454d0L;
    private static final long TUNSETVNETHDRSZ = 0x400454d8L;
    private static final long TUNSETCARRIER = 0x400454e2L;
    private static final long SIOCGIFFLAGS = 0x8913;
    private static final long SIOCSIFFLAGS = 0x8914;
    private static final long SIOCGIFMTU = 0x8921;
    private static final long SIOCSIFMTU = 0x8922;

    private static final int AF_INET = 2;
    private static final int SOCK_DGRAM_CLOEXEC = 2 | 0x80000;

    /** {@code struct ifreq}: a name, and then what the request is about. */
    private static final int IFREQ_SIZE = 40;

    private static final int IFREQ_VALUE = 16;

    private static final MethodHandle IOCTL =
            Native.bindVariadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle SOCKET =
            Native.bind("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle WRITEV =
            Native.bind("writev", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));

    private final Fd fd;
    private final String name;

    private TapDevice(Fd fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /**
     * Attaches a queue to an interface, which is made if there is none; one that was made goes with its last queue. An
     * existing one has to be a TAP of the same kind that nobody else has attached to.
     *
     * @param name 1 to {@value #MAX_NAME} characters; {@code %d} in it becomes a free number
     * @param multiQueue whether the interface can have several queues
     * @throws LinuxException with the remedy
     * @throws IllegalArgumentException for a name that no interface can have
     */
    public static TapDevice open(String name, boolean multiQueue) {
        requireName(name);
        Fd fd = openCloneDevice();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = request(arena, name);
            int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0);
            request.set(JAVA_SHORT, IFREQ_VALUE, (short) flags);
            int result = ioctl(fd.value(), TUNSETIFF, request.address());
            if (result < 0) {
                fd.close();
                throw new LinuxException(
                        "attach to the TAP interface " + name, result, remedy(name, multiQueue, result));
            }
            return new TapDevice(fd, request.getString(0, StandardCharsets.US_ASCII));
        }
    }

    /** The name that the interface got. */
    public String name() {
        return name;
    }

    /** The descriptor: readable when there is a packet. */
    public int value() {
        return fd.value();
    }

    /** Reads one packet behind its header; returns the bytes of both, or {@code -EAGAIN} if there is none. */
    public long read(long address, long lengthBytes) {
        return FileIo.read(fd.value(), address, lengthBytes);
    }

    /** Writes one packet behind its header, gathered from an array of {@code struct iovec}; returns the bytes. */
    public long write(long iovecs, int count) {
        try {
            return Native.result((long) WRITEV.invokeExact(Native.capture(), fd.value(), iovecs, count));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** How long the header is: 10 bytes, or 12 with the number of buffers. */
    public int setHeaderBytes(int bytes) {
        try (Arena arena = Arena.ofConfined()) {
            return ioctl(fd.value(), TUNSETVNETHDRSZ, arena.allocateFrom(JAVA_INT, bytes).address());
        }
    }

    /** What the reader can do for itself, so that the kernel leaves it undone; {@code -EINVAL} for an unknown bit. */
    public int setOffloads(int bits) {
        return ioctl(fd.value(), TUNSETOFFLOAD, bits);
    }

    /** Whether the interface has a carrier, which it has at first. */
    public int setCarrier(boolean on) {
        try (Arena arena = Arena.ofConfined()) {
            return ioctl(fd.value(), TUNSETCARRIER, arena.allocateFrom(JAVA_INT, on ? 1 : 0).address());
        }
    }

    /** The largest payload of a frame, in bytes. */
    public int mtu() {
        return interfaceRequest(SIOCGIFMTU, 0);
    }

    /** Sets the MTU. */
    public int setMtu(int bytes) {
        return interfaceRequest(SIOCSIFMTU, bytes);
    }

    /** 1 if the interface is up, 0 if not. */
    public int isUp() {
        int flags = interfaceRequest(SIOCGIFFLAGS, 0);
        return flags < 0 ? flags : flags & IFF_UP;
    }

    /** Takes the interface up, or down. */
    public int setUp(boolean up) {
        int flags = interfaceRequest(SIOCGIFFLAGS, 0);
        return flags < 0 ? flags : interfaceRequest(SIOCSIFFLAGS, up ? flags | IFF_UP : flags & ~IFF_UP);
    }

    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return "TAP " + name;
    }

    /** One request about the interface; flags are 16 bits of the value, and positive. */
    private int interfaceRequest(long code, int value) {
        int socket;
        try {
            socket = Native.result((int) SOCKET.invokeExact(Native.capture(), AF_INET, SOCK_DGRAM_CLOEXEC, 0));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (socket < 0) {
            return socket;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = request(arena, name);
            request.set(JAVA_INT, IFREQ_VALUE, value);
            int result = ioctl(socket, code, request.address());
            if (result < 0) {
                return result;
            }
            return code == SIOCGIFFLAGS
                    ? request.get(JAVA_SHORT, IFREQ_VALUE) & 0xffff
                    : code == SIOCGIFMTU ? request.get(JAVA_INT, IFREQ_VALUE) : 0;
        } finally {
            Fd.closeRaw(socket);
        }
    }

    private static MemorySegment request(Arena arena, String name) {
        MemorySegment request = arena.allocate(IFREQ_SIZE, 8);
        request.setString(0, name, StandardCharsets.US_ASCII);
        return request;
    }

    private static void requireName(String name) {
        if (name.isEmpty() || name.length() > MAX_NAME || !name.matches("[^/:\\s\\p{Cntrl}]+")
                || name.chars().anyMatch(c -> c > 126)) {
            throw new IllegalArgumentException("an interface's name is 1 to " + MAX_NAME
                    + " ASCII characters without space, slash and colon, not \"" + name + "\" (" + name.length() + ")");
        }
    }

    private static Fd openCloneDevice() {
        try {
            return FileIo.open(CLONE_DEVICE, FileIo.O_RDWR | O_NONBLOCK, 0);
        } catch (LinuxException e) {
            String remedy =
                    switch (e.errno()) {
                        case Errno.ENOENT, Errno.ENODEV, Errno.ENXIO ->
                            "load the module (modprobe tun); a container needs the device (--device " + CLONE_DEVICE
                                    + ")";
                        case Errno.EACCES, Errno.EPERM ->
                            "allow this user to open " + CLONE_DEVICE + ", or run as root";
                        default -> "";
                    };
            LinuxException better = new LinuxException("open " + CLONE_DEVICE, e.errno(), remedy);
            better.addSuppressed(e);
            throw better;
        }
    }

    private static String remedy(String name, boolean multiQueue, int result) {
        String queues = multiQueue ? " multi_queue" : "";
        return switch (-result) {
            case Errno.EPERM ->
                "making an interface needs CAP_NET_ADMIN: run as root, or have it made for this user: ip tuntap add"
                        + " dev " + name + " mode tap user $USER vnet_hdr" + queues;
            case Errno.EBUSY -> "another process is attached to " + name + "; end it, or choose another name";
            case Errno.EINVAL ->
                name + " exists and is not a TAP " + (multiQueue ? "with multi_queue" : "without multi_queue")
                        + "; remove it (ip link del " + name + "), or choose another name or number of queues";
            default -> "";
        };
    }

    private static int ioctl(int fd, long request, long argument) {
        try {
            return Native.result((int) IOCTL.invokeExact(Native.capture(), fd, request, argument));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
