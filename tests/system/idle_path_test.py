#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server that dies in silence while nobody asks anything of it is noticed, except under compat: kernel."""
import signal
import time

from harness import SANITIZED, in_time, main, require, wait_for
from raw_nbd import Client, cpu_seconds

require("nbdkit")


def serve(rig, keys="", path_keys="idle_check: 300ms, stall_timeout: 500ms"):
    disk = rig.disk()
    server = rig.nbdkit("a", "file", disk)
    rig.nbdmpathd(f"""
paths: {{a: {{uri: "{rig.uri("a")}", {path_keys}}}}}
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 1 1 a 1" {keys}}}
""")
    return server


def test_a_server_that_stops_while_idle_is_left_and_found_again(rig):
    server = serve(rig)
    time.sleep(1.5)  # some questions, which are answered
    assert rig.path_state("m", "a") == "A" and "lost" not in rig.daemon.output()
    server.stop()
    begin = time.monotonic()
    rig.wait_for_path("m", "a", "F")
    assert in_time(time.monotonic() - begin, 2)
    assert "no sign of life for 500 ms" in rig.daemon.output()
    server.signal(signal.SIGCONT)
    rig.wait_for_path("m", "a", "A")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 4096)
    stats = dict(word.split("=") for word in rig.ctl("show", "stats", "m")[0].split() if "=" in word)
    assert stats["requests"] == "1", stats  # the questions are nobody's requests


def test_under_compat_kernel_it_is_left_at_the_next_request(rig):
    server = serve(rig, ", compat: kernel")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 4096)
        server.stop()
        time.sleep(2)  # as long as it would have been noticed
        assert rig.path_state("m", "a") == "A"
        client.request(0, 0, 4096)
        rig.wait_for_path("m", "a", "F")
        server.signal(signal.SIGCONT)


def test_an_idle_connection_costs_no_time(rig):
    serve(rig, path_keys="idle_check: 1s")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 4096)
    wait_for(lambda: rig.info("m")["open count"] == "0", what="the client's end")
    begin = cpu_seconds(rig.daemon.pid)
    time.sleep(3)  # the time that is measured
    assert SANITIZED or cpu_seconds(rig.daemon.pid) - begin <= 0.02


main(globals())
