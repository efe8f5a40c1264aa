#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs a script as root in a throw-away VM with Debian's kernel, which has what a
# test machine's may lack: the NBD client and the device mapper.
#
#   vm.sh [--timeout SECONDS] [--files DIRECTORY] [--program PROGRAM]... [--disk FILE]
#         [--forward PORT-ADDRESS:PORT]... [--pid-file FILE] SCRIPT [ARGUMENT...]
#
# DIRECTORY is /files in the guest; each PROGRAM is in its PATH; FILE is /dev/vda; a PORT
# of the host's 127.0.0.1 leads to an address of the guest's in 10.0.2.0/24. The pid
# file has qemu's.
# The script is busybox's sh, with nbd-client, e2fsck, mkfs.ext4 and dmsetup at hand. Its
# standard input and output are those of this program; arguments have no blanks.
# The host's 127.0.0.1:PORT is 10.0.2.2:PORT in the guest.
#
# Exit status: the script's own; 77 something is not installed; 124 time is up;
# 125 the VM ended before the script did (the console's end is on stderr).
#
# What takes time to make is kept in ${NBDMPATH_VM_CACHE:-/tmp/nbdmpath-vm-cache-$UID}.
set -eu -o pipefail
here=$(dirname "$(readlink -f "$0")")
cache=${NBDMPATH_VM_CACHE:-/tmp/nbdmpath-vm-cache-$UID}
PATH=$PATH:/usr/sbin:/sbin

# In the guest beside busybox.
modules=(virtio_pci virtio_net virtio_blk nbd ext4 vsock_loopback loop dm-mod target_core_iblock iscsi_target_mod)
programs=(nbd-client e2fsck mke2fs dmsetup)

missing() {
    echo "vm.sh: $*" >&2
    exit 77
}

timeout=120
files=
job_programs=()
network=user,id=net0
machine=()
while [ $# -ge 2 ]; do
    case $1 in
    --timeout) timeout=$2 ;;
    --files) files=$2 ;;
    --program) job_programs+=("$2") ;;
    --disk) machine+=(-drive "file=$2,format=raw,cache=unsafe,if=virtio") ;;
    --forward) network+=,hostfwd=tcp:127.0.0.1:$2 ;;
    --pid-file) machine+=(-pidfile "$2") ;;
    *) break ;;
    esac
    shift 2
done
[ $# -ge 1 ] || {
    sed -n 's/^#   vm.sh/usage: vm.sh/p; s/^#         /             /p' "$0" >&2
    exit 2
}
script=$1
shift

for program in qemu-system-x86_64 busybox cpio modprobe "${programs[@]}" "${job_programs[@]}"; do
    command -v "$program" >/dev/null || missing "$program is not installed"
done
release=$(find /boot -name 'vmlinuz-*-amd64' -printf '%f\n' | sed 's/^vmlinuz-//' | sort -V | tail -n 1)
[ -n "$release" ] || missing "no kernel: install linux-image-amd64"
kernel=/boot/vmlinuz-$release
[ -r "$kernel" ] || missing "$kernel is not readable"

# copy_libraries ROOT PROGRAM: those it is linked with.
copy_libraries() {
    local path
    ldd "$2" | grep -o '/[^ ]*' | while read -r path; do
        install -D "$path" "$1$path"
    done
}

# make_base ROOT: everything in the guest but the script.
make_base() {
    local program module word file options
    mkdir -p "$1"/{bin,dev,proc,sys,tmp,mnt,etc,run,var/lock,usr/sbin}
    install "$here/init" "$1/init"
    install "$(command -v busybox)" "$1/bin/busybox"
    for program in $(busybox --list); do
        [ "$program" = busybox ] || ln -s busybox "$1/bin/$program"
    done
    # Busybox has some of the same names; theirs are first in the guest's PATH.
    for program in "${programs[@]}"; do
        program=$(command -v "$program")
        copy_libraries "$1" "$program"
        install -D "$program" "$1$program"
    done
    ln -sf "$(command -v mke2fs)" "$1/usr/sbin/mkfs.ext4"
    cp /etc/mke2fs.conf "$1/etc/"
    ln -s /proc/mounts "$1/etc/mtab"

    for module in "${modules[@]}"; do
        modprobe -S "$release" --show-depends "$module"
    done | while read -r word file options; do
        [ "$word" = insmod ] || continue
        [ ! -e "$1$file" ] || continue
        install -D -m 644 "$file" "$1$file"
        echo "$file $options" >>"$1/modules"
    done
}

archive() {
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0)
}

# base_image: prints the file, made anew when something in it has changed. Two tests
# may come here at once: the second's copy replaces an equal one.
base_image() {
    local key base program
    key=$({
        echo "$release"
        sha256sum "$here/vm.sh" "$here/init"
        for program in busybox "${programs[@]}"; do
            stat -L -c '%n %s %Y' "$(command -v "$program")"
        done
    } | sha256sum | cut -c 1-16)
    base=$cache/base-$key.cpio
    if [ ! -s "$base" ]; then
        find "$cache" -name 'base-*.cpio' -mtime +7 -delete
        make_base "$work/base"
        archive "$work/base" >"$work/base.cpio"
        mv "$work/base.cpio" "$base"
    fi
    echo "$base"
}

