# The steps of a guest with network interfaces; sourced after steps.sh.

# net_up DEVICE ADDRESS/LENGTH [MTU]
step_net_up() {
    # An interface answers for its own addresses only.
    echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
    [ -z "${3:-}" ] || ip link set "$1" mtu "$3"
    ip link set lo up
    ip addr add "$2" dev "$1"
    ip link set "$1" up
}

# An interface says nothing by itself: without IPv6 it asks for no neighbours and no routers.
step_net_silent() { echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; }

# vlan_up DEVICE ID ADDRESS/LENGTH: a tagged interface on a trunk.
step_vlan_up() {
    ip link set "$1" up
    ip link add link "$1" name "$1.$2" type vlan id "$2"
    ip addr add "$3" dev "$1.$2"
    ip link set "$1.$2" up
}

# What was negotiated and what the kernel makes of it.
step_net_info() {
    sys=/sys/class/net/$1
    echo "FEATURES=$(cat "$sys/device/features")"
    echo "QUEUES=$(ls "$sys/queues" | grep -c '^rx-')"
    echo "MTU=$(cat "$sys/mtu")"
    echo "CARRIER=$(cat "$sys/carrier")"
}

# ping ADDRESS COUNT [BYTES]: every one of them is answered. The first alone, as it also asks for the address.
step_ping() {
    ping -c 1 -W 3 -q "$1" >/dev/null || ping -c 1 -W 3 -q "$1" >/dev/null || fail "$1 does not answer"
    ping -c "$2" -i 0.02 -W 3 -s "${3:-56}" "$1" >/tmp/ping || {
        tail -3 /tmp/ping
        fail "$1 does not answer any more"
    }
    grep 'packet loss' /tmp/ping
    grep -q ' 0% packet loss' /tmp/ping || fail "packets were lost"
}

# ping_once ADDRESS: how long the first packet after a pause took, in milliseconds.
step_ping_once() {
    ping -c 1 -W 3 "$1" >/tmp/ping || fail "$1 does not answer"
    echo "MILLIS=$(sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p' /tmp/ping)"
}

# no_ping ADDRESS: nobody is there.
step_no_ping() {
    if ping -c 3 -i 0.1 -W 1 -q "$1" >/dev/null; then fail "$1 answers"; fi
}

# serve MEBIBYTES: noise to be fetched by http.
step_serve() {
    mkdir -p /tmp/www
    dd if=/dev/urandom of=/tmp/www/noise bs=1M count="$1" 2>/dev/null
    echo "MD5=$(md5sum </tmp/www/noise | cut -d' ' -f1)"
    httpd -p 80 -h /tmp/www
}

# fetch ADDRESS [STREAMS]: what the other serves, by TCP, in so many connections at once.
step_fetch() {
    start=$(uptime_seconds) stream=0 pids=
    while [ $stream -lt "${2:-1}" ]; do
        { wget -q -O - "http://$1/noise" | md5sum | cut -d' ' -f1 >/tmp/md5.$stream; } &
        pids="$pids $!"
        stream=$((stream + 1))
    done
    for pid in $pids; do wait "$pid" || fail "wget"; done
    [ "$(cat /tmp/md5.* | sort -u | wc -l)" = 1 ] || fail "connections differ: $(cat /tmp/md5.*)"
    echo "MD5=$(cat /tmp/md5.0)"
    echo "SECONDS=$start to $(uptime_seconds)"
    rm /tmp/md5.*
}

# neighbour ADDRESS MAC: known for good. A carrier that goes away makes Linux forget the others, and it asks again once a
# second only.
step_neighbour() { arp -s "$1" "$2"; }

# beat_start ADDRESS: a packet every 20 ms; each answer is a line "… seq=…". beat_stop ends it.
step_beat_start() {
    ping -i 0.02 "$1" &
    echo $! >/tmp/beat.pid
}

step_beat_stop() { kill -INT "$(cat /tmp/beat.pid)"; }

# The guest starts again, from the kernel on.
step_reboot() { reboot -f; }

# flood_start DEVICE MAC: packets to an address as fast as the kernel makes them (module pktgen); flood_stop ends it.
step_flood_start() {
    [ -e "/proc/net/pktgen/$1" ] || echo "add_device $1" >/proc/net/pktgen/kpktgend_0
    for setting in "count 0" "pkt_size 60" "dst_mac $2"; do echo "$setting" >"/proc/net/pktgen/$1"; done
    # Comes back when the flood ends.
    echo start >/proc/net/pktgen/pgctrl &
}

step_flood_stop() { echo stop >/proc/net/pktgen/pgctrl; }
