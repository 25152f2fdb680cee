package io.gatun.pmd.offload;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.NetHeader;

/**
 * Cuts one large TCP packet into segments, or one large UDP packet into datagrams, as the sender asked its device to
 * (VIRTIO 1.3 §5.1.6.2): headers are private copies, payloads are views of the large packet.
 *
 * <p>Each segment repeats the headers. Of TCP it gets its sequence number, FIN and PSH only in the last, CWR only in
 * the first (RFC 3168 §6.1.2); of IPv4 a length, an identification that counts on, and a header checksum.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class Segmentation implements AutoCloseable {
    /**
     * The most segments of a packet. 64 KiB in the smallest packets that IPv4 hosts must take are 122 (RFC 791: 576
     * bytes); a sender that asks for thousands wants our time.
     */
    static final int MAX_SEGMENTS = 256;

    private static final int TCP_CHECKSUM = 16;
    /** Where the checksum is in a UDP header. */
    static final int UDP_CHECKSUM = 6;
    private static final int FIN_PSH = 0x09;
    private static final int CWR = 0x80;

    private final Mapping header = Mapping.anonymous(Burst.MAX_HEAD_BYTES);
    private final PacketHeaders headers = new PacketHeaders();

    // The packet that is being cut.
    private Burst source;
    private int packet;
    private int headerBytes;
    private int gsoSize;
    private boolean checksummed;
    private int index;

    // Its payload: what is left of it, and the run that the next byte is in.
    private int payloadLeft;
    private long run;
    private int runLeft;
    private int nextSegment;

    Segmentation() {}

    /**
     * The length of each full segment with its headers, or 0 if the packet is not what its offload word says. Begins to
     * cut it.
     */
    int begin(Burst burst, int large) {
        source = burst;
        packet = large;
        long offload = burst.offloads[large];
        int type = NetHeader.gsoType(offload) & ~NetHeader.GSO_ECN;
        gsoSize = NetHeader.gsoSize(offload);
        int shown = Math.min(burst.lengths[large], Burst.MAX_HEAD_BYTES);
        burst.copyOut(large, 0, header.address(), shown);
        if (!headers.parse(header.address(), shown)
                || gsoSize == 0
                || headers.transportBytes == 0
                || headers.fragment
                || headers.sourceRouted
                || !isOfType(type)) {
            return 0;
        }
        if ((NetHeader.flags(offload) & NetHeader.F_NEEDS_CSUM) == 0) {
            // The sender has filled it in: of the whole packet, so it is made anew, unless it did without.
            checksummed = headers.protocol == PacketHeaders.TCP
                    || headers.ipv6
                    || Memory.getUnsignedShort(header.address() + checksumAt()) != 0;
        } else if (NetHeader.checksumStart(offload) != headers.transportOffset
                || burst.checksumOffsets[large] != checksumAt() - headers.transportOffset) {
            return 0;
        } else {
            checksummed = true;
        }
        headerBytes = headers.transportOffset + headers.transportBytes;
        index = 0;
        payloadLeft = burst.lengths[large] - headerBytes;
        return payloadLeft > (long) MAX_SEGMENTS * gsoSize ? 0 : headerBytes + Math.min(gsoSize, payloadLeft);
    }

    private boolean isOfType(int type) {
        return switch (type) {
            case NetHeader.GSO_TCPV4 -> headers.protocol == PacketHeaders.TCP && !headers.ipv6;
            case NetHeader.GSO_TCPV6 -> headers.protocol == PacketHeaders.TCP && headers.ipv6;
            case NetHeader.GSO_UDP_L4 -> headers.protocol == PacketHeaders.UDP;
            default -> false;
        };
    }

    private int checksumAt() {
        return headers.transportOffset + (headers.protocol == PacketHeaders.TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
    }

    /** Whether there are segments left; the first call comes after a {@link #begin} that was not 0. */
    boolean hasNext() {
        return index == 0 || payloadLeft > 0;
    }

    /** Adds the next segment to a burst with room for a packet. */
    void next(Burst out) {
        if (index == 0) {
            seekPayload();
        }
        int payload = Math.min(gsoSize, payloadLeft);
        out.add(header.address(), headerBytes);
        int segment = out.count - 1;
        long head = out.editHead(segment, headerBytes);
        long sum = addPayload(out, payload);
        payloadLeft -= payload;
        writeNetwork(head, payload);
        if (headers.protocol == PacketHeaders.TCP) {
            writeTcp(head + headers.transportOffset);
        } else {
            PacketHeaders.putNumber(head + headers.transportOffset + 4, 8 + payload);
        }
        if (checksummed) {
            writeChecksum(head, payload, sum);
        }
        index++;
    }

    /** Goes to the first byte after the headers, which may be in any run. */
    private void seekPayload() {
        run = source.addresses[packet];
        runLeft = source.headLengths[packet];
        nextSegment = source.moreFirsts[packet];
        for (int skip = headerBytes; skip > 0; ) {
            int step = Math.min(skip, runLeft);
            run += step;
            runLeft -= step;
            skip -= step;
            if (skip > 0) {
                nextRun();
            }
        }
    }

    private void nextRun() {
        run = source.segmentAddresses[nextSegment];
        runLeft = source.segmentLengths[nextSegment];
        nextSegment++;
    }

    /** Adds views of the next bytes to the packet that was added last, and returns their sum. */
    private long addPayload(Burst out, int bytes) {
        long sum = 0;
        int done = 0;
        while (done < bytes) {
            if (runLeft == 0) {
                nextRun();
            }
            int length = Math.min(bytes - done, runLeft);
            out.addSegment(run, length);
            if (checksummed) {
                sum += InternetChecksum.at(done, InternetChecksum.sum(run, length));
            }
            run += length;
            runLeft -= length;
            done += length;
        }
        return sum;
    }

    private void writeNetwork(long head, int payload) {
        long network = head + headers.networkOffset;
        int length = headerBytes - headers.networkOffset + payload;
        if (headers.ipv6) {
            PacketHeaders.putNumber(network + 4, length - 40);
            return;
        }
        PacketHeaders.putNumber(network + 2, length);
        PacketHeaders.putNumber(network + 4, PacketHeaders.number(network + 4) + index);
        Memory.putShort(network + 10, 0);
        long sum = InternetChecksum.sum(network, headers.transportOffset - headers.networkOffset);
        Memory.putShort(network + 10, InternetChecksum.finish(sum));
    }

    private void writeTcp(long transport) {
        int sequence = Integer.reverseBytes(Memory.getInt(transport + 4));
        Memory.putInt(transport + 4, Integer.reverseBytes(sequence + index * gsoSize));
        int flags = Memory.getByte(transport + 13);
        if (index != 0) {
            flags &= ~CWR;
        }
        if (payloadLeft > 0) {
            flags &= ~FIN_PSH;
        }
        Memory.putByte(transport + 13, (byte) flags);
    }

    private void writeChecksum(long head, int payload, long payloadSum) {
        long network = head + headers.networkOffset;
        long field = head + checksumAt();
        Memory.putShort(field, 0);
        // The pseudo header: both addresses, the protocol, and the length from the transport header on.
        long sum = payloadSum
                + (headers.ipv6 ? InternetChecksum.sum(network + 8, 32) : InternetChecksum.sum(network + 12, 8))
                + InternetChecksum.number(headers.protocol)
                + InternetChecksum.number(headers.transportBytes + payload)
                + InternetChecksum.sum(head + headers.transportOffset, headers.transportBytes);
        Memory.putShort(
                field,
                headers.protocol == PacketHeaders.UDP
                        ? InternetChecksum.finishUdp(sum)
                        : InternetChecksum.finish(sum));
    }

    @Override
    public void close() {
        header.close();
    }
}
