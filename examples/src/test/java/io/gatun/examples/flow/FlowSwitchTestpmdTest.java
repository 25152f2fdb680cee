package io.gatun.examples.flow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.testkit.Lab;
import io.gatun.testkit.Peer;
import io.gatun.testkit.RequiresPeer;
import io.gatun.testkit.Testpmd;
import io.gatun.testkit.TestpmdSpec;
import io.gatun.vhostuser.ControlLoop;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** A real front-end behind the flows: DPDK's virtio-user. */
@RequiresPeer(Peer.TESTPMD)
class FlowSwitchTestpmdTest {
    private static final long ENOUGH = 100_000;

    @Test
    void packetsGoWhereTheFlowSays() {
        try (Lab.Workspace folder = Lab.workspace();
                ControlLoop loop = ControlLoop.start();
                Reactor reactor = Reactor.start("flow-switch", -1, Reactor.IdlePolicy.ADAPTIVE)) {
            FlowSwitch flowSwitch = new FlowSwitch("br0");
            VhostPort port = VhostPort.listen(
                    "a", loop, folder.path("a.sock"), VhostPortOptions.DEFAULTS, List.of(reactor));
            try (port;
                    flowSwitch) {
                flowSwitch.addPort(port);
                FlowCommands commands = new FlowCommands(flowSwitch);
                assertEquals("", commands.run("add-flow in_port=a,actions=mod_dl_src:02:00:00:00:00:07,in_port"));
                try (Testpmd driver = Testpmd.start(TestpmdSpec.driver(folder.path("a.sock")))) {
                    driver.awaitReady().forward();
                    long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
                    while (driver.statistics().received() < ENOUGH) {
                        assertTrue(System.nanoTime() < deadline, commands.run("dump-ports"));
                        LockSupport.parkNanos(50_000_000);
                    }
                    driver.quit();
                }
                Flow flow = flowSwitch.tables().flows().getFirst();
                assertTrue(flow.packets.sum() >= ENOUGH, FlowText.flow(flow));
                assertTrue(flow.bytes.sum() >= ENOUGH * 60, FlowText.flow(flow));
            }
        }
    }
}
