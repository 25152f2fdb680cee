package io.gatun.vhostuser;

import static io.gatun.vhostuser.MessageLayout.CONFIG_HEADER_BYTES;
import static io.gatun.vhostuser.MessageLayout.INFLIGHT_BYTES;
import static io.gatun.vhostuser.MessageLayout.INFLIGHT_FIELD_BYTES;
import static io.gatun.vhostuser.MessageLayout.IOTLB_BYTES;
import static io.gatun.vhostuser.MessageLayout.LOG_BYTES;
import static io.gatun.vhostuser.MessageLayout.MAX_CONFIG_BYTES;
import static io.gatun.vhostuser.MessageLayout.MAX_PAYLOAD_BYTES;
import static io.gatun.vhostuser.MessageLayout.MAX_TABLE_REGIONS;
import static io.gatun.vhostuser.MessageLayout.REGION_BYTES;
import static io.gatun.vhostuser.MessageLayout.SINGLE_REGION_BYTES;
import static io.gatun.vhostuser.MessageLayout.TABLE_HEADER_BYTES;
import static io.gatun.vhostuser.MessageLayout.U64_BYTES;
import static io.gatun.vhostuser.MessageLayout.VRING_ADDRESS_BYTES;
import static io.gatun.vhostuser.MessageLayout.VRING_STATE_BYTES;

import java.nio.ByteBuffer;

/**
 * When a front-end's request is well-formed and legal: one row per request, checked in the same order for each: syntax,
 * the protocol feature that gates it, attached descriptors. What passes may be dispatched.
 *
 * @param name as in the specification
 * @param minBytes least payload
 * @param maxBytes most payload
 * @param descriptors how many descriptors must be attached
 * @param gate the protocol feature that has to have been set, or 0
 */
record RequestRule(String name, int minBytes, int maxBytes, Descriptors descriptors, long gate) {
    /** How many descriptors come with a request. */
    enum Descriptors {
        NONE,
        ONE,
        /** Old front-ends attach one where none is due; it is closed. */
        ONE_IGNORED,
        /** One per memory region of the payload. */
        ONE_PER_REGION,
        /** One, unless bit 8 of the payload says that there is none. */
        ONE_UNLESS_FLAGGED
    }

    private static final int TABLE_MAX_BYTES = TABLE_HEADER_BYTES + MAX_TABLE_REGIONS * REGION_BYTES;
    private static final RequestRule[] RULES = new RequestRule[Request.GET_STATUS + 1];

