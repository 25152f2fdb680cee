package io.gatun.testkit;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/** Decides what becomes of a test whose peer is missing: a visible skip, or a failure where peers are required. */
final class PeerCondition implements ExecutionCondition {
    static final String REQUIRED_PROPERTY = "gatun.peers.required";

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        Peer[] peers = AnnotationSupport.findAnnotation(context.getElement(), RequiresPeer.class)
                .map(RequiresPeer::value)
                .orElse(new Peer[0]);
        List<Peer> missing =
                Arrays.stream(peers).filter(peer -> peer.missing().isPresent()).toList();
        boolean required = Boolean.getBoolean(REQUIRED_PROPERTY) && !missing.stream().allMatch(Peer::isOptional);
        return decide(missing.stream().map(peer -> peer.missing().orElseThrow()).toList(), required);
    }

    /** @throws MissingPeerException if something is missing that is required: JUnit reports it as the test's failure */
    static ConditionEvaluationResult decide(List<String> missing, boolean required) {
        if (missing.isEmpty()) {
            return ConditionEvaluationResult.enabled("every peer is here");
        }
        String reason = String.join("; ", missing);
        if (required) {
            throw new MissingPeerException(reason);
        }
        System.err.println("SKIPPED for want of a peer: " + reason);
        return ConditionEvaluationResult.disabled(reason);
    }

    /** A peer is missing where a skip is not allowed. */
    static final class MissingPeerException extends RuntimeException {
        private static final long serialVersionUID = 1;

        MissingPeerException(String message) {
            super(message);
        }
    }
}
