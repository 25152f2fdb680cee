package io.gatun.testkit;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A network namespace of the host, so that a test's addresses and interfaces meet nobody else's; needs root. Closing
 * removes it with all that is in it.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
public final class NetworkNamespace implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final String name;

    private NetworkNamespace(String name) {
        this.name = name;
    }

    /** Whether this user can make one. */
    public static boolean available() {
        return "root".equals(System.getProperty("user.name")) && Path.of("/dev/net/tun").toFile().canWrite()
                && Peer.IP.find().isPresent();
    }

    /** Makes one with its loopback interface up. */
    public static NetworkNamespace create() {
        NetworkNamespace namespace = new NetworkNamespace("gatun-" + ProcessHandle.current().pid());
        ip("netns", "add", namespace.name);
        namespace.output("ip", "link", "set", "lo", "up");
        return namespace;
    }

    /** Takes an interface of the host into the namespace, gives it an address and takes it up. */
    public void take(String interfaceName, String addressAndLength) {
        ip("link", "set", "dev", interfaceName, "netns", name);
        output("ip", "addr", "add", addressAndLength, "dev", interfaceName);
        output("ip", "link", "set", interfaceName, "up");
    }

    /** Runs a program inside to its end and gives what it printed. @throws AssertionError if it fails */
    public List<String> output(String... command) {
        return PeerProcess.output(inside(command), Duration.ofSeconds(90));
    }

    /** Starts a program inside. */
    public PeerProcess start(String... command) {
        return PeerProcess.start(
                command[0], inside(command), Map.of(), Path.of("."), PeerProcess.DEFAULT_LIFETIME);
    }

    @Override
    public void close() {
        ip("netns", "del", name);
    }

    private List<String> inside(String... command) {
        List<String> words = new ArrayList<>(List.of(Peer.IP.path().toString(), "netns", "exec", name));
        words.addAll(List.of(command));
        return words;
    }

    private static void ip(String... words) {
        List<String> command = new ArrayList<>(List.of(Peer.IP.path().toString()));
        command.addAll(List.of(words));
        List<String> ignored = PeerProcess.output(command, PATIENCE);
    }
}