    static {
        rule(Request.GET_FEATURES, "GET_FEATURES");
        rule(Request.SET_FEATURES, "SET_FEATURES").bytes(U64_BYTES);
        rule(Request.SET_OWNER, "SET_OWNER");
        rule(Request.RESET_OWNER, "RESET_OWNER");
        rule(Request.SET_MEM_TABLE, "SET_MEM_TABLE")
                .bytes(TABLE_HEADER_BYTES, TABLE_MAX_BYTES)
                .with(Descriptors.ONE_PER_REGION);
        rule(Request.SET_LOG_BASE, "SET_LOG_BASE")
                .bytes(LOG_BYTES)
                .with(Descriptors.ONE)
                .gatedBy(ProtocolFeatures.LOG_SHMFD);
        rule(Request.SET_LOG_FD, "SET_LOG_FD").with(Descriptors.ONE);
        rule(Request.SET_VRING_NUM, "SET_VRING_NUM").bytes(VRING_STATE_BYTES);
        rule(Request.SET_VRING_ADDR, "SET_VRING_ADDR").bytes(VRING_ADDRESS_BYTES);
        rule(Request.SET_VRING_BASE, "SET_VRING_BASE").bytes(VRING_STATE_BYTES);
        rule(Request.GET_VRING_BASE, "GET_VRING_BASE").bytes(VRING_STATE_BYTES);
        rule(Request.SET_VRING_KICK, "SET_VRING_KICK").bytes(U64_BYTES).with(Descriptors.ONE_UNLESS_FLAGGED);
        rule(Request.SET_VRING_CALL, "SET_VRING_CALL").bytes(U64_BYTES).with(Descriptors.ONE_UNLESS_FLAGGED);
        rule(Request.SET_VRING_ERR, "SET_VRING_ERR").bytes(U64_BYTES).with(Descriptors.ONE_UNLESS_FLAGGED);
        rule(Request.GET_PROTOCOL_FEATURES, "GET_PROTOCOL_FEATURES");
        rule(Request.SET_PROTOCOL_FEATURES, "SET_PROTOCOL_FEATURES").bytes(U64_BYTES);
        rule(Request.GET_QUEUE_NUM, "GET_QUEUE_NUM").gatedBy(ProtocolFeatures.MQ);
        rule(Request.SET_VRING_ENABLE, "SET_VRING_ENABLE").bytes(VRING_STATE_BYTES);
        rule(Request.SEND_RARP, "SEND_RARP").bytes(U64_BYTES).gatedBy(ProtocolFeatures.RARP);
        rule(Request.NET_SET_MTU, "NET_SET_MTU").bytes(U64_BYTES).gatedBy(ProtocolFeatures.MTU);
        rule(Request.SET_BACKEND_REQ_FD, "SET_BACKEND_REQ_FD")
                .with(Descriptors.ONE)
                .gatedBy(ProtocolFeatures.BACKEND_REQ);
        rule(Request.IOTLB_MSG, "IOTLB_MSG").bytes(IOTLB_BYTES);
        rule(Request.SET_VRING_ENDIAN, "SET_VRING_ENDIAN")
                .bytes(VRING_STATE_BYTES)
                .gatedBy(ProtocolFeatures.CROSS_ENDIAN);
        rule(Request.GET_CONFIG, "GET_CONFIG").config();
        rule(Request.SET_CONFIG, "SET_CONFIG").config();
        rule(Request.CREATE_CRYPTO_SESSION, "CREATE_CRYPTO_SESSION")
                .bytes(0, MAX_PAYLOAD_BYTES)
                .gatedBy(ProtocolFeatures.CRYPTO_SESSION);
        rule(Request.CLOSE_CRYPTO_SESSION, "CLOSE_CRYPTO_SESSION")
                .bytes(U64_BYTES)
                .gatedBy(ProtocolFeatures.CRYPTO_SESSION);
        rule(Request.POSTCOPY_ADVISE, "POSTCOPY_ADVISE").gatedBy(ProtocolFeatures.PAGEFAULT);
        rule(Request.POSTCOPY_LISTEN, "POSTCOPY_LISTEN").gatedBy(ProtocolFeatures.PAGEFAULT);
        rule(Request.POSTCOPY_END, "POSTCOPY_END").gatedBy(ProtocolFeatures.PAGEFAULT);
        rule(Request.GET_INFLIGHT_FD, "GET_INFLIGHT_FD").inflight();
        rule(Request.SET_INFLIGHT_FD, "SET_INFLIGHT_FD").inflight().with(Descriptors.ONE);
        rule(Request.RESET_DEVICE, "RESET_DEVICE").gatedBy(ProtocolFeatures.RESET_DEVICE);
        rule(Request.GET_MAX_MEM_SLOTS, "GET_MAX_MEM_SLOTS")
                .gatedBy(ProtocolFeatures.CONFIGURE_MEM_SLOTS);
        rule(Request.ADD_MEM_REG, "ADD_MEM_REG")
                .bytes(SINGLE_REGION_BYTES)
                .with(Descriptors.ONE)
                .gatedBy(ProtocolFeatures.CONFIGURE_MEM_SLOTS);
        rule(Request.REM_MEM_REG, "REM_MEM_REG")
                .bytes(SINGLE_REGION_BYTES)
                .with(Descriptors.ONE_IGNORED)
                .gatedBy(ProtocolFeatures.CONFIGURE_MEM_SLOTS);
        rule(Request.SET_STATUS, "SET_STATUS").bytes(U64_BYTES).gatedBy(ProtocolFeatures.STATUS);
        rule(Request.GET_STATUS, "GET_STATUS").gatedBy(ProtocolFeatures.STATUS);
    }

    /** The rule of a request, or a violation if there is none. */
    static RequestRule of(int request) throws ProtocolViolation {
        RequestRule rule = request >= 0 && request < RULES.length ? RULES[request] : null;
        if (rule == null) {
            throw new ProtocolViolation("request %d is not known", Integer.toUnsignedLong(request));
        }
        return rule;
    }

    /** Checks a message, whose flags the reader has checked, before it is dispatched. */
    void check(Message message, long protocolFeatures) throws ProtocolViolation {
        checkSyntax(message);
        if (gate != 0 && (protocolFeatures & gate) == 0) {
            throw new ProtocolViolation(
                    "%s needs protocol feature bit %d, which was not set", name, Long.numberOfTrailingZeros(gate));
        }
        checkDescriptors(message);
    }

