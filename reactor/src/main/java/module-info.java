/** Polling workers: pinned, one per core; pollers, commands, epochs, idle policy. */
module io.gatun.reactor {
    requires transitive io.gatun.linux;
    requires org.jctools.core.jdk11;
    requires org.slf4j;

    exports io.gatun.reactor;
}
