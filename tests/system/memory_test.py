#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One bound for the memory of all requests: a map without a path fills its share and no more, and nothing is stuck."""
import time

from harness import SANITIZED, in_time, main, require, wait_for
from raw_nbd import Client, rss_bytes

require("nbdkit")

MIB = 1 << 20
SHARE = 16 * MIB
SMALL_BLOCK = 4096
CLIENTS = 48
WRITES = 40
SIZE = 64 << 10


def memory(rig, name):
    words = dict(word.split("=") for word in rig.ctl("show", "stats", name)[-1].split())
    return int(words["memory"]), int(words["memory_limit"])


def write_everything(number):
    """Each client has a part of its own."""
    return [((number * WRITES + part) * SIZE, bytes([number + 1]) * SIZE) for part in range(WRITES)]


def test_a_map_without_a_path_keeps_its_bound_and_all_goes_on_when_a_path_returns(rig):
    rig.disk("a.img", 256 * MIB)
    server = rig.nbdkit("a", "file", rig.path("a.img"))
    rig.nbdmpathd(f"""
limits: {{buffer_memory: {2 * SHARE}}}
paths: {{a: "{rig.uri("a")}", b: "file://{rig.disk("b.img")}"}}
multipaths:
  m: {{table: "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1"}}
  n: {{table: "0 0 1 1 round-robin 0 1 1 b 1"}}
""")
    assert memory(rig, "m") == (0, SHARE) and memory(rig, "n") == (0, SHARE)
    with Client(rig.path("nbd.sock"), "n") as warm:
        warm.write(0, bytes(MIB))
    clients = [Client(rig.path("nbd.sock"), "m") for _ in range(CLIENTS)]
    server.kill()
    rig.wait_for_path("m", "a", "F")
    before = rss_bytes(rig.daemon.pid)
    for number, client in enumerate(clients):
        client.write_in_background(write_everything(number))
    wait_for(lambda: memory(rig, "m")[0] > SHARE * 3 // 4, 30, what="the bound")
    end = time.monotonic() + 2
    most, largest = 0, 0
    while time.monotonic() < end:
        most = max(most, memory(rig, "m")[0])
        largest = max(largest, rss_bytes(rig.daemon.pid) - before)
    assert most <= SHARE + CLIENTS * SMALL_BLOCK, most
    assert all(client.writing() for client in clients)
    with Client(rig.path("nbd.sock"), "n") as other:
        begin = time.monotonic()
        other.write_in_background([(offset, b"n" * MIB) for offset in range(0, 64 * MIB, MIB)])
        other.written()
        assert in_time(time.monotonic() - begin, 10)
        assert other.read(63 * MIB, MIB) == b"n" * MIB
    print(f"# a share of {SHARE // MIB} MiB: {most / MIB:.1f} MiB counted, the process grew by {largest / MIB:.1f} MiB; "
          f"{CLIENTS * WRITES * SIZE // MIB} MiB were asked for")
    assert SANITIZED or largest < SHARE * 3 // 2, largest
    rig.nbdkit("a", "file", rig.path("a.img"))
    for client in clients:
        client.written()
    for number, client in enumerate(clients):
        for offset, payload in write_everything(number)[::13]:
            assert client.read(offset, SIZE) == payload
    wait_for(lambda: memory(rig, "m")[0] == 0, what="all memory to be given back")


def test_many_clients_that_hoard_do_not_keep_another_from_being_served(rig):
    """They read no replies, and are paused with what they sent in hand."""
    rig.nbdmpathd(f"""
limits: {{buffer_memory: 8M}}
paths: {{a: "file://{rig.disk()}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
""")
    good = Client(rig.path("nbd.sock"), "m")
    hoarders = [Client(rig.path("nbd.sock"), "m") for _ in range(40)]
    for client in hoarders:
        for part in range(40):
            client.request(0, part * MIB, MIB)
    wait_for(lambda: memory(rig, "m")[0] > 6 * MIB, what="the bound")
    for _ in range(100):
        good.write(0, b"g" * 16384)
        assert good.read(0, 16384) == b"g" * 16384
    assert memory(rig, "m")[0] <= 8 * MIB + 41 * SMALL_BLOCK


main(globals())
