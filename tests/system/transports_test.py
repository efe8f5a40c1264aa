#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every way in: unix with owner and mode, abstract, TCP v4 and v6, vsock, sockets handed over; and what the manager hears."""
import fcntl
import os
import pathlib
import re
import socket
import stat
import subprocess
import time

from harness import NBDMPATHD, SANITIZED, free_port, main, require, wait_for
from raw_nbd import Client

require("nbdinfo", "nbdcopy", "qemu-img")
SIZE = 8 << 20
MAP = """
paths: {{a: "file://{disk}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1", cache: shared}}}}
"""


def serve(rig, listen, wait=True):
    disk = rig.disk(size=SIZE)
    disk.write_bytes(os.urandom(SIZE))
    rig.nbdmpathd(f"listen: [{listen}]\n" + MAP.format(disk=disk), wait=wait)
    return disk


def copies(rig, uri, disk):
    rig.run("nbdcopy", uri, rig.path("copy"))
    assert rig.path("copy").read_bytes() == disk.read_bytes(), uri
    assert rig.run("nbdinfo", "--size", uri).stdout.strip() == str(SIZE)


def test_unix_sockets_have_mode_owner_and_group(rig):
    owner = 12345 if os.getuid() == 0 else os.getuid()
    group = 23456 if os.getuid() == 0 else os.getgid()
    disk = serve(rig, f"{{unix: {rig.path('nbd.sock')}, mode: \"0606\", owner: {owner}, group: {group}}}")
    state = rig.path("nbd.sock").stat()
    assert stat.S_IMODE(state.st_mode) == 0o606 and state.st_uid == owner and state.st_gid == group, state
    copies(rig, rig.export("m"), disk)
    assert rig.daemon.end() == 0
    assert not rig.path("nbd.sock").exists()


def test_abstract_sockets_are_served(rig):
    name = f"nbdmpath-test-{os.getpid()}"
    disk = serve(rig, f"{{unix: \"@{name}\"}}")
    rig.run("qemu-img", "convert", "-f", "raw", "-O", "raw", "--image-opts",
            f"driver=nbd,export=m,server.type=unix,server.path={name},server.abstract=on,server.tight=on",
            rig.path("copy"), check=False)
    if not rig.path("copy").exists():  # a qemu without abstract sockets: by hand
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(f"\0{name}")
            assert probe.recv(16) == b"NBDMAGICIHAVEOPT"
        return
    assert rig.path("copy").read_bytes() == disk.read_bytes()


def test_tcp_is_served_on_both_families(rig):
    ports = free_port(), free_port(), free_port()
    disk = serve(rig, f"{{tcp: 127.0.0.1:{ports[0]}}}, {{tcp: \"[::1]:{ports[1]}\"}}, {{tcp: :{ports[2]}}}")
    for address in (f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}", f"127.0.0.1:{ports[2]}", f"[::1]:{ports[2]}"):
        copies(rig, f"nbd://{address}/m", disk)


def test_a_tcp_handshake_takes_under_two_milliseconds(rig):
    port = free_port()
    serve(rig, f"{{tcp: 127.0.0.1:{port}}}")
    best = 1.0
    for _ in range(50):
        begin = time.monotonic()
        with Client(("127.0.0.1", port), "m"):
            best = min(best, time.monotonic() - begin)
    print(f"# handshake: {best * 1000:.2f} ms at best")
    assert SANITIZED or best < 0.002, best


def test_vsock_is_served_or_the_start_says_why_not(rig):
    serve(rig, f"{{vsock: 20809}}, {{unix: {rig.path('nbd.sock')}}}", wait=False)
    wait_for(lambda: "serving" in rig.daemon.output() or not rig.daemon.alive(), what="start")
    if not rig.daemon.alive():
        assert "cannot listen on vsock:20809" in rig.daemon.output(), rig.daemon.output()
        assert rig.daemon.child.returncode == 1


