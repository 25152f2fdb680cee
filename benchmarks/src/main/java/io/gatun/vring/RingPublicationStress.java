package io.gatun.vring;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressMeta;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * One side of a ring publishes two buffers while the other looks: whoever sees a buffer sees all of it, descriptors and
 * bytes (VIRTIO 1.3 §2.7.13.3.1, §2.8.21.1.1). The first result is how many buffers were seen, the second how many of
 * them were not whole.
 */
public final class RingPublicationStress {
    private RingPublicationStress() {}

    /** What may come of it. */
    @Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "nothing is there yet")
    @Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "there when looked for again")
    @Outcome(id = "2, 0", expect = Expect.ACCEPTABLE, desc = "both are there")
    @Outcome(expect = Expect.FORBIDDEN, desc = "a buffer is torn")
    public static class Whole {}

    /** Questions on a split ring. */
    @JCStressTest
    @JCStressMeta(Whole.class)
    @State
    public static class SplitQuestions extends StressRing {
        public SplitQuestions() {
            super(false, 0, Stage.EMPTY);
        }

        /** Asks. */
        @Actor
        public void driver() {
            ask();
            driver.publishAvailable();
        }

        /** Looks. */
        @Actor
        public void device(II_Result result) {
            result.r1 = take();
            result.r2 = torn;
        }
    }

    /** Questions on a packed ring. */
    @JCStressTest
    @JCStressMeta(Whole.class)
    @State
    public static class PackedQuestions extends StressRing {
        public PackedQuestions() {
            super(true, 0, Stage.EMPTY);
        }

        /** Asks. */
        @Actor
        public void driver() {
            ask();
            driver.publishAvailable();
        }

        /** Looks. */
        @Actor
        public void device(II_Result result) {
            result.r1 = take();
            result.r2 = torn;
        }
    }

    /** Answers on a split ring. */
    @JCStressTest
    @JCStressMeta(Whole.class)
    @State
    public static class SplitAnswers extends StressRing {
        public SplitAnswers() {
            super(false, 0, Stage.TAKEN);
        }

        /** Answers. */
        @Actor
        public void device() {
            answer();
            device.publishUsed();
        }

        /** Looks. */
        @Actor
        public void driver(II_Result result) {
            result.r1 = collect();
            result.r2 = torn;
        }
    }

    /** Answers on a packed ring. */
    @JCStressTest
    @JCStressMeta(Whole.class)
    @State
    public static class PackedAnswers extends StressRing {
        public PackedAnswers() {
            super(true, 0, Stage.TAKEN);
        }

        /** Answers. */
        @Actor
        public void device() {
            answer();
            device.publishUsed();
        }

        /** Looks. */
        @Actor
        public void driver(II_Result result) {
            result.r1 = collect();
            result.r2 = torn;
        }
    }
}
