#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real clients on a map of two file paths."""
import hashlib
import json
import os
import pathlib
import tempfile

from harness import main, require

require("nbdinfo", "nbdcopy", "qemu-io", "qemu-img")

MAP = """
paths: {{a: "file://{disk}", b: "file://{disk}"}}
multipaths:
  m: {{description: two ways, table: "0 0 1 1 round-robin 0 2 1 a 1 b 1"}}
"""


def serve(rig, size=64 << 20):
    disk = rig.disk(size=size)
    rig.nbdmpathd(MAP.format(disk=disk))
    return disk


def test_nbdinfo_lists_the_export_with_its_description(rig):
    serve(rig)
    text = rig.run("nbdinfo", "--list", rig.export()).stdout
    assert 'export="m"' in text and "two ways" in text and "67108864" in text, text
    assert "can_multi_conn: true" in text and "can_fua: true" in text, text


def test_nbdcopy_writes_and_reads_back_what_it_wrote(rig):
    serve(rig)
    original = os.urandom(8 << 20) + bytes(56 << 20)
    rig.path("original").write_bytes(original)
    rig.run("nbdcopy", rig.path("original"), rig.export("m"))
    rig.run("nbdcopy", rig.export("m"), rig.path("copy"))
    assert hashlib.sha256(rig.path("copy").read_bytes()).digest() == hashlib.sha256(original).digest()


def test_qemu_io_writes_zeroes_and_discards(rig):
    serve(rig)
    output = rig.run("qemu-io", "-f", "raw", "-c", "write -P 0x5a 0 1M", "-c", "read -P 0x5a 0 1M",
                     "-c", "write -z 4k 64k", "-c", "read -P 0 4k 64k", "-c", "discard 512k 64k", "-c", "flush",
                     "-c", "write -f -P 0x11 100k 4k", "-c", "read -P 0x11 100k 4k", rig.export("m")).stdout
    assert "Pattern verification failed" not in output, output


def test_qemu_img_compares_equal_with_the_file_behind(rig):
    disk = serve(rig)
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 7 3M 5M", rig.export("m"))
    assert "identical" in rig.run("qemu-img", "compare", "-f", "raw", "-F", "raw", disk, rig.export("m")).stdout


def test_holes_and_data_come_through_structured_replies_as_through_simple_ones(rig):
    serve(rig)
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 9 1M 3M", "-c", "write -P 8 5000000 1", rig.export("m"))
    read = ("import sys, hashlib; h.set_request_structured_replies({}); h.connect_uri(sys.argv[1]); "
            "print(h.get_structured_replies_negotiated(), hashlib.sha256(h.pread(32 << 20, 0)).hexdigest())")
    chunked, simple = (rig.run("/usr/bin/python3", "-c", "import nbd; h = nbd.NBD(); " + read.format(wanted),
                               rig.export("m")).stdout.split() for wanted in (True, False))
    assert (chunked[0], simple[0]) == ("True", "False"), (chunked, simple)
    assert chunked[1] == simple[1]


def test_a_refused_request_says_why(rig):
    serve(rig)
    said = rig.run("/usr/bin/python3", "-c",
                   "import nbd, sys; h = nbd.NBD(); h.set_strict_mode(0); h.connect_uri(sys.argv[1]); h.set_debug(True)\n"
                   "try: h.pread(512, h.get_size())\nexcept nbd.Error as error: print(error.errno)", rig.export("m"))
    assert said.stdout.strip() == "EINVAL" and "beyond the end of the export" in said.stderr, said.stderr


def test_holes_of_a_file_are_told_and_copied_as_holes(rig):
    disk = serve(rig)
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 9 1M 64k", "-c", "write -P 8 32M 1M", rig.export("m"))
    told = json.loads(rig.run("nbdinfo", "--map", "--json", rig.export("m")).stdout)
    assert [(part["offset"], part["length"], part["type"]) for part in told] == [
        (0, 1 << 20, 3), (1 << 20, 64 << 10, 0), ((1 << 20) + (64 << 10), (31 << 20) - (64 << 10), 3),
        (32 << 20, 1 << 20, 0), (33 << 20, 31 << 20, 3)], told
    qemu = json.loads(rig.run("qemu-img", "map", "--output=json", "-f", "raw", rig.export("m")).stdout)
    assert [(part["start"], part["data"]) for part in qemu if part["data"]] == [(1 << 20, True), (32 << 20, True)], qemu
    rig.run("nbdcopy", rig.export("m"), rig.path("copy"))
    assert os.stat(rig.path("copy")).st_blocks * 512 < 4 << 20
    assert "identical" in rig.run("qemu-img", "compare", "-f", "raw", "-F", "raw", disk, rig.export("m")).stdout


def test_holes_of_a_server_are_told_when_its_path_asks_for_them(rig):
    rig.nbdkit("s", "data", "0x55 @1048576 0x66", "size=4M")
    rig.nbdmpathd(f"""
paths: {{a: {{uri: "{rig.uri('s')}", block_status: true}}, b: "{rig.uri('s')}"}}
multipaths:
  asks: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}
  does-not: {{table: "0 0 1 1 round-robin 0 1 1 b 1"}}
""")
    for name, types in (("asks", {0, 3}), ("does-not", {0})):
        told = json.loads(rig.run("nbdinfo", "--map", "--json", rig.export(name)).stdout)
        assert {part["type"] for part in told} == types, told
        assert sum(part["length"] for part in told) == 4 << 20, told


def test_a_disk_in_memory_is_copied_right(rig):
    """Large reads of such a disk are not copied on their way: nbdcopy asks for 256 KiB at a time."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="nbdmpath-test.") as disk:
        disk.write(os.urandom(48 << 20) + bytes(16 << 20))
        disk.flush()
        rig.nbdmpathd(MAP.format(disk=disk.name))
        for options in ((), ("--no-extents",), ("--request-size=65536", "--connections=1")):
            rig.run("nbdcopy", *options, rig.export("m"), rig.path("copy"))
            assert rig.path("copy").read_bytes() == pathlib.Path(disk.name).read_bytes(), options
            rig.path("copy").unlink()
        assert "identical" in rig.run("qemu-img", "compare", "-f", "raw", "-F", "raw", disk.name, rig.export("m")).stdout


main(globals())
