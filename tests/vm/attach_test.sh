#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A real kernel attaches /dev/nbd0, makes a file system and writes, while the paths
# die and return under it: with one connection, then with two. Then it attaches inside
# TLS; and nbdmpathd in the VM serves by vsock, which the host may not have, and two
# device nodes of one file.
#
# NBDMPATHD is the server to test, with nbdmpathctl beside it.
set -eu -o pipefail
here=$(dirname "$(readlink -f "$0")")
: "${NBDMPATHD:?is the nbdmpathd to test}"
nbdmpathctl=$(dirname "$NBDMPATHD")/nbdmpathctl

for tool in nbdkit qemu-system-x86_64 nbd-client nbdinfo nbdcopy openssl; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || {
        echo "$tool is not installed"
        exit 77
    }
done

work=$(mktemp -d)
declare -A pid=() port=()
# shellcheck disable=SC2317  # the trap calls it
clean_up() {
    local name
    for name in "${!pid[@]}"; do
        # The VM's own clean-up must run; the others have nothing to lose.
        [ "$name" = vm ] || kill -KILL "${pid[$name]}" 2>/dev/null || :
        [ "$name" != vm ] || kill "${pid[$name]}" 2>/dev/null || :
        wait "${pid[$name]}" 2>/dev/null || :
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

show_logs() {
    local log
    for log in "$work"/*.log; do
        sed "s|^|$(basename "$log"): |" "$log" | tail -n 30
    done
}

give_up() {
    echo "not ok $*"
    show_logs
    exit 1
}

# eventually COMMAND...: true as soon as the command is, false after 20 s.
eventually() {
    local end=$((SECONDS + 20))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Below the range the kernel takes client ports from, so that a path's port is
# still free when it is started again.
choose_ports() {
    local name number
    for name; do
        number=$((RANDOM % 12000 + 20000))
        while answers $number || [[ " ${port[*]} " == *" $number "* ]]; do
            number=$((RANDOM % 12000 + 20000))
        done
        port[$name]=$number
    done
}

# start NAME COMMAND...: in the background, until its port answers.
start() {
    local name=$1
    shift
    "$@" </dev/null >>"$work/$name.log" 2>&1 &
    pid[$name]=$!
    eventually up_or_dead "$name" || give_up "$name answers on port ${port[$name]}"
    kill -0 "${pid[$name]}" 2>/dev/null || give_up "$name runs"
}

up_or_dead() {
    answers "${port[$1]}" || ! kill -0 "${pid[$1]}" 2>/dev/null
}

start_path() {
    start "$1" nbdkit -f -i 127.0.0.1 -p "${port[$1]}" file "$work/disk.img"
}

kill_path() {
    kill -KILL "${pid[$1]}"
    wait "${pid[$1]}" 2>/dev/null || :
    unset "pid[$1]"
}

path_is_active() {
    "$nbdmpathctl" -s "$work/admin.sock" status disk 2>/dev/null | grep -q " $1 A "
}

# clients_are WHO: "none", or "guest": just one, which has shown its certificate.
clients_are() {
    local clients
    clients=$("$nbdmpathctl" -s "$work/admin.sock" show clients) || return 1
    case $1 in
    none) [ -z "$clients" ] ;;
    guest) [[ $clients == *" tls="*CN=guest* && $clients != *$'\n'* ]] ;;
    esac
}

# serve REQUEST WHAT: what the guest asks for; answers it.
serve() {
    echo "# $1 $2"
    case $1 in
    kill) kill_path "$2" ;;
    restart)
        start_path "$2"
        eventually path_is_active "$2" || give_up "path $2 returns by itself"
        echo "ok path $2 returns by itself"
        ;;
    log)
        eventually grep -qF "$2" "$work/server.log" || give_up "nbdmpathd logs '$2'"
        echo "ok nbdmpathd logs '$2'"
        ;;
    see)
        eventually clients_are "$2" || give_up "nbdmpathd has as clients: $2"
        echo "ok nbdmpathd has as clients: $2"
        ;;
    esac
    echo it is so >&"${to_guest:?}"
}

# new_certificate NAME OPTION...: pki/NAME-cert.pem and -key.pem, with options of openssl.
new_certificate() {
    local files=$work/pki/$1
    shift
    openssl req -x509 -config "$work/openssl.cnf" -nodes -days 30 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -keyout "$files-key.pem" -out "$files-cert.pem" "$@" 2>>"$work/openssl.log" || give_up "openssl makes $files"
}

# make_certificates: of the server and its client; and those of a stranger.
make_certificates() {
    local of authority
    mkdir "$work/pki"
    printf '[req]\ndistinguished_name = name\n[name]\n' >"$work/openssl.cnf"
    for of in "" stranger-; do
        new_certificate ${of}ca -subj /CN=Authority -addext basicConstraints=critical,CA:TRUE
        authority=(-CA "$work/pki/${of}ca-cert.pem" -CAkey "$work/pki/${of}ca-key.pem")
        new_certificate ${of}client "${authority[@]}" -subj /CN=guest -addext subjectAltName=DNS:guest.example
    done
    authority=(-CA "$work/pki/ca-cert.pem" -CAkey "$work/pki/ca-key.pem")
    new_certificate server "${authority[@]}" -subj /CN=server -addext subjectAltName=DNS:nbd.example
}

choose_ports a b server tls
make_certificates
truncate -s 128M "$work/disk.img"
cat >"$work/nbdmpathd.yaml" <<YAML
listen:
  - tcp: 127.0.0.1:${port[server]}
  - tcp: 127.0.0.1:${port[tls]}
    tls: require
tls:
  certificates: $work/pki
admin:
  - unix: $work/admin.sock
paths:
  a: {uri: "nbd://127.0.0.1:${port[a]}", reconnect_delay: 1s}
  b: {uri: "nbd://127.0.0.1:${port[b]}", reconnect_delay: 1s}
multipaths:
  disk:
    queue_if_no_path: true
    no_path_timeout: 60s
    cache: shared
    priority_groups:
      - selector: round-robin
        paths: [a, b]
YAML
start_path a
start_path b
start server "$NBDMPATHD" --config "$work/nbdmpathd.yaml"
for path in a b; do
    eventually path_is_active $path || give_up "path $path is active at start"
done

mkfifo "$work/to_guest" "$work/from_guest"
"$here/vm.sh" --timeout 300 --files "$work/pki" --program "$NBDMPATHD" --program "$nbdmpathctl" --program nbdinfo --program nbdcopy \
    "$here/attach_guest.sh" "${port[server]}" "${port[tls]}" disk \
    <"$work/to_guest" >"$work/from_guest" 2>"$work/vm.log" &
pid[vm]=$!
exec {to_guest}>"$work/to_guest" {from_guest}<"$work/from_guest"
while read -r -u "$from_guest" line; do
    read -r word request what <<<"$line"
    if [ "$word" = ask ]; then serve "$request" "$what"; else echo "$line"; fi
done
status=0
wait "${pid[vm]}" || status=$?
unset "pid[vm]"
[ $status != 77 ] || { cat "$work/vm.log"; exit 77; }
# With 1 the guest has said itself what is not ok.
[ $status != 1 ] || { show_logs; exit 1; }
[ $status = 0 ] || give_up "the guest comes to its end (status $status)"

kill "${pid[server]}"
wait "${pid[server]}" || status=$?
unset "pid[server]"
[ $status = 0 ] || give_up "nbdmpathd ends with status 0 at SIGTERM, not $status"
echo "ok nbdmpathd ends with status 0 at SIGTERM"
