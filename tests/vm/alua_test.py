#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Paths to a real iSCSI target with ALUA: the kernel's, in one VM for all tests."""
import atexit

from lio_target import GROUPS, Target
from harness import Rig, main

MIB = 1 << 20

house = Rig()
atexit.register(house.close)
target = Target(house)


def serve(rig, table, keys=""):
    paths = "\n".join(f'  p{group}: {{uri: "{target.uri(group)}", stall_timeout: 2s}}' for group in GROUPS)
    rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
{paths}
multipaths:
  m: {{table: "{table}", no_path_timeout: 60s{keys}}}
""")


def test_data_is_written_and_read_by_both_portals(rig):
    target.reset()
    serve(rig, "0 0 1 1 round-robin 0 2 1 p1 1 p2 1")
    for path in ("p1", "p2"):
        rig.wait_for_path("m", path, "A")
    before = {group: target.commands(group) for group in GROUPS}
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 0x11 0 4M", *["-c", "read -P 0x11 0 4M"] * 3, rig.export("m"))
    with open(target.disk, "rb") as disk:
        assert disk.read(4 * MIB) == b"\x11" * (4 * MIB)
    for group in GROUPS:
        assert target.commands(group) > before[group]


main(globals())
