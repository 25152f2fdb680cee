package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The two servers of a network comparison, with the same ports and the same loop, each on one core.
 *
 * @param gatun the program
 * @param testpmd the program
 * @param core the server's core
 * @param folder where sockets and logs go
 */
record NetServers(Path gatun, Path testpmd, int core, Path folder) {
    ServerProcess gatun(NetCell cell) throws IOException, InterruptedException {
        List<Path> sockets = sockets("gatun", cell);
        List<String> command = new ArrayList<>(List.of(gatun.toString(), "serve", "--poll"));
        command.addAll(List.of("--cores", Integer.toString(core)));
        command.addAll(List.of("--rpc", folder.resolve("rpc.sock").toString()));
        for (int i = 0; i < sockets.size(); i++) {
            command.addAll(List.of("--port", "vhost:p" + i + ",socket=" + sockets.get(i)));
        }
        NetCell.Direction direction = cell.direction();
        command.addAll(
                switch (direction) {
                    case SWITCH, SWITCH_RETURNED -> List.of("--switch", "br0,ports=p0+p1");
                    case LOOP, LOOP_RETURNED -> List.of("--loop", "io:p0+p1");
                    case HOST_TO_GUEST ->
                        List.of("--loop", direction.server + ":p0,size=" + cell.packetBytes(direction.server));
                    case GUEST_TO_HOST, ECHO -> List.of("--loop", direction.server + ":p0");
                });
        return new ServerProcess(command, sockets, folder.resolve("gatun.log"));
    }

    ServerProcess testpmd(NetCell cell) throws IOException, InterruptedException {
        List<Path> sockets = sockets("peer", cell);
        List<String> command = TestpmdClient.onCore(testpmd, core);
        command.addAll(List.of("--in-memory", "-m", "128"));
        for (int i = 0; i < sockets.size(); i++) {
            command.addAll(List.of("--vdev", "net_vhost" + i + ",iface=" + sockets.get(i) + ",queues=1"));
        }
        command.addAll(TestpmdClient.forward(cell.direction().server, cell));
        return new ServerProcess(command, sockets, folder.resolve("peer.log"));
    }

    private List<Path> sockets(String who, NetCell cell) {
        return IntStream.range(0, cell.direction().ports())
                .mapToObj(i -> folder.resolve(who + i + ".sock"))
                .toList();
    }
}
