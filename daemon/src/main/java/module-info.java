/** The gatun program: command line, methods, JSON-RPC, configuration and metrics. It wires, and decides nothing. */
module io.gatun.daemon {
    requires HdrHistogram;
    requires com.fasterxml.jackson.core;
    requires com.fasterxml.jackson.databind;
    requires info.picocli;
    requires io.gatun.bdev;
    requires io.gatun.nvme;
    requires io.gatun.pmd;
    requires io.gatun.vfio;
    requires io.prometheus.metrics.model;
    requires io.prometheus.writer.text;
    requires jdk.httpserver;
    requires org.slf4j;

    opens io.gatun.daemon.cli to
            info.picocli;
}
