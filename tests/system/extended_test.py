#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Extended headers, asked for by a client of our own, because none that is installed speaks them: plain and inside TLS."""
import errno
import os
import random
import ssl
import struct

import extended_client as nbd
from certificates import Authority
from extended_client import ExtendedClient, Refused
from harness import main, require

require("certtool")

MAP = """
paths: {{a: "file://{disk}", b: "file://{disk}"}}
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 2 1 a 1 b 1"}}
"""
HUGE = 8 << 40


def serve(rig, size=64 << 20):
    disk = rig.disk(size=size)
    tls = ""
    if rig.context is not None:
        server = Authority(rig.path("ca")).issue(rig.path("server"), "server", "localhost", "dns_name = localhost\n")
        rig.context.load_verify_locations(server / "ca-cert.pem")
        tls = (f"listen: [{{unix: {rig.path('nbd.sock')}, tls: require}}]\n"
               f"tls: {{certificates: {server}, verify_peer: false}}\n")
    rig.nbdmpathd(tls + MAP.format(disk=disk))
    return disk


def begin(rig):
    return ExtendedClient(rig.path("nbd.sock"), rig.context)


def connect(rig, contexts=("base:allocation",)):
    return begin(rig).open("m", contexts)


def with_context(test, make):
    def run(rig):
        rig.context = make()
        test(rig)
    return run


def test_what_was_written_is_read_back(rig):
    disk = serve(rig)
    with connect(rig) as client:
        payload = os.urandom(3 << 20)
        client.ask(nbd.WRITE, 12345, flags=nbd.FUA, payload=payload)
        assert client.ask(nbd.READ, 12345, len(payload)) == payload
        assert client.ask(nbd.READ, 12345, len(payload), nbd.DF) == payload
        client.ask(nbd.ZEROES, 20000, 100000)
        client.ask(nbd.FLUSH)
        assert client.ask(nbd.READ, 20000, 100000) == bytes(100000)
        with open(disk, "rb") as file:
            file.seek(12345)
            assert file.read(20000 - 12345) == payload[:20000 - 12345]


def test_one_request_may_cover_terabytes(rig):
    serve(rig, HUGE)
    with connect(rig) as client:
        assert client.size == HUGE and client.flags & nbd.FLAG_STATUS_PAYLOAD
        client.ask(nbd.WRITE, 5 << 40, payload=b"x" * 65536)
        whole = client.ask(nbd.STATUS, 0, HUGE)[1]
        assert whole == [(5 << 40, 3), (65536, 0), (HUGE - (5 << 40) - 65536, 3)], whole
        listed = struct.pack(">QI", HUGE, client.contexts["base:allocation"])
        assert client.ask(nbd.STATUS, 0, payload=listed)[1] == whole
        assert client.ask(nbd.STATUS, 0, payload=listed, flags=nbd.ONE)[1] == whole[:1]
        client.ask(nbd.TRIM, 4096, HUGE - 4096)
        client.ask(nbd.ZEROES, 0, HUGE)
        client.ask(nbd.CACHE, 0, 1 << 30)
        assert client.ask(nbd.STATUS, 0, HUGE)[1] == [(HUGE, 3)]


def test_what_is_wrong_is_refused_in_step(rig):
    serve(rig)
    with connect(rig) as client:
        size = client.size
        for code, words in (
                (errno.EINVAL, {"command": nbd.READ, "offset": size, "length": 512}),
                (errno.EINVAL, {"command": nbd.READ, "offset": 0, "length": 1 << 40}),
                (errno.EINVAL, {"command": nbd.READ, "offset": 0, "payload": bytes(4096)}),
                (errno.ENOSPC, {"command": nbd.WRITE, "offset": size - 512, "payload": bytes(1024)}),
                (errno.EINVAL, {"command": nbd.WRITE, "offset": 0, "length": 512}),
                (errno.EINVAL, {"command": nbd.TRIM, "offset": 512, "length": (1 << 64) - 512}),
                (errno.ENOSPC, {"command": nbd.ZEROES, "offset": 0, "length": size + 1}),
                (errno.EINVAL, {"command": nbd.STATUS, "offset": 0, "length": size + 1}),
                (errno.EINVAL, {"command": nbd.STATUS, "offset": 0, "payload": struct.pack(">Q", 512)}),
                (errno.EINVAL, {"command": nbd.STATUS, "offset": 0, "payload": struct.pack(">QI", 512, 4711)}),
                (errno.EINVAL, {"command": nbd.STATUS, "offset": 0, "payload": struct.pack(">QII", 512, 1, 1)}),
                (errno.EINVAL, {"command": 99, "offset": 0, "payload": bytes(1 << 20)}),
                (errno.EINVAL, {"command": nbd.READ, "offset": 0, "length": 512, "flags": 1 << 15})):
            assert client.refusal(**words) == code, words
        assert client.ask(nbd.READ, 0, 512) == bytes(512)


def test_many_requests_are_answered_in_any_order(rig):
    serve(rig)
    dice = random.Random(5)
    with connect(rig) as client:
        whole = os.urandom(8 << 20)
        client.ask(nbd.WRITE, 0, payload=whole)
        wanted, got = {}, {}
        for _ in range(100):
            offset, length = dice.randrange(4 << 20), dice.randrange(1, 1 << 20)
            wanted[client.send(nbd.READ, offset, length)] = (offset, length)
        while client.pending:
            _, kind, cookie, _, body = client.chunk()
            assert kind == nbd.DATA
            got.setdefault(cookie, {})[struct.unpack(">Q", body[:8])[0]] = body[8:]
        for cookie, (offset, length) in wanted.items():
            parts = got[cookie]
            assert b"".join(parts[at] for at in sorted(parts)) == whole[offset:offset + length]


def test_negotiation_keeps_to_the_rules(rig):
    serve(rig)
    with begin(rig) as client:
        client.option(nbd.STRUCTURED)
        client.option(nbd.EXTENDED)
        for number, payload, code in ((nbd.STRUCTURED, b"", 10), (nbd.EXTENDED, b"x", 3), (nbd.SET_META, b"x", 3)):
            try:
                client.option(number, payload)
                raise AssertionError("not refused")
            except Refused as refused:
                assert refused.code == code, refused
        client.open("m")
        assert not client.flags & nbd.FLAG_STATUS_PAYLOAD
        assert client.refusal(nbd.STATUS, 0, 512) == errno.EINVAL
    with begin(rig) as client:
        client.option(nbd.EXTENDED)
        client.socket.sendall(struct.pack(">QII", nbd.OPTION, nbd.EXPORT_NAME, 1) + b"m")
        assert client.socket.recv(1) == b""


for name, test in [pair for pair in globals().items() if pair[0].startswith("test_")]:
    globals()[name] = with_context(test, lambda: None)
    globals()[name + "_inside_tls"] = with_context(test, ssl.create_default_context)
main(globals())
