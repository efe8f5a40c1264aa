#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Paths to a real iSCSI target: data, two portals of one unit, a target that is killed, stopped or changed, CHAP, and
what is told where something is wrong.
"""
import os

from harness import NBDMPATHD, free_port, main, require, wait_for
from iscsi_target import TARGET, Target, wwid
from raw_nbd import READ, WRITE, Client, request_bytes
from writer import BLOCK, Writer

require("tgtd", "tgtadm", "qemu-io", "qemu-img", "nbdinfo", "fio")

MIB = 1 << 20
EPERM, EIO, EINVAL = 1, 5, 22


def serve(rig, paths, table, keys="", more="", options=()):
    lines = "\n".join(f"  {name}: {value}" for name, value in paths.items())
    rig.nbdmpathd(f"""
log: {{level: debug}}
{more}
paths:
{lines}
multipaths:
  m: {{table: "{table}", no_path_timeout: 60s{keys}}}
""", *options)


def serve_two(rig, target, **options):
    """Two portals of one unit, the second as a standby; requests wait when there is neither."""
    paths = {name: f'{{uri: "{target.uri(portal)}", stall_timeout: 1s}}' for portal, name in enumerate(("a", "b"))}
    serve(rig, paths, "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1", **options)


def serve_one(rig, uri, path_keys="", more="", keys=""):
    """One path, which need not come up; without one requests fail."""
    serve(rig, {"a": f'{{uri: "{uri}"{path_keys}}}'}, "0 0 1 1 round-robin 0 1 1 a 1", ", size: 64M" + keys, more)


def replace_unit(rig, target, disk=None, serial="S1"):
    """Another unit in its place, once the idle check of path a has missed the old one: tgtd does not tell by itself."""
    told = log_of(rig).count("the target has no such unit")
    target.remove_unit()
    wait_for(lambda: log_of(rig).count("the target has no such unit") > told, what="the unit is missed")
    target.add_unit(disk, serial)


def qemu_io(rig, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = rig.run("qemu-io", "-f", "raw", "-t", "none", *words, rig.export("m"))
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


def log_of(rig):
    return rig.daemon.output()


def allocated(path):
    return os.stat(path).st_blocks * 512


def is_lost(rig, why):
    wait_for(lambda: any("path a is lost" in line and why in line for line in log_of(rig).splitlines()),
             what=f"path a lost: {why}")
    assert rig.path_state("m", "a") == "F"


def test_data_is_written_read_flushed_and_trimmed(rig):
    target = Target(rig)
    serve_two(rig, target)
    rig.wait_for_path("m", "a", "A")
    rig.wait_for_path("m", "b", "A")
    info = rig.info("m")
    assert int(info["size"]) == (64 * MIB) // 512 and info["block size"].split()[0] == "512", info
    assert info["cache"].startswith("shared"), info
    qemu_io(rig, "write -P 0x11 0 16M", "write -P 0x22 16M 1M", "write -f -P 0x33 17M 512",
            "write -P 0x44 33553920 1024",
            "flush", "read -P 0x11 0 16M", "read -P 0x22 16M 1M", "read -P 0x33 17M 512", "read -P 0x44 33553920 1024")
    with open(target.disk, "rb") as disk:
        assert disk.read(16 * MIB) == b"\x11" * (16 * MIB)
        assert disk.read(MIB) == b"\x22" * MIB
        assert disk.read(512) == b"\x33" * 512
    before = allocated(target.disk)
    qemu_io(rig, "discard 0 8M", "write -z 8M 4M", "write -z -u 12M 4M", "read -P 0 8M 8M", "read -P 0x22 16M 1M",
            "flush")
    wait_for(lambda: allocated(target.disk) <= before - 8 * MIB, what="holes in the disk")
    with open(target.disk, "rb") as disk:
        disk.seek(8 * MIB)
        assert disk.read(8 * MIB) == bytes(8 * MIB)


def test_the_pieces_of_a_long_request_are_put_where_they_belong(rig):
    target = Target(rig)
    serve_one(rig, target.uri())
    rig.wait_for_path("m", "a", "A")
    offset, data = 3 * 512, os.urandom(3 * MIB + 5 * 512)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.write(offset, data)
        assert client.read(offset, len(data)) == data
        assert client.read(offset + 512, 2 * MIB) == data[512:512 + 2 * MIB]
    with open(target.disk, "rb") as disk:
        assert disk.read(offset + len(data)) == bytes(offset) + data


def test_a_long_request_fails_when_one_of_its_pieces_does(rig):
    target = Target(rig)
    serve_one(rig, target.uri())
    rig.wait_for_path("m", "a", "A")
    there = 32 * MIB + 300 * 1024
    os.truncate(target.disk, there)  # of what is missing tgtd says MEDIUM ERROR
    with Client(rig.path("nbd.sock"), "m") as client:
        for offset in (there - MIB // 2, there - 512, there - 3 * MIB, there):
            cookie = client.request(READ, offset, MIB)
            # At once and in this order: what follows is under way beside it.
            expected = {cookie: 0 if offset + MIB <= there else EIO}
            for near in range(4):
                expected[client.request(READ, there - (near + 1) * 512, 512)] = 0
            while expected:
                answered, error = client.reply()
                assert error == expected.pop(answered), (offset, error)
                if not error:
                    assert not any(client.receive(MIB if answered == cookie else 512))
    assert rig.path_state("m", "a") == "A"


def test_what_lies_beyond_2_to_the_32_blocks_is_reached(rig):
    target = Target(rig, size=3 << 40)
    serve(rig, {"a": target.uri()}, "0 0 1 1 round-robin 0 1 1 a 1")
    rig.wait_for_path("m", "a", "A")
    edge = 512 << 32
    qemu_io(rig, f"write -P 0x55 {edge - 65536} 128k", "write -P 0x66 2900G 4k", f"write -z {edge} 512", "flush",
            f"read -P 0x55 {edge - 65536} 64k", f"read -P 0 {edge} 512", "read -P 0x66 2900G 4k", "read -P 0 0 4k")
    with open(target.disk, "rb") as disk:
        disk.seek(edge - 65536)
        assert disk.read(65536 + 1024) == b"\x55" * 65536 + bytes(512) + b"\x55" * 512


def test_a_target_that_is_killed_and_started_again_costs_no_write(rig):
    target = Target(rig)
    serve_two(rig, target)
    rig.wait_for_path("m", "a", "A")
    writer = Writer(rig)
    for _ in range(2):
        writer.goes_on()
        target.kill()
        rig.wait_for_path("m", "a", "F")
        rig.wait_for_path("m", "b", "F")
        target.start()
        rig.wait_for_path("m", "a", "A")
        writer.goes_on()
    writer.finish()


def test_what_fio_writes_is_there_whatever_happens_to_the_target(rig):
    target = Target(rig)
    serve_two(rig, target)
    rig.wait_for_path("m", "a", "A")
    # Blocks of one command and of several, each kind in a part of the disk of its own.
    fio = rig.start("fio", "fio", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randwrite", "--iodepth=8", "--thread",
                    "--time_based", "--runtime=12", "--randrepeat=0", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64",
                    "--verify_state_save=0", "--name=short", "--offset=0", "--size=8m", "--bs=4k",
                    "--name=long", "--offset=8m", "--size=48m", "--bs=768k", cwd=rig.directory)
    wait_for(lambda: allocated(target.disk) > 9 * MIB, what="fio")
    target.kill()
    rig.wait_for_path("m", "a", "F")
    target.start()
    rig.wait_for_path("m", "a", "A")
    target.stop()
    # By the path that carries the load; the other one is idle, whichever it is now.
    wait_for(lambda: "no sign of life" in log_of(rig), 30, "the silence is noticed")
    target.go_on()
    rig.wait_for_path("m", "a", "A", 60)
    rig.wait_for_path("m", "b", "A", 60)
    target.drop_sessions()
    assert fio.child.wait(120) == 0 and "verify:" not in fio.output(), fio.output()


def test_a_portal_that_goes_away_is_left_for_the_other_one(rig):
    target = Target(rig)
    serve_two(rig, target)
    rig.wait_for_path("m", "a", "A")
    writer = Writer(rig)
    writer.goes_on()
    target.adm("portal", "delete", "--param", f"portal=127.0.0.1:{target.ports[0]}")
    target.drop_sessions()
    rig.wait_for_path("m", "a", "F")
    rig.wait_for_path("m", "b", "A")
    writer.goes_on()
    writer.finish()


def test_a_target_that_stands_still_is_noticed_and_its_writes_are_in_doubt(rig):
    target = Target(rig)
    serve_two(rig, target)
    rig.wait_for_path("m", "a", "A")
    writer = Writer(rig)
    writer.goes_on()
    target.stop()
    wait_for(lambda: "path a is lost: no sign of life for 1000 ms" in log_of(rig), 15, "the silence is noticed")
    target.go_on()
    writer.goes_on()
    writer.finish()
    wait_for(lambda: rig.path_state("m", "a") == "A", what="path a is back")


def test_an_idle_session_with_a_silent_target_is_dropped(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", stall_timeout: 400ms, idle_check: 200ms")
    rig.wait_for_path("m", "a", "A")
    target.stop()
    is_lost(rig, "no sign of life")
    target.go_on()
    rig.wait_for_path("m", "a", "A", 30)


def test_a_read_only_unit_is_not_written_to(rig):
    target = Target(rig)
    target.update("readonly=1")
    serve(rig, {"a": target.uri()}, "0 0 1 1 round-robin 0 1 1 a 1", ", read_only: true")
    rig.wait_for_path("m", "a", "A")
    with Client(rig.path("nbd.sock"), "m") as client:
        assert client.read(0, BLOCK) == bytes(BLOCK)


def test_a_unit_that_becomes_another_disk_is_not_used(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", idle_check: 200ms")
    rig.wait_for_path("m", "a", "A")
    target.remove_unit()
    assert "error" in rig.run("qemu-io", "-f", "raw", "-c", "read 0 4k", rig.export("m"), check=False).stdout
    rig.wait_for_path("m", "a", "F")
    target.add_unit(rig.disk("other.disk"), serial="S2")
    wait_for(lambda: "path a is not this disk" in log_of(rig), what="the refusal")
    assert rig.path_state("m", "a") == "F"
    told = log_of(rig).count("unit 1: the target has no such unit")
    target.remove_unit()  # which only the idle check can notice: nothing else is asked of this path
    wait_for(lambda: log_of(rig).count("unit 1: the target has no such unit") > told, what="the unit is missed")
    target.add_unit()
    rig.wait_for_path("m", "a", "A", 30)


def map_of(rig):
    """What nbdinfo says: offset, length and state of each stretch."""
    lines = [line.split() for line in rig.run("nbdinfo", "--map", rig.export("m")).stdout.splitlines()]
    return [(int(line[0]), int(line[1]), int(line[2])) for line in lines]


def test_holes_of_a_thin_unit_show(rig):
    target = Target(rig)
    serve_one(rig, target.uri())
    rig.wait_for_path("m", "a", "A")
    assert map_of(rig) == [(0, 64 * MIB, 3)]
    qemu_io(rig, *(f"write -P 0x11 {2 * number}M 1M" for number in range(24)), "flush")
    # More stretches than one answer has room for.
    expected = [(number * MIB, MIB, 3 if number % 2 else 0) for number in range(47)] + [(47 * MIB, 17 * MIB, 3)]
    assert map_of(rig) == expected, map_of(rig)
    qemu_io(rig, "discard 0 1M")
    assert map_of(rig) == [(0, 2 * MIB, 3)] + expected[2:], map_of(rig)


def test_a_unit_that_is_not_thin_has_no_holes(rig):
    target = Target(rig)
    target.update("thin_provisioning=0")
    serve_one(rig, target.uri())
    rig.wait_for_path("m", "a", "A")
    assert map_of(rig) == [(0, 64 * MIB, 0)], map_of(rig)


def test_a_unit_must_have_the_name_that_the_map_states(rig):
    target = Target(rig)
    refused = f"path a is not this disk and will not be used: its unit is {wwid('S2')}, the map's wwid is {wwid('S1')}"
    serve_one(rig, target.uri(), ", idle_check: 200ms", keys=f", wwid: {wwid('S1').upper()}")
    rig.wait_for_path("m", "a", "A")
    replace_unit(rig, target, serial="S2")
    wait_for(lambda: refused in log_of(rig), what="the refusal")
    assert rig.path_state("m", "a") == "F"
    assert 'why="mismatch"' in rig.ctl("show", "paths")[0]
    # What the owner states is stronger than what somebody says.
    done = rig.ctl("message", "m", "0", "reinstate_path", "a", check=False)
    assert done.returncode == 1, done
    replace_unit(rig, target)
    rig.wait_for_path("m", "a", "A", 30)
    # From the beginning, and as multipathd writes it.
    rig.daemon.end()
    rig.path("nbdmpathd.log").unlink()
    target.remove_unit()
    target.add_unit(serial="S2")
    serve_one(rig, target.uri(), keys=f", wwid: {wwid('S1').replace('naa.', '3')}")
    wait_for(lambda: refused in log_of(rig), what="the refusal")
    assert rig.path_state("m", "a") == "F"


def test_a_name_is_for_maps_with_units(rig):
    rig.path("wrong.yaml").write_text("listen: [{unix: /tmp/x}]\npaths:\n  a: file:///dev/null\nmultipaths:\n"
                                      "  m: {wwid: naa.5000c500a0b1c2d3, table: '0 0 1 1 round-robin 0 1 1 a 1'}\n")
    done = rig.run(NBDMPATHD, "--check", "-c", rig.path("wrong.yaml"), check=False)
    assert done.returncode == 78 and ":5:13: wwid: only iscsi paths" in done.stdout, done


def test_a_unit_that_shrinks_is_not_used(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", idle_check: 200ms")
    rig.wait_for_path("m", "a", "A")
    replace_unit(rig, target, rig.disk("small.disk", 32 * MIB))
    wait_for(lambda: "path a is not this disk and will not be used: its size is 33554432 bytes, the map's is 67108864"
             in log_of(rig), what="the refusal")
    assert rig.path_state("m", "a") == "F"
    replace_unit(rig, target)
    rig.wait_for_path("m", "a", "A", 30)


def test_a_unit_that_changes_without_a_word_is_found_out_by_what_it_refuses(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", idle_check: 0")
    rig.wait_for_path("m", "a", "A")
    target.remove_unit()
    target.add_unit(rig.disk("small.disk", 32 * MIB))
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = client.request(READ, 48 * MIB, BLOCK)
        assert client.reply() == (cookie, EINVAL)
    wait_for(lambda: "path a is not this disk and will not be used: its size is 33554432 bytes" in log_of(rig),
             what="the refusal")


def test_nothing_more_is_sent_to_a_unit_that_may_be_another_one(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", idle_check: 0")
    rig.wait_for_path("m", "a", "A")
    target.remove_unit()
    other = rig.disk("small.disk", 32 * MIB)
    target.add_unit(other)
    with Client(rig.path("nbd.sock"), "m") as client:
        data = b"\x77" * (15 * MIB)
        # In one go: the second is refused while the first has only begun.
        client.socket.sendall(request_bytes(WRITE, 0, len(data), data, cookie=1) +
                              request_bytes(READ, 48 * MIB, BLOCK, cookie=2))
        answers = dict(client.reply() for _ in range(2))
        assert answers == {1: EIO, 2: EINVAL}, answers
    with open(other, "rb") as disk:
        written = disk.read(len(data)).count(b"\x77")
    # What was under way by then, some pieces of 128 KiB, nobody can call back.
    assert written < 8 * MIB, f"{written} bytes are on the wrong disk"


def test_a_unit_that_is_write_protected_later_is_not_used(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), ", idle_check: 0")
    rig.wait_for_path("m", "a", "A")
    target.update("readonly=1")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = client.request(WRITE, 0, BLOCK, bytes(BLOCK))
        assert client.reply() == (cookie, EPERM)
    wait_for(lambda: "path a is not this disk and will not be used: it is read-only" in log_of(rig), what="the refusal")


SECRETS = ("secret123456", "othersecret12", "wrongsecret1")


def no_secret_is_told(rig):
    told = log_of(rig) + "\n".join(sum((rig.ctl(*words) for words in (
        ["table"], ["status"], ["info", "m"], ["show", "stats"], ["show", "stats", "json"])), []))
    for secret in SECRETS:
        assert secret not in told, told


def test_chap_lets_in_who_knows_the_secret(rig):
    target = Target(rig)
    target.account("user1", SECRETS[0])
    serve_one(rig, target.uri(user=f"user1%{SECRETS[0]}@"))
    rig.wait_for_path("m", "a", "A")
    no_secret_is_told(rig)
    for user, keys in (("", ""), (f"user1%{SECRETS[2]}@", ""), ("user1@", "")):
        rig.daemon.end()
        rig.path("nbdmpathd.log").unlink()
        serve_one(rig, target.uri(user=user), keys)
        is_lost(rig, "has no secret" if user == "user1@" else "uthentication")
        no_secret_is_told(rig)


def test_mutual_chap_lets_out_whom_we_know(rig):
    target = Target(rig)
    target.account("user1", SECRETS[0])
    target.account("target", SECRETS[1], "--outgoing")
    rig.path("secret").write_text(SECRETS[0] + "\n")
    rig.path("right").write_text(SECRETS[1] + "\n")
    rig.path("wrong").write_text(SECRETS[2] + "\n")
    uri = target.uri(user="user1@") + "?target_user=target"
    keys = f", secret_file: {rig.path('secret')}, mutual_secret_file: {rig.path('right')}"
    serve_one(rig, uri, keys)
    rig.wait_for_path("m", "a", "A")
    rig.daemon.end()
    rig.path("nbdmpathd.log").unlink()
    serve_one(rig, uri, keys.replace(str(rig.path("right")), str(rig.path("wrong"))))
    is_lost(rig, "")
    no_secret_is_told(rig)


def test_what_is_not_there_is_named(rig):
    target = Target(rig)
    for uri, why in ((target.uri(lun=7), "unit 7: the target has no such unit"),
                     (target.uri(target=TARGET + "x"), "arget not found"),
                     ("iscsi://127.0.0.1:1/iqn.x/0", "127.0.0.1:1:"),
                     ("iscsi://no.such.host.invalid/iqn.x/0", "cannot resolve 'no.such.host.invalid'")):
        serve_one(rig, uri)
        is_lost(rig, why)
        rig.daemon.end()
        rig.path("nbdmpathd.log").unlink()


def test_a_path_is_used_without_a_fence_portal_that_is_of_no_use(rig):
    target = Target(rig)
    for port, why in ((target.ports[1], "is of no use"), (free_port(), "refused")):  # tgt ends no former sessions
        serve_one(rig, target.uri(), f', fence_portal: "127.0.0.1:{port}"')
        rig.wait_for_path("m", "a", "A")
        told = [line for line in log_of(rig).splitlines() if f"path a: fence_portal 127.0.0.1:{port}" in line]
        assert why in told[0], told
        qemu_io(rig, "write -P 7 0 64k", "read -P 7 0 64k")
        rig.daemon.end()
        rig.path("nbdmpathd.log").unlink()


def test_the_initiator_says_its_name(rig):
    target = Target(rig)
    serve_one(rig, target.uri(), more='iscsi: {initiator_name: "iqn.2026-01.org.example:host1"}')
    rig.wait_for_path("m", "a", "A")
    assert "iqn.2026-01.org.example:host1" in target.adm("conn", "show", "--tid", 1).stdout + \
        target.adm("target", "show").stdout


def test_a_wrong_configuration_is_told_without_its_secret(rig):
    for text, why in (("iscsi://me%hunter2@h/iqn.x", "the unit's number"),
                      ("{uri: \"iscsi://me%hunter2@h/iqn.x/0\", header_digest: md5}", "header_digest: 'md5'"),
                      ("{uri: \"iscsi://me%hunter2@h/iqn.x/0\", fence_portal: h}", "fence_portal: 'h' is not a numeric"),
                      ("{uri: \"iscsi://me%hunter2@h/iqn.x/0\", secret_fil: x}", "secret_file")):
        rig.path("wrong.yaml").write_text(f"listen: [{{unix: /tmp/x}}]\npaths:\n  a: {text}\n")
        done = rig.run(NBDMPATHD, "--check", "-c", rig.path("wrong.yaml"), check=False)
        told = done.stdout + done.stderr
        assert done.returncode == 78 and why in told and "hunter2" not in told, told


main(globals())
