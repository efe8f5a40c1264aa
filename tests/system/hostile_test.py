#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Garbage, half messages, lies and sudden deaths on both sockets: the connection ends or the request errs, nothing else.

All the while a well-behaved client on the same export reads and verifies (Witness). NBDMPATH_SEED replays a run.
"""
import os
import random
import socket
import struct
import threading
import time

from harness import SANITIZED, in_time, main, wait_for
from raw_nbd import (OPT_GO, READ, WRITE, Client, descriptors, go_payload, option, request_bytes, rss_bytes)

SEED = int(os.environ.get("NBDMPATH_SEED", "20260101"))
KIB, MIB = 1 << 10, 1 << 20
FILE = """
threads: 1
paths: {{a: "file://{disk}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
"""
SEQUENCE = (struct.pack(">I", 3) + option(OPT_GO, go_payload("m")) + request_bytes(WRITE, 32 * MIB, 512, bytes(512))
            + request_bytes(READ, 0, 512))


class Witness:
    """Reads known blocks in a thread for as long as it is entered; leaves with its error, and checks what is left over."""

    def __init__(self, rig):
        self.rig = rig
        disk = rig.disk()
        pattern = random.Random(1).randbytes(MIB)
        with open(disk, "r+b") as file:
            file.write(pattern)
        self.pattern = pattern
        rig.nbdmpathd("limits: {handshake_timeout: 2s}\n" + FILE.format(disk=disk))
        self.client = Client(rig.path("nbd.sock"), "m")
        self.ending = threading.Event()
        self.failure = None
        self.reads = 0
        self.slowest = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        chance = random.Random(2)
        try:
            while not self.ending.is_set():
                offset, length = chance.randrange(0, 900) * KIB, chance.choice([512, 4096, 65536])
                begin = time.monotonic()
                if self.client.read(offset, length) != self.pattern[offset:offset + length]:
                    raise AssertionError(f"wrong data at {offset}")
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.reads += 1
                self.ending.wait(0.001)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def __enter__(self):
        self.rig.ctl("ls")
        with Client(self.rig.path("nbd.sock"), "m") as warm:
            warm.write(40 * MIB, bytes(MIB))
        self.files = descriptors(self.rig.daemon.pid)
        self.rss = rss_bytes(self.rig.daemon.pid)
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            wait_for(lambda: self.reads > 20 or self.failure, what="the well-behaved client's reads")
        self.ending.set()
        self.thread.join()
        if kind is not None:
            return
        assert self.failure is None, f"the well-behaved client: {self.failure}"
        assert in_time(self.slowest, 1), self.slowest
        # One of them may have been closed and opened again: the warming client's, the admin session's.
        wait_for(lambda: descriptors(self.rig.daemon.pid) <= self.files, 15, "descriptors given back")
        grown = rss_bytes(self.rig.daemon.pid) - self.rss
        print(f"# {self.reads} reads beside, slowest {self.slowest * 1000:.1f} ms; RSS grew by {grown / MIB:.1f} MiB")
        assert SANITIZED or grown < 40 * MIB, grown
        assert self.rig.ctl("ls") == ["m"]


def drain(connection, seconds=0.02):
    """Reads what the server says until it closes or is silent; True when it closed."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def throw(address, data, seconds=0.02):
    """Sends `data` to a new connection, looks at the answer for a moment, and closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(address))
        try:
            connection.sendall(data)
        except OSError:
            return True
        return drain(connection, seconds)


def test_garbage_on_the_nbd_socket_harms_nobody(rig):
    chance = random.Random(SEED)
    with Witness(rig):
        end = time.monotonic() + 6
        while time.monotonic() < end:
            garbage = chance.randbytes(chance.choice([1, 4, 20, 100, 3000, 100000]))
            prefix = SEQUENCE[:chance.choice([0, 0, 4, 4, 12, 20, 4 + len(option(OPT_GO, go_payload("m")))])]
            throw(rig.path("nbd.sock"), prefix + garbage, 0.005)


def test_a_sequence_with_one_byte_wrong_harms_nobody(rig):
    chance = random.Random(SEED + 1)
    # Writes of garbage must not reach what the witness reads: the part before the data only is made wrong.
    opening = 4 + len(option(OPT_GO, go_payload("m")))
    with Witness(rig):
        for at in range(opening):
            wrong = bytearray(SEQUENCE)
            wrong[at] ^= 1 << chance.randrange(8)
            throw(rig.path("nbd.sock"), bytes(wrong), 0.01)
        for at in range(4):
            wrong = bytearray(SEQUENCE)
            wrong[opening + at] ^= 0xff
            assert throw(rig.path("nbd.sock"), bytes(wrong), 5), "a wrong request magic ends the connection"


def test_garbage_on_the_admin_socket_harms_nobody(rig):
    chance = random.Random(SEED + 2)
    words = [b"status", b"m", b"table", b"info", b"wait", b"events", b"help", b"\\", b"\\ ", b"%s", b"-1", b"0" * 300,
             b"message m 0", b"switch_group", b"99999999999999999999", b"deps", b"\t", b"'", b'"', b"quit", b"\xff\xfe"]
    with Witness(rig):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            if chance.random() < 0.5:
                garbage = chance.randbytes(chance.choice([1, 10, 1000, 70000]))
            else:
                garbage = b"".join(b" ".join(chance.choices(words, k=chance.randrange(1, 6))) + chance.choice(
                    [b"\n", b"\r\n", b"\n\n", b""]) for _ in range(chance.randrange(1, 20)))
            throw(rig.path("admin.sock"), garbage, 0.005)
        throw(rig.path("admin.sock"), b"a" * (4 * MIB), 0.1)


def test_disconnects_at_every_byte_harm_nobody(rig):
    with Witness(rig):
        for count in range(len(SEQUENCE) + 1):
            throw(rig.path("nbd.sock"), SEQUENCE[:count], 0.0005)


def test_oversized_options_end_the_connection_or_are_refused_in_step(rig):
    flags = struct.pack(">I", 3)
    with Witness(rig):
        for number in (1, 3, 6, 7, 8, 99):
            assert throw(rig.path("nbd.sock"), flags + option(number, b"", 0xffffffff), 5)
        for number in (6, 7, 8, 99):
            with Client(rig.path("nbd.sock")) as client:
                client.greet()
                client.socket.sendall(option(number, bytes(300 * KIB)))
                answered, kind, _ = client.reply_to_option()
                assert answered == number and kind >= 1 << 31
                client.go("m")
                assert len(client.read(0, 512)) == 512
        # A name longer than the option, more information requests than there are, an embedded zero.
        for payload in (struct.pack(">I", 4096) + b"m\0\0", struct.pack(">I", 0xffffffff) + b"m\0\0",
                        struct.pack(">I", 1) + b"m\xff\xff", struct.pack(">I", 3) + b"m\0m\0\0", b"", b"\0\0\0"):
            with Client(rig.path("nbd.sock")) as client:
                client.greet()
                client.socket.sendall(option(OPT_GO, payload))
                assert client.reply_to_option()[1] >= 1 << 31
                client.go("m")


def test_oversized_and_misplaced_requests_err_alone(rig):
    with Witness(rig):
        with Client(rig.path("nbd.sock"), "m") as client:
            for command, offset, length in [(READ, 0, 0xffffffff), (READ, 64 * MIB, 1), (READ, 1 << 63, 512),
                                            (READ, (1 << 64) - 512, 1024), (READ, 0, 0), (READ, 0, 65 * MIB), (7, 0, 8),
                                            (99, 0, 512), (4, 64 * MIB - 512, 1024), (6, 0, 0xffffffff), (3, 1, 1)]:
                cookie = client.request(command, offset, length)
                answered, error = client.reply()
                assert answered == cookie and error != 0, (command, offset, length)
            cookie = client.request(WRITE, 64 * MIB, 512, bytes(512))
            answered, error = client.reply()
            assert answered == cookie and error == 28, error
            assert len(client.read(0, 512)) == 512
        with Client(rig.path("nbd.sock"), "m") as client:
            client.request(WRITE, 0, 0xffffffff)
            client.socket.settimeout(5)
            assert client.socket.recv(1) == b"", "a write that is too long to be drained ends the connection"


def live_and_die(rig, seed):
    """One connection that transfers at random and dies somewhere."""
    chance = random.Random(seed)
    try:
        client = Client(rig.path("nbd.sock"), "m")
        for _ in range(chance.randrange(0, 30)):
            offset, length = (2 + chance.randrange(40)) * MIB, chance.choice([512, 4096, 65536, MIB])
            if chance.random() < 0.5:
                client.request(READ, offset, length)
            else:
                client.request(WRITE, offset, length, bytes(length))
            if chance.random() < 0.2:
                client.socket.settimeout(0.05)
                client.socket.recv(chance.randrange(1, 100000))
                client.socket.settimeout(5)
        client.socket.sendall(request_bytes(WRITE, 50 * MIB, 65536, bytes(chance.randrange(0, 65536))))
        if chance.random() < 0.3:  # RST instead of FIN, as far as a unix socket knows one: unread input at close
            client.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        client.close()


def test_two_hundred_connections_that_die_in_the_middle_harm_nobody(rig):
    with Witness(rig):
        for begin in range(0, 200, 20):
            threads = [threading.Thread(target=live_and_die, args=(rig, SEED + begin + i)) for i in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive(), "a connection hangs"


main(globals())
