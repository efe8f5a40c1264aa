#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tables at run time: load, clear, suspend and resume, under real clients and over real servers."""
import os
import signal
import threading
import time

from admin import Console
from harness import NBDMPATHCTL, in_time, main, require, wait_for
from raw_nbd import READ, Client, descriptors

require("nbdkit", "fio")

ONE = "0 0 1 1 round-robin 0 1 1 a 1"
TWO = "0 0 1 1 round-robin 0 2 1 a 1 b 1"
STANDBY = "0 0 2 1 round-robin 0 1 1 b 1 round-robin 0 1 1 a 1"
QUEUEING = "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1"


def serve(rig, table=ONE, keys="cache: shared", more_paths=""):
    """Two nbdkits on one disk as paths a and b, the same disk as file f, a smaller one as s, and nobody as gone."""
    disk = rig.disk()
    small = rig.disk("small", 1 << 20)
    servers = {name: rig.nbdkit(name, "file", disk) for name in "ab"}
    rig.nbdmpathd(f"""
paths:
  a: "{rig.uri("a")}"
  b: "{rig.uri("b")}"
  f: "file://{disk}"
  s: "file://{small}"
  gone: "{rig.uri("gone")}"
{more_paths}
multipaths:
  m: {{table: "{table}", {keys}}}
""")
    return servers


def refused(rig, *words):
    """The error text of a command that must fail."""
    done = rig.run(NBDMPATHCTL, "-s", rig.path("admin.sock"), *words, check=False)
    assert done.returncode == 1, words
    return done.stderr.strip().removeprefix("nbdmpathctl: ")


def table(rig, *options):
    return [line.split(" multipath ")[1].strip() for line in rig.ctl("table", *options, "m")]


def begin_a_read_that_hangs(rig, servers, client):
    """Path a has it when this returns, and its server does not answer."""
    servers["a"].stop()
    client.request(READ, 0, 4096)
    wait_for(lambda: "in_flight=1" in rig.ctl("show", "clients", "m")[0], what="a request in flight")


def start_fio(rig, seconds):
    return rig.start("fio", "fio", "--name=load", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randrw", "--bs=4k",
                     "--size=8M", "--iodepth=16", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0",
                     "--time_based", f"--runtime={seconds}", "--rate_iops=2000,2000", cwd=rig.directory)


def test_a_table_is_swapped_under_clients_that_verify(rig):
    serve(rig)
    fio = start_fio(rig, 6)
    wait_for(lambda: int(rig.info("m")["open count"]) > 0, what="fio")
    swaps = 0
    tables = [TWO, STANDBY, ONE, "0 0 1 1 round-robin 0 2 1 f 1 b 1"]
    while fio.alive():
        wanted = tables[swaps % len(tables)]
        rig.ctl("load", "m", wanted)
        assert rig.info("m")["tables"] == "LIVE INACTIVE"
        rig.ctl("resume", "m", *(["--noflush"] if swaps % 2 else []))
        assert rig.info("m")["tables"] == "LIVE" and rig.info("m")["state"] == "ACTIVE"
        assert table(rig) == [wanted]
        swaps += 1
    assert fio.child.returncode == 0, fio.output()
    assert "err= 0" in fio.output() and "verify:" not in fio.output(), fio.output()
    assert swaps >= 4, swaps


def test_suspend_waits_for_what_is_in_flight_and_holds_what_comes(rig):
    servers = serve(rig)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 512)
        begin_a_read_that_hangs(rig, servers, client)
        console = Console(rig.path("admin.sock"))
        console.send("suspend m")
        assert console.silent()
        assert rig.info("m")["state"] == "ACTIVE"
        servers["a"].signal(signal.SIGCONT)
        assert console.reply() == ([], "OK")
        assert client.reply()[1] == 0 and len(client.receive(4096)) == 4096
        assert rig.info("m")["state"] == "SUSPENDED"
        client.request(READ, 0, 4096)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held request")
        assert rig.ctl("suspend", "m") == []  # once more
        rig.ctl("resume", "m")
        assert client.reply()[1] == 0 and len(client.receive(4096)) == 4096


