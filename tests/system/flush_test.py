#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers with caches of their own: a flush reaches all that were written to, and what is lost is not hidden."""
from harness import main, require
from prober import FLUSH, FUA, READ, WRITE, Client

require("nbdkit")

MAP = """
paths: {{a: "{a}", b: "{b}"}}
multipaths:
  m: {{cache: independent, table: "{table}"}}
"""
TWO_GROUPS = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
ONE_GROUP = "0 0 1 1 round-robin 0 2 1 a 1 b 1"
EIO = 5
DATA = b"d" * 4096


def start(rig, name):
    """A server that notes every request it gets in NAME.requests."""
    return rig.nbdkit(name, "file", rig.path("disk"), f"logfile={rig.path(name + '.requests')}", filters=["log"])


def flushes(rig, name):
    lines = rig.path(name + ".requests").read_text().splitlines()
    return sum(" Flush " in line and "return=" not in line and "...Flush" not in line for line in lines)


def serve(rig):
    rig.disk()
    servers = {name: start(rig, name) for name in "ab"}
    rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), table=TWO_GROUPS))
    return servers


def client_of(rig):
    return Client(rig.path("nbd.sock"), "m")


def write(client, offset=0, flags=0):
    return client.call(WRITE, offset, data=DATA, flags=flags)[0]


def flush(client):
    return client.call(FLUSH)[0]


def test_a_flush_reaches_every_path_with_unflushed_writes(rig):
    serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        rig.message("m", "switch_group", "2")
        assert write(client, 4096) == 0
        before = flushes(rig, "a"), flushes(rig, "b")
        assert flush(client) == 0
        assert (flushes(rig, "a"), flushes(rig, "b")) == (before[0] + 1, before[1] + 1)


def test_a_fua_write_flushes_the_other_path(rig):
    serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        rig.message("m", "switch_group", "2")
        before = flushes(rig, "a")
        assert write(client, 4096, FUA) == 0
        assert flushes(rig, "a") == before + 1


def test_what_a_dead_server_had_not_flushed_fails_the_next_flush_and_fua(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        servers["a"].kill()
        rig.wait_for_path("m", "a", "F")
        assert flush(client) == EIO
        assert write(client, 4096, FUA) == EIO
        assert write(client, 4096) == 0, "a plain write needs nothing of the dead server"
        assert client.call(READ, 4096, 4096) == (0, DATA)
        assert flush(client) == EIO, "an error of a flush does not go away by trying again"
        with client_of(rig) as new:
            assert write(new, 8192, FUA) == 0
            assert flush(new) == 0


def test_a_server_that_comes_back_does_not_hide_its_loss(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        servers["a"].kill()
        rig.wait_for_path("m", "a", "F")
        start(rig, "a")
        rig.wait_for_path("m", "a", "A")
        assert flush(client) == EIO
        with client_of(rig) as new:
            assert flush(new) == 0


def test_a_server_that_died_after_its_flush_has_lost_nothing(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0 and flush(client) == 0
        servers["a"].kill()
        rig.wait_for_path("m", "a", "F")
        assert write(client, 4096) == 0 and flush(client) == 0
        assert write(client, 4096, FUA) == 0


def test_several_caches_in_one_group_are_a_configuration_error(rig):
    rig.disk()
    daemon = rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), table=ONE_GROUP), wait=False)
    assert daemon.child.wait(30) == 78, daemon.output()
    assert "cache: shared" in daemon.output() and "nbdmpathd.yaml:6:" in daemon.output(), daemon.output()


main(globals())