class Notified:
    """What a service manager hears."""

    def __init__(self, rig):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(rig.path("notify.sock")))
        self.socket.settimeout(30)

    def next(self):
        while True:
            text = self.socket.recv(4096).decode()
            if text != "WATCHDOG=1":
                return dict(line.split("=", 1) for line in text.splitlines())


def start_activated(rig, sockets, text, environment=()):
    """nbdmpathd as systemd starts it: `sockets` is a list of (socket, name)."""
    rig.path("activated.yaml").write_text(text)
    descriptors = [member.fileno() for member, _ in sockets]
    names = ":".join(name for _, name in sockets)
    # The shell keeps its pid, and moves the descriptors to where they are looked for.
    moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(descriptors))
    script = (f"exec {moves}; LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={names} "
              f"exec {os.path.abspath(NBDMPATHD)} -c {rig.path('activated.yaml')}")
    daemon = rig.start("activated", "bash", "-c", script, pass_fds=descriptors,
                       env={**os.environ, **dict(environment)})
    rig.daemon = daemon
    return daemon


def listening(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen(16)
    # Away from the numbers that the shell redirects to.
    high = os.fdopen(fcntl.fcntl(made.fileno(), fcntl.F_DUPFD, 100), "rb", buffering=0)
    made.close()
    return high


def test_sockets_handed_over_are_used_by_name_and_the_manager_hears(rig):
    disk = rig.disk(size=SIZE)
    manager = Notified(rig)
    sockets = [(listening(rig.path("nbd.sock")), "nbd"), (listening(rig.path("admin.sock")), "admin")]
    daemon = start_activated(rig, sockets, MAP.format(disk=disk),
                             {"NOTIFY_SOCKET": str(rig.path("notify.sock")), "WATCHDOG_USEC": "200000"})
    ready = manager.next()
    assert ready == {"READY": "1", "STATUS": "serving 1 export"}, ready
    copies(rig, rig.export("m"), disk)
    assert rig.ctl("ls") == ["m"]
    variables = pathlib.Path(f"/proc/{daemon.pid}/environ").read_text()
    assert "LISTEN_FDS" in variables  # they were really there
    for _ in range(3):
        assert manager.socket.recv(100) == b"WATCHDOG=1"
    daemon.signal(15)
    assert manager.next()["STOPPING"] == "1"
    assert daemon.child.wait(30) == 0
    assert rig.path("nbd.sock").exists(), "the file is the manager's"


def test_a_configured_address_that_was_handed_over_is_not_opened_again(rig):
    disk = rig.disk(size=SIZE)
    sockets = [(listening(rig.path("nbd.sock")), "nbdmpathd.socket")]
    text = f"listen: [{{unix: {rig.path('nbd.sock')}}}]\nadmin: [{{unix: {rig.path('admin.sock')}}}]\n"
    daemon = start_activated(rig, sockets, text + MAP.format(disk=disk))
    wait_for(lambda: "serving" in daemon.output() or not daemon.alive(), what="start")
    copies(rig, rig.export("m"), disk)
    assert rig.ctl("ls") == ["m"]


def test_variables_meant_for_another_process_are_ignored(rig):
    rig.path("none.yaml").write_text(MAP.format(disk=rig.disk()))
    done = subprocess.run([NBDMPATHD, "-c", str(rig.path("none.yaml"))], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"}, check=False)
    assert done.returncode == 78 and re.search("listen: at least one socket", done.stderr), done


def test_libnbd_starts_the_server_by_socket_activation(rig):
    disk = rig.disk(size=SIZE)
    disk.write_bytes(os.urandom(SIZE))
    rig.path("activated.yaml").write_text(MAP.format(disk=disk))
    done = rig.run("nbdinfo", "--size", "--", "[", os.path.abspath(NBDMPATHD), "-c", rig.path("activated.yaml"), "]")
    assert done.stdout.strip() == str(SIZE), done.stdout
    rig.run("nbdcopy", "--", "[", os.path.abspath(NBDMPATHD), "-c", rig.path("activated.yaml"), "]", rig.path("copy"))
    assert rig.path("copy").read_bytes() == disk.read_bytes()


main(globals())
