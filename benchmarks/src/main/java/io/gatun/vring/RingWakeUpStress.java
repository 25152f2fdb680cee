package io.gatun.vring;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressMeta;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/**
 * One side of a ring publishes and looks whether the other wants to hear of it, while the other says so and looks
 * whether there is something: whoever comes second sees the other (VIRTIO 1.3 §2.7.13.4.1, §2.7.14, §2.8.21.3.1,
 * §2.8.22). The first result is whether one side goes to sleep, the second whether the other side wakes it.
 */
public final class RingWakeUpStress {
    private RingWakeUpStress() {}

    /** What may come of it. */
    @Outcome(id = "true, false", expect = Expect.FORBIDDEN, desc = "the wake-up is lost")
    @Outcome(id = "false, false", expect = Expect.ACCEPTABLE, desc = "awake, and left alone")
    @Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "asleep, and woken")
    @Outcome(id = "false, true", expect = Expect.ACCEPTABLE, desc = "both")
    public static class NoneIsLost {}

    /** Kicks of a split ring, by flags. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class SplitFlagKick extends StressRing {
        public SplitFlagKick() {
            super(false, 0, Stage.ASKED);
        }

        /** Falls asleep. */
        @Actor
        public void device(ZZ_Result result) {
            result.r1 = device.armKicks();
        }

        /** Makes buffers available. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r2 = driver.publishAvailable();
        }
    }

    /** Calls of a split ring, by flags. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class SplitFlagCall extends StressRing {
        public SplitFlagCall() {
            super(false, 0, Stage.ANSWERED);
        }

        /** Falls asleep. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r1 = driver.armCalls();
        }

        /** Makes answers visible. */
        @Actor
        public void device(ZZ_Result result) {
            result.r2 = device.publishUsed();
        }
    }

    /** Kicks of a split ring, by EVENT_IDX. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class SplitEventKick extends StressRing {
        public SplitEventKick() {
            super(false, VirtioFeatures.EVENT_IDX, Stage.ASKED);
        }

        /** Falls asleep. */
        @Actor
        public void device(ZZ_Result result) {
            result.r1 = device.armKicks();
        }

        /** Makes buffers available. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r2 = driver.publishAvailable();
        }
    }

    /** Calls of a split ring, by EVENT_IDX. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class SplitEventCall extends StressRing {
        public SplitEventCall() {
            super(false, VirtioFeatures.EVENT_IDX, Stage.ANSWERED);
        }

        /** Falls asleep. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r1 = driver.armCalls();
        }

        /** Makes answers visible. */
        @Actor
        public void device(ZZ_Result result) {
            result.r2 = device.publishUsed();
        }
    }

    /** Kicks of a packed ring, by flags. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class PackedFlagKick extends StressRing {
        public PackedFlagKick() {
            super(true, 0, Stage.ASKED);
        }

        /** Falls asleep. */
        @Actor
        public void device(ZZ_Result result) {
            result.r1 = device.armKicks();
        }

        /** Makes buffers available. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r2 = driver.publishAvailable();
        }
    }

    /** Calls of a packed ring, by flags. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class PackedFlagCall extends StressRing {
        public PackedFlagCall() {
            super(true, 0, Stage.ANSWERED);
        }

        /** Falls asleep. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r1 = driver.armCalls();
        }

        /** Makes answers visible. */
        @Actor
        public void device(ZZ_Result result) {
            result.r2 = device.publishUsed();
        }
    }

    /** Kicks of a packed ring, by EVENT_IDX. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class PackedEventKick extends StressRing {
        public PackedEventKick() {
            super(true, VirtioFeatures.EVENT_IDX, Stage.ASKED);
        }

        /** Falls asleep. */
        @Actor
        public void device(ZZ_Result result) {
            result.r1 = device.armKicks();
        }

        /** Makes buffers available. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r2 = driver.publishAvailable();
        }
    }

    /** Calls of a packed ring, by EVENT_IDX. */
    @JCStressTest
    @JCStressMeta(NoneIsLost.class)
    @State
    public static class PackedEventCall extends StressRing {
        public PackedEventCall() {
            super(true, VirtioFeatures.EVENT_IDX, Stage.ANSWERED);
        }

        /** Falls asleep. */
        @Actor
        public void driver(ZZ_Result result) {
            result.r1 = driver.armCalls();
        }

        /** Makes answers visible. */
        @Actor
        public void device(ZZ_Result result) {
            result.r2 = device.publishUsed();
        }
    }
}
