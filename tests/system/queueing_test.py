#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""No path is left: requests wait, or fail, as the map says; nothing waits unseen."""
import time

from harness import SANITIZED, main, require, wait_for
from prober import FLUSH, READ, WRITE, Client

require("nbdkit")

QUEUE = '"1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"'
FAIL = '"0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"'
MAP = """
paths: {{a: "{a}", b: "{b}"}}
multipaths:
  m: {{cache: shared, table: {table}{more}}}
"""
EIO, ESHUTDOWN = 5, 108
OLD, NEW = b"o" * 4096, b"n" * 4096


def serve(rig, table=QUEUE, more=""):
    disk = rig.disk()
    servers = [rig.nbdkit(name, "file", disk) for name in "ab"]
    rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), table=table, more=more))
    return servers


def kill_all(rig, servers):
    for server in servers:
        server.kill()
    for name in "ab":
        rig.wait_for_path("m", name, "F")


def serve_without_paths(rig, *arguments, **options):
    """A client that has written OLD, and no path left."""
    servers = serve(rig, *arguments, **options)
    client = Client(rig.path("nbd.sock"), "m")
    assert client.call(WRITE, 0, data=OLD)[0] == 0
    kill_all(rig, servers)
    return client


def restart(rig, name):
    return rig.nbdkit(name, "file", rig.path("disk"))


def test_requests_wait_for_a_path_and_complete_with_the_right_data(rig):
    with serve_without_paths(rig) as client:
        reading = client.send(READ, 0, 4096)
        writing = client.send(WRITE, 8192, data=NEW)
        rig.wait_for_held("m", 2)
        wait_for(lambda: int(rig.info("m")["held oldest ms"]) >= 100, what="an age of 100 ms")
        assert rig.info("m")["held"] == "2", rig.info("m")
        wait_for(lambda: "requests wait, the oldest for " in rig.daemon.output(), what="a line in the log")
        assert "s: 2 for a path, there is none" in rig.daemon.output()
        stats = rig.ctl("show", "stats", "m")[-1]
        assert stats.startswith("held=2 held_oldest_ms=") and int(stats.split()[1].split("=")[1]) >= 1000, stats
        restart(rig, "b")
        replies = {cookie: (error, data) for cookie, error, data in (client.reply(), client.reply())}
        assert replies[reading] == (0, OLD) and replies[writing] == (0, b""), replies
        assert client.call(READ, 8192, 4096) == (0, NEW)
        assert rig.info("m")["held"] == "0" and rig.info("m")["held oldest ms"] == "0", rig.info("m")
        wait_for(lambda: "no request waits any more" in rig.daemon.output(), what="a line in the log")


def test_fail_if_no_path_fails_what_waits_at_once(rig):
    with serve_without_paths(rig) as client:
        client.send(READ, 0, 4096)
        client.send(FLUSH)
        rig.wait_for_held("m", 2)
        rig.message("m", "fail_if_no_path")
        assert [client.reply()[1] for _ in range(2)] == [EIO, EIO]
        assert client.call(READ, 0, 4096)[0] == EIO
        rig.message("m", "queue_if_no_path")
        client.send(READ, 0, 4096)
        rig.wait_for_held("m", 1)
        restart(rig, "a")
        assert client.reply()[1:] == (0, OLD)


def test_no_path_timeout_fails_what_waits_and_queueing_returns_with_a_path(rig):
    with serve_without_paths(rig, more=", no_path_timeout: 1s") as client:
        begin = time.monotonic()
        assert client.call(READ, 0, 4096)[0] == EIO
        assert time.monotonic() - begin < 1.5 or SANITIZED
        assert client.call(READ, 0, 4096)[0] == EIO
        server = restart(rig, "a")
        rig.wait_for_path("m", "a", "A")
        assert client.call(READ, 0, 4096) == (0, OLD)
        server.kill()
        rig.wait_for_path("m", "a", "F")
        begin = time.monotonic()
        assert client.call(READ, 0, 4096)[0] == EIO
        assert time.monotonic() - begin > 0.5, "queueing did not return"


def test_without_queueing_no_path_is_an_error_at_once(rig):
    with serve_without_paths(rig, table=FAIL) as client:
        assert client.call(READ, 0, 4096)[0] == EIO
        assert client.call(WRITE, 0, data=NEW)[0] == EIO
        assert rig.held("m") == 0
        restart(rig, "a")
        rig.wait_for_path("m", "a", "A")
        assert client.call(READ, 0, 4096) == (0, OLD)


def test_the_held_requests_of_a_client_that_leaves_are_dropped(rig):
    with serve_without_paths(rig) as leaving, Client(rig.path("nbd.sock"), "m") as staying:
        for block in range(5):
            leaving.send(WRITE, block * 4096, data=NEW)
        staying.send(READ, 0, 4096)
        rig.wait_for_held("m", 6)
        leaving.close()
        rig.wait_for_held("m", 1)
        wait_for(lambda: rig.info("m")["open count"] == "1", what="one client")
        restart(rig, "a")
        assert staying.reply()[1:] == (0, OLD), "a write of the client that left was done"


def test_the_held_requests_of_a_client_at_its_limit_are_dropped(rig):
    # A session that has as much waiting as it may no longer reads its socket.
    with serve_without_paths(rig) as leaving:
        for _ in range(200):
            leaving.send(READ, 0, 4096)
        rig.wait_for_held("m", 128)
        leaving.close()
        rig.wait_for_held("m", 0)


def test_sigterm_ends_what_waits_within_seconds(rig):
    with serve_without_paths(rig) as client:
        client.send(WRITE, 0, data=NEW)
        rig.wait_for_held("m", 1)
        begin = time.monotonic()
        assert rig.daemon.end() == 0
        assert time.monotonic() - begin < 3 or SANITIZED
        assert client.reply()[1] == ESHUTDOWN


main(globals())
