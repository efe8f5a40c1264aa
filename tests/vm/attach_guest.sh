#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
#   attach_guest.sh PORT TLS_PORT EXPORT
#
# The guest's part of attach_test.sh. A line "ask WORD..." asks the host for
# something; the host answers with a line when it is so.
port=$1
tls_port=$2
export=$3
device=/dev/nbd0
files=48

# Each part of the test sets `how`, which ends the names of its checks.
ok() {
    echo "ok $* $how"
}

give_up() {
    echo "not ok $* $how"
    [ ! -e /tmp/nbdmpathd.log ] || tail -n 15 /tmp/nbdmpathd.log | sed 's/^/nbdmpathd: /'
    dmesg | tail -n 15 | sed 's/^/kernel: /'
    exit 1
}

ask() {
    echo "ask $*"
    read -r answer || give_up "the host answers '$*'"
    [ "$answer" = "it is so" ] || give_up "the host can $*: $answer"
}

# check NAME COMMAND...
check() {
    name=$1
    shift
    "$@" >/tmp/out 2>&1 || { cat /tmp/out; give_up "$name"; }
    ok "$name"
}

# eventually COMMAND...: true as soon as the command is, false after 30 s.
eventually() {
    read -r now _ </proc/uptime
    end=$((${now%.*} + 30))
    until "$@"; do
        read -r now _ </proc/uptime
        [ "${now%.*}" -lt $end ] || return 1
        usleep 50000
    done
}

attached() {
    [ -e /sys/block/nbd0/pid ] && [ "$(cat /sys/block/nbd0/size)" -gt 0 ]
}

detached() {
    [ ! -e /sys/block/nbd0/pid ]
}

# attach PORT OPTION...
attach() {
    attach_port=$1
    shift
    nbd-client 10.0.2.2 "$attach_port" $device -N "$export" -timeout 60 "$@" >/tmp/out 2>&1 ||
        { cat /tmp/out; give_up "nbd-client attaches $device"; }
    eventually attached || give_up "nbd-client attaches $device"
}

detach() {
    nbd-client -d $device >/tmp/out 2>&1 || { cat /tmp/out; give_up "nbd-client detaches $device"; }
    eventually detached || give_up "nbd-client detaches $device"
}

file_system_is_clean() {
    e2fsck -fn $device >/tmp/out 2>&1 || { cat /tmp/out; give_up "e2fsck finds no fault $1"; }
    ok "e2fsck finds no fault $1"
}

