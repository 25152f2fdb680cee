package io.gatun.vhostuser;

/**
 * What can be chosen per back-end.
 *
 * @param requireSealedMemory whether guest memory that could be truncated under us is refused: its file lacks
 *     {@code F_SEAL_SHRINK}
 * @param chainsPerPoll how many chains a ring may take per duty cycle before the next ring has its turn, 1 to 1024
 * @param drainSeconds how long a stopping ring may take to finish what is in flight before its connection is given up;
 *     what is still in flight then keeps its memory mapped until it is finished
 * @param messageSeconds how long a front-end may leave a message unfinished
 */
public record BackendOptions(
        boolean requireSealedMemory, int chainsPerPoll, int drainSeconds, int messageSeconds) {
    public static final BackendOptions DEFAULT = new BackendOptions(false, 64, 20, 10);

    public BackendOptions {
        if (chainsPerPoll < 1 || chainsPerPoll > 1024) {
            throw new IllegalArgumentException("chainsPerPoll is 1 to 1024, not " + chainsPerPoll);
        }
        if (drainSeconds < 1 || messageSeconds < 1) {
            throw new IllegalArgumentException("times are at least one second");
        }
    }

    public BackendOptions withRequireSealedMemory(boolean required) {
        return new BackendOptions(required, chainsPerPoll, drainSeconds, messageSeconds);
    }

    public BackendOptions withChainsPerPoll(int chains) {
        return new BackendOptions(requireSealedMemory, chains, drainSeconds, messageSeconds);
    }

    public BackendOptions withDrainSeconds(int seconds) {
        return new BackendOptions(requireSealedMemory, chainsPerPoll, seconds, messageSeconds);
    }

    public BackendOptions withMessageSeconds(int seconds) {
        return new BackendOptions(requireSealedMemory, chainsPerPoll, drainSeconds, seconds);
    }
}
