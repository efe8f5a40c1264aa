#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
#   lio_guest.sh TARGET SERIAL
#
# The guest's part of lio_target.py: the kernel's iSCSI target with the disk /dev/vda as
# unit 0 of two portals, each a target port group of its own. Then does what the lines
# of its standard input say; each that is not empty is answered by lines, the last of
# which is "done" and an exit status.
target=$1
serial=$2
configuration=/sys/kernel/config
unit=$configuration/target/core/iblock_0/disk
iscsi=$configuration/target/iscsi/$target
portal_address=10.0.2.2 # and the portal's number
type=3                  # how states may change: 1 by the target, 2 by a client, 3 by both

make_unit() {
    dmsetup create disk --table "0 $(cat /sys/block/vda/size) linear /dev/vda 0" &&
        mkdir -p "$unit" &&
        echo udev_path=/dev/mapper/disk >"$unit/control" &&
        echo /dev/mapper/disk >"$unit/udev_path" &&
        echo "$serial" >"$unit/wwn/vpd_unit_serial" &&
        echo 1 >"$unit/enable" &&
        echo 1 >"$unit/attrib/emulate_tpu" &&
        set_write_cache 0 &&
        mkdir -p /var/target/pr # where it keeps reservations, or it cannot
}

make_group() {
    mkdir "$unit/alua/group$1" &&
        echo "$1" >"$unit/alua/group$1/tg_pt_gp_id" &&
        for state in transitioning offline unavailable standby active_optimized active_nonoptimized; do
            echo 1 >"$unit/alua/group$1/alua_support_$state"
        done &&
        echo $type >"$unit/alua/group$1/alua_access_type"
}

make_portal() {
    portal=$iscsi/tpgt_$1
    mkdir -p "$portal/lun/lun_0" &&
        echo 1 >"$portal/attrib/generate_node_acls" &&
        echo 1 >"$portal/attrib/cache_dynamic_acls" &&
        echo 0 >"$portal/attrib/demo_mode_write_protect" &&
        echo 0 >"$portal/attrib/authentication" &&
        echo CHAP,None >"$portal/param/AuthMethod" &&
        give_unit "$1" &&
        ip address add "$portal_address$1/32" dev eth0 &&
        mkdir "$portal/np/$portal_address$1:3260" &&
        echo 1 >"$portal/enable"
}

give_unit() {
    ln -s "$unit" "$iscsi/tpgt_$1/lun/lun_0/disk" && echo "group$1" >"$iscsi/tpgt_$1/lun/lun_0/alua_tg_pt_gp"
}

# set_state GROUP CODE: as an array does by itself, which the kernel wants permitted.
set_state() {
    echo $((type | 1)) >"$unit/alua/group$1/alua_access_type" &&
        echo "$2" >"$unit/alua/group$1/alua_access_state" &&
        echo "$type" >"$unit/alua/group$1/alua_access_type"
}

set_type() {
    type=$1
    for group in 1 2; do
        echo "$type" >"$unit/alua/group$group/alua_access_type" || return 1
    done
}

set_write_cache() {
    queue=/sys/block/$(dmsetup info -c --noheadings -o blkdevname disk)/queue
    if [ "$1" = 1 ]; then echo "write back"; else echo "write through"; fi >"$queue/write_cache"
}

# set_secret USER SECRET [USER SECRET]: the second one is the target's own.
set_secret() {
    for portal in "$iscsi"/tpgt_*; do
        echo 1 >"$portal/attrib/authentication"
        printf %s "$1" >"$portal/auth/userid"
        printf %s "$2" >"$portal/auth/password"
        [ $# -ge 4 ] || continue
        printf %s "$3" >"$portal/auth/userid_mutual"
        printf %s "$4" >"$portal/auth/password_mutual"
    done
}

# What "error" and "linear" are to the device mapper.
replace_disk() {
    dmsetup load disk --table "0 $(cat /sys/block/vda/size) $*" && dmsetup suspend --noflush disk && dmsetup resume disk
}

show_group() {
    echo "state $(cat "$unit/alua/group$1/alua_access_state")"
    echo "status $(cat "$unit/alua/group$1/alua_access_status")"
    echo "preferred $(cat "$unit/alua/group$1/preferred")"
}

# carry_out COMMAND ARGUMENT...
carry_out() {
    case "$1 ${3:-}" in
    "state "*) set_state "$2" "$3" ;;
    "type "*) set_type "$2" ;;
    "preferred "*) echo "$3" >"$unit/alua/group$2/preferred" ;;
    "delay "*) echo "$3" >"$unit/alua/group$2/trans_delay_msecs" ;;
    "implicit-delay "*) echo "$3" >"$unit/alua/group$2/implicit_trans_secs" ;;
    "group "*) show_group "$2" ;;
    "commands "*) cat "$iscsi/tpgt_$2/lun/lun_0/statistics/scsi_tgt_port/in_cmds" ;;
    "write-cache "*) set_write_cache "$2" ;;
    "secret "*) shift && set_secret "$@" ;;
    "hold "*) dmsetup suspend --noflush --nolockfs disk ;;
    "release "*) dmsetup resume disk ;;
    "fail "*) replace_disk error ;;
    "heal "*) replace_disk linear /dev/vda 0 ;;
    "link up") ip address add "$portal_address$2/32" dev eth0 ;;
    "link down") ip address del "$portal_address$2/32" dev eth0 ;;
    # At another address of the same portal group.
    "portal also") ip address add "${portal_address}3/32" dev eth0 && mkdir "$iscsi/tpgt_$2/np/${portal_address}3:3260" ;;
    "portal up") echo 1 >"$iscsi/tpgt_$2/enable" ;;
    "portal down") echo 0 >"$iscsi/tpgt_$2/enable" ;;
    "lun up") give_unit "$2" ;;
    "lun down") rm "$iscsi/tpgt_$2/lun/lun_0/disk" ;;
    "log "*) dmesg | tail -n 30 ;;
    *) echo "no command $*" && return 1 ;;
    esac
}

mount -t configfs configuration $configuration &&
    make_unit &&
    make_group 1 && make_group 2 &&
    mkdir -p $configuration/target/iscsi && mkdir "$iscsi" &&
    make_portal 1 && make_portal 2
echo "done $?"
while read -r line; do
    [ -n "$line" ] || continue
    # shellcheck disable=SC2086  # a line is words
    carry_out $line 2>&1
    echo "done $?"
done
