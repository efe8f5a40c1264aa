# SPDX-License-Identifier: BSD-3-Clause
"""A tgtd of the test's own: portals on loopback, one disk with a file behind it."""
import os
import signal

from harness import free_port, wait_for

TARGET = "iqn.2026-01.org.example:disk"
LUN = 1  # tgt's own unit 0 is a controller


def wwid(serial="S1"):
    """The name of a unit with that serial number: tgtd makes it of the digits in its scsi_id."""
    return "naa.6" + "".join(c if c in "0123456789abcdef" else "0" for c in f"id{serial}".lower()).rjust(31, "0")


class Target:
    """`portals`: how many; each leads to the same unit. `disk`: of another target, which then offers the same unit.
    `host`: a loopback address. tgtd sends nobody to the address he comes from, which is 127.0.0.1."""

    def __init__(self, rig, portals=2, size=64 << 20, name="tgt", disk=None, host="127.0.0.1"):
        self.rig = rig
        self.name = name
        self.host = host
        self.disk = disk or rig.disk(name + ".disk", size)
        self.ports = [free_port() for _ in range(portals)]
        # Without a socket of its own it would meet the host's; its path must be short.
        self.environment = dict(os.environ, TGT_IPC_SOCKET=str(rig.path("ipc." + name)),
                                PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        self.server = None
        self.start()

    def start(self):
        portals = ",".join(f"portal={self.host}:{port}" for port in self.ports)
        self.server = self.rig.start(self.name, "tgtd", "-f", "-C", "1", "--iscsi", portals, env=self.environment)
        wait_for(lambda: not self.server.alive() or self.adm("sys", "show", check=False).returncode == 0, what="tgtd")
        assert self.server.alive(), self.server.output()
        self.adm("target", "new", "--tid", 1, "--targetname", TARGET)
        self.add_unit()

    def add_unit(self, disk=None, serial="S1"):
        # Nobody may log in while the unit does not have its name yet.
        self.adm("target", "unbind", "--tid", 1, "--initiator-address", "ALL", check=False)
        self.adm("logicalunit", "new", "--tid", 1, "--lun", LUN, "--backing-store", disk or self.disk)
        self.update(f"scsi_sn={serial},scsi_id=ID{serial},thin_provisioning=1")
        self.adm("target", "bind", "--tid", 1, "--initiator-address", "ALL")

    def remove_unit(self):
        self.adm("logicalunit", "delete", "--tid", 1, "--lun", LUN)

    def update(self, parameters):
        self.adm("logicalunit", "update", "--tid", 1, "--lun", LUN, "--params", parameters)

    def adm(self, mode, operation, *words, check=True):
        return self.rig.run("tgtadm", "-C", 1, "--lld", "iscsi", "--mode", mode, "--op", operation, *words,
                            env=self.environment, check=check)

    def account(self, user, secret, *words):
        self.adm("account", "new", "--user", user, "--password", secret)
        self.adm("account", "bind", "--tid", 1, "--user", user, *words)

    def address(self, portal=0):
        return f"{self.host}:{self.ports[portal]}"

    def uri(self, portal=0, user="", target=TARGET, lun=LUN):
        return f"iscsi://{user}{self.address(portal)}/{target}/{lun}"

    def send_to(self, other, reason="Temporary"):
        """Whoever logs in is sent to the other target."""
        host, port = other.address().split(":")
        for name, value in (("Reason", reason), ("Port", port), ("Address", host)):
            self.adm("target", "update", "--tid", 1, "--name", f"Redirect{name}", "--value", value)

    def drop_sessions(self):
        for line in self.adm("conn", "show", "--tid", 1).stdout.splitlines():
            if line.startswith("Session:"):
                self.adm("conn", "delete", "--tid", 1, "--sid", line.split()[1], "--cid", 0, check=False)

    def kill(self):
        self.server.kill()

    def stop(self):
        self.server.stop()

    def go_on(self):
        self.server.signal(signal.SIGCONT)
