#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients inside TLS: certificates and shared keys, who may do what, and what a hostile one tries."""
import json
import os
import random
import signal
import socket
import ssl
import struct
import threading

from certificates import Authority, shared_key
from harness import free_port, main, require, wait_for
from raw_nbd import READ, WRITE, Client, descriptors, go_payload, option, request_bytes

require("nbdinfo", "nbdcopy", "qemu-img", "qemu-io", "certtool", "psktool", "openssl")
MIB = 1 << 20
SIZE = 32 * MIB
STARTTLS, LIST, STRUCTURED, ABORT, INFO = 5, 3, 8, 2, 6
TLS_REQUIRED, POLICY, INVALID, UNKNOWN = 0x80000005, 0x80000002, 0x80000003, 0x80000006
TABLE = "table: \"0 0 1 1 round-robin 0 1 1 a 1\", cache: shared"


class Served:
    """nbdmpathd with TLS on a unix and a TCP socket; `m` and the maps of `more` on one disk."""

    def __init__(self, rig, mode="require", tls="", more="", keys=""):
        self.rig = rig
        self.disk = rig.disk(size=SIZE)
        self.disk.write_bytes(random.Random(3).randbytes(SIZE))
        if not tls:
            self.authority = Authority(rig.path("ca"))
            self.server = self.authority.issue(rig.path("server"), "server", "localhost",
                                               "dns_name = localhost\nip_address = 127.0.0.1\n")
            self.client = self.authority.issue(rig.path("client"), "client", "alice",
                                               "dns_name = alice.example\n")
            tls = f"tls: {{certificates: {self.server}{keys}}}"
        self.port = free_port()
        rig.nbdmpathd(f"listen: [{{unix: {rig.path('nbd.sock')}, tls: {mode}}}, "
                      f"{{tcp: 127.0.0.1:{self.port}, tls: {mode}}}]\n{tls}\nthreads: 2\ndefault_export: m\n"
                      f"paths: {{a: \"file://{self.disk}\"}}\nmultipaths:\n  m: {{{TABLE}}}\n{more}")

    def uri(self, name="m", certificates=None):
        return (f"nbds+unix://localhost/{name}?socket={self.rig.path('nbd.sock')}"
                f"&tls-certificates={certificates or self.client}").replace("//localhost/", "///")

    def tcp(self, name="m", certificates=None):
        return f"nbds://localhost:{self.port}/{name}?tls-certificates={certificates or self.client}"

    def context(self, certificates=None):
        directory = certificates or self.client
        made = ssl.create_default_context(cafile=str(directory / "ca-cert.pem"))
        if (directory / "client-cert.pem").exists():
            made.load_cert_chain(directory / "client-cert.pem", directory / "client-key.pem")
        return made


class TlsClient(Client):
    """A raw client that says STARTTLS first."""

    def __init__(self, served, export=None, before=b"", tcp=False):
        super().__init__(("127.0.0.1", served.port) if tcp else served.rig.path("nbd.sock"))
        self.greet()
        self.socket.sendall(before + option(STARTTLS))
        while True:
            number, kind, _ = self.reply_to_option()
            if number == STARTTLS:
                break
        assert kind == 1, hex(kind)
        self.socket = served.context().wrap_socket(self.socket, server_hostname="localhost")
        if export is not None:
            self.go(export)


def works(rig, uri, disk):
    assert rig.run("nbdinfo", "--size", uri).stdout.strip() == str(SIZE)
    rig.run("nbdcopy", uri, rig.path("copy"))
    assert rig.path("copy").read_bytes() == disk.read_bytes(), uri


def test_certificates_with_libnbd_and_qemu(rig):
    served = Served(rig)
    works(rig, served.uri(), served.disk)
    works(rig, served.tcp(), served.disk)
    rig.path("new").write_bytes(random.Random(4).randbytes(SIZE))
    rig.run("nbdcopy", rig.path("new"), served.tcp())
    assert rig.path("new").read_bytes() == served.disk.read_bytes()
    image = (f"driver=nbd,export=m,tls-creds=t,server.type=inet,server.host=localhost,server.port={served.port}")
    credentials = f"tls-creds-x509,id=t,endpoint=client,dir={served.client}"
    rig.run("qemu-img", "convert", "--object", credentials, "-O", "raw", "--image-opts", image, rig.path("copy2"))
    assert rig.path("copy2").read_bytes() == served.disk.read_bytes()
    rig.run("qemu-io", "--object", credentials, "--image-opts", image, "-c", "write -P 7 0 1M", "-c", "flush",
            "-c", "read -P 7 0 1M", "-c", "discard 1M 1M", "-c", "write -z 2M 1M", "-c", "read -P 0 2M 1M")
    line = rig.ctl("show", "clients")
    assert not line, line


