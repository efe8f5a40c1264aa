#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which clients find, open and write which export, who is there, and who has to go."""
import json
import os

from harness import free_port, main, require, wait_for
from raw_nbd import WRITE, Client

require("nbdinfo", "nbdcopy", "qemu-img", "qemu-io")
TABLE = "table: \"0 0 1 1 round-robin 0 1 1 a 1\", cache: shared"


def serve(rig, *keys, listen=""):
    """One map for each of `keys`: m0, m1 …"""
    disk = rig.disk(size=8 << 20)
    maps = "".join(f"  m{i}: {{{TABLE}, {text}}}\n" for i, text in enumerate(keys))
    rig.nbdmpathd(f"{listen}threads: 2\npaths: {{a: \"file://{disk}\"}}\ndefault_export: m0\nmultipaths:\n{maps}")


def listed(rig, uri):
    return [export["export-name"] for export in json.loads(rig.run("nbdinfo", "--list", "--json", uri).stdout)["exports"]]


def numbers(rig, name):
    return [line.split()[0] for line in rig.ctl("show", "clients", name)]


def test_names_descriptions_default_and_hidden_exports(rig):
    serve(rig, "description: the first", "listed: false", "read_only: true, description: \"ünï\"")
    assert listed(rig, rig.export()) == ["m0", "m2"]
    info = json.loads(rig.run("nbdinfo", "--json", rig.export()).stdout)["exports"][0]
    assert info["description"] == "the first", info
    assert json.loads(rig.run("nbdinfo", "--json", rig.export("m2")).stdout)["exports"][0]["description"] == "ünï"
    assert rig.run("nbdinfo", "--size", rig.export("m1")).stdout.strip() == str(8 << 20)
    assert rig.run("nbdinfo", "--size", rig.export("m3"), check=False).returncode != 0


def test_an_export_is_for_addresses(rig):
    port = free_port()
    serve(rig, "allow: [127.0.0.0/8]", "allow: [unix, \"::1\"]", "allow: [10.0.0.0/8]", "listed: true",
          listen=f"listen: [{{unix: {rig.path('nbd.sock')}}}, {{tcp: 127.0.0.1:{port}}}, {{tcp: \"[::1]:{port}\"}}]\n")
    v4, v6, unix = f"nbd://127.0.0.1:{port}/", f"nbd://[::1]:{port}/", rig.export("%s")
    assert listed(rig, v4) == ["m0", "m3"]
    assert listed(rig, v6) == ["m1", "m3"]
    assert listed(rig, rig.export()) == ["m1", "m3"]
    for uri, names in ((v4 + "%s", "03"), (v6 + "%s", "13"), (unix, "13")):
        for name in "0123":
            done = rig.run("nbdinfo", "--size", uri.replace("%s", "m" + name), check=False)
            assert (done.returncode == 0) == (name in names), (uri, name, done.stderr)
            assert name in names or "policy" in done.stderr, done.stderr


def test_read_only_access_refuses_writes(rig):
    serve(rig, "access: read-only")
    assert rig.run("nbdinfo", "--is", "read-only", rig.export("m0"), check=False).returncode == 0
    with Client(rig.path("nbd.sock"), "m0") as client:
        client.request(WRITE, 0, 512, bytes(512))
        assert client.reply()[1] == 1
        assert client.read(0, 512) == bytes(512)


def test_max_clients_counts_connections(rig):
    serve(rig, "max_clients: 2")
    with Client(rig.path("nbd.sock"), "m0"), Client(rig.path("nbd.sock"), "m0"):
        done = rig.run("nbdinfo", "--size", rig.export("m0"), check=False)
        assert done.returncode != 0 and "policy" in done.stderr, done.stderr
        wait_for(lambda: rig.info("m0")["open count"] == "2", what="two clients")
    rig.run("nbdinfo", "--size", rig.export("m0"))


def test_an_exclusive_export_belongs_to_one_process_with_its_connections(rig):
    serve(rig, "access: exclusive")
    with Client(rig.path("nbd.sock"), "m0") as first, Client(rig.path("nbd.sock"), "m0") as second:
        done = rig.run("nbdinfo", "--size", rig.export("m0"), check=False)
        assert done.returncode != 0 and "policy" in done.stderr, done.stderr
        first.write(0, b"x" * 512)
        assert second.read(0, 512) == b"x" * 512
    # One after the other, without a pause; nbdcopy with four connections.
    for _ in range(20):
        rig.run("nbdinfo", "--size", rig.export("m0"))
    rig.run("nbdcopy", "--connections=4", rig.export("m0"), rig.path("copy"))


def test_clients_are_shown_and_kicked(rig):
    serve(rig, "listed: true", "listed: true")
    other = Client(rig.path("nbd.sock"), "m1")
    with Client(rig.path("nbd.sock"), "m0") as client:
        client.write(0, bytes(4096))
        client.read(0, 512)
        wait_for(lambda: len(rig.ctl("show", "clients")) == 2, what="two clients")
        line = rig.ctl("show", "clients", "m0")[0]
        for part in (f" unix:{os.getpid()} ", " export=m0 ", " requests=2 ", " read=512 ", " written=4096 "):
            assert part in line, line
        number = line.split()[0]
        assert number not in numbers(rig, "m1")
        rig.ctl("kick", number)
        client.socket.settimeout(10)
        assert client.socket.recv(1) == b""
    wait_for(lambda: not numbers(rig, "m0"), what="the kicked client is gone")
    done = rig.ctl("kick", number, check=False)
    assert done.returncode == 1 and "no such client" in done.stderr, done
    assert other.read(0, 512) == bytes(512)
    other.close()


def test_a_kicked_client_with_held_requests_is_gone(rig):
    serve(rig, "queue_if_no_path: true, no_path_timeout: 60s", "listed: true")
    client = Client(rig.path("nbd.sock"), "m0")
    rig.message("m0", "fail_path", "a")
    client.request(WRITE, 0, 512, b"z" * 512)
    rig.wait_for_held("m0", 1)
    rig.ctl("kick", numbers(rig, "m0")[0])
    rig.wait_for_held("m0", 0)
    wait_for(lambda: not numbers(rig, "m0"), what="the kicked client is gone")
    rig.message("m0", "reinstate_path", "a")
    with Client(rig.path("nbd.sock"), "m0") as after:
        assert after.read(0, 512) == bytes(512), "the dropped write was carried out"
    client.close()


main(globals())
