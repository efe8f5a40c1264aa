#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The right disk: a server that comes back with another one of the same size is never used, whatever it says."""
import hashlib

from harness import NBDMPATHCTL, main, require, wait_for
from raw_nbd import Client

require("nbdkit", "qemu-nbd")

BLOCK = 4096
RIGHT, OTHER = b"R" * BLOCK, b"O" * BLOCK


def disks(rig):
    """Two disks of one size that differ in their first and in their last block."""
    for name, content in (("right", RIGHT), ("other", OTHER)):
        disk = rig.disk(name, 16 << 20)
        with open(disk, "r+b") as file:
            file.write(content)
            file.seek(-BLOCK, 2)
            file.write(content)


def serve(rig, keys, selector="0 0 1 1 round-robin 0 2 1 a 1 b 1"):
    rig.nbdmpathd(f"""
paths: {{a: "{rig.uri("a")}", b: "{rig.uri("b")}"}}
multipaths:
  m: {{cache: shared, table: "{selector}", {keys}}}
""")


def notices(rig, text):
    return [line for line in rig.daemon.output().splitlines() if text in line]


def only_right_data(client):
    for offset in (0, (16 << 20) - BLOCK) * 4:
        assert client.read(offset, BLOCK) == RIGHT


def test_a_server_that_comes_back_with_another_disk_is_not_used(rig):
    disks(rig)
    first = rig.nbdkit("a", "file", rig.path("right"))
    rig.nbdkit("b", "file", rig.path("right"))
    serve(rig, "fingerprint: [0+4K, 16773120+4K]")
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)
        first.kill()
        rig.wait_for_path("m", "a", "F")
        wrong = rig.nbdkit("a", "file", rig.path("other"))
        wait_for(lambda: notices(rig, "path a is not this disk"), what="the refusal")
        assert "SHA-256 of 0+4096" in notices(rig, "path a is not this disk")[0]
        only_right_data(client)
        assert rig.path_state("m", "a") == "F"
        # A client uses the map, so a table of the other disk has only paths that are not it.
        lines = rig.ctl("load", "m", "0 0 1 1 round-robin 0 2 1 a 1 b 1")
        assert len(lines) == 1 and lines[0].startswith("path a is not this disk"), lines
        rig.ctl("resume", "m")
        only_right_data(client)
        wrong.kill()
        rig.nbdkit("a", "file", rig.path("right"))
        rig.wait_for_path("m", "a", "A")
        only_right_data(client)


def test_the_disk_is_read_before_a_request_that_waits_for_it(rig):
    disks(rig)
    server = rig.nbdkit("a", "file", rig.path("right"))
    serve(rig, "fingerprint: 0+4K", "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1")
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)
        server.kill()
        rig.wait_for_path("m", "a", "F")
        cookie = client.request(0, 0, BLOCK)
        rig.wait_for_held("m", 1)
        wrong = rig.nbdkit("a", "file", rig.path("other"))
        wait_for(lambda: notices(rig, "path a is not this disk"), what="the refusal")
        assert rig.held("m") == 1
        wrong.kill()
        rig.nbdkit("a", "file", rig.path("right"))
        assert client.reply() == (cookie, 0)
        assert client.receive(BLOCK) == RIGHT


def test_a_path_that_compat_kernel_leaves_active_is_verified_too(rig):
    disks(rig)
    server = rig.nbdkit("a", "file", rig.path("right"))
    serve(rig, "compat: kernel, fingerprint: 0+4K", "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1")
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)
        server.kill()
        wait_for(lambda: notices(rig, "path a is lost"), what="the loss")
        assert rig.path_state("m", "a") == "A"
        server = rig.nbdkit("a", "file", rig.path("right"))
        rig.wait_for_path("m", "a", "A")
        wait_for(lambda: notices(rig, "path a is connected"), what="the connection")
        only_right_data(client)
        server.kill()
        wait_for(lambda: len(notices(rig, "path a is lost")) == 2, what="the loss")
        rig.nbdkit("a", "file", rig.path("other"))
        wait_for(lambda: notices(rig, "path a is not this disk"), what="the refusal")
        assert rig.path_state("m", "a") == "F"