# job_image SCRIPT [ARGUMENT...]: the archive which the kernel unpacks over the base.
job_image() {
    local program
    mkdir -p "$work/job"
    install -m 755 "$1" "$work/job/script"
    shift
    echo "$*" >"$work/job/arguments"
    [ -z "$files" ] || cp -rT "$files" "$work/job/files"
    # Stripped: what a debugger needs would fill the guest's memory.
    for program in "${job_programs[@]}"; do
        program=$(command -v "$program")
        copy_libraries "$work/job" "$program"
        install -D -s "$program" "$work/job/bin/${program##*/}"
    done
    archive "$work/job"
}

# start_vm ACCELERATOR SECONDS INITRD: in the background; the guest's second serial
# port is the pipes $work/serial.in and .out, which qemu opens for both directions:
# neither it nor this program waits for the other to open them.
start_vm() {
    local cpu=max
    [ "$1" != kvm ] || cpu=host
    : >"$work/console"
    timeout --kill-after 2 "$2" qemu-system-x86_64 -accel "$1" -cpu "$cpu" -smp 2 -m 640 \
        -nodefaults -no-user-config -no-reboot -display none -monitor none \
        -kernel "$kernel" -initrd "$3" \
        -append "console=ttyS0 loglevel=4 panic=-1 mitigations=off random.trust_cpu=on no_timer_check" \
        -serial "file:$work/console" \
        -chardev "pipe,id=script,path=$work/serial" -serial chardev:script \
        -netdev "$network" -device virtio-net-pci,netdev=net0,romfile= "${machine[@]}" \
        </dev/null >"$work/qemu" 2>&1 &
    vm=$!
}

# guest_lines [SECONDS]: what the script says, until the VM has ended. Sets `status`, and
# `ended` to qemu's. A VM that is not up after so long is ended, and `status` is "hung".
guest_lines() {
    local line part='' begun='' more=1 begin=$SECONDS patience=${1:-}
    status=
    while [ -n "$more" ]; do
        if [ -n "$patience" ] && [ $((SECONDS - begin)) -ge "$patience" ]; then
            kill "$vm"
            status=hung
            patience=
        fi
        # One more look after its end, for what is still in the pipe.
        kill -0 "$vm" 2>/dev/null || more=
        while IFS= read -r -t 0.5 -u 3 part; do
            line=$begun$part
            begun=
            case $line in
            # Not before: the guest's terminal would echo it, and drop the rest.
            vm-ready)
                patience=
                cat <&0 >"$work/serial.in" &
                input=$!
                ;;
            "vm-status "*) status=${line#vm-status } ;;
            *) printf '%s\n' "$line" ;;
            esac
        done
        begun+=$part # of a line whose rest was not there in time
    done
    ended=0
    wait "$vm" 2>/dev/null || ended=$?
    vm=
}

# usable_kvm: a device which can be opened says little in a container or a VM, so
# this boots once, and remembers the answer until the machine's next boot.
usable_kvm() {
    local answer
    [ -w /dev/kvm ] || return 1
    answer=$cache/kvm-$(cat /proc/sys/kernel/random/boot_id)
    if [ ! -s "$answer" ]; then
        printf '#!/bin/sh\nexit 42\n' >"$work/probe"
        { cat "$base"; job_image "$work/probe"; } >"$work/initrd"
        start_vm kvm 20 "$work/initrd"
        guest_lines </dev/null
        if [ "$status" = 42 ]; then echo yes; else echo no; fi >"$answer"
    fi
    [ "$(cat "$answer")" = yes ]
}

mkdir -p "$cache"
work=$(mktemp -d "$cache/run.XXXXXX")
vm=
input=
# shellcheck disable=SC2317  # the trap calls it
clean_up() {
    [ -z "$input" ] || kill "$input" 2>/dev/null || :
    [ -z "$vm" ] || { kill "$vm" && wait "$vm"; } 2>/dev/null || :
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkfifo "$work/serial.in" "$work/serial.out"
exec 3<>"$work/serial.out"
base=$(base_image)
accelerator=tcg
! usable_kvm || accelerator=kvm

{ cat "$base"; job_image "$script" "$@"; } >"$work/initrd"
# On a loaded host an emulated machine now and then does not begin to boot.
for patience in 60 60 ''; do
    start_vm "$accelerator" "$timeout" "$work/initrd"
    guest_lines "$patience"
    [ "$status" = hung ] || break
done

[ -z "$status" ] || exit "$status"
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
    echo "vm.sh: not finished after $timeout s ($accelerator); the console's end:" >&2
    tail -n 20 "$work/console" >&2
    exit 124
fi
echo "vm.sh: the VM ended early ($accelerator, qemu's status $ended); the console's end:" >&2
tail -n 20 "$work/qemu" "$work/console" >&2
exit 125
