#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
#   attach_guest.sh PORT EXPORT
#
# The guest's part of attach_test.sh. A line "ask WORD..." asks the host for
# something; the host answers with a line when it is so.
port=$1
export=$2
device=/dev/nbd0
files=48

ok() {
    echo "ok $* with $connections connection(s)"
}

give_up() {
    echo "not ok $* with $connections connection(s)"
    dmesg | tail -n 15 | sed 's/^/kernel: /'
    exit 1
}

ask() {
    echo "ask $*"
    read -r answer || give_up "the host answers '$*'"
    [ "$answer" = "it is so" ] || give_up "the host can $*: $answer"
}

# eventually COMMAND...: true as soon as the command is, false after 30 s.
eventually() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || return 1
        usleep 50000
    done
}

attached() {
    [ -e /sys/block/nbd0/pid ] && [ "$(cat /sys/block/nbd0/size)" -gt 0 ]
}

detached() {
    [ ! -e /sys/block/nbd0/pid ]
}

attach() {
    nbd-client 10.0.2.2 "$port" $device -N "$export" -C "$connections" -timeout 60 >/tmp/out 2>&1 ||
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
    rm -rf /tmp/sums /tmp/stop /tmp/failed
    mkdir /tmp/sums
    echo 0 >/tmp/count
    dmesg -c >/dev/null

    attach
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

    attach
    file_system_is_clean "when attached again"
    mount -t ext4 -o ro $device /mnt || give_up "the file system is mounted again"
    files_are_right "when attached again"
    umount /mnt || give_up "the file system is unmounted again"
    dmesg | grep -E 'I/O error|EXT4-fs error|timed out|blocked for' >/tmp/out &&
        { cat /tmp/out; give_up "the kernel has met no error"; }
    ok "the kernel has met no error"
    detach
}

round 1
round 2
