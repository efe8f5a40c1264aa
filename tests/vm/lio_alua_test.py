#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Hardware handler alua with a real iSCSI target: the kernel's, in one VM for all tests. Path pNx leads to its portal N.
"""
import atexit

from lio_target import GROUPS, Target
from harness import Rig, main, wait_for
from raw_nbd import Client
from writer import BLOCK, Writer

MIB = 1 << 20
ONE_PATH_EACH = "2 1 round-robin 0 1 1 p1 1 round-robin 0 1 1 p2 1"

house = Rig()
atexit.register(house.close)
target = Target(house)


def serve(rig, table, paths=("p1", "p2"), handler="1 alua", features="3 queue_if_no_path pg_init_retries 3",
          keys=""):
    lines = "\n".join(f'  {path}: {{uri: "{target.uri(int(path[1]))}", reconnect_delay: 500ms}}' for path in paths)
    rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
{lines}
multipaths:
  m: {{table: "{features} {handler} {table}", no_path_timeout: 60s{keys}}}
""")
    for path in paths:
        rig.wait_for_path("m", path, "A")


def read_one(rig):
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)


def info(rig):
    return rig.status("m").removeprefix("0 131072 multipath ")


def access(rig):
    """What `show paths` says of each path's access state."""
    words = [dict(word.split("=", 1) for word in line.split()) for line in rig.ctl("show", "paths", "m")]
    return {each["path"]: each.get("access") for each in words}


def why_failed(rig, path):
    entry = next(line for line in rig.ctl("show", "paths", "m") if line.startswith(f"path={path} "))
    return entry.partition('why="')[2].partition('"')[0]


def is_used(rig, path, why):
    def grows():
        return requests() > before
    def requests():
        for line in rig.ctl("show", "stats", "m"):
            if line.startswith(f"path={path} "):
                return int(line.split("requests=")[1].split()[0])
        return 0
    before = requests()
    wait_for(grows, 30, f"path {path} is used {why}")


def test_data_is_written_and_read_by_both_portals(rig):
    target.reset()
    serve(rig, "1 1 round-robin 0 2 1 p1 1 p2 1")
    before = {group: target.commands(group) for group in GROUPS}
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 0x11 0 4M", *["-c", "read -P 0x11 0 4M"] * 3, rig.export("m"))
    with open(target.disk, "rb") as disk:
        assert disk.read(4 * MIB) == b"\x11" * (4 * MIB)
    for group in GROUPS:
        assert target.commands(group) > before[group]


def test_status_lines_are_the_kernels(rig):
    target.reset()
    target.mode("implicit")
    groups = "2 1 round-robin 0 2 1 p1a 1 p1b 1 round-robin 0 2 1 p2a 1 p2b 1"
    serve(rig, groups, ("p1a", "p1b", "p2a", "p2b"), features="3 pg_init_retries 3 queue_if_no_path")
    assert rig.ctl("table", "m")[0].strip() == f"0 131072 multipath 3 queue_if_no_path pg_init_retries 3 1 alua {groups}"
    first, second = "E 0 2 0 p1a A 0 p1b A 0 ", "E 0 2 0 p2a A 0 p2b A 0"
    assert info(rig) == "2 0 0 0 2 1 " + first + second, info(rig)
    read_one(rig)
    assert info(rig) == "2 0 1 0 2 1 A" + first[1:] + second, info(rig)
    before = target.commands(2)
    rig.message("m", "switch_group", "2")
    assert info(rig) == "2 0 1 0 2 2 " + first + second, info(rig)
    assert target.commands(2) == before, "a group is activated by the next request only"
    read_one(rig)
    assert info(rig) == "2 0 1 0 2 2 " + first + "A" + second[1:], info(rig)
    assert target.commands(2) == before + 2, "both paths share one question, and the read"


def test_an_implicit_standby_path_is_activated_and_fails_at_its_first_request(rig):
    target.reset()
    target.mode("implicit")
    target.state(2, "standby")
    serve(rig, "2 1 round-robin 0 1 1 p1 1 round-robin 0 2 1 p2 1 p1b 1", ("p1", "p2", "p1b"))
    assert access(rig) == {"p1": "active/optimized", "p2": "standby", "p1b": "active/optimized"}, access(rig)
    rig.message("m", "switch_group", "2")
    read_one(rig)
    read_one(rig)
    assert info(rig) == "2 0 1 0 2 2 E 0 1 0 p1 A 0 A 0 2 0 p2 F 1 p1b A 0", info(rig)
    before = target.commands(2)
    wait_for(lambda: target.commands(2) > before + 3, 20, "the keeper asks")
    assert rig.path_state("m", "p2") == "F", "it would fail again"
    target.state(2, "optimized")
    rig.wait_for_path("m", "p2", "A")


def test_switch_group_makes_the_array_switch(rig):
    target.reset()
    target.mode("explicit")
    target.state(2, "standby")
    serve(rig, ONE_PATH_EACH)
    writer = Writer(rig)
    writer.goes_on()
    assert target.group(2) == {"state": "standby", "status": "Altered by Implicit ALUA", "preferred": "0"}
    rig.message("m", "switch_group", "2")
    is_used(rig, "p2", "after switch_group 2")
    assert target.group(2) == {"state": "optimized", "status": "Altered by Explicit STPG", "preferred": "0"}
    target.state(1, "standby")
    rig.message("m", "switch_group", "1")
    is_used(rig, "p1", "after switch_group 1")
    assert target.group(1)["status"] == "Altered by Explicit STPG"
    writer.finish()
    assert info(rig).endswith("A 0 1 0 p1 A 0 E 0 1 0 p2 A 0"), info(rig)


