package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlacementTest {
    @Test
    void portsTakeTurns() {
        try (Reactor a = Reactor.start("a", -1, IdlePolicy.ADAPTIVE);
                Reactor b = Reactor.start("b", -1, IdlePolicy.ADAPTIVE);
                Reactor c = Reactor.start("c", -1, IdlePolicy.ADAPTIVE)) {
            List<Reactor> all = List.of(a, b, c);
            int first = all.indexOf(Placement.inTurn(all, 2).getFirst());
            List<Integer> starts = new ArrayList<>();
            for (int queues : new int[] {1, 1, 4, 3}) {
                List<Reactor> turn = Placement.inTurn(all, queues);
                int start = all.indexOf(turn.getFirst());
                starts.add(Math.floorMod(start - first, 3));
                assertEquals(all.get((start + 1) % 3), turn.get(1));
                assertEquals(all.get((start + 2) % 3), turn.get(2));
            }
            assertEquals(List.of(2, 0, 1, 2), starts);
        }
    }

    @Test
    void nobodyIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> Placement.inTurn(List.of(), 1));
    }
}
