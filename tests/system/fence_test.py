#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes that an iSCSI target was sent and did not answer: they go on elsewhere only when they cannot land any more
(design D3). Two tgtd processes offer one unit, as two heads of an array do.
"""
import time

from harness import free_port, in_time, main, require, wait_for
from iscsi_target import TARGET, LUN, Target
from proxy import Proxy
from raw_nbd import WRITE, Client

require("tgtd", "tgtadm", "fio")

BLOCK = 4096
WRITES = 32
OLD, NEW = b"o" * BLOCK, b"n" * BLOCK
EIO = 5
FAR = 8 << 20  # where nothing is in doubt


class Heads:
    """Two targets with one disk, nbdmpathd before them, path a first, and a client."""

    def __init__(self, rig, map_keys="", path_keys="", uri_a=None, patience="10s"):
        self.rig = rig
        self.a = Target(rig, 1, name="ta")
        self.b = Target(rig, 1, name="tb", disk=self.a.disk)
        rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
  a: {{uri: "{uri_a(self.a) if uri_a else self.a.uri()}", stall_timeout: 500ms {path_keys}}}
  b: {{uri: "{self.b.uri()}"}}
multipaths:
  m:
    table: "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
    no_path_timeout: 60s
    fence_timeout: {patience}
{map_keys}
""")
        for path in "ab":
            rig.wait_for_path("m", path, "A")
        self.client = Client(rig.path("nbd.sock"), "m")
        self.client.read(0, BLOCK)

    def send_writes(self, data):
        return [self.client.request(WRITE, block * BLOCK, BLOCK, data) for block in range(WRITES)]

    def answers(self, cookies):
        """The errors of these requests."""
        replies = dict(self.client.reply() for _ in cookies)
        assert set(replies) == set(cookies), replies
        return set(replies.values())

    def write(self, data):
        return self.answers(self.send_writes(data))

    def on_disk(self):
        with open(self.a.disk, "rb") as file:
            return {file.read(BLOCK) for _ in range(WRITES)}

    def read(self):
        return {self.client.read(block * BLOCK, BLOCK) for block in range(WRITES)}

    def in_doubt(self):
        return self.rig.info("m")["in doubt"]

    def ghosts_land(self, all_of_them=True):
        """What the stopped head was sent reaches the disk once it goes on; the disk is made to show that. With a connection
        that is closed in both directions tgtd gives up when it cannot answer, after some."""
        with open(self.a.disk, "r+b") as file:
            file.write(b"x" * BLOCK * WRITES)
        self.a.go_on()
        wait_for(lambda: self.on_disk() == {OLD} or (not all_of_them and OLD in self.on_disk()), what="the late writes")


def test_the_hazard_is_real_late_writes_destroy_newer_data(rig):
    heads = Heads(rig, "    ambiguous_writes: retry")
    heads.a.stop()
    assert heads.write(OLD) == {0}
    assert heads.write(NEW) == {0}
    heads.ghosts_land(all_of_them=False)
    assert OLD in heads.read()  # and NEW had been acknowledged


def test_writes_go_on_when_the_head_that_stood_still_has_done_what_it_was_sent(rig):
    heads = Heads(rig, patience="60s")
    heads.a.stop()
    cookies = heads.send_writes(OLD)
    rig.wait_for_path("m", "a", "F")
    heads.client.socket.settimeout(1)
    try:
        reply = heads.client.reply()
    except TimeoutError:
        reply = None
    assert reply is None, "answered while the former session may still write"
    heads.client.socket.settimeout(60)
    heads.ghosts_land()
    assert heads.answers(cookies) == {0}
    assert heads.write(NEW) == {0}
    rig.wait_for_path("m", "a", "A", 30)
    assert heads.in_doubt() == "0"
    assert heads.read() == {NEW} and heads.on_disk() == {NEW}


def test_writes_that_cannot_be_fenced_fail_and_nothing_newer_is_destroyed(rig):
    heads = Heads(rig, patience="1s")
    heads.a.stop()
    assert heads.write(OLD) == {EIO}
    assert heads.in_doubt() == str(WRITES)
    begin = time.monotonic()
    assert heads.write(NEW) == {EIO}
    assert in_time(time.monotonic() - begin, 1), "refused at once: they had their time"
    heads.client.write(FAR, NEW)
    assert "may still be carried out" in rig.daemon.output()
    heads.ghosts_land()
    wait_for(lambda: heads.in_doubt() == "0", 30, "the end of the fence")
    assert heads.write(NEW) == {0}
    assert heads.read() == {NEW} and heads.on_disk() == {NEW}


