#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Paths over TLS: certificates and shared keys, what is trusted, and a failover from one to the other."""
import os
import random
import subprocess
import time

from certificates import Authority, shared_key
from harness import free_port, in_time, main, require, wait_for
from raw_nbd import Client

require("nbdkit", "nbdcopy", "qemu-nbd", "certtool", "psktool")
MIB = 1 << 20
SIZE = 16 * MIB


class Servers:
    """A disk, an authority, and nbdkits with TLS on the disk."""

    def __init__(self, rig):
        self.rig = rig
        self.disk = rig.disk(size=SIZE)
        self.disk.write_bytes(random.Random(7).randbytes(SIZE))
        self.authority = Authority(rig.path("ca"))
        self.server = self.authority.issue(rig.path("server"), "server", "localhost", "dns_name = localhost\n")
        self.client = self.authority.issue(rig.path("client"), "client", "alice")

    def nbdkit(self, name, *words, certificates=None):
        return self.rig.nbdkit(name, "file", self.disk, *(words or (
            "--tls=require", f"--tls-certificates={certificates or self.server}", "--tls-verify-peer")))

    def tcp(self, port, certificates=None):
        words = ("nbdkit", "-f", "-p", port, "--tls=require", f"--tls-certificates={certificates or self.server}",
                 "--tls-verify-peer", "file", self.disk)
        server = self.rig.start(f"tcp{port}", *words)
        subprocess.run(["nbdinfo", "--size", f"nbds://localhost:{port}/?tls-certificates={self.client}"],
                       check=False, capture_output=True, timeout=60)
        return server

    def unix_uri(self, name):
        return f"nbds+unix:///?socket={self.rig.path(name + '.sock')}&tls-certificates={self.client}"


def serve(rig, **paths):
    """A map `m` with one priority group for each path."""
    lines = "".join(f"  {name}: \"{uri}\"\n" for name, uri in paths.items())
    groups = ", ".join(f"{{selector: round-robin, paths: [{name}]}}" for name in paths)
    rig.nbdmpathd(f"paths:\n{lines}multipaths:\n  m: {{size: {SIZE}, queue_if_no_path: true, no_path_timeout: 30s, "
                  f"cache: shared, priority_groups: [{groups}]}}\n")


def copies(rig, disk):
    rig.run("nbdcopy", rig.export("m"), rig.path("copy"))
    assert rig.path("copy").read_bytes() == disk.read_bytes()


def test_certificates_over_unix_and_tcp(rig):
    servers = Servers(rig)
    servers.nbdkit("a")
    port = free_port()
    servers.tcp(port)
    serve(rig, a=servers.unix_uri("a"), t=f"nbds://localhost:{port}/?tls-certificates={servers.client}")
    for path, other in (("a", "t"), ("t", "a")):
        rig.wait_for_path("m", path, "A")
        rig.wait_for_path("m", other, "A")
        rig.message("m", "fail_path", other)
        copies(rig, servers.disk)
        with Client(rig.path("nbd.sock"), "m") as client:
            data = random.Random(path).randbytes(3 * MIB)
            client.write(MIB, data)
            assert client.read(MIB, len(data)) == data
            time.sleep(0.3)  # idle for a while, then again
            assert client.read(MIB, 512) == data[:512]
        rig.message("m", "reinstate_path", other)


def test_shared_keys(rig):
    servers = Servers(rig)
    keys = shared_key(rig.path("keys.psk"), "alice")
    servers.nbdkit("a", "--tls=require", f"--tls-psk={keys}")
    serve(rig, a=f"nbds+unix://alice@/?socket={rig.path('a.sock')}&tls-psk-file={keys}")
    rig.wait_for_path("m", "a", "A")
    copies(rig, servers.disk)


def test_qemu_as_the_server(rig):
    servers = Servers(rig)
    socket = rig.path("q.sock")
    rig.start("qemu", "qemu-nbd", "--persistent", "-e", "8", "-f", "raw", "-k", socket, "--object",
              f"tls-creds-x509,id=t,endpoint=server,dir={servers.server},verify-peer=on", "--tls-creds", "t",
              "-x", "disk", servers.disk)
    wait_for(socket.exists, what="qemu-nbd")
    serve(rig, q=f"nbds+unix:///disk?socket={socket}&tls-certificates={servers.client}")
    rig.wait_for_path("m", "q", "A")
    copies(rig, servers.disk)


