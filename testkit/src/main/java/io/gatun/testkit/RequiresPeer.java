package io.gatun.testkit;

import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Marks a test or test class as a real-peer test (tag {@code peer}). Where a peer is missing the test is skipped and
 * the report says which and why; with {@code -Dgatun.peers.required=true} it fails instead, but for optional peers.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@Tag("peer")
@ExtendWith(PeerCondition.class)
public @interface RequiresPeer {
    Peer[] value();
}
