#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes that were sent and not answered: none lands over newer data (design D3, D5). Servers that are silent (D7)."""
import signal
import time

from admin import Console
from harness import SANITIZED, in_time, main, require, wait_for
from proxy import Proxy
from raw_nbd import WRITE, Client

require("nbdkit", "fio")

BLOCK = 4096
OLD, NEW = b"o" * BLOCK, b"n" * BLOCK
EIO = 5


def serve(rig, keys="", a_keys="", stall="400ms", table="0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"):
    """Two servers on one disk; path a goes through a proxy. Returns the proxy and the servers."""
    disk = rig.disk()
    servers = {name: rig.nbdkit(name, "-t", "1", "file", disk) for name in "ab"}
    proxy = Proxy(rig.path("proxy.sock"), rig.path("a.sock"))
    rig.nbdmpathd(f"""
paths:
  a: {{uri: "{rig.uri("proxy")}", stall_timeout: {stall} {a_keys}}}
  b: "{rig.uri("b")}"
multipaths:
  m: {{cache: shared, reinstate: manual, table: "{table}" {keys}}}
""")
    rig.wait_for_path("m", "a", "A")
    return proxy, servers


def on_disk(rig):
    with open(rig.path("disk"), "rb") as file:
        return file.read(BLOCK)


def write_in_doubt(rig, proxy, client):
    """A write of OLD that waits in the proxy, and whose path is lost when this returns."""
    client.read(BLOCK * 16, BLOCK)
    proxy.hold()
    cookie = client.request(WRITE, 0, BLOCK, OLD)
    rig.wait_for_path("m", "a", "F")
    assert proxy.held_bytes >= BLOCK, proxy.held_bytes
    return cookie


def late_write_arrives(rig, proxy, expected):
    """The proxy lets it through; what the disk has once it is there."""
    proxy.release()
    wait_for(lambda: on_disk(rig) == expected, what="the late write")


def test_the_hazard_is_real_a_late_write_destroys_newer_data(rig):
    proxy, _ = serve(rig, ", ambiguous_writes: retry")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = write_in_doubt(rig, proxy, client)
        assert client.reply() == (cookie, 0)
        client.write(0, NEW)
        late_write_arrives(rig, proxy, OLD)
        assert client.read(0, BLOCK) == OLD  # acknowledged and lost


def test_by_default_newer_writes_wait_until_the_late_one_is_over(rig):
    proxy, _ = serve(rig, ", ambiguous_hold: 3s")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = write_in_doubt(rig, proxy, client)
        assert client.reply() == (cookie, 0)
        assert rig.info("m")["in doubt"] == "1"
        client.write(BLOCK, NEW)  # beside it
        assert client.read(0, BLOCK) == OLD
        cookie = client.request(WRITE, 0, BLOCK, NEW)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held write")
        with open(rig.path("disk"), "r+b") as file:
            file.write(b"x" * BLOCK)  # so that the late one can be seen to arrive
        late_write_arrives(rig, proxy, OLD)
        assert client.reply() == (cookie, 0)
        assert client.read(0, BLOCK) == NEW and on_disk(rig) == NEW
        assert rig.info("m")["in doubt"] == "0"


def test_a_dead_clients_late_write_spares_the_next_clients_data(rig):
    proxy, _ = serve(rig, stall="30s")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)
        proxy.hold()
        client.request(WRITE, 0, BLOCK, OLD)
        wait_for(lambda: proxy.held_bytes >= BLOCK, what="a held write")
    rig.message("m", "switch_group", "2")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = client.request(WRITE, 0, BLOCK, NEW)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held write")
        assert rig.info("m")["in doubt"] == "1"
        proxy.release()
        assert client.reply() == (cookie, 0)
        wait_for(lambda: rig.info("m")["in doubt"] == "0", what="the end of the late write")
        assert client.read(0, BLOCK) == NEW and on_disk(rig) == NEW


def test_a_write_whose_server_is_killed_is_not_in_doubt(rig):
    _, servers = serve(rig, table="0 0 2 1 round-robin 0 1 1 b 1 round-robin 0 1 1 a 1")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)
        servers["b"].stop()
        cookie = client.request(WRITE, 0, BLOCK, OLD)
        servers["b"].kill()
        assert client.reply() == (cookie, 0)
        assert rig.info("m")["in doubt"] == "0"
        client.write(0, NEW)


def test_behind_a_proxy_a_closed_connection_proves_nothing(rig):
    proxy, servers = serve(rig, a_keys=", trust_peer_close: false")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)
        proxy.hold()
        cookie = client.request(WRITE, 0, BLOCK, OLD)
        wait_for(lambda: proxy.held_bytes >= BLOCK, what="a held write")
        servers["a"].kill()
        assert client.reply() == (cookie, 0)
        assert rig.info("m")["in doubt"] == "1"
        proxy.release()


