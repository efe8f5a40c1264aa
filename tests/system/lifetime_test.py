#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Maps that come and go under a running server, and what is asked of their paths: create, remove, rename, ioctl, probe."""
import signal
import threading
import time

from admin import Console
from harness import NBDMPATHCTL, SANITIZED, main, require, wait_for
from raw_nbd import READ, Client, descriptors

require("nbdkit", "nbdinfo", "qemu-io")

ONE = "0 0 1 1 round-robin 0 1 1 a 1"
TWO = "0 0 1 1 round-robin 0 2 1 a 1 b 1"
QUEUEING = "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1"
SIZE = 64 << 20


def serve(rig, keys=""):
    """Map m over path b, map ro over the read-only path r; a and gone are paths without a map."""
    disk = rig.disk(size=SIZE)
    servers = {name: rig.nbdkit(name, "-t", "1", "file", disk) for name in "ab"}
    servers["r"] = rig.nbdkit("r", "-r", "file", disk)
    rig.nbdmpathd(f"""
{keys}
paths:
  a: "{rig.uri("a")}"
  b: "{rig.uri("b")}"
  r: "{rig.uri("r")}"
  gone: "{rig.uri("gone")}"
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 1 1 b 1"}}
  ro: {{table: "0 0 1 1 round-robin 0 1 1 r 1", read_only: true}}
""")
    return servers


def make(rig, name="n", table=ONE, *options):
    rig.ctl("create", name, *options, "--cache", "shared", table)
    rig.ctl("resume", name)


def refused(rig, *words):
    """The error text of a command that must fail."""
    done = rig.run(NBDMPATHCTL, "-s", rig.path("admin.sock"), *words, check=False)
    assert done.returncode == 1, words
    return done.stderr.strip().removeprefix("nbdmpathctl: ")


def test_a_created_map_is_an_export_once_it_is_resumed(rig):
    serve(rig)
    rig.ctl("create", "n", ONE)
    assert rig.info("n")["tables"] == "INACTIVE", rig.info("n")
    assert rig.run("nbdinfo", rig.export("n"), check=False).returncode != 0
    rig.ctl("resume", "n")
    assert rig.info("n")["tables"] == "LIVE"
    assert rig.run("nbdinfo", "--size", rig.export("n")).stdout.strip() == str(SIZE)
    rig.run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 64k", "-c", "flush", rig.export("n"))
    rig.run("qemu-io", "-f", "raw", "-c", "read -P 7 1M 64k", rig.export("m"))
    assert rig.ctl("ls") == ["m", "ro", "n"], rig.ctl("ls")


def test_the_options_of_create(rig):
    serve(rig)
    rig.ctl("create", "n", "--size", "1M", "--cache", "independent", "--compat", "kernel", "--no-path-timeout", "1s",
            QUEUEING)
    rig.ctl("resume", "n")
    assert rig.info("n")["size"] == "2048" and rig.info("n")["cache"] == "independent", rig.info("n")
    assert rig.status("n").split()[4] == "1"  # the queue_io flag, as the kernel shows it
    rig.message("n", "fail_path", "a")
    with Client(rig.path("nbd.sock"), "n") as client:
        client.request(READ, 0, 4096)
        assert client.reply()[1] == 5  # after a second


def test_a_create_that_fails_leaves_no_map(rig):
    serve(rig)
    for words, text in ((("n", "0 0 1 1 round-robin 0 1 1 nosuch 1"), "EINVAL: error getting device: no path 'nosuch'"),
                        (("n", "0 0 1 1 nosuch 0 1 1 a 1"), "EINVAL: "),
                        (("m", ONE), "EBUSY: there is a map 'm' already"),
                        (("a\\ b", ONE), "EINVAL: 'a b' is not a map name"),
                        (("OK", ONE), "EINVAL: 'OK' is not a map name"),
                        (("n", "--size", "1000", ONE), "EINVAL: --size: 1000 is not a multiple of 512"),
                        (("n", "--size", "1T", ONE), "EINVAL: error getting device: every path is smaller"),
                        (("n", "--compat", "linux", ONE), "EINVAL: --compat is one of seed, kernel"),
                        (("n", "--nosuch", "1", ONE), "EINVAL: "),
                        (("n",), "EINVAL: ")):
        error = refused(rig, "create", *words)
        assert error.startswith(text), (words, error)
    assert rig.ctl("ls") == ["m", "ro"]
    make(rig)
    assert rig.ctl("ls") == ["m", "ro", "n"]


