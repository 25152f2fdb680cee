package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.daemon.Version;
import io.gatun.daemon.rpc.Method;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.target.Methods;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The program from outside: what a command line prints, and its exit code. */
class CommandLineTest {
    @TempDir
    private Path directory;

    private record Outcome(int code, String out, String err) {}

    private static Outcome run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Gatun.run(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                arguments);
        return new Outcome(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static void refused(String line, String... arguments) {
        Outcome outcome = run(arguments);
        assertEquals(Gatun.USAGE, outcome.code(), outcome.err());
        assertEquals(1, outcome.err().lines().count(), outcome.err());
        assertTrue(outcome.err().startsWith("gatun: " + line), outcome.err());
        assertFalse(outcome.err().contains("REDACTED"), outcome.err());
        assertEquals("", outcome.out());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "--bdev m0 | --bdev m0: expected KIND:NAME,key=value,… with KIND malloc, file, nvme or null",
        "--bdev ram:m0,size=1M | --bdev ram:m0,size=1M: unknown kind ram: expected malloc, file, nvme or null",
        "--bdev malloc:,size=1M | --bdev malloc:,size=1M: the name is missing: expected KIND:NAME",
        "--bdev malloc:m0 | --bdev malloc:m0: size is missing: expected size= and bytes, or a number",
        "--bdev malloc:m0,size=x | --bdev malloc:m0,size=x: size=x: expected bytes, or a number",
        "--bdev malloc:m0,size=0 | --bdev malloc:m0,size=0: size=0: expected",
        "--bdev malloc:m0,size=99999999999T | --bdev malloc:m0,size=99999999999T: size=99999999999T: expected",
        "--bdev malloc:m0,size=1000 | --bdev malloc:m0,size=1000: size=1000: expected a multiple of the block size 512",
        "--bdev malloc:m0,size=1M,block-size=100 | --bdev malloc:m0,size=1M,block-size=100: block-size=100: expected"
                + " 512 or 4096",
        "--bdev malloc:m0,size=1M,direct=on | --bdev malloc:m0,size=1M,direct=on: unknown key direct: expected one of"
                + " size, block-size, uuid",
        "--bdev malloc:m0,size=1M,size=2M | --bdev malloc:m0,size=1M,size=2M: size is given twice",
        "--bdev malloc:m0,size | --bdev malloc:m0,size: 'size': expected key=value",
        "--bdev malloc:m0,size=1M,uuid=7 | --bdev malloc:m0,size=1M,uuid=7: Invalid parameters: uuid=\"7\": expected"
                + " a UUID",
        "--bdev file:f0 | --bdev file:f0: path is missing: expected path= and a file or block device",
        "--bdev file:f0,path=/x,direct=maybe | --bdev file:f0,path=/x,direct=maybe: direct=maybe: expected on or off",
        "--bdev nvme:nv0 | --bdev nvme:nv0: traddr is missing: expected traddr= and the PCI address of a drive",
        "--bdev nvme:nv0,traddr=4 | --bdev nvme:nv0,traddr=4: Invalid argument: traddr: \"4\" is no PCI address;"
                + " write it as 0000:00:04.0",
        "--vhost-blk /tmp/x | --vhost-blk /tmp/x: bdev is missing: expected bdev= and the name of a --bdev",
        "--vhost-blk bdev=m0 | --vhost-blk bdev=m0: the socket is missing: expected SOCKET,bdev=NAME",
        "--vhost-blk /tmp/x,bdev=m0,queues=0 | --vhost-blk /tmp/x,bdev=m0,queues=0: queues=0: expected a number from 1"
                + " to 256",
        "--vhost-blk /tmp/x,bdev=m0,queus=2 | --vhost-blk /tmp/x,bdev=m0,queus=2: unknown key queus: expected one of",
        "--vhost-blk /tmp/x,bdev=m0 | --vhost-blk /tmp/x,bdev=m0: No such device: no bdev is called m0",
        "--bdev null:n,size=1k,uuid= | --bdev null:n,size=1k,uuid=: Invalid parameters: uuid=\"\": expected a UUID",
        "--port n0 | --port n0: expected KIND:NAME,key=value,… with KIND ",
        "--port nul:n0 | --port nul:n0: unknown kind nul: expected ",
        "--port null: | --port null:: the name is missing: expected KIND:NAME",
        "--port null:queues=1 | --port null:queues=1: the name is missing: expected KIND:NAME",
        "--port null:n0,queus=1 | --port null:n0,queus=1: unknown key queus: expected one of queues, ",
        "--port null:n0,queues=x | --port null:n0,queues=x: queues=x: expected a whole number from 0",
        "--port null:n0,queues= | --port null:n0,queues=: queues is missing: expected queues= and a whole number",
        "--port null:n0,queues=65 | --port null:n0,queues=65: Invalid argument: a null port has 1 to 64 queues, not 65",
        "--port vhost:p0 | --port vhost:p0: socket is missing: expected socket= and a string",
        "--port vhost:p0,socket=/tmp/x,queues=0 | --port vhost:p0,socket=/tmp/x,queues=0: Invalid argument: queues must"
                + " be from 1 to 128, not 0",
        "--port vhost:p0,socket=/tmp/x,packed=maybe | --port vhost:p0,socket=/tmp/x,packed=maybe: packed=maybe:"
                + " expected on or off",
        "--port vhost:p0,socket=/tmp/x,mac=1 | --port vhost:p0,socket=/tmp/x,mac=1: Invalid argument: mac must be a"
                + " unicast address",
        "--port tap:t0,mtu=67 | --port tap:t0,mtu=67: Invalid argument: a TAP interface's MTU is 68 to 65521"
                + " bytes, not 67",
        "--port null:a+b | --port null:a+b: Invalid argument: name=a+b: expected 1 to 63 letters",
        "--switch ports=p0 | --switch ports=p0: the name is missing: expected NAME,ports=PORT+PORT…",
        "--switch br0 | --switch br0: ports is missing: expected ports= and the names of --port, joined by +",
        "--switch br0,ports=p0 | --switch br0,ports=p0: No such device: no port is called p0; there is none yet",
        "--switch br0,ports=p0,vlan=1 | --switch br0,ports=p0,vlan=1: unknown key vlan: expected one of ports,"
                + " mac-limit, ageing, access,",
        "--port null:n0 --switch br0,ports=n0,access=n0:5000 | --switch br0,ports=n0,access=n0:5000: Invalid argument:"
                + " port n0: a VLAN is 1 to 4094",
        "--port null:n0 --switch br0,ports=n0,access=5 | --switch br0,ports=n0,access=5: Invalid parameters: access=5:"
                + " expected PORT:VALUE",
        "--loop p0 | --loop p0: expected MODE:PORT[+PORT][,size=BYTES] with MODE io, macswap, rxonly, txonly or"
                + " icmpecho",
        "--loop csum:p0 | --loop csum:p0: unknown mode csum: expected io, macswap, rxonly, txonly or icmpecho",
        "--loop io: | --loop io:: the port is missing: expected MODE:PORT",
        "--loop io:p0 | --loop io:p0: No such device: no port is called p0; there is none yet",
        "--port null:n0 --loop macswap:n0+n1 | --loop macswap:n0+n1: Invalid argument: ports=n0+n1: expected one port"
                + " for macswap",
        "--port null:n0 --loop txonly:n0,size=9000 | --loop txonly:n0,size=9000: Invalid argument: packets of port n0"
                + " (MTU 1500) have 60 to 1514 bytes, not 9000",
        "--port null:n0 --loop io:n0,size=64 | --loop io:n0,size=64: Invalid argument: size is for txonly",
        "--cores x | --cores x: expected a list such as 0,1 or 2-5",
        "--cores 0,0 | --cores 0,0: processor 0 is named twice",
        "--cores 8190 | --cores 8190: processor 8190 is not there; expected some of",
        "--metrics here | --metrics here: expected [HOST:]PORT with a port from 0 to 65535",
        "--metrics 65536 | --metrics 65536: expected [HOST:]PORT",
        "--config /nonexistent | --config /nonexistent: cannot be read",
        "--wait-for-rpc --bdev malloc:m0,size=1M | --wait-for-rpc: expected without --config and options that make",
        "--log-level loud | Invalid value for option '--log-level': expected one of",
        "--pol | Unknown option: '--pol'",
        "--bdev | Missing required parameter for option '--bdev'",
        "extra | Unmatched argument"
    })
    void serveRefusesInOneLine(String options, String line) {
        // An own socket, so that what is not refused before does not meet a daemon of this machine.
        String rpc = "--rpc " + directory.resolve("rpc.sock") + " ";
        refused(line, ("serve " + rpc + options).split(" "));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "{ | , line 1: not JSON: Unexpected end-of-input: expected close marker for Object",
        "[] | : subsystems is missing: expected an array of",
        "~ | : subsystems is missing: expected an array of",
        "{'subsystems': []}~{'subsystems': []} | , line 2: not JSON: something stands behind the end of the document;"
                + " remove it",
        "{'subsystems': []}~~}~ | , line 3: not JSON: something stands behind the end of the document; remove it",
        "{'subsystems': []} # disks | , line 1: not JSON: something stands behind the end of the document; remove it",
        "{'subsystems': 1} | : subsystems is 1: expected an array of",
        "{'subsystems': [{'subsystem': 'bdev', 'config': 1}]} | : subsystem bdev: config is 1: expected an array of",
        "{'subsystems': [{'subsystem': 'bdev', 'config': [{}]}]} | : subsystem bdev: method is missing: expected the"
                + " name of a method",
        "{'subsystems': [{'config': [{'method': 'm', 'params': []}]}]} | : subsystem ?: m: params is []: expected an"
                + " object",
        "{'subsystems': [{'config': [{'method': 'm'}]}]} | : m: Method not found",
        "{'subsystems': [{'config': [{'method': 'bdev_malloc_create'}]}]} | : bdev_malloc_create: Invalid parameters:"
                + " block_size is missing"
    })
    void aWrongConfigurationIsRefusedInOneLine(String text, String line) throws IOException {
        Path file = Files.writeString(
                directory.resolve("config.json"), text.replace('\'', '"').replace('~', '\n'));
        String rpc = directory.resolve("rpc.sock").toString();
        refused("--config " + file + line, "serve", "--rpc", rpc, "--config", file.toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "'' | which command? One of: serve, rpc, top, bench, pci, nvme, demo (",
        "frob | Unmatched argument",
        "rpc | which METHOD? gatun rpc --list shows them",
        "rpc bdev_malloc_delete m0 | bdev_malloc_delete m0: expected key=value",
        "rpc bdev_malloc_delete nam=m0 | bdev_malloc_delete: Invalid parameters: unknown parameter nam; accepted: name",
        "rpc bdev_malloc_create block_size=x | bdev_malloc_create: Invalid parameters: block_size=x: expected a whole"
                + " number",
        "rpc vhost_create_blk_controller readonly=7 | vhost_create_blk_controller: Invalid parameters: readonly=7:"
                + " expected true or false",
        "rpc bdev_malloc_create {\"name\":1}} | bdev_malloc_create {\"name\":1}}: something stands behind the end of",
        "rpc bdev_malloc_create {\"name\":1 | bdev_malloc_create {\"name\":1: Unexpected end-of-input",
        "rpc --timeout 0 spdk_get_version | --timeout 0: expected 1 to 86400 seconds",
        "top --interval 0 | --interval 0.0: expected 0.1 to 3600 seconds",
        "top --count -1 | --count -1: expected a number of tables",
        "bench | bench what? One of: blk, net",
        "bench net | --socket is missing: expected the path of a vhost-user-net server",
        "bench net --socket /x --mode flood | bench net: 'flood' is none of tx, rx, echo",
        "bench net --socket /x --size 20 | bench net: size 20: accepted is 64 to 9018 bytes",
        "bench net --socket /x --mode tx --verify | bench net: verify true: accepted is modes rx and echo",
        "bench net --socket /x --window 0 | bench net: window 0: accepted is 1 to 256",
        "nvme | nvme what? One of: list, identify, smart, log, bench",
        "nvme identify 4 | nvme: \"4\" is no PCI address; write it as 0000:00:04.0",
        "nvme log 00:04.0 0x100 | nvme log 0x100: expected error, firmware, smart, or a page's number such as 0x02",
        "nvme log 00:04.0 2 --bytes 3 | --bytes 3: expected a multiple of 4 up to 1048576",
        "nvme bench 00:04.0 --rw write | nvme bench --rw write: it destroys what is on the drive; add --overwrite",
        "nvme bench 00:04.0 --rw both | nvme bench: 'both' is none of randread, randwrite",
        "bench blk | --socket is missing: expected the path of a vhost-user-blk server",
        "bench blk --socket /x --rw both | bench blk: 'both' is none of randread, randwrite",
        "bench blk --socket /x --bs 100 | bench blk: block size 100: accepted is a multiple of 512",
        "bench blk --socket /x --bs 4q | --bs 4q: expected bytes, or a number",
        "bench blk --socket /x --core 0,0 | --core 0,0: processor 0 is named twice",
        "bench blk --socket /x --qd 0 | bench blk: queue depth 0: accepted is 1 to",
        "bench blk --socket /x --qd many | Invalid value for option '--qd'",
        "bench blk --device disk | --device disk: expected memcpy or nothing",
        "demo --time 0 | --time 0: expected 1 to 600 seconds"
    })
    void everyCommandRefusesInOneLine(String options, String line) {
        refused(line, options.equals("''") ? new String[0] : options.split(" "));
    }

    @Test
    void whatCannotBeDoneFailsWithOneLine() {
        String rpc = directory.resolve("rpc.sock").toString();
        Outcome nobody = run("rpc", "-s", rpc, "spdk_get_version");
        assertEquals(Gatun.FAILED, nobody.code());
        assertEquals("gatun: connect to " + rpc + ": ENOENT; is gatun serve running, with this --rpc?\n", nobody.err());
        Outcome noFile = run("serve", "--rpc", rpc, "--bdev", "file:f0,path=/nonexistent/disk.img");
        assertEquals(Gatun.FAILED, noFile.code());
        assertEquals(1, noFile.err().lines().count(), noFile.err());
        assertTrue(noFile.err().contains("/nonexistent/disk.img"), noFile.err());
        assertTrue(Files.notExists(Path.of(rpc)), "a failed start leaves no socket");
    }

    @Test
    void theVersionIsTheOneOfThePoms() throws IOException {
        assertEquals("gatun " + Version.TEXT + "\n", run("--version").out());
        assertTrue(Files.readString(Path.of("pom.xml")).contains("<version>" + Version.TEXT + "</version>"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "serve", "rpc", "top", "bench blk", "demo"})
    void helpTeachesWithExamples(String command) {
        Outcome help = run((command + " --help").trim().split(" "));
        assertEquals(Gatun.OK, help.code());
        assertEquals("", help.err());
        assertTrue(command.equals("demo") || help.out().contains("Examples:"), help.out());
    }

    /** Keys are the methods' parameters, so one that is added there is one more to be told of here. */
    @Test
    void helpNamesEveryKeyOfPortsAndSwitches() {
        String help = run("serve", "--help").out().replaceAll("\\s+", "");
        // Each part begins with what comes before its first key.
        String[] parts = help.substring(help.indexOf("Apacketport"), help.indexOf("MODE:PORT,…,"))
                .replace("Aswitch,NAME,…,is", "switch:")
                .split("(?=(vhost|virtio-user|tap|pcap|null|switch):NAME)");
        for (Method<?> method : Methods.REGISTRY.methods()) {
            if (!method.name().matches("port_.*_create|switch_create")) {
                continue;
            }
            String kind = method.name().replaceAll("port_|_create", "").replace('_', '-');
            String part = Arrays.stream(parts).filter(p -> p.startsWith(kind + ":")).findAny().orElseThrow();
            for (Param param : method.params()) {
                String key = param.name().replace('_', '-');
                boolean told = key.equals("name") || key.equals("cpumask");
                assertTrue(told || part.contains("," + key + "="), kind + " has the key " + key + ", not in " + part);
            }
        }
    }

    @Test
    void theListShowsEveryMethodWithItsParameters() {
        String list = run("rpc", "--list").out();
        assertTrue(list.contains("bdev_malloc_create\n"), list);
        assertTrue(list.contains("    block_size: a whole number"), list);
    }

    @Test
    void theQuickParserOfServeUnderstandsWhatPicocliDoes() throws ReflectiveOperationException {
        String[] arguments = {
            "serve", "--cores", "0", "--poll", "-s", "/tmp/a", "--config", "c", "--bdev", "x", "--bdev", "y",
            "--vhost-blk", "z", "--vhost-dir", "/tmp", "--port", "p", "--switch", "b", "--loop", "l",
            "--loop", "m", "--metrics", "1", "--require-sealed-memory", "--wait-for-rpc",
            "--log-level", "debug"
        };
        ServeCommand slow = new ServeCommand();
        new CommandLine(slow).parseArgs(Arrays.copyOfRange(arguments, 1, arguments.length));
        assertSame(slow, ServeCommand.parse(arguments));
        ServeCommand nothing = new ServeCommand();
        new CommandLine(nothing).parseArgs();
        assertSame(nothing, ServeCommand.parse("serve"));
        for (String[] unusual : List.of(
                new String[] {"serve", "--help"}, new String[] {"serve", "--bdev"}, new String[] {"serve", "x"},
                new String[] {"serve", "--bdev", "--poll"}, new String[] {"serve", "--log-level", "loud"})) {
            assertEquals(null, ServeCommand.parse(unusual), "left to picocli");
        }
    }

    private static void assertSame(ServeCommand expected, ServeCommand actual) throws ReflectiveOperationException {
        for (Field field : ServeCommand.class.getDeclaredFields()) {
            if (field.isAnnotationPresent(Option.class)) {
                field.setAccessible(true);
                assertEquals(field.get(expected), field.get(actual), field.getName());
            }
        }
        Field level = LogLevel.class.getDeclaredField("level");
        level.setAccessible(true);
        Field mixin = ServeCommand.class.getDeclaredField("logLevel");
        mixin.setAccessible(true);
        assertEquals(level.get(mixin.get(expected)), level.get(mixin.get(actual)));
    }
}