    private void checkSyntax(Message message) throws ProtocolViolation {
        int size = message.size();
        if (size < minBytes || size > maxBytes) {
            throw new ProtocolViolation(
                    "%s has a payload of %d bytes instead of %s",
                    name, size, minBytes == maxBytes ? String.valueOf(minBytes) : minBytes + " to " + maxBytes);
        }
        switch (message.request()) {
            case Request.SET_MEM_TABLE -> checkTable(message.payload());
            case Request.GET_CONFIG, Request.SET_CONFIG -> checkConfig(message.payload());
            case Request.SET_LOG_BASE -> checkLog(message.payload());
            default -> {
                // The size says it all.
            }
        }
    }

    private static void checkTable(ByteBuffer payload) throws ProtocolViolation {
        int count = payload.getInt(0);
        if (count < 0 || count > MAX_TABLE_REGIONS) {
            throw new ProtocolViolation(
                    "SET_MEM_TABLE has %d regions; at most %d fit",
                    Integer.toUnsignedLong(count), MAX_TABLE_REGIONS);
        }
        // Front-ends send either the regions in use or the whole array.
        int needed = TABLE_HEADER_BYTES + count * REGION_BYTES;
        if (payload.limit() != needed && payload.limit() != TABLE_MAX_BYTES) {
            throw new ProtocolViolation(
                    "SET_MEM_TABLE with %d regions has a payload of %d bytes instead of %d",
                    count, payload.limit(), needed);
        }
    }

    private static void checkConfig(ByteBuffer payload) throws ProtocolViolation {
        int bytes = payload.limit() - CONFIG_HEADER_BYTES;
        if (payload.getInt(4) != bytes) {
            throw new ProtocolViolation(
                    "a configuration message says %d bytes and carries %d",
                    Integer.toUnsignedLong(payload.getInt(4)), bytes);
        }
    }

    private static void checkLog(ByteBuffer payload) throws ProtocolViolation {
        long size = payload.getLong(0);
        long offset = payload.getLong(8);
        if (size <= 0 || offset < 0 || offset + size < 0) {
            throw new ProtocolViolation("SET_LOG_BASE has size 0x%x and offset 0x%x, which overflow", size, offset);
        }
    }

    private void checkDescriptors(Message message) throws ProtocolViolation {
        int attached = message.descriptors().size();
        int due = switch (descriptors) {
            case NONE -> 0;
            case ONE -> 1;
            case ONE_IGNORED -> Math.min(attached, 1);
            case ONE_PER_REGION -> message.payload().getInt(0);
            case ONE_UNLESS_FLAGGED -> (message.u64() & MessageLayout.VRING_NO_DESCRIPTOR) == 0 ? 1 : 0;
        };
        if (attached != due) {
            throw new ProtocolViolation("%s has %d descriptors attached instead of %d", name, attached, due);
        }
    }

    private static Builder rule(int request, String name) {
        return new Builder(request, name);
    }

    /** Puts each row of the table together; every step stores the rule as far as it is known. */
    private static final class Builder {
        private final int request;

        Builder(int request, String name) {
            this.request = request;
            RULES[request] = new RequestRule(name, 0, 0, Descriptors.NONE, 0);
        }

        Builder bytes(int exactly) {
            return bytes(exactly, exactly);
        }

        Builder bytes(int least, int most) {
            RequestRule r = RULES[request];
            RULES[request] = new RequestRule(r.name, least, most, r.descriptors, r.gate);
            return this;
        }

        Builder with(Descriptors descriptors) {
            RequestRule r = RULES[request];
            RULES[request] = new RequestRule(r.name, r.minBytes, r.maxBytes, descriptors, r.gate);
            return this;
        }

        Builder gatedBy(long feature) {
            RequestRule r = RULES[request];
            RULES[request] = new RequestRule(r.name, r.minBytes, r.maxBytes, r.descriptors, feature);
            return this;
        }

        Builder config() {
            return bytes(CONFIG_HEADER_BYTES, CONFIG_HEADER_BYTES + MAX_CONFIG_BYTES).gatedBy(ProtocolFeatures.CONFIG);
        }

        Builder inflight() {
            return bytes(INFLIGHT_FIELD_BYTES, INFLIGHT_BYTES).gatedBy(ProtocolFeatures.INFLIGHT_SHMFD);
        }
    }
}
