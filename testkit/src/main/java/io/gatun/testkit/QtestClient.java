package io.gatun.testkit;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A client of QEMU's qtest protocol (QEMU, docs/devel/qtest): the loads and stores that a processor would do, as lines
 * of text over a socket. A load costs a round trip, some 50 µs. A store is posted, as on a PCI bus: it is sent at once
 * and its acknowledgement is read before the next load is, so stores cost their sender a system call.
 *
 * <p><b>Thread-safety:</b> all methods are synchronized; stores reach the machine in the order of the calls.
 */
final class QtestClient implements AutoCloseable {
    /** So many acknowledgements may be unread; far fewer than a socket buffer holds. */
    private static final int MAX_POSTED = 256;

    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private static final int BUFFER_BYTES = 4096;

    private final Path socket;
    private volatile SocketChannel channel;
    private final ByteBuffer sent = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final ByteBuffer received =
            ByteBuffer.allocateDirect(BUFFER_BYTES).limit(0);
    private final StringBuilder line = new StringBuilder();
    private int posted;

    private QtestClient(Path socket) {
        this.socket = socket;
        reconnect();
    }

    static QtestClient connect(Path socket) {
        return new QtestClient(socket);
    }

    /** Leaves the machine, which has one client at a time, to another, until {@link #reconnect}. */
    synchronized void disconnect() {
        flush();
        close();
    }

    /** Is the machine's client again, as soon as the other one has left it. */
    synchronized void reconnect() {
        posted = 0;
        received.clear().limit(0);
        try {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot connect to qtest at " + socket, e);
        }
    }

    /** Reads 32 bits of memory or of a device's memory-mapped registers. */
    synchronized int readInt(long address) {
        return (int) load("readl ", address);
    }

    /** Reads 64 bits by one access. */
    synchronized long readLong(long address) {
        return load("readq ", address);
    }

    synchronized void writeInt(long address, int value) {
        store("writel ", address, value & 0xffff_ffffL);
    }

    synchronized void writeLong(long address, long value) {
        store("writeq ", address, value);
    }

    /** Reads 32 bits from an I/O port. */
    synchronized int inInt(int port) {
        return (int) load("inl ", port);
    }

    synchronized void outInt(int port, int value) {
        store("outl ", port, value & 0xffff_ffffL);
    }

    synchronized void outShort(int port, int value) {
        store("outw ", port, value & 0xffffL);
    }

    /** Returns when all stores so far have been carried out. @throws IllegalStateException if QEMU refused one */
    synchronized void flush() {
        while (posted > 0) {
            posted--;
            answer();
        }
    }

    /** Not synchronized: another thread's load that will not be answered ends with this. */
    @Override
    @SuppressWarnings("UnsynchronizedOverridesSynchronized")
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private long load(String command, long address) {
        put(command).putHex(address).send();
        flush();
        String answer = answer();
        // "OK 0x0000000000000000"
        return Long.parseUnsignedLong(answer, "OK 0x".length(), answer.length(), 16);
    }

    private void store(String command, long address, long value) {
        put(command).putHex(address);
        sent.put((byte) ' ');
        putHex(value).send();
        if (++posted == MAX_POSTED) {
            flush();
        }
    }

    private QtestClient put(String text) {
        for (int i = 0; i < text.length(); i++) {
            sent.put((byte) text.charAt(i));
        }
        return this;
    }

    private QtestClient putHex(long value) {
        sent.put((byte) '0').put((byte) 'x');
        int digits = Math.max(1, (Long.SIZE - Long.numberOfLeadingZeros(value) + 3) / 4);
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
            sent.put(HEX[(int) (value >>> shift) & 0xf]);
        }
        return this;
    }

    private void send() {
        sent.put((byte) '\n').flip();
        try {
            while (sent.hasRemaining()) {
                channel.write(sent);
            }
        } catch (IOException e) {
            throw lost(e);
        } finally {
            sent.clear();
        }
    }

    /** The next answer; news of interrupt lines ({@code IRQ raise 0}) are none. */
    private String answer() {
        String answer = readLine();
        while (answer.startsWith("IRQ")) {
            answer = readLine();
        }
        if (!answer.startsWith("OK")) {
            throw new IllegalStateException("QEMU refused a qtest command: " + answer);
        }
        return answer;
    }

    private String readLine() {
        line.setLength(0);
        while (true) {
            while (received.hasRemaining()) {
                byte next = received.get();
                if (next == '\n') {
                    return line.toString();
                }
                line.append((char) next);
            }
            receive();
        }
    }

    private void receive() {
        received.clear();
        int count = 0;
        try {
            count = channel.read(received);
        } catch (IOException e) {
            throw lost(e);
        } finally {
            received.limit(Math.max(0, count)).position(0);
        }
        if (count < 0) {
            throw lost(new EOFException("end of stream"));
        }
    }

    private static UncheckedIOException lost(IOException cause) {
        return new UncheckedIOException("the qtest machine has gone", cause);
    }
}
