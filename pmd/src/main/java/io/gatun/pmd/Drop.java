package io.gatun.pmd;

/** Why a packet was not delivered; each queue counts each cause. */
public enum Drop {
    /** The receiver had no buffer free: a guest that does not take its packets, a full device queue. */
    NO_BUFFER("no_buffer"),
    /** Longer than the port's MTU, or than the receiver's buffers, and not to be segmented. */
    TOO_LONG("too_long"),
    /** The sender's virtio-net header or its packet contradicts itself. */
    BAD_HEADER("bad_header"),
    /** The port is down: no front-end, the queue is not started or not enabled. */
    LINK_DOWN("link_down"),
    /** Nothing forwards what this port receives, or the switch has no port for it. */
    NO_DESTINATION("no_destination"),
    /** The switch's rules refuse it: another VLAN, for instance. */
    REFUSED("refused"),
    /** Above the port's rate limit. */
    RATE("rate"),
    /** The packet pool is empty. */
    NO_MEMORY("no_memory"),
    /** The queue to another reactor is full. */
    QUEUE_FULL("queue_full"),
    /** The system refused to take it, or the peer's memory vanished. */
    FAILED("failed");

    private final String label;

    Drop(String label) {
        this.label = label;
    }

    /** The name in metrics and tables. */
    public String label() {
        return label;
    }
}