def test_remove_is_refused_under_a_client_and_frees_everything_after(rig):
    serve(rig)
    make(rig, "warm")
    rig.ctl("remove", "warm")
    before = descriptors(rig.daemon.pid)
    make(rig)
    with Client(rig.path("nbd.sock"), "n") as client:
        client.read(0, 512)
        assert refused(rig, "remove", "n") == "EBUSY: map n has 1 client connected"
        client.read(0, 512)
    waiter = Console(rig.path("admin.sock"))
    waiter.send("wait n")
    wait_for(lambda: rig.info("n")["open count"] == "0", what="the client's end")
    rig.ctl("remove", "n")
    assert waiter.reply()[1].startswith("ERR ENXIO")
    waiter.close()
    assert rig.ctl("ls") == ["m", "ro"]
    assert refused(rig, "status", "n").startswith("ENXIO: ")
    assert refused(rig, "remove", "n").startswith("ENXIO: ")
    assert rig.run("nbdinfo", rig.export("n"), check=False).returncode != 0
    wait_for(lambda: descriptors(rig.daemon.pid) <= before, what="closed descriptors")
    make(rig)  # the name is free


def test_maps_of_the_configuration_can_go_too_and_the_server_ends_without_any(rig):
    serve(rig)
    rig.ctl("remove", "m")
    rig.ctl("remove", "ro")
    assert rig.ctl("ls") == []
    make(rig, "m", TWO)
    assert rig.status("m").endswith(" a A 0 b A 0"), rig.status("m")
    rig.ctl("remove", "m")


def test_rename_keeps_clients_and_waiting_commands(rig):
    serve(rig, "default_export: m")
    make(rig)
    with Client(rig.path("nbd.sock"), "n") as client:
        client.read(0, 512)
        events = Console(rig.path("admin.sock"))
        events.send("events n")
        waiter = Console(rig.path("admin.sock"))
        waiter.send("wait n")
        assert waiter.silent()
        rig.ctl("rename", "n", "other")
        assert events.line() == "EVENT n 1 RENAMED name=other"
        client.read(0, 512)
        assert rig.ctl("ls") == ["m", "ro", "other"]
        assert refused(rig, "status", "n").startswith("ENXIO: ")
        assert refused(rig, "rename", "other", "m").startswith("EBUSY: ")
        assert refused(rig, "rename", "other", "no\\ good").startswith("EINVAL: ")
        assert refused(rig, "rename", "n", "x").startswith("ENXIO: ")
        rig.message("other", "fail_path", "a")
        assert waiter.reply()[1] == "OK"
        assert events.line().startswith("EVENT other ")
    make(rig)  # the old name is free
    rig.ctl("rename", "m", "main")
    with Client(rig.path("nbd.sock"), "") as client:  # still the default export
        client.read(0, 512)


def test_create_is_called_off_with_its_session(rig):
    servers = serve(rig)
    servers["a"].stop()
    console = Console(rig.path("admin.sock"))
    console.send(f"create n {ONE}")
    assert console.silent()
    assert rig.ctl("ls") == ["m", "ro"]
    assert refused(rig, "create", "n", ONE).startswith("EBUSY: ")
    console.close()
    wait_for(lambda: rig.ctl("create", "n", "0 0 0 0", check=False).returncode == 0, what="a free name")
    servers["a"].signal(signal.SIGCONT)


