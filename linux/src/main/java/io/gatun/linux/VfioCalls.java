package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * VFIO's containers, groups and devices. Source: {@code linux/vfio.h}, {@code Documentation/driver-api/vfio.rst}.
 *
 * <p>Each method returns a value or {@code -errno}; what has several values returns a record, or throws {@link
 * LinuxException}. For set-up and tear-down: they allocate.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class VfioCalls {
    public static final int API_VERSION = 0;

    // Kinds of IOMMU.
    public static final int TYPE1V2_IOMMU = 3;
    public static final int NOIOMMU_IOMMU = 8;

    /** A group's flag: all of its devices are with VFIO, or without a driver. */
    public static final int GROUP_VIABLE = 1;

    // A device's flags.
    public static final int DEVICE_RESET = 1;
    public static final int DEVICE_PCI = 2;

    // A region's flags.
    public static final int REGION_READ = 1;
    public static final int REGION_WRITE = 2;
    public static final int REGION_MMAP = 4;

    // Regions of a PCI device: the BARs are 0 to 5.
    public static final int PCI_CONFIG_REGION = 7;

    // Interrupts of a PCI device.
    public static final int PCI_MSIX_IRQ = 2;
    public static final int PCI_ERR_IRQ = 3;
    public static final int PCI_REQ_IRQ = 4;

    private static final long GET_API_VERSION = 0x3b64;
    private static final long CHECK_EXTENSION = 0x3b65;
    private static final long SET_IOMMU = 0x3b66;
    private static final long GROUP_GET_STATUS = 0x3b67;
    private static final long GROUP_SET_CONTAINER = 0x3b68;
    private static final long GROUP_UNSET_CONTAINER = 0x3b69;
    private static final long GROUP_GET_DEVICE_FD = 0x3b6a;
    private static final long DEVICE_GET_INFO = 0x3b6b;
    private static final long DEVICE_GET_REGION_INFO = 0x3b6c;
    private static final long DEVICE_GET_IRQ_INFO = 0x3b6d;
    private static final long DEVICE_SET_IRQS = 0x3b6e;
    private static final long DEVICE_RESET_REQUEST = 0x3b6f;

    private static final int IRQ_SET_DATA_NONE = 1;
    private static final int IRQ_SET_DATA_EVENTFD = 4;
    private static final int IRQ_SET_ACTION_TRIGGER = 0x20;
    private static final int IRQ_SET_HEADER = 20;

    private VfioCalls() {}

    /** {@code struct vfio_device_info}: its flags, and how many regions and kinds of interrupts it has. */
    public record DeviceInfo(int flags, int regions, int irqs) {}

    /** {@code struct vfio_region_info}: the offset is where the region starts in the device's file. */
    public record RegionInfo(int flags, long lengthBytes, long offset) {}

    public static int apiVersion(int container) {
        return Ioctl.call(container, GET_API_VERSION, 0);
    }

    /** 1 if the container can have a kind of IOMMU, 0 if not. */
    public static int checkExtension(int container, int iommu) {
        return Ioctl.call(container, CHECK_EXTENSION, iommu);
    }

    /** Chooses the kind of IOMMU, once the first group is in the container. */
    public static int setIommu(int container, int iommu) {
        return Ioctl.call(container, SET_IOMMU, iommu);
    }

    /** The flags of a group. */
    public static int groupStatus(int group) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(8, 4);
            status.set(JAVA_INT, 0, 8);
            int result = Ioctl.call(group, GROUP_GET_STATUS, status.address());
            return result < 0 ? result : status.get(JAVA_INT, 4);
        }
    }

    /** Puts a group into a container. */
    public static int groupSetContainer(int group, int container) {
        try (Arena arena = Arena.ofConfined()) {
            return Ioctl.call(group, GROUP_SET_CONTAINER, arena.allocateFrom(JAVA_INT, container).address());
        }
    }

    /** Takes a group out of its container, once its devices are closed. */
    public static int groupUnsetContainer(int group) {
        return Ioctl.call(group, GROUP_UNSET_CONTAINER, 0);
    }

    /**
     * Opens a device of a group.
     *
     * @param device its address, and what else the kernel's driver takes: {@code 0000:00:04.0 vf_token=UUID}
     * @return a descriptor or {@code -errno}
     */
    public static int groupGetDevice(int group, String device) {
        try (Arena arena = Arena.ofConfined()) {
            return Ioctl.call(group, GROUP_GET_DEVICE_FD, arena.allocateFrom(device).address());
        }
    }

    public static DeviceInfo deviceInfo(Fd device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(24, 8);
            info.set(JAVA_INT, 0, 20);
            int result = Ioctl.call(device.value(), DEVICE_GET_INFO, info.address());
            if (result < 0) {
                throw new LinuxException("VFIO_DEVICE_GET_INFO of " + device, result, "the device may have gone");
            }
            return new DeviceInfo(info.get(JAVA_INT, 4), info.get(JAVA_INT, 8), info.get(JAVA_INT, 12));
        }
    }

    public static RegionInfo regionInfo(Fd device, int index) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(32, 8);
            info.set(JAVA_INT, 0, 32);
            info.set(JAVA_INT, 8, index);
            int result = Ioctl.call(device.value(), DEVICE_GET_REGION_INFO, info.address());
            if (result < 0) {
                throw new LinuxException(
                        "VFIO_DEVICE_GET_REGION_INFO of region " + index + " of " + device,
                        result,
                        "the device may have gone, or has no such region");
            }
            return new RegionInfo(info.get(JAVA_INT, 4), info.get(JAVA_LONG, 16), info.get(JAVA_LONG, 24));
        }
    }

    /** How many interrupts of a kind there are: 0 where the device has none. */
    public static int irqCount(int device, int index) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(16, 4);
            info.set(JAVA_INT, 0, 16);
            info.set(JAVA_INT, 8, index);
            int result = Ioctl.call(device, DEVICE_GET_IRQ_INFO, info.address());
            return result < 0 ? result : info.get(JAVA_INT, 12);
        }
    }

    /** Has the interrupts {@code 0} to {@code eventFds.length - 1} of a kind signal these eventfds; -1 for none. */
    public static int setIrqs(int device, int index, int... eventFds) {
        try (Arena arena = Arena.ofConfined()) {
            return Ioctl.call(device, DEVICE_SET_IRQS, irqSet(arena, index, 0, eventFds).address());
        }
    }

    /** Switches all interrupts of a kind off. */
    public static int disableIrqs(int device, int index) {
        try (Arena arena = Arena.ofConfined()) {
            return Ioctl.call(device, DEVICE_SET_IRQS, irqSet(arena, index, 0).address());
        }
    }

    /** Sets interrupts by a structure from {@link #irqSet}; allocates nothing. */
    static int setIrqs(int device, MemorySegment irqSet) {
        return Ioctl.call(device, DEVICE_SET_IRQS, irqSet.address());
    }

    /** Resets the function; {@code -ENOTTY} where there is no way to. */
    public static int reset(int device) {
        return Ioctl.call(device, DEVICE_RESET_REQUEST, 0);
    }

    /** {@code struct vfio_irq_set}: the eventfds of interrupts from {@code start} on; none means off. */
    static MemorySegment irqSet(Arena arena, int index, int start, int... eventFds) {
        int size = IRQ_SET_HEADER + 4 * eventFds.length;
        MemorySegment set = arena.allocate(size, 4);
        set.set(JAVA_INT, 0, size);
        int data = eventFds.length == 0 ? IRQ_SET_DATA_NONE : IRQ_SET_DATA_EVENTFD;
        set.set(JAVA_INT, 4, data | IRQ_SET_ACTION_TRIGGER);
        set.set(JAVA_INT, 8, index);
        set.set(JAVA_INT, 12, start);
        set.set(JAVA_INT, 16, eventFds.length);
        for (int i = 0; i < eventFds.length; i++) {
            set.set(JAVA_INT, IRQ_SET_HEADER + 4L * i, eventFds[i]);
        }
        return set;
    }
}
