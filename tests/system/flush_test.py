#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers with caches of their own: who is flushed when, and what a dead one had is written again."""
import json
import signal

from harness import main, require, wait_for
from prober import FLUSH, FUA, READ, WRITE, Client

require("nbdkit")

MAP = """
paths: {{a: {{uri: "{a}", stall_timeout: 500ms}}, b: "{b}"}}
multipaths:
  m: {{cache: independent, table: "{table}"}}
"""
TWO_GROUPS = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
ONE_GROUP = "0 0 1 1 round-robin 0 2 1 a 1 b 1"
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


def why_failed(rig, name):
    paths = json.loads(rig.ctl("show", "paths", "m", "json")[0])["paths"]
    return {path["path"]: path["why"] for path in paths}[name]


def writes(rig, name):
    return rig.path(name + ".requests").read_text().count(" Write id=")


def test_a_path_is_flushed_before_another_one_carries(rig):
    serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        before = flushes(rig, "a"), flushes(rig, "b")
        rig.message("m", "switch_group", "2")
        assert write(client, 4096) == 0
        assert (flushes(rig, "a"), flushes(rig, "b")) == (before[0] + 1, before[1])
        assert flush(client) == 0
        assert (flushes(rig, "a"), flushes(rig, "b")) == (before[0] + 1, before[1] + 1)


def test_at_the_start_every_path_is_flushed(rig):
    serve(rig)
    wait_for(lambda: flushes(rig, "a") == flushes(rig, "b") == 1, what="a flush of each")


def test_what_a_dead_server_had_not_flushed_is_written_again(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0 and flush(client) == 0
        assert write(client, 4096) == 0
        servers["a"].kill()
        rig.wait_for_path("m", "a", "F")
        assert client.call(READ, 4096, 4096) == (0, DATA)
        assert writes(rig, "b") == 1, "what was flushed is not written again"
        assert flush(client) == 0
        assert write(client, 8192, FUA) == 0


def test_a_server_that_comes_back_is_given_what_it_lost(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        rig.message("m", "disable_group", "2")
        assert write(client) == 0
        servers["a"].kill()
        rig.wait_for_path("m", "a", "F")
        start(rig, "a")
        rig.wait_for_path("m", "a", "A")
        assert flush(client) == 0
        assert client.call(READ, 0, 4096) == (0, DATA)


def test_a_stopped_server_with_unflushed_data_is_quarantined(rig):
    servers = serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        servers["a"].stop()
        wait_for(lambda: client.call(READ, 0, 4096) == (0, DATA) and why_failed(rig, "a") == "quarantined",
                 what="a path in quarantine")  # a read may still be answered before the signal arrives
        servers["a"].signal(signal.SIGCONT)
        wait_for(lambda: "quarantine" in rig.daemon.output(), what="a line in the log")
        assert client.call(READ, 0, 4096) == (0, DATA)
        assert why_failed(rig, "a") == "quarantined"
        rig.message("m", "reinstate_path", "a")
        rig.wait_for_path("m", "a", "A")


def test_the_end_flushes(rig):
    serve(rig)
    with client_of(rig) as client:
        assert write(client) == 0
        before = flushes(rig, "a")
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(30) == 0
    assert flushes(rig, "a") == before + 1


def test_several_caches_in_one_group_are_a_configuration_error(rig):
    rig.disk()
    daemon = rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), table=ONE_GROUP), wait=False)
    assert daemon.child.wait(30) == 78, daemon.output()
    assert "cache: shared" in daemon.output() and "nbdmpathd.yaml:6:" in daemon.output(), daemon.output()


main(globals())