def test_a_stated_hash_decides_from_the_start(rig):
    disks(rig)
    rig.nbdkit("a", "file", rig.path("other"))
    rig.nbdkit("b", "file", rig.path("right"))
    serve(rig, f"fingerprint: [0+4K={hashlib.sha256(RIGHT).hexdigest().upper()}]")
    assert (rig.path_state("m", "a"), rig.path_state("m", "b")) == ("F", "A")
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)
    done = rig.ctl("message", "m", "0", "reinstate_path", "a", check=False)
    assert done.returncode == 1 and "EINVAL" in done.stderr
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)


def test_a_path_that_does_not_read_is_not_used_until_it_does(rig):
    disks(rig)
    rig.nbdkit("b", "file", rig.path("right"))
    rig.nbdkit("a", "file", rig.path("right"), f"error-file={rig.path('broken')}", "error-pread-rate=100%",
               filters=("error",))
    rig.path("broken").touch()
    serve(rig, "fingerprint: 0+4K")
    assert (rig.path_state("m", "a"), rig.path_state("m", "b")) == ("F", "A")
    assert notices(rig, "path a is not used: its fingerprint cannot be read")
    rig.path("broken").unlink()
    rig.wait_for_path("m", "a", "A")


def qemu_nbd(rig, name, description):
    unix = rig.path(name + ".sock")
    unix.unlink(missing_ok=True)
    server = rig.start(name, "qemu-nbd", "-t", "-e", "8", "-k", unix, "-f", "raw", "-x", "disk", "-D", description,
                       rig.path("right"))
    wait_for(lambda: rig.accepts(unix) or not server.alive(), what="qemu-nbd")
    assert server.alive(), server.output()
    return server


def test_a_server_that_says_it_is_another_one_is_not_used_until_somebody_says_so(rig):
    disks(rig)
    server = qemu_nbd(rig, "a", "the right one")
    rig.nbdmpathd(f"""
paths: {{a: "nbd+unix:///disk?socket={rig.path("a.sock")}"}}
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}
""")
    server.kill()
    rig.wait_for_path("m", "a", "F")
    server = qemu_nbd(rig, "a", "the right one")
    rig.wait_for_path("m", "a", "A")
    server.kill()
    rig.wait_for_path("m", "a", "F")
    qemu_nbd(rig, "a", "another one")
    wait_for(lambda: notices(rig, "path a is not this disk"), what="the refusal")
    assert "its server now offers export 'disk' (another one), and before export 'disk' (the right one)" in \
        notices(rig, "path a is not this disk")[0]
    assert rig.path_state("m", "a") == "F"
    rig.message("m", "reinstate_path", "a")
    assert rig.path_state("m", "a") == "A"
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)


def test_without_clients_a_new_table_may_be_another_disk(rig):
    disks(rig)
    rig.nbdkit("a", "file", rig.path("right"))
    rig.nbdkit("b", "file", rig.path("other"))
    serve(rig, "fingerprint: 0+4K", "0 0 1 1 round-robin 0 1 1 a 1")
    with Client(rig.path("nbd.sock"), "m") as client:
        only_right_data(client)
        lines = rig.ctl("load", "m", "0 0 1 1 round-robin 0 1 1 b 1")
        assert len(lines) == 1 and lines[0].startswith("path b is not this disk"), lines
        rig.ctl("clear", "m")
    wait_for(lambda: rig.info("m")["open count"] == "0", what="the client's end")
    assert rig.ctl("load", "m", "0 0 1 1 round-robin 0 1 1 b 1") == []
    with Client(rig.path("nbd.sock"), "m") as client:
        done = rig.run(NBDMPATHCTL, "-s", rig.path("admin.sock"), "resume", "m", check=False)
        assert done.returncode == 1 and "another disk" in done.stderr, done.stderr
        only_right_data(client)
    wait_for(lambda: rig.info("m")["open count"] == "0", what="the client's end")
    rig.ctl("resume", "m")
    with Client(rig.path("nbd.sock"), "m") as client:
        assert client.read(0, BLOCK) == OTHER


main(globals())
