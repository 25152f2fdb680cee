package io.gatun.daemon.target;

import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.reactor.Reactor;
import java.math.BigInteger;
import java.util.List;

/**
 * Sets of processors as SPDK writes them: a hexadecimal mask, with or without {@code 0x}, or a list in brackets such as
 * {@code [0,2-3]}. A reactor that is pinned to no processor counts as processor 0.
 */
final class CpuMask {
    private CpuMask() {}

    /** The mask of these reactors, in hexadecimal without a prefix. */
    static String of(List<Reactor> reactors) {
        BigInteger mask = BigInteger.ZERO;
        for (Reactor reactor : reactors) {
            mask = mask.setBit(bit(reactor));
        }
        return mask.toString(16);
    }

    /** The reactors that a mask names; throws {@link RpcException} where it is no mask or names none. */
    static List<Reactor> select(List<Reactor> reactors, String text) {
        BigInteger mask = parse(text);
        List<Reactor> selected =
                reactors.stream().filter(reactor -> mask.testBit(bit(reactor))).toList();
        BigInteger known = parse(of(reactors));
        if (selected.isEmpty() || mask.andNot(known).signum() != 0) {
            throw invalid(text, "expected some of the processors with a reactor, mask 0x" + known.toString(16));
        }
        return selected;
    }

    private static BigInteger parse(String text) {
        try {
            if (text.startsWith("[") && text.endsWith("]")) {
                return list(text.substring(1, text.length() - 1));
            }
            BigInteger mask = new BigInteger(text.startsWith("0x") ? text.substring(2) : text, 16);
            if (mask.signum() >= 0) {
                return mask;
            }
        } catch (NumberFormatException e) {
            // Told below, with what is accepted.
        }
        throw invalid(text, "expected a hexadecimal mask such as 0x3, or a list such as [0,2-3]");
    }

    private static BigInteger list(String text) {
        BigInteger mask = BigInteger.ZERO;
        for (String range : text.split(",", -1)) {
            int dash = range.indexOf('-');
            int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
            int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
            if (first < 0 || last < first || last > 8191) {
                throw new NumberFormatException(range);
            }
            for (int cpu = first; cpu <= last; cpu++) {
                mask = mask.setBit(cpu);
            }
        }
        return mask;
    }

    private static int bit(Reactor reactor) {
        return Math.max(0, reactor.cpu());
    }

    private static RpcException invalid(String text, String accepted) {
        return RpcException.withCode(RpcException.INVALID_PARAMS, Errno.EINVAL, "cpumask=" + text + ": " + accepted);
    }
}
