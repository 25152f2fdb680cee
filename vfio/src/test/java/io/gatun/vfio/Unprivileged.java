package io.gatun.vfio;

import io.gatun.linux.LinuxException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** What a user without rights, who may lock 64 KiB of memory, is told: a process of its own. */
final class Unprivileged implements AutoCloseable {
    private final Process process;
    private final BufferedReader said;

    Unprivileged(PciAddress address) throws IOException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        process = new ProcessBuilder(List.of(
                        "/usr/bin/prlimit", "--memlock=65536:65536",
                        "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                        java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx32m",
                        "--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path"),
                        Unprivileged.class.getName(), address.toString()))
                .redirectErrorStream(true)
                .start();
        said = process.inputReader(StandardCharsets.UTF_8);
    }

    /** What comes of opening the function and allocating a megabyte for it. */
    String open() throws IOException {
        process.getOutputStream().write('\n');
        process.getOutputStream().flush();
        return String.valueOf(said.readLine());
    }

    @Override
    public void close() {
        process.destroy();
    }

    public static void main(String[] arguments) throws IOException {
        while (System.in.read() >= 0) {
            try (PciAccess access = new PciAccess(PciBus.system());
                    PciDevice device = access.open(PciAddress.parse(arguments[0]));
                    DmaBuffer memory = device.memory().allocate(1 << 20)) {
                System.out.println("unexpected: " + memory);
            } catch (LinuxException e) {
                System.out.println(e.getMessage());
            }
        }
    }
}
