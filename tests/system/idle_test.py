#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bounds: what idle, slow, greedy and too many clients cost, the daemon and one another."""
import resource
import time

from harness import SANITIZED, free_port, in_time, main, require, wait_for
from raw_nbd import Client, cpu_seconds, rss_bytes

require("nbdkit")

FILE = """
paths: {{a: "file://{disk}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
"""
MIB = 1 << 20


def open_count(rig):
    return int(next(line for line in rig.ctl("info", "m") if line.startswith("open count")).split()[-1])


def test_a_thousand_idle_clients_cost_little_memory_and_no_time(rig):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    rig.nbdmpathd(FILE.format(disk=rig.disk()))
    with Client(rig.path("nbd.sock"), "m") as warm:
        warm.read(0, 4096)
    before = rss_bytes(rig.daemon.pid)
    clients = [Client(rig.path("nbd.sock"), "m") for _ in range(1000)]
    for client in clients:
        client.read(0, 4096)
    assert open_count(rig) == 1000
    each = (rss_bytes(rig.daemon.pid) - before) / 1000
    begin = cpu_seconds(rig.daemon.pid)
    time.sleep(3)  # the time that is measured
    spent = cpu_seconds(rig.daemon.pid) - begin
    print(f"# {each:.0f} bytes an idle client; {spent:.2f} s CPU in 3 s")
    assert spent <= 0.02
    assert SANITIZED or each < 16 << 10, each
    for client in clients:
        client.close()
    wait_for(lambda: open_count(rig) == 0, what="the clients' end")


def test_one_client_too_many_waits_until_another_leaves(rig):
    rig.nbdmpathd("limits: {connections: 3}\n" + FILE.format(disk=rig.disk()))
    clients = [Client(rig.path("nbd.sock"), "m") for _ in range(3)]
    late = Client(rig.path("nbd.sock"))
    late.socket.settimeout(0.3)
    try:
        late.greet()
        assert False, "client 4 of 3 was greeted"
    except TimeoutError:
        pass
    late.socket.settimeout(10)
    clients.pop().close()
    late.greet()
    late.go("m")
    assert late.read(0, 512) == bytes(512)


def test_handshake_timeout_hangs_up_on_those_who_say_nothing_or_too_little(rig):
    rig.nbdmpathd("limits: {handshake_timeout: 500ms}\n" + FILE.format(disk=rig.disk()))
    served = Client(rig.path("nbd.sock"), "m")
    silent, half = Client(rig.path("nbd.sock")), Client(rig.path("nbd.sock"))
    half.socket.sendall(b"\0\0\0\3IHAVE")
    for client in (silent, half):
        begin = time.monotonic()
        while client.socket.recv(4096):
            pass
        assert time.monotonic() - begin < (10 if SANITIZED else 2)
    assert served.read(0, 512) == bytes(512)


def test_half_open_handshakes_keep_others_out_no_longer_than_the_timeout(rig):
    rig.nbdmpathd("limits: {handshake_timeout: 500ms}\n" + FILE.format(disk=rig.disk()))
    served = Client(rig.path("nbd.sock"), "m")
    silent = [Client(rig.path("nbd.sock")) for _ in range(200)]
    assert served.read(0, 512) == bytes(512)
    with Client(rig.path("nbd.sock"), "m") as late:
        assert late.read(0, 512) == bytes(512)
    for client in silent:
        client.close()


def test_a_client_that_reads_nothing_takes_no_more_than_its_bound(rig):
    rig.nbdmpathd(FILE.format(disk=rig.disk()))
    good = Client(rig.path("nbd.sock"), "m")
    good.read(0, MIB)
    before = rss_bytes(rig.daemon.pid)
    slow = Client(rig.path("nbd.sock"), "m")
    for number in range(64):  # so few that they fit into the socket, however early the server stops reading
        slow.request(0, number * MIB // 4 % (32 * MIB), MIB)
    most, longest = 0, 0
    for _ in range(200):
        begin = time.monotonic()
        assert good.read(0, 4096) == bytes(4096)
        longest = max(longest, time.monotonic() - begin)
        most = max(most, rss_bytes(rig.daemon.pid) - before)
    print(f"# {most / MIB:.1f} MiB for 64 MiB unread; another's slowest read {longest * 1000:.1f} ms")
    assert SANITIZED or (most < 40 * MIB and longest < 1), (most, longest)
    slow.close()
    wait_for(lambda: open_count(rig) == 1, what="the slow client's end")


def test_buffer_memory_bounds_large_writes_and_all_complete(rig):
    rig.nbdkit("slow", "memory", "64M", "delay-write=20ms", filters=("delay",))
    rig.nbdmpathd(f"""
limits: {{buffer_memory: 16M}}
paths: {{a: "{rig.uri('slow')}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
""")
    with Client(rig.path("nbd.sock"), "m") as warm:
        warm.read(0, 4096)
    before = rss_bytes(rig.daemon.pid)
    clients = [Client(rig.path("nbd.sock"), "m") for _ in range(16)]
    most = 0
    for number, client in enumerate(clients):
        client.write_in_background([(number * 4 * MIB % (64 * MIB) + part * MIB, bytes([number + 1]) * MIB)
                                    for part in range(4)] * 3)
    while any(client.writing() for client in clients):
        most = max(most, rss_bytes(rig.daemon.pid) - before)
        time.sleep(0.01)
    for client in clients:
        client.written()
    for number, client in enumerate(clients):
        assert client.read(number * 4 * MIB, MIB) == bytes([number + 1]) * MIB
    print(f"# {most / MIB:.1f} MiB for 192 MiB written with a bound of 16 MiB")
    assert SANITIZED or most < 40 * MIB, most


def test_a_handshake_over_tcp_is_fast(rig):
    port = free_port()
    rig.nbdmpathd(f"listen: [{{tcp: \"127.0.0.1:{port}\"}}]\n" + FILE.format(disk=rig.disk()))
    times = []
    for _ in range(50):
        begin = time.monotonic()
        with Client(("127.0.0.1", port), "m") as client:
            client.read(0, 512)
        times.append(time.monotonic() - begin)
    median = sorted(times)[25]
    print(f"# connect, GO and one read over TCP: median {median * 1000:.2f} ms, slowest {max(times) * 1000:.2f} ms")
    assert in_time(median, 0.02), median


main(globals())
