# The steps of a lab guest. A test sends "NAME ARGUMENTS" on the console; the guest answers KEY=VALUE lines, then
# STEP-OK NAME or STEP-FAIL NAME. Each step runs in its own shell under "set -e": what fails, fails the step.

BLOCK=4096          # bytes of a tagged block
LOAD_REGIONS=32     # regions that one writer of the load overwrites in turn
LOAD_BLOCKS=64      # tagged blocks per region

uptime_seconds() { cut -d' ' -f1 /proc/uptime; }

fail() {
    echo "FAILED: $*"
    exit 1
}

serve_steps() {
    while read -r step arguments; do
        case "$step" in
            '') continue ;;
            poweroff) break ;;
        esac
        echo "STEP-START $step"
        (
            set -e -o pipefail
            "step_$step" $arguments
        )
        rc=$?
        if [ $rc -eq 0 ]; then echo "STEP-OK $step"; else echo "STEP-FAIL $step rc=$rc"; fi
    done
}

# tagged FIRST COUNT GENERATION: blocks whose every 16 bytes say which block they are and which generation of it.
tagged() {
    awk -v first="$1" -v count="$2" -v generation="$3" 'BEGIN {
        for (b = first; b < first + count; b++) {
            s = sprintf("%07d.%07d\n", b, generation)
            for (i = 0; i < 8; i++) s = s s
            printf "%s", s
        }
    }'
}

# put FILE DISK FIRST [FLAG]: writes a file of 16-block multiples at block FIRST; FLAG is oflag=direct or conv=fsync.
put() {
    dd if="$1" of="/dev/$2" bs=64k seek=$(($3 / 16)) "${4:-oflag=direct}" conv=notrunc 2>"$1.err" || {
        cat "$1.err"
        return 1
    }
}

# get FILE DISK FIRST COUNT: reads past the page cache.
get() {
    dd if="/dev/$2" of="$1" bs=64k skip=$(($3 / 16)) count=$(($4 / 16)) iflag=direct 2>"$1.err" || {
        cat "$1.err"
        return 1
    }
}

# expect_same WHAT FILE FILE
expect_same() { cmp "$2" "$3" || fail "$1: contents differ"; }

step_true() { :; }

# What was negotiated and what the kernel makes of it.
step_info() {
    disk=${1:-vda}
    sys=/sys/block/$disk
    echo "FEATURES=$(cat "$sys/device/features")"
    echo "SECTORS=$(cat "$sys/size")"
    echo "QUEUES=$(ls "$sys/mq" | wc -l)"
    echo "WRITE_CACHE=$(cat "$sys/queue/write_cache")"
    echo "LOGICAL_BLOCK=$(cat "$sys/queue/logical_block_size")"
    echo "PHYSICAL_BLOCK=$(cat "$sys/queue/physical_block_size")"
    echo "DISCARD_MAX=$(cat "$sys/queue/discard_max_bytes")"
    echo "WRITE_ZEROES_MAX=$(cat "$sys/queue/write_zeroes_max_bytes")"
    echo "MAX_SEGMENTS=$(cat "$sys/queue/max_segments")"
    echo "READ_ONLY=$(cat "$sys/ro")"
    echo "SERIAL=$(cat "$sys/serial")"
}

# Sixteen MiB of noise, written and read back past the page cache, in large and in small requests.
step_write_read() {
    disk=${1:-vda}
    dd if=/dev/urandom of=/tmp/noise bs=1M count=16 2>/dev/null
    put /tmp/noise "$disk" 0
    get /tmp/back "$disk" 0 4096
    expect_same "64 KiB requests" /tmp/noise /tmp/back
    dd if="/dev/$disk" of=/tmp/back bs=4k count=512 iflag=direct 2>/dev/null
    head -c 2097152 /tmp/noise >/tmp/noise2
    expect_same "4 KiB requests" /tmp/noise2 /tmp/back
    rm /tmp/noise /tmp/noise2 /tmp/back
}

