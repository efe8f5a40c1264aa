#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The usual clients, each over a unix socket, TCP and TLS: libnbd, qemu-io, qemu-img compare, nbdcopy, fio.

fio finds no certificates as root (libnbd looks in /etc only, and its URI may not name files): not inside TLS.
"""
import random
import sys

from certificates import Authority
from harness import free_port, main, require

require("nbdcopy", "qemu-io", "qemu-img", "fio", "certtool")
try:
    import nbd
except ImportError:
    print("skip: python3-libnbd is not installed")
    sys.exit(77)

MIB = 1 << 20
SIZE = 16 * MIB
BLOCK = 4096


class Served:
    """A map of two paths to one file, on a unix socket, a TCP one, and one with TLS."""

    def __init__(self, rig):
        self.rig = rig
        self.disk = rig.disk(size=SIZE)
        self.disk.write_bytes(random.Random(5).randbytes(SIZE))
        authority = Authority(rig.path("ca"))
        server = authority.issue(rig.path("server"), "server", "localhost", "dns_name = localhost\nip_address = 127.0.0.1\n")
        self.client = authority.issue(rig.path("client"), "client", "alice")
        self.port, self.tls_port = free_port(), free_port()
        rig.nbdmpathd(f"""
listen: [{{unix: {rig.path("nbd.sock")}}}, {{tcp: 127.0.0.1:{self.port}}}, {{tcp: 127.0.0.1:{self.tls_port}, tls: require}}]
tls: {{certificates: {server}}}
paths: {{a: "file://{self.disk}", b: "file://{self.disk}"}}
multipaths:
  m: {{table: "0 0 1 1 round-robin 0 2 1 a 1 b 1"}}
""")

    def uris(self):
        return {"unix": self.rig.export("m"), "tcp": f"nbd://127.0.0.1:{self.port}/m",
                "tls": f"nbds://localhost:{self.tls_port}/m?tls-certificates={self.client}"}

    def qemu(self):
        """Each as qemu's options."""
        credentials = ["--object", f"tls-creds-x509,id=t,endpoint=client,dir={self.client}"]
        tcp = "driver=nbd,export=m,server.type=inet,server.host=localhost,server.port="
        return {"unix": ["--image-opts", f"driver=nbd,export=m,server.type=unix,server.path={self.rig.path('nbd.sock')}"],
                "tcp": ["--image-opts", f"{tcp}{self.port}".replace("localhost", "127.0.0.1")],
                "tls": [*credentials, "--image-opts", f"{tcp}{self.tls_port},tls-creds=t"]}


def write_and_verify(uri, seed, depth=16):
    """Random blocks, `depth` in flight, each read back."""
    choices = random.Random(seed)
    handle = nbd.NBD()
    handle.set_uri_allow_local_file(True)
    handle.connect_uri(uri)
    blocks = {number: choices.randbytes(BLOCK) for number in choices.sample(range(SIZE // BLOCK), 600)}

    def all_of(begin):
        cookies = []
        for number in blocks:
            cookies.append(begin(number))
            while handle.aio_in_flight() >= depth:
                handle.poll(-1)
        for cookie in cookies:
            while not handle.aio_command_completed(cookie):
                handle.poll(-1)

    all_of(lambda number: handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(blocks[number])), number * BLOCK))
    handle.flush()
    got = {number: nbd.Buffer(BLOCK) for number in blocks}
    all_of(lambda number: handle.aio_pread(got[number], number * BLOCK))
    handle.shutdown()
    for number, data in blocks.items():
        assert bytes(got[number].to_bytearray()) == data, f"block {number}"


def test_libnbd(rig):
    for seed, uri in enumerate(Served(rig).uris().values()):
        write_and_verify(uri, seed)


def test_nbdcopy(rig):
    served = Served(rig)
    for name, uri in served.uris().items():
        rig.run("nbdcopy", uri, rig.path(name))
        assert rig.path(name).read_bytes() == served.disk.read_bytes(), name
        rig.path("new").write_bytes(random.Random(name).randbytes(SIZE))
        rig.run("nbdcopy", "--flush", rig.path("new"), uri)
        assert served.disk.read_bytes() == rig.path("new").read_bytes(), name


def test_qemu_io(rig):
    for name, options in Served(rig).qemu().items():
        output = rig.run("qemu-io", *options, "-c", "write -P 7 0 1M", "-c", "write -P 9 512k 4k", "-c", "flush",
                         "-c", "read -P 7 0 512k", "-c", "read -P 9 512k 4k", "-c", "write -f -P 3 2M 64k",
                         "-c", "write -z 3M 1M", "-c", "read -P 0 3M 1M", "-c", "discard 4M 1M", "-c", "read -P 3 2M 64k").stdout
        assert "failed" not in output and "error" not in output, f"{name}: {output}"


def test_qemu_img_compare(rig):
    served = Served(rig)
    copy = rig.path("copy")
    copy.write_bytes(served.disk.read_bytes())
    for name, options in served.qemu().items():
        words = ["qemu-img", "compare", *options[:-2], "--image-opts", options[-1], f"driver=raw,file.driver=file,file.filename={copy}"]
        assert "identical" in rig.run(*words).stdout, name
    with open(copy, "r+b") as file:
        file.seek(5 * MIB)
        file.write(b"different")
    assert rig.run(*words, check=False).returncode == 1


def test_fio_verify(rig):
    uris = Served(rig).uris()
    for name in ("unix", "tcp"):
        output = rig.run("fio", "--name=verify", "--ioengine=nbd", f"--uri={uris[name]}", "--rw=randrw", "--bs=4k-64k",
                         "--size=16m", "--iodepth=16", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1",
                         "--verify_state_save=0", cwd=rig.directory).stdout
        assert "err= 0" in output, output


main(globals())
