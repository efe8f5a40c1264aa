#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One disk as a unit of an iSCSI target, as an NBD export and as a file, in one map: each kind of path goes and comes back
under load."""
from harness import main, require, wait_for
from iscsi_target import Target, wwid
from raw_nbd import Client
from writer import BLOCK, Writer

require("tgtd", "tgtadm", "nbdkit")

KINDS = ("unit", "export", "file")


class Disk:
    """The servers of one disk; all of them and the file's own path go through one page cache, or past it."""

    def __init__(self, rig):
        self.rig = rig
        self.target = Target(rig, portals=1)
        self.kit = None
        self.give_back("export")

    def paths(self):
        return f"""
  unit: {{uri: "{self.target.uri()}", stall_timeout: 1s}}
  export: {{uri: "{self.rig.uri('kit')}", stall_timeout: 1s}}
  file: {{uri: "file://{self.target.disk}", direct: true}}"""

    def take_away(self, kind):
        if kind == "unit":
            self.target.kill()
        elif kind == "export":
            self.kit.kill()
        else:
            self.rig.ctl("inject", "m", "file", "error=EIO")
        self.rig.wait_for_path("m", kind, "F")

    def give_back(self, kind):
        if kind == "unit":
            self.target.start()
        elif kind == "export":
            self.kit = self.rig.nbdkit("kit", "file", self.target.disk)
        else:
            self.rig.ctl("inject", "m", "file", "off")


def serve(rig, disk, table):
    rig.nbdmpathd(f"""
log: {{level: debug}}
paths:{disk.paths()}
multipaths:
  m: {{cache: shared, wwid: {wwid()}, no_path_timeout: 60s, table: "{table}"}}
""")
    for kind in KINDS:
        rig.wait_for_path("m", kind, "A")


def check_all(rig, disk, writer):
    """The data is there through each path alone, and on the disk."""
    for alone in KINDS:
        for kind in KINDS:
            rig.message("m", "reinstate_path" if kind == alone else "fail_path", kind)
        with Client(rig.path("nbd.sock"), "m") as client:
            for block, data in writer.written.items():
                assert client.read(block * BLOCK, BLOCK) == data, (alone, block)
        for kind in KINDS:
            rig.message("m", "reinstate_path", kind)
    with open(disk.target.disk, "rb") as file:
        for block, data in writer.written.items():
            file.seek(block * BLOCK)
            assert file.read(BLOCK) == data, block


def test_each_kind_of_path_goes_and_comes_back_among_equals(rig):
    disk = Disk(rig)
    serve(rig, disk, "1 queue_if_no_path 0 1 1 round-robin 0 3 1 unit 1 export 1 file 1")
    writer = Writer(rig)
    for kind in KINDS * 2:
        writer.goes_on()
        disk.take_away(kind)
        writer.goes_on()
        disk.give_back(kind)
        rig.wait_for_path("m", kind, "A", 30)
    writer.goes_on()
    writer.finish()
    check_all(rig, disk, writer)


def test_each_kind_of_path_carries_alone(rig):
    disk = Disk(rig)
    serve(rig, disk, "1 queue_if_no_path 0 3 1 round-robin 0 1 1 unit 1 round-robin 0 1 1 export 1 "
          "round-robin 0 1 1 file 1")
    writer = Writer(rig)
    writer.goes_on()
    disk.take_away("unit")
    disk.take_away("export")
    writer.goes_on()
    disk.give_back("export")
    rig.wait_for_path("m", "export", "A", 30)
    disk.take_away("file")
    writer.goes_on()
    disk.give_back("unit")
    rig.wait_for_path("m", "unit", "A", 30)
    disk.take_away("export")
    writer.goes_on()
    # And none: what waits goes on with the first that is back.
    disk.take_away("unit")
    wait_for(lambda: rig.held("m") != 0, what="a write that waits")
    disk.give_back("file")
    writer.goes_on()
    disk.give_back("unit")
    disk.give_back("export")
    for kind in KINDS:
        rig.wait_for_path("m", kind, "A", 30)
    writer.finish()
    check_all(rig, disk, writer)


main(globals())