# mkfs, mount, copy, unmount, remount, compare, check.
step_filesystem() {
    disk=${1:-vda}
    /tools/mkfs.ext4 -q -F "/dev/$disk"
    mount -t ext4 "/dev/$disk" /mnt
    cp -r /tools /lib/modules /mnt/
    dd if=/dev/urandom of=/mnt/noise bs=1M count=16 2>/dev/null
    (cd /mnt && find . -type f | sort | xargs md5sum) >/tmp/sums
    umount /mnt
    echo 3 >/proc/sys/vm/drop_caches
    blockdev --flushbufs "/dev/$disk"
    mount -t ext4 "/dev/$disk" /mnt
    diff -r /tools /mnt/tools
    diff -r /lib/modules /mnt/modules
    (cd /mnt && md5sum -c /tmp/sums) >/tmp/checked || {
        grep -v ': OK' /tmp/checked
        fail "contents changed over a remount"
    }
    echo "FILES=$(wc -l </tmp/sums)"
    umount /mnt
    /tools/e2fsck -f -n "/dev/$disk" >/tmp/fsck 2>&1 || {
        cat /tmp/fsck
        fail "e2fsck found damage"
    }
}

# The blocks of a range read as zeros after a discard ($2 empty) or write-zeroes ($2 is -z), and their neighbours are
# untouched.
zero_range() {
    tagged 0 1024 7 >/tmp/before
    put /tmp/before "$1" 0
    /tools/blkdiscard $2 -o $((256 * BLOCK)) -l $((512 * BLOCK)) "/dev/$1"
    get /tmp/after "$1" 0 1024
    {
        tagged 0 256 7
        head -c $((512 * BLOCK)) /dev/zero
        tagged 768 256 7
    } >/tmp/expected
    expect_same "range of $((512 * BLOCK)) bytes" /tmp/expected /tmp/after
    rm /tmp/before /tmp/after /tmp/expected
}

step_discard() {
    [ "$(cat "/sys/block/${1:-vda}/queue/discard_max_bytes")" -gt 0 ] || fail "the disk offers no discard"
    zero_range "${1:-vda}"
}

step_write_zeroes() {
    [ "$(cat "/sys/block/${1:-vda}/queue/write_zeroes_max_bytes")" -gt 0 ] || fail "the disk offers no write-zeroes"
    zero_range "${1:-vda}" -z
}

# A mounted file system gives back its free space and keeps its files.
step_trim() {
    disk=${1:-vda}
    /tools/mkfs.ext4 -q -F "/dev/$disk"
    mount -t ext4 "/dev/$disk" /mnt
    dd if=/dev/urandom of=/mnt/gone bs=1M count=16 2>/dev/null
    cp -r /tools /mnt/
    sync
    rm /mnt/gone
    echo "TRIMMED=$(/tools/fstrim -v /mnt)"
    umount /mnt
    echo 3 >/proc/sys/vm/drop_caches
    mount -t ext4 "/dev/$disk" /mnt
    diff -r /tools /mnt/tools
    umount /mnt
}

# Writing a read-only disk is an error, reading it is not, and nothing changes.
step_read_only() {
    disk=${1:-vda}
    [ "$(cat "/sys/block/$disk/ro")" = 1 ] || fail "the disk does not say that it is read-only"
    get /tmp/before "$disk" 0 256
    head -c 1048576 /dev/urandom >/tmp/noise
    if dd if=/tmp/noise of="/dev/$disk" bs=64k oflag=direct conv=notrunc 2>/tmp/refusal; then
        fail "a write was accepted"
    fi
    echo "REFUSAL=$(head -n 1 /tmp/refusal)"
    if /tools/mkfs.ext4 -q -F "/dev/$disk" >/dev/null 2>&1; then fail "mkfs was accepted"; fi
    get /tmp/after "$disk" 0 256
    expect_same "read-only contents" /tmp/before /tmp/after
}

