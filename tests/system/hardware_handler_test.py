#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Hardware handler alua where there is no ALUA: a real target without it, and paths that are no SCSI units. What it does
with a target that has ALUA is tested in the VM.
"""
from harness import main, require, wait_for
from iscsi_target import Target
from raw_nbd import Client

require("tgtd", "tgtadm", "nbdkit")

WHY = "its unit has no target port groups, which hardware handler alua needs"


def read_one(rig):
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 4096)


def test_a_target_without_port_groups_is_refused(rig):
    target = Target(rig)
    rig.nbdmpathd(f"""
paths:
  a: {target.uri()}
multipaths:
  m: {{hardware_handler: alua, priority_groups: [{{selector: round-robin, paths: [a]}}]}}
""")
    refusal = f"error attaching hardware handler: path a: {WHY}"
    assert refusal in rig.daemon.output(), rig.daemon.output()
    assert "tables" in rig.info("m") and "LIVE" not in rig.info("m")["tables"], rig.info("m")
    done = rig.ctl("load", "m", "0 1 alua 1 1 round-robin 0 1 1 a 1", check=False)
    assert done.returncode == 1 and refusal in done.stderr, done.stderr
    rig.ctl("load", "m", "0 0 1 1 round-robin 0 1 1 a 1")
    rig.ctl("resume", "m")
    read_one(rig)


def test_a_path_that_turns_out_to_have_none_is_a_mismatch(rig):
    target = Target(rig)
    target.kill()
    rig.nbdmpathd(f"""
paths:
  a: {target.uri()}
multipaths:
  m: {{size: 64M, table: "0 1 alua 1 1 round-robin 0 1 1 a 1"}}
""")
    assert rig.path_state("m", "a") == "F"
    target.start()
    wait_for(lambda: rig.ctl("show", "paths", "m")[0].startswith('path=a pg=1 state=failed why="mismatch"'), what="the mismatch")
    told = f"path a is not this disk and will not be used: {WHY}"
    assert rig.daemon.output().count(told) == 1, rig.daemon.output()


def test_paths_that_are_no_units_go_on_without_it(rig):
    rig.nbdkit("a", "file", rig.disk())
    rig.nbdmpathd(f"""
paths: {{a: "{rig.uri('a')}"}}
multipaths:
  m: {{table: "0 1 alua 1 1 round-robin 0 1 1 a 1"}}
""")
    assert "path a knows no hardware handler alua: going on without it" in rig.daemon.output()
    assert rig.ctl("table", "m")[0].strip().endswith("multipath 0 0 1 1 round-robin 0 1 1 a 1")
    read_one(rig)


def test_wrong_arguments_are_told(rig):
    target = Target(rig)
    rig.nbdmpathd(f"""
paths: {{a: "{target.uri()}"}}
multipaths:
  m: {{hardware_handler: alua 2, priority_groups: [{{selector: round-robin, paths: [a]}}]}}
""")
    assert "hardware handler alua takes nothing, 0 or 1" in rig.daemon.output(), rig.daemon.output()


main(globals())
