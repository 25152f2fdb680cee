package io.gatun.daemon;

/** Which Gatun this is; the release changes it together with the POMs, and a test compares the two. */
public final class Version {
    public static final int MAJOR = 0;
    public static final int MINOR = 1;
    public static final int PATCH = 0;
    public static final String SUFFIX = "-SNAPSHOT";
    public static final String TEXT = MAJOR + "." + MINOR + "." + PATCH + SUFFIX;

    private Version() {}
}
