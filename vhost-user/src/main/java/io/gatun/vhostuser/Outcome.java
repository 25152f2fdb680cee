package io.gatun.vhostuser;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/**
 * What became of a request that was legal: a reply of its own, or a result for those that asked to be told.
 *
 * @param reply the request's own reply, or null
 * @param result 0, or what {@code REPLY_ACK} reports where the device refused
 */
record Outcome(Message reply, long result) {
    static final CompletableFuture<Outcome> DONE = CompletableFuture.completedFuture(new Outcome(null, 0));
    static final CompletableFuture<Outcome> REFUSED = CompletableFuture.completedFuture(new Outcome(null, 1));

    static CompletableFuture<Outcome> reply(Message message) {
        return CompletableFuture.completedFuture(new Outcome(message, 0));
    }

    static CompletableFuture<Outcome> reply(int request, long value) {
        return reply(Message.reply(request, value));
    }

    static CompletableFuture<Outcome> reply(int request, ByteBuffer payload) {
        return reply(Message.reply(request, payload));
    }
}
