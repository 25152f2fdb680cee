package io.gatun.pmd;

/**
 * Sees what a port receives and what is sent to it, as a capture does.
 *
 * <p>Views are good until the call returns, and are not to be changed. {@link Port#observe} sets it.
 *
 * <p><b>Thread-safety:</b> called on the owners' threads of the port's queues, so on several at once.
 */
public interface Observer {
    /** A burst has been received, and is about to be forwarded. */
    void received(RxQueue from, Burst burst);

    /**
     * The first {@code count} packets that {@code which} names, and that is only to be read, are about to be sent; the
     * receiver may drop some.
     */
    void sent(TxQueue to, Burst burst, int[] which, int count);
}