def test_an_operator_who_knows_better_opens_what_is_shut(rig):
    heads = Heads(rig, patience="500ms")
    heads.a.stop()
    assert heads.write(OLD) == {EIO}
    heads.a.kill()  # nobody listens any more, which settles it, too
    rig.message("m", "reinstate_path", "a")
    wait_for(lambda: heads.in_doubt() == "0", what="open ranges")
    assert heads.write(NEW) == {0}


def test_a_head_that_is_killed_leaves_nothing_to_wait_for(rig):
    heads = Heads(rig, patience="60s")
    heads.a.stop()
    cookies = heads.send_writes(OLD)
    time.sleep(0.1)  # some are in its socket; how many does not matter
    heads.a.kill()
    begin = time.monotonic()
    assert heads.answers(cookies) == {0}
    assert in_time(time.monotonic() - begin, 5)
    assert heads.in_doubt() == "0" and heads.read() == {OLD}
    assert all(line.endswith("fence=close") for line in rig.ctl("show", "paths", "m")), rig.ctl("show", "paths", "m")


def test_behind_a_proxy_a_target_that_keeps_old_sessions_proves_nothing(rig):
    port = free_port()
    proxies = []

    def through_a_proxy(target):
        proxies.append(Proxy(("127.0.0.1", port), ("127.0.0.1", target.ports[0])))
        return f"iscsi://127.0.0.1:{port}/{TARGET}/{LUN}"

    heads = Heads(rig, patience="1s", path_keys=", trust_peer_close: false", uri_a=through_a_proxy)
    proxies[0].hold()
    assert heads.write(OLD) == {EIO}
    assert heads.write(NEW) == {EIO}
    proxies[0].release()
    rig.wait_for_path("m", "a", "A", 30)
    assert heads.write(NEW) == {EIO}, "a login proves nothing with tgt"
    wait_for(lambda: heads.on_disk() == {OLD}, what="the late writes")
    rig.message("m", "reinstate_path", "a")
    assert heads.write(NEW) == {0} and heads.read() == {NEW}
    assert "fence=none" in rig.ctl("show", "paths", "m")[0], rig.ctl("show", "paths", "m")


def test_a_fence_command_settles_what_the_target_does_not(rig):
    rig.path("fence").write_text(f"echo $NBDMPATH_PATH $NBDMPATH_ADDRESS >>{rig.path('seen')}\nkill -9 $(cat {rig.path('pid')})\n")
    heads = Heads(rig, patience="60s", path_keys=f', trust_peer_close: false, fence_command: "sh {rig.path("fence")}"')
    rig.path("pid").write_text(str(heads.a.server.pid))
    heads.a.stop()
    assert heads.write(OLD) == {0}
    assert heads.write(NEW) == {0}
    assert rig.path("seen").read_text() == f"a 127.0.0.1:{heads.a.ports[0]}\n"
    assert heads.in_doubt() == "0" and heads.read() == {NEW}
    assert "fence=command" in rig.ctl("show", "paths", "m")[0], rig.ctl("show", "paths", "m")


def test_hold_lets_them_go_on_at_once_and_newer_ones_wait(rig):
    heads = Heads(rig, "    ambiguous_writes: hold\n    ambiguous_hold: 4s")
    heads.a.stop()
    assert heads.write(OLD) == {0}
    cookies = heads.send_writes(NEW)
    wait_for(lambda: rig.info("m")["held"] == str(WRITES), what="held writes")
    heads.ghosts_land(all_of_them=False)
    assert heads.answers(cookies) == {0}
    assert heads.read() == {NEW} and heads.on_disk() == {NEW}


def test_a_client_that_verifies_sees_no_error_while_heads_are_killed_and_stopped(rig):
    heads = Heads(rig, patience="60s")
    heads.client.close()
    fio = rig.start("fio", "fio", "--name=load", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randrw", "--bs=4k",
                    "--size=16M", "--iodepth=16", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0",
                    "--time_based", "--runtime=15", "--rate_iops=1000,1000", cwd=rig.directory)
    targets = {"a": heads.a, "b": heads.b}
    turn = 0
    while fio.alive():
        name = "ab"[turn % 2]
        if turn % 4 < 2:
            targets[name].kill()
            rig.wait_for_path("m", name, "F", 30)
            targets[name].start()
        else:
            targets[name].stop()
            time.sleep(1.5)  # longer than a's stall_timeout, shorter than b's
            targets[name].go_on()
        rig.wait_for_path("m", name, "A", 30)
        turn += 1
    assert fio.child.returncode == 0, fio.output()
    assert "err= 0" in fio.output() and "verify:" not in fio.output(), fio.output()
    assert turn >= 4, turn


main(globals())
