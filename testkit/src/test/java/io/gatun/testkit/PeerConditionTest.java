package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;

class PeerConditionTest {
    @Test
    void testRunsWhenEveryPeerIsHere() {
        assertFalse(PeerCondition.decide(List.of(), false).isDisabled());
        assertFalse(PeerCondition.decide(List.of(), true).isDisabled());
    }

    @Test
    void missingPeerSkipsTheTestWithItsReason() {
        ConditionEvaluationResult result = PeerCondition.decide(List.of("no QEMU", "no kernel"), false);
        assertTrue(result.isDisabled());
        assertEquals(Optional.of("no QEMU; no kernel"), result.getReason());
    }

    @Test
    void noPeerIsOptionalButTheKernelThatIsBuiltForTheLab() {
        assertEquals(
                List.of(Peer.IOMMUFD_KERNEL),
                Stream.of(Peer.values()).filter(Peer::isOptional).toList());
    }

    @Test
    void missingPeerFailsTheTestWherePeersAreRequired() {
        PeerCondition.MissingPeerException failure = assertThrows(
                PeerCondition.MissingPeerException.class, () -> PeerCondition.decide(List.of("no QEMU"), true));
        assertEquals("no QEMU", failure.getMessage());
    }
}
