/** Real peers for tests: QEMU guests, storage daemons, test programs, and Gatun itself as a process. */
module io.gatun.testkit {
    requires com.fasterxml.jackson.databind;
    requires transitive org.junit.jupiter.api;
    requires org.junit.platform.commons;
    requires org.junit.platform.engine;
    requires org.junit.platform.launcher;

    exports io.gatun.testkit;
}
