#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is bounded, and that a bound makes clients wait and never fail: descriptors, fairness, the end, five hundred deaths.

NBDMPATH_SECONDS says how long the last test runs (20 otherwise; 300 is the real thing); NBDMPATH_SEED replays its choices.
"""
import contextlib
import os
import random
import resource
import socket
import ssl
import statistics
import threading
import time

from certificates import Authority
from harness import SANITIZED, in_time, main, require, wait_for
from raw_nbd import READ, WRITE, Client, cpu_seconds, descriptors, option, request_bytes, rss_bytes

require("certtool")
KIB, MIB = 1 << 10, 1 << 20
SECONDS = int(os.environ.get("NBDMPATH_SECONDS", "20"))
SEED = int(os.environ.get("NBDMPATH_SEED", "20260102"))
MAP = """
threads: 1
shutdown_timeout: 2s
limits: {{connections: 600}}
paths: {{a: "file://{disk}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1", queue_if_no_path: true, no_path_timeout: 60s}}}}
"""


def connect(rig):
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(30)
    made.connect(str(rig.path("nbd.sock")))
    return made


def test_without_descriptors_clients_wait_and_are_served_later(rig):
    if SANITIZED == "address":
        return  # the sanitizer looks at memory through descriptors of its own, and finds wrong what it cannot see
    rig.nbdmpathd(MAP.format(disk=rig.disk()))
    with Client(rig.path("nbd.sock"), "m") as early:
        few = descriptors(rig.daemon.pid) + 10
        resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, (few, few))
        crowd = [connect(rig) for _ in range(40)]
        wait_for(lambda: "cannot accept" in rig.daemon.output(), what="the complaint")
        before = cpu_seconds(rig.daemon.pid)
        for _ in range(20):
            assert len(early.read(0, 4096)) == 4096
            time.sleep(0.05)
        assert SANITIZED or cpu_seconds(rig.daemon.pid) - before < 0.5, "waiting costs time"
        assert rig.daemon.output().count("cannot accept") < 5, "one complaint is enough"
        for member in crowd[:20]:
            member.close()
        for member in crowd[20:]:
            assert member.recv(16) == b"NBDMAGICIHAVEOPT"
            member.close()
        with Client(rig.path("nbd.sock"), "m") as late:
            assert len(late.read(0, 4096)) == 4096


def test_a_greedy_client_leaves_others_their_share(rig):
    rig.nbdmpathd(MAP.format(disk=rig.disk()))
    ending = threading.Event()
    failures = []

    def be_greedy():
        try:
            with Client(rig.path("nbd.sock"), "m") as client:
                for _ in range(64):
                    client.request(READ, 0, MIB)
                while not ending.is_set():
                    assert client.reply()[1] == 0
                    client.receive(MIB)
                    client.request(READ, 0, MIB)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    greedy = [threading.Thread(target=be_greedy) for _ in range(2)]
    for thread in greedy:
        thread.start()
    times = []
    with Client(rig.path("nbd.sock"), "m") as modest:
        for _ in range(100):
            begin = time.monotonic()
            modest.read(0, 4096)
            times.append(time.monotonic() - begin)
    ending.set()
    for thread in greedy:
        thread.join(60)
    assert not failures, failures
    print(f"# a small read beside two greedy clients: {statistics.median(times) * 1000:.1f} ms, "
          f"at most {max(times) * 1000:.1f} ms")
    assert in_time(statistics.median(times), 0.25), times


def test_hung_writes_and_slow_readers_stay_in_their_memory_and_others_get_through(rig):
    rig.nbdmpathd(MAP.format(disk=rig.disk()).replace("connections: 600", "buffer_memory: 32M"))
    with Client(rig.path("nbd.sock"), "m") as warm:
        warm.read(0, MIB)
    before = rss_bytes(rig.daemon.pid)
    most, longest = 0, 0.0
    rig.ctl("inject", "m", "a", "hang", "op=write")
    hung = [Client(rig.path("nbd.sock"), "m") for _ in range(40)]
    for client in hung:
        client.write_in_background([(part * MIB, bytes([7]) * MIB) for part in range(8)])
    slow = [Client(rig.path("nbd.sock"), "m") for _ in range(20)]

    def look(modest):
        nonlocal most, longest
        for number in range(100):
            begin = time.monotonic()
            assert len(modest.read(number * 4096, 4096)) == 4096
            longest = max(longest, time.monotonic() - begin)
            most = max(most, rss_bytes(rig.daemon.pid) - before)
            time.sleep(0.01)

    with Client(rig.path("nbd.sock"), "m") as modest:
        look(modest)
        rig.ctl("inject", "m", "a", "off")
        for client in hung:
            client.written()
        for client in slow:
            for part in range(16):
                client.request(READ, part * MIB, MIB)
        look(modest)
    print(f"# {most / MIB:.1f} MiB with a bound of 32 MiB; another's slowest read {longest * 1000:.0f} ms")
    # Beside its requests' data a client has what was received and cannot be taken yet: 256 KiB at most.
    assert SANITIZED or (most < 32 * MIB + 60 * 256 * KIB + 4 * MIB and longest < 5), (most, longest)
    for client in (*hung, *slow):
        client.close()


def test_no_stuck_client_holds_up_the_end(rig):
    certificates = Authority(rig.path("ca")).issue(rig.path("server"), "server", "localhost")
    rig.nbdmpathd(f"listen: [{{unix: {rig.path('nbd.sock')}, tls: allow}}]\n"
                  f"tls: {{certificates: {certificates}}}\n" + MAP.format(disk=rig.disk()))
    stuck = [connect(rig)]                                        # says nothing
    for start in (option(5), option(7)[:9]):                      # in TLS's handshake, in an option
        client = Client(rig.path("nbd.sock"))
        client.greet()
        client.socket.sendall(start)
        stuck.append(client)
    writer = Client(rig.path("nbd.sock"), "m")                    # in the middle of a payload
    writer.socket.sendall(request_bytes(WRITE, 0, MIB, bytes(1000)))
    reader = Client(rig.path("nbd.sock"), "m")                    # reads no answers
    for _ in range(64):
        reader.request(READ, 0, MIB)
    rig.message("m", "fail_path", "a")
    others = rig.held("m")                                        # of the reader's
    held = Client(rig.path("nbd.sock"), "m")                      # waits for a path
    held.request(WRITE, 0, 512, bytes(512))
    wait_for(lambda: rig.held("m") > others, what="a held request")
    begin = time.monotonic()
    assert rig.daemon.end() == 0
    took = time.monotonic() - begin
    assert in_time(took, 6), took
    assert held.reply()[1] == 108, "what was held hears of the shutdown"
    for member in (*stuck, writer, reader, held):
        member.close()


def live_and_die(rig, chance, context):
    """One connection that transfers at random and ends somewhere, somehow; one in three inside TLS."""
    with contextlib.suppress(OSError, EOFError), Client(rig.path("nbd.sock")) as client:
        if chance.random() < 0.1:
            return
        client.greet()
        if chance.random() < 0.33:
            client.socket.sendall(option(5))
            client.receive(20)
            if chance.random() < 0.1:
                client.socket.sendall(bytes([22, 3, 1]) + chance.randbytes(chance.randrange(300)))
                return
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        if chance.random() < 0.1:
            client.socket.sendall(option(7, bytes(chance.randrange(20)), chance.randrange(5000)))
            return
        client.go("m")
        for _ in range(chance.randrange(20)):
            offset, length = chance.randrange(40) * MIB, chance.choice([512, 4 * KIB, 64 * KIB, 512 * KIB])
            if chance.random() < 0.5:
                client.read(offset, length)
            else:
                client.write(offset, bytes(length))
        if chance.random() < 0.3:
            client.socket.sendall(request_bytes(2, 0, 0))
        elif chance.random() < 0.5:
            client.request(READ, 0, chance.randrange(1, MIB))
        else:
            client.socket.sendall(request_bytes(WRITE, 0, 64 * KIB, bytes(chance.randrange(64 * KIB))))


def test_five_hundred_connections_live_and_die_and_leave_nothing(rig):
    server = Authority(rig.path("ca")).issue(rig.path("server"), "server", "localhost", "dns_name = localhost\n")
    context = ssl.create_default_context(cafile=str(server / "ca-cert.pem"))
    rig.nbdmpathd(f"listen: [{{unix: {rig.path('nbd.sock')}, tls: allow}}]\n"
                  f"tls: {{certificates: {server}, verify_peer: false}}\n" + MAP.format(disk=rig.disk()))
    born = [0]
    lock = threading.Lock()

    def run(seconds):
        """25 threads, until the time is over and five hundred connections were made."""
        end = time.monotonic() + seconds
        target = born[0] + 500

        def work(number):
            chance = random.Random(SEED + number)
            while time.monotonic() < end or born[0] < target:
                with lock:
                    born[0] += 1
                live_and_die(rig, chance, context)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 240)
            assert not thread.is_alive(), "a connection hangs"

    files = descriptors(rig.daemon.pid)
    run(SECONDS / 4)  # until the pools have the size they need
    wait_for(lambda: descriptors(rig.daemon.pid) <= files, 15, "descriptors given back")
    rss = rss_bytes(rig.daemon.pid)
    run(SECONDS * 3 / 4)
    wait_for(lambda: descriptors(rig.daemon.pid) <= files, 15, "descriptors given back")
    grown = rss_bytes(rig.daemon.pid) / rss
    print(f"# {born[0]} connections; RSS {rss / MIB:.1f} MiB, then times {grown:.2f}")
    assert SANITIZED or grown < 1.1 or rss_bytes(rig.daemon.pid) - rss < 4 * MIB, grown
    wait_for(lambda: rig.info("m")["open count"] == "0", what="no client left")
    with Client(rig.path("nbd.sock"), "m") as after:
        assert len(after.read(0, 512)) == 512


main(globals())