# One writer of verified load, in regions of its own: DISK WRITER ROUNDS (0: until /tmp/load.stop exists). Every other
# round goes through the page cache and fsync, so that many requests and flushes are in flight at once.
load_writer() {
    disk=$1 writer=$2 rounds=$3
    base=$((writer * LOAD_REGIONS * LOAD_BLOCKS))
    generation=0 errors=0
    written=/tmp/load.$writer.written read=/tmp/load.$writer.read
    while [ ! -e /tmp/load.stop ] && { [ "$rounds" = 0 ] || [ $generation -lt "$rounds" ]; }; do
        generation=$((generation + 1))
        first=$((base + generation % LOAD_REGIONS * LOAD_BLOCKS))
        flag=oflag=direct
        [ $((generation % 2)) = 0 ] || flag=conv=fsync
        tagged $first $LOAD_BLOCKS $generation >$written
        put $written "$disk" $first $flag || load_error "write"
        load_check "read back" $first $generation
        echo "LOAD writer=$writer generation=$generation uptime=$(uptime_seconds)"
    done
    # A request that came back to life would have put an old generation over a newer one: look at everything again.
    region=0 checked=0
    while [ $region -lt $LOAD_REGIONS ]; do
        latest=$((generation - (generation - region + LOAD_REGIONS) % LOAD_REGIONS))
        if [ $latest -gt 0 ]; then
            load_check "final" $((base + region * LOAD_BLOCKS)) $latest
            checked=$((checked + 1))
        fi
        region=$((region + 1))
    done
    echo "LOAD-DONE writer=$writer rounds=$generation regions=$checked errors=$errors"
    echo $errors >/tmp/load.$writer.errors.tmp
    mv /tmp/load.$writer.errors.tmp /tmp/load.$writer.errors
    [ $errors = 0 ] && [ $checked -gt 0 ]
}

# load_check WHEN FIRST GENERATION
load_check() {
    tagged "$2" $LOAD_BLOCKS "$3" >$written
    if get $read "$disk" "$2" $LOAD_BLOCKS; then
        cmp $written $read || load_error "$1: a stale or lost block in region at $2, generation $3"
    else
        load_error "$1: read"
    fi
}

load_error() {
    errors=$((errors + 1))
    echo "LOAD-ERROR writer=$writer generation=$generation $*"
}

# parallel DISK WRITERS ROUNDS: verified writers side by side, waited for.
step_parallel() {
    rm -f /tmp/load.*
    writer=0 pids=
    while [ $writer -lt "$2" ]; do
        (set +e; load_writer "$1" $writer "$3") &
        pids="$pids $!"
        writer=$((writer + 1))
    done
    for pid in $pids; do wait "$pid" || fail "a writer failed"; done
}

# load_start DISK WRITERS: verified writers that run on while the test does something to the disk; load_stop ends and
# judges them.
step_load_start() {
    rm -f /tmp/load.*
    writer=0
    while [ $writer -lt "$2" ]; do
        (set +e; load_writer "$1" $writer 0) &
        writer=$((writer + 1))
    done
    echo "$writer" >/tmp/load.writers
}

step_load_stop() {
    writers=$(cat /tmp/load.writers)
    touch /tmp/load.stop
    writer=0 waited=0
    while [ $writer -lt "$writers" ]; do
        while [ ! -e /tmp/load.$writer.errors ]; do
            [ $waited -lt 1200 ] || fail "writer $writer hangs"
            usleep 50000
            waited=$((waited + 1))
        done
        [ "$(cat /tmp/load.$writer.errors)" = 0 ] || fail "writer $writer saw errors"
        writer=$((writer + 1))
    done
    rm -f /tmp/load.*
}

