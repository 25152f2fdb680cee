package io.gatun.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * JUnit tests that run inside a guest, on the host's JDK and the class path of the test that asks for it: what needs a
 * kernel of its own, such as a PCI function that is taken from its driver.
 *
 * @param passed names of the tests that passed
 * @param skipped names of the tests that did not run, with the reason
 */
public record GuestSuite(List<String> passed, List<String> skipped) {
    private static final List<String> OPTIONS =
            List.of("-ea", "-Xmx256m", "-Dgatun.memory.checked=true", "--enable-native-access=ALL-UNNAMED");

    /**
     * Runs test classes in a guest that has taken step {@code host_files}.
     *
     * @param properties system properties for the tests
     * @throws AssertionError if a test fails or none passes, with all that was printed, or if it takes too long
     */
    public static GuestSuite run(
            QemuGuest guest, List<Class<?>> classes, Map<String, String> properties, Duration timeout) {
        List<String> arguments = new ArrayList<>(OPTIONS);
        properties.forEach((name, value) -> arguments.add("-D" + name + "=" + value));
        arguments.addAll(List.of("-cp", classPath(), SuiteRunner.class.getName()));
        classes.forEach(test -> arguments.add(test.getName()));
        List<String> lines = guest.java(arguments, timeout).lines();
        return new GuestSuite(find(lines, SuiteRunner.PASSED), find(lines, SuiteRunner.SKIPPED));
    }

    private static List<String> find(List<String> lines, String prefix) {
        return lines.stream()
                .filter(line -> line.startsWith(prefix))
                .map(line -> line.substring(prefix.length()))
                .toList();
    }

    /**
     * The class path of this test. Maven starts tests with a jar that only refers to the class path, and says here what
     * that is.
     */
    public static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }
}
