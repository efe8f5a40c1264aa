# SPDX-License-Identifier: BSD-3-Clause
"""For tests of persistent reservations: two paths to one unit, and another nbdmpathd as another host."""
from harness import NBDMPATHCTL, NBDMPATHD, wait_for
from raw_nbd import WRITE, Client

OURS = "0x123abc"
THEIRS = "0xdef"
EPERM = 1
BLOCK = 4096
REGISTRANTS_ONLY = "5"


def configuration(uris, name, keys=""):
    """A map `m` of the paths a and b."""
    paths = "\n".join(f'  {path}: {{uri: "{uri}", stall_timeout: 1s}}' for path, uri in zip("ab", uris))
    return f"""
log: {{level: debug}}
iscsi: {{initiator_name: "iqn.2026-01.org.example:{name}"}}
paths:
{paths}
multipaths:
  m: {{table: "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1", no_path_timeout: 60s{keys}}}
"""


def serve(rig, uris, **options):
    rig.nbdmpathd(configuration(uris, "one", **options))
    rig.wait_for_path("m", "a", "A")
    rig.wait_for_path("m", "b", "A")


class Other:
    """Another nbdmpathd, on another host as it were."""

    def __init__(self, rig, uris):
        self.rig = rig
        self.admin = rig.path("other-admin.sock")
        self.nbd = rig.path("other-nbd.sock")
        rig.path("other.yaml").write_text(f"listen: [{{unix: {self.nbd}}}]\nadmin: [{{unix: {self.admin}}}]\n"
                                          + configuration(uris, "other"))
        self.server = rig.start("other", NBDMPATHD, "-c", rig.path("other.yaml"))
        wait_for(self.is_ready, what="the other server")

    def is_ready(self):
        said = self.rig.run(NBDMPATHCTL, "-s", self.admin, "show", "paths", "m", check=False).stdout
        return said.count("state=active") == 2

    def persist(self, *words):
        return self.rig.run(NBDMPATHCTL, "-s", self.admin, "persist", *words, "m").stdout.splitlines()


def persist(rig, *words):
    return rig.ctl("persist", *words, "m")


def refused(rig, *words):
    done = rig.ctl("persist", *words, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def keys(rig):
    return [line.strip() for line in persist(rig, "-ik")[1:]]


def reservation(rig):
    """Key and type."""
    lines = persist(rig, "-ir")
    return (lines[1].split(" = ")[1], lines[2].split("type = ")[1]) if len(lines) > 1 else None


def write_error(rig, socket=None):
    """What a write gets: 0 or an NBD error."""
    with Client(socket or rig.path("nbd.sock"), "m") as client:
        cookie = client.request(WRITE, 0, BLOCK, payload=b"x" * BLOCK)
        answered, error = client.reply()
        assert answered == cookie
        return error


def log_of(rig):
    return rig.daemon.output()
