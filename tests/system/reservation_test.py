#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Persistent reservations over both portals of a real target, with a second server as the other host."""
from harness import NBDMPATHD, main, require
from iscsi_target import Target
from reserving import EPERM, OURS, REGISTRANTS_ONLY, THEIRS, Other, keys, log_of, persist, refused, reservation, serve, \
    write_error

require("tgtd", "tgtadm")


def uris(target):
    return target.uri(0), target.uri(1)


def test_a_key_is_registered_on_every_path(rig):
    target = Target(rig)
    serve(rig, uris(target))
    assert persist(rig, "--in", "--read-keys")[0].endswith("registered keys: 0")
    assert persist(rig, "--out", "--register", f"--param-sark={OURS}") == []
    assert keys(rig) == [OURS, OURS]
    # Another one in its place, with the old one stated, and not.
    assert "EBADE: path a: RESERVATION CONFLICT" in refused(rig, "-oG", "-K", "bad", "-S", "5", "m")
    assert keys(rig) == [OURS, OURS]
    persist(rig, "-oG", "-K", OURS, "-S", "5")
    assert keys(rig) == ["0x5", "0x5"]
    persist(rig, "-oI", "-S", OURS)
    assert keys(rig) == [OURS, OURS]
    persist(rig, "-oG", "-K", OURS, "-S", "0")
    assert keys(rig) == []
    assert "capabilities" not in persist(rig, "-ic") and any("PTPL_C" in line for line in persist(rig, "-ic"))


def test_a_reservation_keeps_others_out(rig):
    target = Target(rig)
    other = Other(rig, uris(target))
    serve(rig, uris(target))
    persist(rig, "-oG", "-S", OURS)
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)
    assert reservation(rig) == (OURS, "Write Exclusive, registrants only")
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)  # again is no error
    assert write_error(rig) == 0
    assert write_error(rig, other.nbd) == EPERM
    rig.message("m", "fail_path", "a")
    assert write_error(rig) == 0  # b is registered, too
    rig.message("m", "reinstate_path", "a")
    other.persist("-oG", "-S", THEIRS)
    assert write_error(rig, other.nbd) == 0
    persist(rig, "-oP", "-K", OURS, "-S", THEIRS, "-T", REGISTRANTS_ONLY)
    assert write_error(rig, other.nbd) == EPERM
    assert keys(rig) == [OURS, OURS]
    persist(rig, "-oL", "-K", OURS, "-T", REGISTRANTS_ONLY)
    assert reservation(rig) is None
    assert write_error(rig, other.nbd) == 0
    persist(rig, "-oC", "-K", OURS)
    assert keys(rig) == []
    assert "EINVAL: map m has no reservation key" in refused(rig, "-oR", "-K", OURS, "-T", "5", "m")


def test_a_configured_key_is_there_before_any_request_and_after_every_reconnect(rig):
    target = Target(rig)
    serve(rig, uris(target), keys=", reservation_key: 0x123abc")
    assert keys(rig) == [OURS, OURS]
    assert "PATH_FAILED" not in log_of(rig)
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)
    target.kill()
    rig.wait_for_path("m", "a", "F")
    rig.wait_for_path("m", "b", "F")
    target.start()  # and has forgotten everything
    rig.wait_for_path("m", "a", "A")
    rig.wait_for_path("m", "b", "A")
    assert keys(rig) == [OURS, OURS]
    assert write_error(rig) == 0


def test_who_was_preempted_does_not_register_by_itself(rig):
    target = Target(rig)
    other = Other(rig, uris(target))
    serve(rig, uris(target))
    persist(rig, "-oG", "-S", OURS)
    other.persist("-oG", "-S", THEIRS)
    other.persist("-oR", "-K", THEIRS, "-T", REGISTRANTS_ONLY)
    assert write_error(rig) == 0
    other.persist("-oP", "-K", THEIRS, "-S", OURS, "-T", REGISTRANTS_ONLY)
    assert write_error(rig) == EPERM
    rig.ctl("inject", "m", "a", "drop")
    rig.wait_for_path("m", "a", "F")
    rig.ctl("inject", "m", "a", "off")
    rig.wait_for_path("m", "a", "A")
    assert keys(rig) == [THEIRS, THEIRS]
    assert "path a is not registered: somebody has removed the reservation key 0x123abc" in log_of(rig)
    assert write_error(rig) == EPERM
    persist(rig, "-oI", "-S", OURS)
    assert write_error(rig) == 0


def test_what_a_lost_path_holds_is_released(rig):
    target = Target(rig)
    serve(rig, uris(target))
    persist(rig, "-oG", "-S", OURS)
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)
    rig.ctl("inject", "m", "a", "drop")
    rig.wait_for_path("m", "a", "F")
    persist(rig, "-oR", "-K", OURS, "-T", REGISTRANTS_ONLY)  # the map has it
    persist(rig, "-oL", "-K", OURS, "-T", REGISTRANTS_ONLY)
    assert reservation(rig) is None
    assert OURS in keys(rig)
    rig.ctl("inject", "m", "a", "off")
    rig.wait_for_path("m", "a", "A")
    assert keys(rig).count(OURS) >= 2
    assert write_error(rig) == 0
    assert rig.info("m")["state"] == "ACTIVE"


def test_what_cannot_be_is_told(rig):
    target = Target(rig)
    serve(rig, uris(target))
    for words, why in ((("-ioG", "m"), "either --in or --out"), (("-o", "m"), "--out needs one of"),
                       (("-i", "-G", "m"), "--in needs one of"), (("-ik",), "a map must be named"),
                       (("-oGR", "m"), "two actions"), (("-oG", "m"), "--param-sark is missing"),
                       (("-oG", "-S", "xyz", "m"), "'xyz' is not hexadecimal"), (("-oR", "-K", "1", "m"), "--prout-type"),
                       (("-oR", "-K", "1", "-T", "2", "m"), "'2' is none of 1, 3, 5, 6, 7, 8"), (("-oR", "-T5", "m"), "--param-rk"),
                       (("-ik", "m", "n"), "one map at a time"), (("--nosuch", "m"), "unknown option '--nosuch'"),
                       (("-oG", "-S"), "needs a value"), (("-oR", "-K1", "-T5", "m"), "has no reservation key")):
        told = refused(rig, *words)
        assert "EINVAL" in told and why in told, (words, told)
    persist(rig, "-oG", "-S", OURS)
    assert "EOPNOTSUPP: path a: ILLEGAL REQUEST (5/24/00)" in refused(rig, "-is", "m")  # tgt cannot
    assert "EINVAL: the key of map m is 0x123abc, not 0x1" in refused(rig, "-oR", "-K1", "-T5", "m")
    assert "EOPNOTSUPP: path a: ILLEGAL REQUEST (5/24/00)" in refused(rig, "-oA", "-K", OURS, "-S5", "-T5", "m")
    rig.path("wrong.yaml").write_text(f"listen: [{{unix: /tmp/x}}]\npaths: {{a: {target.uri()}, n: nbd://h/}}\nmultipaths:\n"
                                      "  m: {table: 0 0 1 1 round-robin 0 2 0 a n, cache: shared, reservation_key: 0x1}\n")
    done = rig.run(NBDMPATHD, "--check", "-c", rig.path("wrong.yaml"), check=False)
    assert done.returncode == 78 and "reservation_key: path n of map m is not SCSI" in done.stdout + done.stderr, done
    target.kill()
    rig.wait_for_path("m", "a", "F")
    rig.wait_for_path("m", "b", "F")
    assert "ENOTCONN: no SCSI path of map m is up" in refused(rig, "-ik", "m")


main(globals())