def test_shared_keys_with_libnbd_and_qemu(rig):
    rig.path("keys").mkdir()
    shared_key(rig.path("keys") / "keys.psk", "alice", "bob")
    shared_key(rig.path("mallory.psk"), "mallory")
    keys = rig.path("keys") / "keys.psk"
    served = Served(rig, tls=f"tls: {{psk: {keys}}}", more=f"  b: {{{TABLE}, tls_identities: [bob]}}\n")
    uri = f"nbds+unix://%s@/%s?socket={rig.path('nbd.sock')}&tls-psk-file={keys}"
    works(rig, uri % ("alice", "m"), served.disk)
    works(rig, uri % ("bob", "b"), served.disk)
    done = rig.run("nbdinfo", "--size", uri % ("alice", "b"), check=False)
    assert done.returncode != 0 and "policy" in done.stderr, done.stderr
    wrong = f"nbds+unix://mallory@/m?socket={rig.path('nbd.sock')}&tls-psk-file={rig.path('mallory.psk')}"
    assert rig.run("nbdinfo", "--size", wrong, check=False).returncode != 0
    (rig.path("keys") / "keys.psk").replace(keys)
    image = (f"driver=nbd,export=m,tls-creds=t,server.type=unix,server.path={rig.path('nbd.sock')}")
    rig.run("qemu-img", "convert", "--object",
            f"tls-creds-psk,id=t,endpoint=client,dir={rig.path('keys')},username=alice", "-O", "raw", "--image-opts",
            image, rig.path("copy2"))
    assert rig.path("copy2").read_bytes() == served.disk.read_bytes()
    log = rig.daemon.output()
    for line in keys.read_text().split():
        assert line.split(":")[1] not in log, "a key in the log"


def test_without_a_right_certificate_there_is_no_way_in(rig):
    served = Served(rig)
    other = Authority(rig.path("other-ca")).issue(rig.path("other"), "client", "mallory")
    (other / "ca-cert.pem").write_bytes(served.authority.certificate.read_bytes())
    assert rig.run("nbdinfo", "--size", served.uri(certificates=other), check=False).returncode != 0
    bare = rig.path("bare")
    bare.mkdir()
    (bare / "ca-cert.pem").write_bytes(served.authority.certificate.read_bytes())
    assert rig.run("nbdinfo", "--size", served.uri(certificates=bare), check=False).returncode != 0
    plain = rig.run("nbdinfo", "--size", rig.export("m"), check=False)
    assert plain.returncode != 0 and "TLS" in plain.stderr, plain.stderr
    works(rig, served.uri(), served.disk)


def test_anybody_comes_in_when_peers_are_not_verified(rig):
    served = Served(rig, keys=", verify_peer: false")
    bare = rig.path("bare")
    bare.mkdir()
    (bare / "ca-cert.pem").write_bytes(served.authority.certificate.read_bytes())
    works(rig, served.uri(certificates=bare), served.disk)


def test_revoked_certificates_are_refused_after_a_reload(rig):
    served = Served(rig)
    bob = served.authority.issue(rig.path("bob"), "client", "bob")
    works(rig, served.uri(certificates=bob), served.disk)
    with TlsClient(served, "m") as before:
        served.authority.revoke(bob / "client-cert.pem", served.server / "ca-crl.pem")
        rig.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP" in rig.daemon.output(), what="the reload")
        wait_for(lambda: rig.run("nbdinfo", "--size", served.uri(certificates=bob), check=False).returncode != 0,
                 what="bob is refused")
        assert len(before.read(0, 512)) == 512
    works(rig, served.uri(), served.disk)
    (served.server / "server-cert.pem").write_text("nonsense")
    rig.daemon.signal(signal.SIGHUP)
    wait_for(lambda: "former ones" in rig.daemon.output(), what="the failing reload")
    works(rig, served.uri(), served.disk)


