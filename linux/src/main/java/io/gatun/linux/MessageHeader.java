package io.gatun.linux;

/**
 * A {@code struct msghdr} with one iovec and room for descriptors, in native memory. Source: recvmsg(2), cmsg(3).
 *
 * <pre>
 *   0  msghdr   name, namelen, iov, iovlen, control, controllen, flags   56 bytes
 *  56  iovec    base, len                                                16 bytes
 *  72  control  cmsghdr { long len; int level; int type; int fds[] }     as many as the kernel ever sends at once
 * </pre>
 *
 * <p>The room is for the kernel's limit of 253 descriptors, so that too many of them are seen, counted and closed
 * instead of being mistaken for a message without any.
 */
final class MessageHeader {
    static final int SIZE = 2048;

    private static final int IOV = 16;
    private static final int IOV_COUNT = 24;
    private static final int CONTROL = 32;
    private static final int CONTROL_LENGTH = 40;
    private static final int FLAGS = 48;
    private static final int IOV_BASE = 56;
    private static final int IOV_LENGTH = 64;
    private static final int CONTROL_START = 72;

    private static final int CMSG_LEVEL = 8;
    private static final int CMSG_TYPE = 12;
    private static final int CMSG_DATA = 16;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int SCM_MAX_FD = 253;
    private static final int CONTROL_CAPACITY = CMSG_DATA + align(SCM_MAX_FD * 4);
    private static final int MSG_CTRUNC = 8;

    private final long address;
    private boolean lostFds;

    MessageHeader(long address) {
        this.address = address;
        Memory.putLong(address + IOV, address + IOV_BASE);
        Memory.putLong(address + IOV_COUNT, 1);
    }

    long address() {
        return address;
    }

    void prepareSend(long payload, int length, int[] fds, int fdCount) {
        if (fdCount < 0 || fdCount > UnixSocket.MAX_FDS) {
            throw new IllegalArgumentException(fdCount + " descriptors; a message carries 0 to " + UnixSocket.MAX_FDS);
        }
        prepare(payload, length, fdCount == 0 ? 0 : CMSG_DATA + align(fdCount * 4));
        if (fdCount > 0) {
            long control = address + CONTROL_START;
            Memory.putLong(control, CMSG_DATA + fdCount * 4L);
            Memory.putInt(control + CMSG_LEVEL, SOL_SOCKET);
            Memory.putInt(control + CMSG_TYPE, SCM_RIGHTS);
            for (int i = 0; i < fdCount; i++) {
                Memory.putInt(control + CMSG_DATA + i * 4L, fds[i]);
            }
        }
    }

    void prepareReceive(long payload, int length) {
        prepare(payload, length, CONTROL_CAPACITY);
    }

    /**
     * Moves the received descriptors to {@code fds} from {@code next} on, closes the excess; returns where the next one
     * goes.
     */
    int takeFds(int[] fds, int next) {
        lostFds = (Memory.getInt(address + FLAGS) & MSG_CTRUNC) != 0;
        long at = address + CONTROL_START;
        long end = at + Memory.getLong(address + CONTROL_LENGTH);
        while (end - at >= CMSG_DATA) {
            // One length field for all: the kernel wrote it, but a zero would loop for ever.
            long length = Math.max(CMSG_DATA, Math.min(Memory.getLong(at), end - at));
            if (Memory.getInt(at + CMSG_LEVEL) == SOL_SOCKET && Memory.getInt(at + CMSG_TYPE) == SCM_RIGHTS) {
                for (long fd = at + CMSG_DATA; fd + 4 <= at + length; fd += 4) {
                    if (fds != null && next < fds.length) {
                        fds[next++] = Memory.getInt(fd);
                    } else {
                        lostFds = true;
                        Fd.closeRaw(Memory.getInt(fd));
                    }
                }
            }
            at += (length + 7) & -8L;
        }
        return next;
    }

    /** Whether the last {@link #takeFds} lost any, here or in the kernel. */
    boolean lostFds() {
        return lostFds;
    }

    private void prepare(long payload, int length, int controlLength) {
        Memory.putLong(address + IOV_BASE, payload);
        Memory.putLong(address + IOV_LENGTH, length);
        Memory.putLong(address + CONTROL, controlLength == 0 ? 0 : address + CONTROL_START);
        Memory.putLong(address + CONTROL_LENGTH, controlLength);
        Memory.putInt(address + FLAGS, 0);
    }

    private static int align(int length) {
        return (length + 7) & -8;
    }
}