def flip(rig, mode, seen):
    """The array moves its optimized group to and fro; `seen` is awaited of the path that was left."""
    target.reset()
    target.mode(mode)
    target.state(2, "standby")
    serve(rig, ONE_PATH_EACH)
    writer = Writer(rig)
    for now, before in ((2, 1), (1, 2)) * 2:
        writer.goes_on()
        target.state(now, "optimized")
        target.state(before, "standby")
        is_used(rig, f"p{now}", "when its group is optimized")
        wait_for(lambda path=f"p{before}": seen(path), 20, f"p{before}")
    writer.finish()


def test_states_that_flip_under_load_cost_nothing_where_a_client_may_change_them(rig):
    flip(rig, "explicit", lambda path: rig.path_state("m", path) == "A")


def test_states_that_flip_under_load_cost_nothing_where_only_the_array_changes_them(rig):
    flip(rig, "implicit", lambda path: access(rig)[path] == "standby" and rig.path_state("m", path) == "F")


def test_failover_activates_a_standby_group(rig):
    target.reset()
    target.mode("explicit")
    target.state(2, "standby")
    serve(rig, ONE_PATH_EACH, keys=", ambiguous_writes: hold, ambiguous_hold: 1s")  # a silent portal cannot be fenced
    writer = Writer(rig)
    writer.goes_on()
    target.link(1, False)
    try:
        is_used(rig, "p2", "without the first portal's link")
        assert target.group(2)["status"] == "Altered by Explicit STPG"
    finally:
        target.link(1, True)
    rig.wait_for_path("m", "p1", "A", 30)
    writer.goes_on()
    writer.finish()


def test_requests_wait_for_a_transition(rig):
    target.reset()
    target.mode("both")
    target.state(2, "standby")
    serve(rig, ONE_PATH_EACH)
    writer = Writer(rig)
    writer.goes_on()
    target.state(1, "transitioning")
    count = writer.count
    wait_for(lambda: access(rig)["p1"] == "transitioning", what="the transition is seen")
    assert writer.count <= count + 2
    target.state(1, "non-optimized")
    writer.goes_on()
    assert info(rig).endswith("A 0 1 0 p1 A 0 E 0 1 0 p2 A 0"), "it was no failure: " + info(rig)
    target.command("delay", 2, 1500)
    rig.message("m", "switch_group", "2")
    is_used(rig, "p2", "after a transition")
    assert target.group(2)["status"] == "Altered by Explicit STPG"
    writer.finish()
    assert info(rig).endswith("E 0 1 0 p1 A 0 A 0 1 0 p2 A 0"), "it was no failure: " + info(rig)


def test_a_preferred_group_is_made_optimized_with_argument_1_another_is_not(rig):
    target.reset()
    target.state(1, "non-optimized")
    target.state(2, "non-optimized")
    target.command("preferred", 2, 1)
    serve(rig, ONE_PATH_EACH, handler="2 alua 1")
    read_one(rig)
    rig.message("m", "switch_group", "2")
    read_one(rig)
    assert [target.group(group)["state"] for group in GROUPS] == ["non-optimized", "optimized"]


def test_a_portal_that_stands_by_when_its_path_connects_is_used_when_needed(rig):
    target.reset()
    target.mode("explicit")
    target.state(1, "standby")
    target.state(2, "standby")
    serve(rig, ONE_PATH_EACH)
    wait_for(lambda: access(rig) == {"p1": "standby", "p2": "standby"}, what="the states are known")
    writer = Writer(rig)
    writer.goes_on()
    assert target.group(1)["status"] == "Altered by Explicit STPG"
    target.command("portal", 2, "down")
    rig.wait_for_path("m", "p2", "F")
    target.command("portal", 2, "up")
    rig.wait_for_path("m", "p2", "A")
    assert access(rig)["p2"] == "standby"
    writer.finish()


def test_a_unit_without_port_groups_is_not_used(rig):
    target.reset()
    target.mode("none")
    lines = "\n".join(f'  p{group}: "{target.uri(group)}"' for group in GROUPS)
    why = "its unit has no target port groups, which hardware handler alua needs"
    rig.nbdmpathd(f"paths:\n{lines}\nmultipaths:\n  m: {{table: '0 1 alua {ONE_PATH_EACH}'}}\n")
    assert f"error attaching hardware handler: path p1: {why}" in rig.daemon.output(), rig.daemon.output()
    rig.ctl("load", "m", "0", "0", *ONE_PATH_EACH.split())
    rig.ctl("resume", "m")
    read_one(rig)
    assert f"path p1: {why}" in rig.ctl("load", "m", "0", "1", "alua", *ONE_PATH_EACH.split(), check=False).stderr
    target.mode("implicit")
    for group in GROUPS:
        target.command("portal", group, "down")
    rig.wait_for_path("m", "p1", "F")
    rig.wait_for_path("m", "p2", "F")
    rig.ctl("load", "m", "0", "1", "alua", *ONE_PATH_EACH.split())
    rig.ctl("resume", "m")
    target.mode("none")
    for group in GROUPS:
        target.command("portal", group, "up")
    wait_for(lambda: why_failed(rig, "p2") == "mismatch", what="the mismatch")
    assert f"path p2 is not this disk and will not be used: {why}" in rig.daemon.output()
    for group in GROUPS:
        target.command("portal", group, "down")
    wait_for(lambda: why_failed(rig, "p2") == "disconnected", what="the end")
    target.mode("implicit")
    for group in GROUPS:
        target.command("portal", group, "up")
    rig.wait_for_path("m", "p2", "A")
    read_one(rig)


main(globals())