def test_a_start_without_its_credentials_fails(rig):
    text = (f"listen: [{{unix: {rig.path('nbd.sock')}, tls: require}}]\ntls: {{certificates: {rig.path('none')}}}\n"
            f"paths: {{a: \"file://{rig.disk()}\"}}\nmultipaths:\n  m: {{{TABLE}}}\n")
    daemon = rig.nbdmpathd(text, wait=False)
    assert daemon.child.wait(30) == 78, daemon.output()
    assert "nbdmpathd.yaml:3:6: tls: cannot load" in daemon.output(), daemon.output()
    checked = rig.run(daemon.words[0], "--check", "-c", rig.path("nbdmpathd.yaml"), check=False)
    assert checked.returncode == 78 and "tls: cannot load" in checked.stdout, checked
    assert not rig.path("nbd.sock").exists()


def test_identities_open_exports(rig):
    more = "".join(f"  {name}: {{{TABLE}, tls_identities: [{who}]}}\n" for name, who in (
        ("cn", "alice"), ("dn", "\"O=Tests,CN=alice\""), ("san", "alice.example"), ("not", "bob")))
    served = Served(rig, more=more)
    subject = rig.run("openssl", "x509", "-in", served.client / "client-cert.pem", "-noout", "-subject", "-nameopt",
                      "RFC2253").stdout.strip().removeprefix("subject=")
    with TlsClient(served, "m"):
        wait_for(lambda: f" tls={subject} " in "".join(rig.ctl("show", "clients")), what=f"tls={subject}")
    for name in ("cn", "san"):
        works(rig, served.uri(name), served.disk)
    if subject == "O=Tests,CN=alice":
        works(rig, served.uri("dn"), served.disk)
    done = rig.run("nbdinfo", "--size", served.uri("not"), check=False)
    assert done.returncode != 0 and "policy" in done.stderr, done.stderr
    exports = json.loads(rig.run("nbdinfo", "--list", "--json", served.uri("")).stdout)["exports"]
    assert "not" not in [export["export-name"] for export in exports]


def test_before_tls_only_starttls_and_abort_where_it_is_required(rig):
    Served(rig)
    with Client(rig.path("nbd.sock")) as client:
        client.greet()
        for number, payload in ((LIST, b""), (INFO, go_payload("m")), (7, go_payload("m")), (STRUCTURED, b""),
                                (9, b""), (10, bytes(1000)), (11, b""), (99, bytes(70000))):
            client.socket.sendall(option(number, payload))
            answered, kind, _ = client.reply_to_option()
            assert answered == number and kind == TLS_REQUIRED, (number, hex(kind))
        client.socket.sendall(option(STARTTLS, b"x"))
        assert client.reply_to_option()[1] == INVALID
        client.socket.sendall(option(ABORT))
        assert client.reply_to_option()[1] == 1
    with Client(rig.path("nbd.sock")) as client:
        client.greet()
        client.socket.sendall(option(1, b"m"))
        client.socket.settimeout(10)
        assert client.socket.recv(1) == b"", "EXPORT_NAME without TLS gets an answer"


def test_exports_that_need_tls_hide_from_plain_clients(rig):
    served = Served(rig, mode="allow", more=f"  secret: {{{TABLE}, tls_only: true}}\n")
    works(rig, rig.export("m"), served.disk)
    works(rig, served.uri("secret"), served.disk)
    with Client(rig.path("nbd.sock")) as client:
        client.greet()
        client.socket.sendall(option(LIST))
        names = []
        while (reply := client.reply_to_option())[1] != 1:
            names.append(reply[2][4:])
        assert names == [b"m"], names
        for name in ("secret", "nonsense"):
            client.socket.sendall(option(7, go_payload(name)))
            assert client.reply_to_option()[1] == TLS_REQUIRED, name
    with TlsClient(served) as client:
        client.socket.sendall(option(7, go_payload("nonsense")))
        assert client.reply_to_option()[1] == UNKNOWN
        client.socket.sendall(option(STARTTLS))
        assert client.reply_to_option()[1] == INVALID


def test_bytes_behind_starttls_are_not_taken_for_encrypted_ones(rig):
    served = Served(rig, mode="allow")
    for behind in (option(7, go_payload("m")), option(STRUCTURED), b"\x16\x03\x01", bytes(300)):
        with Client(rig.path("nbd.sock")) as client:
            client.greet()
            client.socket.sendall(option(STARTTLS) + behind)
            client.socket.settimeout(10)
            # At most the answer to STARTTLS: then the connection is over.
            received = b""
            try:
                while part := client.socket.recv(4096):
                    received += part
            except ConnectionError:
                pass
            assert len(received) <= 20 or received[20] == 0x15, received
    works(rig, served.uri(), served.disk)


