#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes that the kernel's iSCSI target was sent and did not answer: it ends the former session at a new login, and no
earlier do they go on by its other portal (design D3). One VM for all tests.
"""
import atexit
import time

from lio_target import GROUPS, Target
from harness import Rig, main, wait_for
from iscsi_redirector import Redirector
from raw_nbd import WRITE, Client

BLOCK = 4096
WRITES = 16
OLD, NEW = b"o" * BLOCK, b"n" * BLOCK
EIO = 5

house = Rig()
atexit.register(house.close)
target = Target(house)


class Client16(Client):
    """Writes the same few blocks, all at once."""

    def send_writes(self, data):
        return [self.request(WRITE, block * BLOCK, BLOCK, data) for block in range(WRITES)]

    def answers(self, cookies):
        replies = dict(self.reply() for _ in cookies)
        assert set(replies) == set(cookies), replies
        return set(replies.values())

    def write_all(self, data):
        return self.answers(self.send_writes(data))

    def read_all(self):
        return {self.read(block * BLOCK, BLOCK) for block in range(WRITES)}


def serve(rig, patience, fence_portal=""):
    target.reset()
    more = f', fence_portal: "{fence_portal}"' if fence_portal else ""
    paths = "\n".join(f'  p{group}: {{uri: "{target.uri(group)}", stall_timeout: 1s, io_timeout: 2s, '
                      f"connect_timeout: 2s{more}}}" for group in GROUPS)
    rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
{paths}
multipaths:
  m:
    table: "1 queue_if_no_path 0 2 1 round-robin 0 1 1 p1 1 round-robin 0 1 1 p2 1"
    no_path_timeout: 60s
    fence_timeout: {patience}
""")
    for path in ("p1", "p2"):
        rig.wait_for_path("m", path, "A")
    client = Client16(rig.path("nbd.sock"), "m")
    assert client.write_all(b"x" * BLOCK) == {0}
    return client


def no_answer(client):
    client.socket.settimeout(1)
    try:
        return client.reply() is None
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(60)


def disk_stays(client, data):
    """Now, and when everything that was under way has arrived."""
    assert client.read_all() == {data}
    time.sleep(3)
    assert client.read_all() == {data}


def test_the_target_is_found_to_end_the_former_session(rig):
    serve(rig, "30s")
    assert all("fence=reinstatement" in line for line in rig.ctl("show", "paths", "m")), rig.ctl("show", "paths", "m")


def test_writes_that_the_unit_holds_go_on_when_it_lets_go(rig):
    client = serve(rig, "60s")
    target.command("hold")
    cookies = client.send_writes(OLD)
    rig.wait_for_path("m", "p1", "F", 30)
    assert no_answer(client), "answered while the target may still write"
    target.command("release")
    assert client.answers(cookies) == {0}
    assert client.write_all(NEW) == {0}
    disk_stays(client, NEW)


def test_a_target_that_stood_still_writes_nothing_later(rig):
    client = serve(rig, "60s")
    target.stop()
    cookies = client.send_writes(OLD)
    rig.wait_for_path("m", "p1", "F", 30)
    target.go_on()
    assert client.answers(cookies) == {0}
    assert client.write_all(NEW) == {0}
    disk_stays(client, NEW)


def test_what_was_under_way_to_a_portal_that_is_cut_off_is_fenced_when_it_is_back(rig):
    client = serve(rig, "60s")
    target.link(1, False)
    cookies = client.send_writes(OLD)
    rig.wait_for_path("m", "p1", "F", 30)
    assert no_answer(client), "answered while the network may still deliver"
    target.link(1, True)
    assert client.answers(cookies) == {0}
    assert client.write_all(NEW) == {0}
    disk_stays(client, NEW)


def test_what_is_cut_off_for_too_long_fails_and_destroys_nothing_newer(rig):
    client = serve(rig, "1s")
    target.link(1, False)
    assert client.write_all(OLD) == {EIO}
    assert client.write_all(NEW) == {EIO}
    assert rig.info("m")["in doubt"] == str(WRITES)
    target.link(1, True)
    wait_for(lambda: rig.info("m")["in doubt"] == "0", 40, "the end of the fence")
    assert client.write_all(NEW) == {0}
    disk_stays(client, NEW)


def test_what_was_under_way_to_a_portal_that_is_cut_off_is_fenced_through_another_one(rig):
    client = serve(rig, "30s", target.add_portal(1))
    of_group, of_another = rig.ctl("show", "paths", "m")
    assert "fence=portal" in of_group, of_group
    assert "fence=portal" not in of_another, of_another
    told = [line for line in rig.daemon.output().splitlines() if "of no use" in line]
    assert len(told) == 1 and "path p2: fence_portal" in told[0], told
    target.link(1, False)
    cookies = client.send_writes(OLD)
    assert client.answers(cookies) == {0}
    assert rig.path_state("m", "p1") == "F"
    assert client.write_all(NEW) == {0}
    disk_stays(client, NEW)
    target.link(1, True)
    rig.wait_for_path("m", "p1", "A", 30)
    disk_stays(client, NEW)
    assert client.write_all(OLD) == {0}


def test_where_the_target_has_sent_us_only_a_login_there_fences(rig):
    target.reset()
    redirector = Redirector(f"127.0.0.1:{target.ports[1]},1".encode())
    try:
        uri = target.uri(1).replace(f"127.0.0.1:{target.ports[1]}", redirector.address())
        rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
  p: {{uri: "{uri}", stall_timeout: 1s, io_timeout: 2s, connect_timeout: 2s}}
multipaths:
  m: {{table: "1 queue_if_no_path 0 1 1 round-robin 0 1 1 p 1", no_path_timeout: 60s, fence_timeout: 60s}}
""")
        rig.wait_for_path("m", "p", "A")
        client = Client16(rig.path("nbd.sock"), "m")
        assert client.write_all(b"x" * BLOCK) == {0}
        assert "fence=reinstatement" in rig.ctl("show", "paths", "m")[0]
        target.link(1, False)
        cookies = client.send_writes(OLD)
        rig.wait_for_path("m", "p", "F", 30)
        redirector.send_to(f"127.0.0.1:{target.ports[2]}".encode())
        rig.wait_for_path("m", "p", "A", 30)
        assert "fence=reinstatement" in rig.ctl("show", "paths", "m")[0]
        assert no_answer(client), "answered because of a login at another portal"
        target.link(1, True)
        redirector.send_to(f"127.0.0.1:{target.ports[1]}".encode())
        target.link(2, False)
        with Client(rig.path("nbd.sock"), "m") as other:
            other.read(1 << 20, BLOCK)  # by a new session
        target.link(2, True)
        assert client.answers(cookies) == {0}
        assert client.write_all(NEW) == {0}
        disk_stays(client, NEW)
    finally:
        redirector.end()


main(globals())