def test_held_requests_fail_with_a_flush_and_wait_on_without(rig):
    serve(rig, QUEUEING, "cache: shared, no_path_timeout: 60s, reinstate: manual")
    with Client(rig.path("nbd.sock"), "m") as client:
        rig.message("m", "fail_path", "a")
        client.request(READ, 0, 4096)
        rig.wait_for_held("m", 1)
        rig.ctl("suspend", "--noflush", "m")
        assert table(rig) == [QUEUEING]
        assert rig.held("m") == 0 and rig.info("m")["held"] == "1"
        rig.ctl("resume", "m")
        rig.wait_for_held("m", 1)
        rig.ctl("suspend", "m")
        assert client.reply()[1] == 5  # EIO
        assert table(rig) == [QUEUEING.replace("1 queue_if_no_path", "0")]
        # Messages are taken while suspended (R22).
        rig.message("m", "reinstate_path", "a")
        client.request(READ, 0, 4096)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held request")
        rig.ctl("resume", "m")
        assert client.reply()[1] == 0 and len(client.receive(4096)) == 4096
        assert table(rig) == [QUEUEING]


def test_under_compat_kernel_messages_are_refused_while_suspended(rig):
    serve(rig, ONE, "compat: kernel")
    rig.ctl("suspend", "m")
    assert refused(rig, "message", "m", "0", "fail_path", "a").startswith("EBUSY: ")
    rig.ctl("resume", "m")
    rig.message("m", "fail_path", "a")


def test_a_session_that_closes_undoes_its_suspend_but_not_a_complete_one(rig):
    servers = serve(rig)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 512)
        begin_a_read_that_hangs(rig, servers, client)
        console = Console(rig.path("admin.sock"))
        console.send("suspend m")
        assert console.silent()
        client.request(READ, 4096, 4096)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held request")
        console.close()
        wait_for(lambda: rig.info("m")["held"] == "0", what="the end of the suspend")
        servers["a"].signal(signal.SIGCONT)
        for _ in range(2):
            assert client.reply()[1] == 0 and len(client.receive(4096)) == 4096
        # nbdmpathctl is killed after its suspend: that stays.
        console = Console(rig.path("admin.sock"))
        assert console.ask("suspend m") == ([], "OK")
        console.close()
        client.request(READ, 0, 4096)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held request")
        assert rig.info("m")["state"] == "SUSPENDED"
        rig.ctl("resume", "m")
        assert client.reply()[1] == 0


def test_other_sessions_are_answered_while_one_waits(rig):
    servers = serve(rig)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 512)
        begin_a_read_that_hangs(rig, servers, client)
        console = Console(rig.path("admin.sock"))
        console.send("suspend m")
        begin = time.monotonic()
        rig.ctl("status", "m")
        rig.ctl("load", "m", TWO)
        rig.ctl("table", "--inactive", "m")
        assert in_time(time.monotonic() - begin, 5)
        servers["a"].signal(signal.SIGCONT)
        assert console.reply() == ([], "OK")


def test_a_load_that_fails_changes_nothing(rig):
    serve(rig)
    rig.ctl("load", "m", ONE.replace(" a ", " f "))  # makes what serves files, once
    rig.ctl("load", "m", TWO)
    before = table(rig), table(rig, "--inactive"), rig.info("m")["event number"]
    fds = descriptors(rig.daemon.pid)
    with Client(rig.path("nbd.sock"), "m") as client:
        for text, error in [("", "invalid number of feature args"), ("0 0 1 1 bogus 0 1 1 a 1", "unknown path selector"),
                            ("0 0 1 1 round-robin 0 2 1 a 1 gon 1", "(did you mean 'gone'?)"),
                            ("8 8 multipath " + ONE, "starts at sector 0"),
                            ("0 2048 multipath " + ONE, "1048576"), ("0 0 1 1 round-robin 0 1 1 s 1", "1048576"),
                            ("0 1 nosuch 1 1 round-robin 0 1 1 a 1", "unknown hardware handler type")]:
            failure = refused(rig, "load", "m", text)
            assert failure.startswith("EINVAL: ") and error in failure, (text, failure)
            assert len(client.read(0, 4096)) == 4096
    assert (table(rig), table(rig, "--inactive"), rig.info("m")["event number"]) == before
    wait_for(lambda: descriptors(rig.daemon.pid) <= fds, what="the tried paths to be closed")
    rig.ctl("clear", "m")
    rig.ctl("clear", "m")
    assert table(rig, "--inactive") == [] and rig.info("m")["tables"] == "LIVE"


def test_a_path_of_another_disk_is_barred_and_the_reply_says_so(rig):
    serve(rig)
    lines = rig.ctl("load", "m", "0 0 2 1 round-robin 0 1 1 s 1 round-robin 0 2 1 a 1 gone 1")
    assert len(lines) == 1 and lines[0].startswith("path s is not this disk"), lines
    rig.ctl("resume", "m")
    assert [rig.path_state("m", name) for name in ("s", "a", "gone")] == ["F", "A", "F"]
    assert "EINVAL" in refused(rig, "message", "m", "0", "reinstate_path", "s")
    with Client(rig.path("nbd.sock"), "m") as client:
        assert len(client.read(0, 4096)) == 4096


