package io.gatun.testkit;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.PrintStream;
import java.util.Arrays;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * A program that runs JUnit test classes, its arguments, and prints what comes of each test as it comes; see {@link
 * GuestSuite}. It ends with 0 if at least one test ran and all that ran passed.
 */
public final class SuiteRunner implements TestExecutionListener {
    static final String PASSED = "SUITE-PASSED ";
    static final String FAILED = "SUITE-FAILED ";
    static final String SKIPPED = "SUITE-SKIPPED ";

    private final PrintStream out;
    private int passed;
    private int failed;
    private long startNanos;

    private SuiteRunner(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] classNames) {
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(Arrays.stream(classNames)
                        .map(name -> selectClass(name))
                        .toList())
                .build();
        SuiteRunner runner = new SuiteRunner(System.out);
        LauncherFactory.create().execute(request, runner);
        System.exit(runner.failed == 0 && runner.passed > 0 ? 0 : 1);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        startNanos = System.nanoTime();
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        out.println(SKIPPED + name(test) + ": " + reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    passed++;
                    out.println(PASSED + name(test) + " " + (System.nanoTime() - startNanos) / 1_000_000 + " ms");
                }
            }
            case ABORTED -> out.println(SKIPPED + name(test) + ": " + reason(result));
            case FAILED -> {
                failed++;
                out.println(FAILED + name(test) + ": " + reason(result));
                result.getThrowable().ifPresent(failure -> failure.printStackTrace(out));
            }
        }
    }

    private static String reason(TestExecutionResult result) {
        return result.getThrowable().map(Throwable::toString).orElse("");
    }

    /** In one line: class and method of a test, and its name where it has one of its own. */
    private static String name(TestIdentifier test) {
        String own = test.getDisplayName().replaceAll("\\s+", " ");
        if (test.getSource().orElse(null) instanceof MethodSource method) {
            String simpleClass = method.getClassName().replaceFirst("^.*[.$]", "");
            String name = simpleClass + "." + method.getMethodName();
            return own.equals(method.getMethodName() + "()") ? name : name + " " + own;
        }
        return own;
    }
}