def why_down(rig, name):
    wait_for(lambda: f"path {name}" in rig.daemon.output(), what="the reason")
    return [line for line in rig.daemon.output().splitlines() if f"path {name}" in line][-1]


def test_servers_that_are_not_to_be_trusted_are_not_used(rig):
    servers = Servers(rig)
    port, plain, stranger = free_port(), free_port(), free_port()
    servers.tcp(port, servers.authority.issue(rig.path("other"), "server", "other.example",
                                              "dns_name = other.example\n"))
    rig.start("plain", "nbdkit", "-f", "-p", plain, "file", servers.disk)
    foreign = Authority(rig.path("foreign-ca")).issue(rig.path("foreign"), "server", "localhost",
                                                      "dns_name = localhost\n")
    rig.start("stranger", "nbdkit", "-f", "-p", stranger, "--tls=require", f"--tls-certificates={foreign}", "file",
              servers.disk)
    servers.nbdkit("a")
    bare = rig.path("bare")
    bare.mkdir()
    query = f"?tls-certificates={servers.client}"
    serve(rig, name=f"nbds://localhost:{port}/{query}", plain=f"nbds://localhost:{plain}/{query}",
          stranger=f"nbds://localhost:{stranger}/{query}",
          bare=f"nbds+unix:///?socket={rig.path('a.sock')}&tls-certificates={bare}", a=servers.unix_uri("a"))
    rig.wait_for_path("m", "a", "A")
    copies(rig, servers.disk)
    for name in ("name", "plain", "stranger", "bare"):
        assert rig.path_state("m", name) == "F", name
    assert "ca-cert.pem" in why_down(rig, "bare"), why_down(rig, "bare")


def test_a_failover_loses_nothing(rig):
    servers = Servers(rig)
    first = servers.nbdkit("a")
    servers.nbdkit("b")
    serve(rig, a=servers.unix_uri("a"), b=servers.unix_uri("b"))
    rig.wait_for_path("m", "a", "A")
    rig.wait_for_path("m", "b", "A")
    data = random.Random(8).randbytes(SIZE)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.write_in_background([(at, data[at:at + 65536]) for at in range(0, SIZE, 65536)])
        time.sleep(0.05)
        first.kill()
        client.written()
        assert client.read(0, SIZE // 2) == data[:SIZE // 2]
    assert servers.disk.read_bytes() == data
    servers.nbdkit("a")
    rig.wait_for_path("m", "a", "A")


def reader_of(pipe):
    """The writing end of a named pipe that somebody reads; nothing while nobody does."""
    try:
        return open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


def test_a_server_that_is_silent_in_the_handshake_is_given_up(rig):
    servers = Servers(rig)
    silent = servers.nbdkit("s")
    silent.signal(19)
    servers.nbdkit("a")
    serve(rig, s=servers.unix_uri("s"), a=servers.unix_uri("a"))
    copies(rig, servers.disk)
    threads = len(os.listdir(f"/proc/{rig.daemon.pid}/task"))
    time.sleep(1)
    assert len(os.listdir(f"/proc/{rig.daemon.pid}/task")) <= threads + 1, "threads grow"
    silent.signal(18)
    rig.wait_for_path("m", "s", "A", 20)


def test_a_thread_that_hangs_does_not_keep_the_daemon(rig):
    servers = Servers(rig)
    servers.nbdkit("a")
    servers.nbdkit("b")
    hung = rig.path("hung")
    hung.mkdir()
    os.mkfifo(hung / "ca-cert.pem")  # who reads it waits until somebody writes
    serve(rig, a=servers.unix_uri("a"),
          h=f"nbds+unix:///?socket={rig.path('b.sock')}&tls-certificates={hung}")
    copies(rig, servers.disk)
    with wait_for(lambda: reader_of(hung / "ca-cert.pem"), what="the thread that reads"):
        begin = time.monotonic()
        assert rig.daemon.end() == 0
        assert in_time(time.monotonic() - begin, 5)
        assert "a thread that hangs" in rig.daemon.output().splitlines()[-1], rig.daemon.output()


os.environ["PATH"] += ":/usr/sbin:/sbin"
main(globals())