files_are_right() {
    echo 3 >/proc/sys/vm/drop_caches
    (cd /mnt && cat /tmp/sums/* | sha256sum -c >/tmp/out 2>&1) ||
        { grep -v ': OK' /tmp/out; give_up "every file has its checksum $1"; }
    ok "every file has its checksum $1"
}

kernel_is_content() {
    dmesg | grep -E 'I/O error|EXT4-fs error|timed out|blocked for' >/tmp/out &&
        { cat /tmp/out; give_up "the kernel has met no error"; }
    ok "the kernel has met no error"
}

# write_files: over and over, in the background. A file's sum is that of what was
# meant to be written.
write_files() {
    written=0
    while [ ! -e /tmp/stop ]; do
        name=file$((written % files))
        dd if=/dev/urandom of=/tmp/content bs=64k count=4 2>/dev/null
        sum=$(sha256sum </tmp/content)
        if ! dd if=/tmp/content of=/mnt/$name bs=64k conv=fsync 2>/tmp/out.dd; then
            echo "$name: $(head -n 1 /tmp/out.dd)" >/tmp/failed
            return
        fi
        echo "${sum%% *}  $name" >/tmp/sums/$name
        written=$((written + 1))
        echo $written >/tmp/count.new
        mv /tmp/count.new /tmp/count
    done
}

written_or_failed() {
    [ -e /tmp/failed ] || [ "$(cat /tmp/count)" -ge "$1" ]
}

# more_files NUMBER WHEN
more_files() {
    eventually written_or_failed $(($(cat /tmp/count) + $1)) || give_up "files are written $2"
    [ ! -e /tmp/failed ] || give_up "files are written $2: $(cat /tmp/failed)"
    ok "files are written $2"
}

round() {
    connections=$1
    how="with $1 connection(s)"
    rm -rf /tmp/sums /tmp/stop /tmp/failed
    mkdir /tmp/sums
    echo 0 >/tmp/count
    dmesg -c >/dev/null

    attach "$port" -C "$connections"
    ok "nbd-client attaches $device"
    mkfs.ext4 -q -F $device >/tmp/out 2>&1 || { cat /tmp/out; give_up "mkfs.ext4 makes a file system"; }
    mount -t ext4 $device /mnt || give_up "the new file system is mounted"

    write_files &
    writer=$!
    more_files 6 "with both paths"
    ask kill a
    more_files 6 "after path a was killed"
    ask restart a
    ask kill b
    more_files 6 "by path a which came back, after b was killed"
    ask restart b
    more_files 6 "with both paths back"
    touch /tmp/stop
    wait $writer
    [ ! -e /tmp/failed ] || give_up "files are written to the end: $(cat /tmp/failed)"

    sync
    files_are_right "after failover"
    umount /mnt || give_up "the file system is unmounted"
    file_system_is_clean "after failover"
    detach
    ok "nbd-client detaches $device"

    attach "$port" -C "$connections"
    file_system_is_clean "when attached again"
    mount -t ext4 -o ro $device /mnt || give_up "the file system is mounted again"
    files_are_right "when attached again"
    umount /mnt || give_up "the file system is unmounted again"
    kernel_is_content
    detach
}

# inside_tls CA CLIENT COMMAND...: with options of nbd-client's after it, the names of
# certificates in /files.
inside_tls() {
    ca=$1
    client=$2
    shift 2
    "$@" -tlshostname nbd.example -cacertfile "/files/$ca-cert.pem" \
        -certfile "/files/$client-cert.pem" -keyfile "/files/$client-key.pem"
}

# refused WHY OPTION...
refused() {
    why=$1
    shift
    ! nbd-client 10.0.2.2 "$tls_port" $device -N "$export" "$@" >/tmp/out 2>&1 || give_up "nbd-client is refused $why"
    detached || give_up "nothing is attached $why"
    ok "nbd-client is refused $why"
}

data_is_right() {
    echo 3 >/proc/sys/vm/drop_caches
    head -c "$(stat -c %s /tmp/data)" $device | cmp - /tmp/data
}

no_nbd_client() {
    ! pidof nbd-client
}

tls() {
    how="where TLS is required"
    dmesg -c >/dev/null
    refused "without TLS"
    grep -q "requires TLS" /tmp/out || { cat /tmp/out; give_up "nbd-client is told why"; }
    # Inside TLS is a process of nbd-client's own, which reports nothing: the server has to.
    inside_tls stranger-ca client refused "by itself, trusting another authority"
    ask log "TLS failed"
    inside_tls ca stranger-client refused "with another authority's certificate"
    ask log "TLS failed: certificate verify failed"

    inside_tls ca client attach "$tls_port"
    ok "nbd-client attaches $device"
    ask see guest
    check "data is written" dd if=/tmp/data of=$device bs=64k conv=fsync
    check "the same data is read back" data_is_right
    detach
    ok "nbd-client detaches $device"
    check "nbd-client has ended" eventually no_nbd_client
    ask see none
    kernel_is_content

    how="without TLS afterwards"
    attach "$port"
    check "the same data is read back" data_is_right
    detach
}

is_served() {
    [ "$(nbdinfo --size "$1")" = 16777216 ]
}

vsock() {
    how="by vsock"
    truncate -s 16M /tmp/disk.img
    cat >/tmp/nbdmpathd.yaml <<YAML
listen: [{vsock: 10809}]
limits: {buffer_memory: 32M}
paths: {a: file:///tmp/disk.img}
multipaths:
  here: {table: "0 0 1 1 round-robin 0 1 1 a 1", allow: ["vsock:1"]}
  elsewhere: {table: "0 0 1 1 round-robin 0 1 1 a 1", allow: ["vsock:3"]}
YAML
    nbdmpathd --config /tmp/nbdmpathd.yaml >/tmp/nbdmpathd.log 2>&1 &
    server=$!
    # 1 is the CID of this machine's own, 10809 the port where none is given.
    check "nbdinfo sees the export" eventually is_served nbd+vsock://1/here
    check "data is written" nbdcopy --flush /tmp/data nbd+vsock://1/here
    check "it is in the disk" cmp -n "$(stat -c %s /tmp/data)" /tmp/data /tmp/disk.img
    rm -f /tmp/back
    check "nbdcopy reads" nbdcopy nbd+vsock://1:10809/here /tmp/back
    check "the same data is read back" cmp /tmp/back /tmp/disk.img
    ! nbdinfo nbd+vsock://1/elsewhere >/tmp/out 2>&1 || give_up "another CID's export is refused"
    ok "another CID's export is refused"
    kill $server
    check "nbdmpathd ends with status 0" wait $server
}

# switch_group NUMBER
switch_group() {
    nbdmpathctl -s /tmp/admin.sock message nodes 0 switch_group "$1"
}

# new_data_by_the_other_node HOW [KEY]: one file has two device nodes, each with a page
# cache: `newer` is what a client reads from the second after a write to the first.
new_data_by_the_other_node() {
    how=$1
    cat >/tmp/nbdmpathd.yaml <<YAML
listen: [{unix: /tmp/nodes.sock}]
admin: [{unix: /tmp/admin.sock}]
limits: {buffer_memory: 32M}
paths: {a: {uri: "file://$first_node" $2}, b: {uri: "file://$second_node" $2}}
multipaths: {nodes: {cache: shared, table: "0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"}}
YAML
    nbdmpathd --config /tmp/nbdmpathd.yaml >/tmp/nbdmpathd.log 2>&1 &
    server=$!
    nodes="nbd+unix:///nodes?socket=/tmp/nodes.sock"
    check "nbdinfo sees the export" eventually is_served "$nodes"
    check "the second node is in use" switch_group 2
    check "data is read from it" nbdcopy "$nodes" /tmp/back
    check "the first node is in use" switch_group 1
    dd if=/dev/urandom of=/tmp/newer bs=64k count=16 2>/dev/null
    check "newer data is written to it" nbdcopy --flush /tmp/newer "$nodes"
    check "the second node is in use again" switch_group 2
    rm -f /tmp/back
    check "data is read from it again" nbdcopy "$nodes" /tmp/back
    newer=no
    ! cmp -n 1048576 /tmp/back /tmp/newer >/dev/null 2>&1 || newer=yes
    kill $server
    check "nbdmpathd ends with status 0" wait $server
}

page_caches() {
    truncate -s 16M /tmp/nodes
    first_node=$(losetup -f)
    losetup "$first_node" /tmp/nodes
    second_node=$(losetup -f)
    losetup "$second_node" /tmp/nodes
    new_data_by_the_other_node "with the page caches of two nodes" ", direct: false"
    [ $newer = no ] || give_up "the hazard is real"
    ok "the hazard is real: old data is read"
    new_data_by_the_other_node "with two nodes by default"
    [ $newer = yes ] || give_up "newer data is read"
    ok "newer data is read"
    losetup -d "$first_node"
    losetup -d "$second_node"
}

round 1
round 2
dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
tls
vsock
page_caches