def test_many_come_and_go_at_once(rig):
    serve(rig)
    errors = []

    def churn(number):
        try:
            for turn in range(8):
                make(rig, f"n{number}", TWO)
                with Client(rig.path("nbd.sock"), f"n{number}") as client:
                    client.read(0, 4096)
                wait_for(lambda: rig.info(f"n{number}")["open count"] == "0", what="the client's end")
                rig.ctl("rename", f"n{number}", f"o{number}.{turn}")
                rig.ctl("remove", f"o{number}.{turn}")
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert rig.ctl("ls") == ["m", "ro"]


def test_ioctl_answers_of_the_current_path(rig):
    serve(rig)
    assert rig.ctl("ioctl", "m", "blkgetsize64") == [str(SIZE)]
    assert rig.ctl("ioctl", "m", "blksszget") == ["512"]
    assert rig.ctl("ioctl", "m", "blkroget") == ["0"] and rig.ctl("ioctl", "ro", "blkroget") == ["1"]
    assert refused(rig, "ioctl", "m", "blkdiscard").startswith("ENOTTY: ")
    assert refused(rig, "ioctl", "nosuch", "blkgetsize64").startswith("ENXIO: ")


def test_ioctl_without_a_path(rig):
    serve(rig)
    make(rig, "n", QUEUEING)
    rig.message("m", "fail_path", "b")
    assert refused(rig, "ioctl", "m", "blkgetsize64").startswith("EIO: ")
    rig.message("n", "fail_path", "a")
    console = Console(rig.path("admin.sock"))
    console.send("ioctl n blkgetsize64")
    assert console.silent()
    rig.message("n", "reinstate_path", "a")
    assert console.reply() == ([str(SIZE)], "OK")
    rig.message("n", "fail_path", "a")
    begin = time.monotonic()
    assert refused(rig, "ioctl", "n", "blkgetsize64").startswith("EAGAIN: ")
    assert SANITIZED or 4.9 < time.monotonic() - begin < 8
    rig.ctl("suspend", "n")
    begin = time.monotonic()
    assert refused(rig, "ioctl", "n", "blkgetsize64").startswith("EAGAIN: ")
    assert SANITIZED or time.monotonic() - begin < 2


def test_ioctl_that_waits_ends_with_its_map(rig):
    serve(rig)
    make(rig, "n", QUEUEING)
    rig.message("n", "fail_path", "a")
    console = Console(rig.path("admin.sock"))
    console.send("ioctl n blkgetsize64")
    assert console.silent()
    rig.ctl("remove", "n")
    assert console.reply()[1].startswith("ERR ")
    abandoned = Console(rig.path("admin.sock"))
    rig.message("m", "queue_if_no_path")
    rig.message("m", "fail_path", "b")
    abandoned.send("ioctl m blkgetsize64")
    assert abandoned.silent()
    abandoned.close()  # calls it off


def test_probe_reads_on_every_path_and_fails_those_that_do_not_answer(rig):
    serve(rig)
    make(rig, "n", TWO)
    rig.ctl("inject", "n", "b", "error=EIO")
    rig.ctl("probe", "n")  # no request has chosen a group yet
    assert rig.path_state("n", "b") == "A"
    rig.ctl("inject", "n", "b", "off")
    with Client(rig.path("nbd.sock"), "n") as client:
        client.read(0, 512)
    rig.ctl("probe", "n")
    assert rig.path_state("n", "a") == "A" and rig.path_state("n", "b") == "A"
    rig.ctl("inject", "n", "b", "error=EIO")
    rig.ctl("probe", "n")
    assert rig.path_state("n", "b") == "F"
    rig.ctl("inject", "n", "a", "error=EIO")
    assert refused(rig, "probe", "n").startswith("ENOTCONN: ")
    assert rig.path_state("n", "a") == "F"


main(globals())