def test_what_was_agreed_before_starttls_is_forgotten(rig):
    served = Served(rig, mode="allow")
    with TlsClient(served, "m", before=option(STRUCTURED)) as client:
        client.request(READ, 0, 512)
        assert client.receive(4) == struct.pack(">I", 0x67446698), "structured replies outlived STARTTLS"


def test_refused_payloads_are_drained_inside_tls(rig):
    served = Served(rig, more=f"  ro: {{{TABLE}, access: read-only}}\n")
    with TlsClient(served, "ro") as client:
        for length in (1, 512, 70000, 40 * MIB):
            client.request(WRITE, 0, length, bytes(length))
            assert client.reply()[1] == 1
            assert len(client.read(0, 4096)) == 4096


def test_requests_in_the_record_of_go_are_served(rig):
    served = Served(rig)
    with TlsClient(served) as client:
        client.socket.sendall(option(7, go_payload("m")) + b"".join(
            request_bytes(READ, i * 4096, 4096, cookie=i) for i in range(64)))
        client.receive(20 + 12)
        client.receive(20)
        for i in range(64):
            assert client.reply() == (i, 0)
            assert client.receive(4096) == served.disk.read_bytes()[i * 4096:(i + 1) * 4096]


def test_many_large_reads_and_writes_keep_their_order_and_bytes(rig):
    served = Served(rig)
    data = random.Random(5).randbytes(SIZE)
    with TlsClient(served, "m", tcp=True) as client:
        # Not in a thread of their own: Python's TLS cannot be read and written at the same time.
        for at in range(0, SIZE, MIB):
            client.request(WRITE, at, MIB, data[at:at + MIB])
        assert all(client.reply()[1] == 0 for _ in range(0, SIZE, MIB))
        # More answers than the socket takes, before the first of them is read.
        for at in range(0, SIZE, MIB):
            client.request(READ, at, MIB)
        rig.wait_for_path("m", "a", "A")
        expected = client.cookie - SIZE // MIB
        for _ in range(0, SIZE, MIB):
            cookie, error = client.reply()
            at = (cookie - expected - 1) * MIB
            assert error == 0 and client.receive(MIB) == data[at:at + MIB], cookie


def test_disconnect_answers_everything_first(rig):
    served = Served(rig)
    with TlsClient(served, "m") as client:
        client.socket.sendall(b"".join(request_bytes(READ, 0, 65536, cookie=i) for i in range(100))
                              + request_bytes(2, 0, 0))
        for _ in range(100):
            assert client.reply()[1] == 0
            client.receive(65536)
        assert client.socket.recv(1) == b"", "the end of the stream is a goodbye"


def test_clients_that_die_in_the_handshake_or_later_harm_nobody(rig):
    served = Served(rig)
    works(rig, served.uri(), served.disk)
    before = descriptors(rig.daemon.pid)
    chance = random.Random(6)
    with TlsClient(served, "m") as witness:
        for _ in range(60):
            with Client(rig.path("nbd.sock")) as client:
                client.greet()
                client.socket.sendall(option(STARTTLS))
                client.reply_to_option()
                client.socket.sendall(chance.choice([b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", chance.randbytes(600)]))
        for _ in range(30):
            client = TlsClient(served, "m")
            client.request(WRITE, 0, 65536, bytes(chance.randrange(65536)))
            client.request(READ, 0, MIB)
            raw = socket.socket(fileno=client.socket.detach())
            raw.close()
        assert len(witness.read(0, 512)) == 512
    wait_for(lambda: descriptors(rig.daemon.pid) <= before, 15, "descriptors given back")


def test_many_tls_clients_at_once(rig):
    served = Served(rig)
    failures = []

    def transfer(number):
        try:
            chance = random.Random(number)
            with TlsClient(served, "m", tcp=number % 2 == 0) as client:
                base = number * MIB
                for _ in range(20):
                    data = chance.randbytes(chance.choice([512, 5000, 65536, 300000]))
                    client.write(base, data)
                    assert client.read(base, len(data)) == data
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=transfer, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, failures


os.environ["PATH"] += ":/usr/sbin:/sbin"
main(globals())