# pulse_start DISK: reads one block over and over, to show from outside when the disk answers; pulse_stop ends it.
step_pulse_start() {
    rm -f /tmp/pulse.stop /tmp/pulse.ended
    (
        set +e
        n=0 errors=0
        while [ ! -e /tmp/pulse.stop ]; do
            n=$((n + 1))
            dd if="/dev/$1" of=/dev/null bs=4k count=1 skip=$((32768 + n % 1024)) iflag=direct 2>/dev/null || {
                errors=$((errors + 1))
                echo "PULSE-ERROR n=$n"
            }
            echo "PULSE n=$n"
            usleep 10000
        done
        echo $errors >/tmp/pulse.ended
    ) &
}

step_pulse_stop() {
    touch /tmp/pulse.stop
    waited=0
    while [ ! -s /tmp/pulse.ended ]; do
        [ $waited -lt 600 ] || fail "the pulse hangs"
        usleep 50000
        waited=$((waited + 1))
    done
    [ "$(cat /tmp/pulse.ended)" = 0 ] || fail "the pulse saw errors"
}

# io_error DISK read|write FIRST: a request for 16 blocks ends with an I/O error, and soon.
step_io_error() {
    tagged "$3" 16 1 >/tmp/block
    at=$(($3 / 16))
    case $2 in
        read) dd if="/dev/$1" of=/tmp/block bs=64k count=1 skip=$at iflag=direct 2>/tmp/io.err ;;
        write) dd if=/tmp/block of="/dev/$1" bs=64k seek=$at oflag=direct conv=notrunc 2>/tmp/io.err ;;
        *) fail "unknown direction $2" ;;
    esac && fail "the request succeeded"
    echo "ERROR=$(head -n 1 /tmp/io.err)"
    grep -q -E 'Input/output error|I/O error|No space' /tmp/io.err || fail "not an I/O error"
}

# fill DISK MEGABYTES: writes from the start of the disk until its medium is full, which is an I/O error, and soon.
step_fill() {
    dd if=/dev/zero of="/dev/$1" bs=1M count="$2" oflag=direct conv=notrunc 2>/tmp/fill.err && fail "it all fitted"
    echo "ERROR=$(head -n 1 /tmp/fill.err)"
    grep -q -E 'Input/output error|I/O error|No space' /tmp/fill.err || fail "not an I/O error"
}

# empty DISK: gives everything back.
step_empty() { /tools/blkdiscard "/dev/$1"; }

# await_sectors DISK SECTORS: the disk changes its size under the running system.
step_await_sectors() {
    waited=0
    while [ "$(cat "/sys/block/$1/size")" != "$2" ]; do
        [ $waited -lt 200 ] || fail "the disk has $(cat "/sys/block/$1/size") sectors, not $2"
        usleep 50000
        waited=$((waited + 1))
    done
}

# write_end DISK: the last 64 KiB of the disk as it is now.
step_write_end() {
    last=$(($(cat "/sys/block/$1/size") / 8 - 16))
    tagged $last 16 3 >/tmp/end
    put /tmp/end "$1" $last
    get /tmp/end.back "$1" $last 16
    expect_same "end of the disk" /tmp/end /tmp/end.back
}

# No I/O error, hung task or worse in the kernel's log so far.
step_kernel_log() {
    if dmesg | grep -E 'I/O error|lost async page|blocked for more than|BUG:|Oops:|Call Trace:'; then
        fail "the kernel complains"
    fi
}

# random_source: bytes from virtio-rng.
step_random() {
    [ -e /dev/hwrng ] || mknod /dev/hwrng c 10 183
    echo "RNG=$(cat /sys/class/misc/hw_random/rng_current)"
    dd if=/dev/hwrng of=/tmp/random bs=64 count="${1:-4}" 2>/tmp/random.err || {
        cat /tmp/random.err
        fail "no random bytes"
    }
    [ -s /tmp/random ] || fail "no random bytes"
    echo "RANDOM_BYTES=$(wc -c </tmp/random)"
    echo "RANDOM_MD5=$(md5sum </tmp/random | cut -d' ' -f1)"
}

# An attached guest that asks for nothing.
step_idle() { sleep "$1"; }