def test_a_path_that_is_not_there_yet_comes_when_it_can(rig):
    serve(rig)
    rig.ctl("load", "m", "0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 gone 1")
    rig.ctl("resume", "m")
    assert rig.path_state("m", "gone") == "F"
    rig.nbdkit("gone", "file", rig.path("disk"))
    rig.wait_for_path("m", "gone", "A")


def test_the_size_changes_when_nobody_is_connected(rig):
    serve(rig)
    with Client(rig.path("nbd.sock"), "m"):
        wait_for(lambda: rig.info("m")["open count"] == "1", what="the client")
        failure = refused(rig, "load", "m", "0 0 1 1 round-robin 0 1 1 s 1")
        assert "1048576" in failure and str(64 << 20) in failure, failure
    wait_for(lambda: rig.info("m")["open count"] == "0", what="the client's end")
    rig.ctl("load", "m", "0 0 1 1 round-robin 0 1 1 s 1")
    assert rig.info("m")["size"] == str(64 << 11)
    with Client(rig.path("nbd.sock"), "m"):
        wait_for(lambda: rig.info("m")["open count"] == "1", what="the client")
        assert refused(rig, "resume", "m").startswith("EINVAL: ")
    wait_for(lambda: rig.info("m")["open count"] == "0", what="the client's end")
    rig.ctl("resume", "m")
    assert rig.info("m")["size"] == "2048"
    assert rig.run("nbdinfo", "--size", rig.export("m")).stdout.strip() == str(1 << 20)
    rig.ctl("load", "m", "0 1024 multipath " + ONE)
    rig.ctl("resume", "m")
    assert rig.info("m")["size"] == "1024"
    assert "smaller than" in refused(rig, "load", "m", "0 1000000 multipath " + ONE)
    rig.ctl("load", "m", ONE.replace(" a ", " f "))
    rig.ctl("suspend", "m", "--noflush")
    assert refused(rig, "load", "m", f"0 {64 << 11} multipath " + ONE).startswith("EINVAL: ")
    rig.ctl("resume", "m")
    assert table(rig) == [ONE.replace(" a ", " f ")]


def test_servers_with_caches_of_their_own_are_not_put_into_one_group(rig):
    serve(rig, keys="reinstate: auto")  # no cache stated: one server has one cache
    assert rig.info("m")["cache"] == "shared"
    failure = refused(rig, "load", "m", TWO)
    assert failure.startswith("EINVAL: ") and "cache: shared" in failure, failure
    rig.ctl("load", "m", STANDBY)
    assert rig.info("m")["cache"] == "independent"
    rig.ctl("resume", "m")


def test_a_hundred_loads_leave_no_descriptor_behind(rig):
    serve(rig)
    console = Console(rig.path("admin.sock"))
    fds = None
    for number in range(100):
        assert console.ask(f"load m {[TWO, STANDBY, ONE][number % 3]}") == ([], "OK")
        if number % 2:
            assert console.ask("resume m") == ([], "OK")
        elif number % 4 == 0:
            assert console.ask("clear m") == ([], "OK")
        if number == 9:
            console.ask(f"load m {ONE}")
            console.ask("resume m")
            fds = descriptors(rig.daemon.pid)
    console.ask(f"load m {ONE}")
    console.ask("resume m")
    wait_for(lambda: descriptors(rig.daemon.pid) <= fds, what="paths to be closed")


def test_shutdown_ends_a_suspend_that_waits(rig):
    servers = serve(rig)
    client = Client(rig.path("nbd.sock"), "m")
    client.read(0, 512)
    begin_a_read_that_hangs(rig, servers, client)
    console = Console(rig.path("admin.sock"))
    console.send("suspend m")
    assert console.silent()
    rig.daemon.signal(signal.SIGTERM)
    threading.Timer(1, lambda: servers["a"].signal(signal.SIGCONT)).start()
    assert console.reply()[1].startswith("ERR ESHUTDOWN ")
    assert rig.daemon.child.wait(30) == 0
    client.close()


def test_shutdown_of_a_suspended_map_with_clients(rig):
    serve(rig)
    client = Client(rig.path("nbd.sock"), "m")
    rig.ctl("suspend", "m")
    client.request(READ, 0, 4096)
    wait_for(lambda: rig.info("m")["held"] == "1", what="a held request")
    begin = time.monotonic()
    assert rig.daemon.end() == 0
    assert in_time(time.monotonic() - begin, 5)
    assert client.reply()[1] == 108  # ESHUTDOWN
    client.close()
    assert not os.path.exists(rig.path("nbd.sock"))


main(globals())
