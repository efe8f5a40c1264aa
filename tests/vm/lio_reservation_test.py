#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Persistent reservations at the kernel's iSCSI target, whose portals are ports in their own right. One VM for all tests."""
import atexit

from lio_target import GROUPS, Target
from harness import Rig, main, wait_for
from raw_nbd import Client
from reserving import BLOCK, EPERM, OURS, REGISTRANTS_ONLY, THEIRS, Other, keys, log_of, persist, refused, reservation, serve, \
    write_error

house = Rig()
atexit.register(house.close)
target = Target(house)


def uris():
    return [target.uri(group) for group in GROUPS]


def forget_all(rig):
    """Also what a test has left behind that failed."""
    persist(rig, "-oI", "-S", OURS)
    persist(rig, "-oC", "-K", OURS)


def test_each_port_is_registered_and_named(rig):
    target.reset()
    serve(rig, uris())
    forget_all(rig)
    persist(rig, "-oG", "-S", OURS)
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)
    status = [line.strip() for line in persist(rig, "-is")]
    assert status.count(f"Key = {OURS}") == 2, status
    assert {"relative port: 1", "relative port: 2"} <= set(status), status
    assert sum("iqn.2026-01.org.example:one" in line for line in status) == 2, status
    assert sum(line.startswith("holds the reservation") for line in status) == 1, status
    assert any(line.startswith("persist through power loss") for line in persist(rig, "-ic"))
    persist(rig, "-oG", "-K", OURS, "-S", "0")  # and gives the reservation up
    assert keys(rig) == [] and reservation(rig) is None


def test_preempting_and_aborting_keeps_the_other_host_out(rig):
    target.reset()
    other = Other(rig, uris())
    serve(rig, uris())
    other.persist("-oG", "-S", THEIRS)
    other.persist("-oR", "-K", THEIRS, "-T", REGISTRANTS_ONLY)
    assert "EINVAL: map m has no reservation key" in refused(rig, "-oA", "-K", OURS, "-S", THEIRS, "-T", REGISTRANTS_ONLY, "m")
    persist(rig, "-oG", "-S", OURS)
    assert write_error(rig) == 0 and write_error(rig, other.nbd) == 0
    persist(rig, "-oA", "-K", OURS, "-S", THEIRS, "-T", REGISTRANTS_ONLY)
    assert reservation(rig) == (OURS, "Write Exclusive, registrants only")
    assert keys(rig) == [OURS, OURS]
    assert write_error(rig) == 0
    assert write_error(rig, other.nbd) == EPERM
    persist(rig, "-oC", "-K", OURS)


def test_a_reservation_whose_path_is_silent_is_released(rig):
    target.reset()
    serve(rig, uris(), keys=", reservation_key: 0x123abc")
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)
    target.link(1, False)
    try:
        with Client(rig.path("nbd.sock"), "m") as client:
            client.read(0, BLOCK)  # nothing that would be in doubt
        rig.wait_for_path("m", "a", "F", 20)
        persist(rig, "-oL", "-K", OURS, "-T", REGISTRANTS_ONLY)
        assert reservation(rig) is None
    finally:
        target.link(1, True)
    rig.wait_for_path("m", "a", "A", 60)
    assert keys(rig) == [OURS, OURS]
    assert rig.info("m")["state"] == "ACTIVE"
    persist(rig, "-oC", "-K", OURS)


def test_a_port_in_standby_is_registered_too(rig):
    target.reset()
    serve(rig, uris())
    forget_all(rig)
    target.state(2, "standby")
    persist(rig, "-oG", "-S", OURS)
    assert keys(rig) == [OURS, OURS]
    rig.ctl("inject", "m", "b", "drop")
    rig.wait_for_path("m", "b", "F")
    rig.ctl("inject", "m", "b", "off")
    # A dropped path comes back as another session, so there are three; and while in standby it does not read.
    wait_for(lambda: keys(rig) == [OURS] * 3, what="b has been registered")
    assert rig.path_state("m", "b") == "F"
    target.state(2, "optimized")
    rig.wait_for_path("m", "b", "A", 20)
    assert "cannot be registered" not in log_of(rig), log_of(rig)
    persist(rig, "-oC", "-K", OURS)


def test_a_path_that_refuses_gets_nobody_registered_unless_it_has_failed(rig):
    target.reset()
    serve(rig, uris())
    forget_all(rig)
    target.state(2, "unavailable")
    assert "EIO: path b: NOT READY (2/04/0c)" in refused(rig, "-oG", "-S", OURS, "m")
    assert keys(rig) == []
    assert "EINVAL: map m has no reservation key" in refused(rig, "-oC", "-K", OURS, "m")
    rig.message("m", "fail_path", "b")
    assert persist(rig, "-oG", "-S", OURS) == ['path=b result="NOT READY (2/04/0c)"']
    assert keys(rig) == [OURS]
    wait_for(lambda: "path b is not used: the reservation key 0x123abc cannot be registered there" in log_of(rig),
             what="b is tried again")
    target.state(2, "optimized")
    wait_for(lambda: keys(rig) == [OURS] * 2, what="b is registered")
    assert rig.path_state("m", "b") == "F"
    wait_for(lambda: rig.ctl("message", "m", "0", "reinstate_path", "b", check=False).returncode == 0, what="b returns")
    assert rig.path_state("m", "b") == "A"
    persist(rig, "-oC", "-K", OURS)


main(globals())