def test_fail_answers_with_an_error_and_keeps_newer_writes_waiting(rig):
    proxy, _ = serve(rig, ", ambiguous_writes: fail, ambiguous_hold: 2s")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = write_in_doubt(rig, proxy, client)
        assert client.reply() == (cookie, EIO)
        cookie = client.request(WRITE, 0, BLOCK, NEW)
        wait_for(lambda: rig.info("m")["held"] == "1", what="a held write")
        late_write_arrives(rig, proxy, OLD)
        assert client.reply() == (cookie, 0)
        assert on_disk(rig) == NEW


def test_fence_needs_a_command(rig):
    daemon = None
    try:
        serve(rig, ", ambiguous_writes: fence")
    except AssertionError:
        daemon = rig.daemon
    assert daemon is not None and "path a cannot be cut off: give it a fence_command, or say hold" in daemon.output()
    assert daemon.child.wait(10) == 78


def serve_fenced(rig, command, keys=""):
    disk = rig.disk()
    servers = {name: rig.nbdkit(name, "-t", "1", "file", disk) for name in "ab"}
    proxy = Proxy(rig.path("proxy.sock"), rig.path("a.sock"))
    rig.path("fence").write_text(command.format(pid=servers["a"].pid, seen=rig.path("seen")))
    rig.nbdmpathd(f"""
paths:
  a: {{uri: "{rig.uri("proxy")}", stall_timeout: 400ms, fence_command: "sh {rig.path("fence")}"}}
  b: {{uri: "{rig.uri("b")}", fence_command: "exit 1"}}
multipaths:
  m: {{cache: shared, reinstate: manual, table: "0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1" {keys}}}
""")
    rig.wait_for_path("m", "a", "A")
    return proxy


def test_a_server_that_is_cut_off_leaves_no_doubt(rig):
    proxy = serve_fenced(rig, "echo $NBDMPATH_PATH $NBDMPATH_ADDRESS >{seen}; kill -9 {pid}")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = write_in_doubt(rig, proxy, client)
        assert client.reply() == (cookie, 0)
        assert rig.path("seen").read_text() == f"a unix:{rig.path('proxy.sock')}\n"
        assert rig.info("m")["in doubt"] == "0"
        client.write(0, NEW)
        proxy.release()
        assert client.read(0, BLOCK) == NEW and on_disk(rig) == NEW


def test_a_fence_that_fails_is_an_error(rig):
    expect_error(rig, "exit 3")


def test_a_fence_that_takes_too_long_is_an_error(rig):
    expect_error(rig, "sleep 60", ", fence_timeout: 1s")


def expect_error(rig, command, keys=""):
    proxy = serve_fenced(rig, command, f", ambiguous_writes: fence, ambiguous_hold: 10s {keys}")
    with Client(rig.path("nbd.sock"), "m") as client:
        cookie = write_in_doubt(rig, proxy, client)
        begin = time.monotonic()
        assert client.reply() == (cookie, EIO)
        assert in_time(time.monotonic() - begin, 5)
        assert rig.info("m")["in doubt"] == "1"
        proxy.release()


def test_a_stopped_server_is_left_within_five_seconds_and_status_answers(rig):
    disk = rig.disk()
    servers = {name: rig.nbdkit(name, "-t", "1", "file", disk) for name in "ab"}
    rig.nbdmpathd(f"""
paths: {{a: "{rig.uri("a")}", b: "{rig.uri("b")}"}}
multipaths:
  m: {{cache: shared, table: "0 0 1 1 round-robin 0 2 1 a 1 b 1"}}
""")
    fio = rig.start("fio", "fio", "--name=load", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randrw", "--bs=4k",
                    "--size=16M", "--iodepth=16", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0",
                    "--time_based", "--runtime=8", "--rate_iops=1000,1000", cwd=rig.directory)
    wait_for(lambda: rig.path("disk").stat().st_blocks > 0, what="fio")
    servers["a"].stop()
    begin = time.monotonic()
    console = Console(rig.path("admin.sock"))
    answers = []
    while " a F " not in console.ask("status m")[0][0]:
        asked = time.monotonic()
        console.ask("status m")
        answers.append(time.monotonic() - asked)
        time.sleep(0.01)
        assert time.monotonic() - begin < (60 if SANITIZED else 5.5)
    if not SANITIZED:
        assert time.monotonic() - begin > 3, "too soon: it might be slow only"
        assert sorted(answers)[len(answers) * 99 // 100] < 0.1 and max(answers) < 1, max(answers)
    fio.child.wait(120)
    servers["a"].signal(signal.SIGCONT)
    assert fio.child.returncode == 0, fio.output()
    assert "err= 0" in fio.output() and "verify:" not in fio.output(), fio.output()


def test_a_slow_server_is_not_taken_for_a_dead_one(rig):
    disk = rig.disk()
    unix = rig.path("slow.sock")
    rig.start("slow", "nbdkit", "-f", "-U", unix, "--filter=delay", "file", disk, "wdelay=2")
    wait_for(lambda: rig.accepts(unix), what="nbdkit")
    rig.nbdmpathd(f"""
paths: {{a: {{uri: "{rig.uri("slow")}", stall_timeout: 800ms}}}}
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}
""")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.write(0, NEW)
        assert client.read(0, BLOCK) == NEW
    assert rig.status("m").split()[-2:] == ["A", "0"], rig.status("m")


main(globals())
