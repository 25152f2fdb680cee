package io.gatun.reactor;

import org.jctools.queues.varhandle.MpscUnboundedVarHandleArrayQueue;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/**
 * A reactor on its way to sleep against a thread that brings work: whoever comes second sees the other. The first
 * result is whether the sleeper saw the work, the second whether the bringer saw the sleeper.
 */
public final class AnnouncementStress {
    private AnnouncementStress() {}

    /** Work that lies in plain memory, as a ring does. */
    @JCStressTest
    @Outcome(id = "false, false", expect = Expect.FORBIDDEN, desc = "the wake-up is lost")
    @Outcome(id = "true, false", expect = Expect.ACCEPTABLE, desc = "the sleeper does not sleep")
    @Outcome(id = "false, true", expect = Expect.ACCEPTABLE, desc = "the sleeper is woken")
    @Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "both")
    @State
    public static class PlainWork {
        private final Announcement announcement = new Announcement();
        private int work;

        /** The sleeper. */
        @Actor
        public void sleeper(ZZ_Result result) {
            announcement.announce();
            result.r1 = work != 0;
        }

        /** The bringer. */
        @Actor
        public void bringer(ZZ_Result result) {
            work = 1;
            result.r2 = announcement.isMade();
        }
    }

    /** Work that comes through the reactor's queue of commands. */
    @JCStressTest
    @Outcome(id = "false, false", expect = Expect.FORBIDDEN, desc = "the wake-up is lost")
    @Outcome(id = "true, false", expect = Expect.ACCEPTABLE, desc = "the sleeper does not sleep")
    @Outcome(id = "false, true", expect = Expect.ACCEPTABLE, desc = "the sleeper is woken")
    @Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "both")
    @State
    public static class QueuedWork {
        private final Announcement announcement = new Announcement();
        private final MpscUnboundedVarHandleArrayQueue<Object> commands = new MpscUnboundedVarHandleArrayQueue<>(2);

        /** The sleeper. */
        @Actor
        public void sleeper(ZZ_Result result) {
            announcement.announce();
            result.r1 = !commands.isEmpty();
        }

        /** The bringer. */
        @Actor
        public void bringer(ZZ_Result result) {
            commands.offer(this);
            result.r2 = announcement.isMade();
        }
    }
}
