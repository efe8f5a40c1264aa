#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is found behind portals of iSCSI targets, and the configuration that is proposed of it: it is right as it stands, and
serves the disks.
"""
import time

from harness import NBDMPATHCTL, NBDMPATHD, free_port, in_time, main, require, wait_for
from iscsi_target import TARGET, Target, wwid

require("tgtd", "tgtadm")

SECRETS = ("secret123456", "othersecret12")
SECOND = "iqn.2026-01.org.example:second"


def serve(rig):
    """A server to ask; it has no maps itself."""
    rig.nbdmpathd("log: {level: debug}\n")


def portals(target):
    return [f"iscsi://127.0.0.1:{port}" for port in target.ports]


def second_target(rig, target):
    """Another target with two units; one of them is the disk of the first target, too."""
    target.adm("target", "new", "--tid", 2, "--targetname", SECOND)
    for lun, disk, serial in ((1, rig.disk("second.disk", 32 << 20), "S2"), (5, target.disk, "S1")):
        target.adm("logicalunit", "new", "--tid", 2, "--lun", lun, "--backing-store", disk)
        target.adm("logicalunit", "update", "--tid", 2, "--lun", lun, "--params",
                   f"scsi_sn={serial},scsi_id=ID{serial}")
    target.adm("target", "bind", "--tid", 2, "--initiator-address", "ALL")


def check(rig, lines):
    """The proposal as a configuration, in a file of its own; its sockets are the test's."""
    text = "\n".join(lines).replace("/run/nbdmpath/", f"{rig.directory}/").replace("/etc/nbdmpath/", f"{rig.directory}/")
    rig.path("proposed.yaml").write_text(text + "\n")
    done = rig.run(NBDMPATHD, "--check", "-c", rig.path("proposed.yaml"), check=False)
    assert done.returncode == 0 and "warning" not in done.stdout + done.stderr, (done, text)
    return text


def test_units_are_found_and_the_proposal_serves_them(rig):
    target = Target(rig)
    second_target(rig, target)
    serve(rig)
    # One portal after the other: tgtd names only the portal that is asked.
    lines = rig.ctl("discover", *portals(target))
    assert f"# 127.0.0.1:{target.ports[0]} {TARGET} unit 1: {wwid('S1')} serial S1, 67108864 bytes, IET_VIRTUAL-DISK" \
        in lines, lines
    assert any("not used" in line and f"{SECOND} unit 0: the unit is not a disk" in line for line in lines), lines
    text = check(rig, lines)
    assert text.count("wwid:") == 2 and f'wwid: "{wwid("S2")}"' in text, text
    assert "selector: service-time, paths: [disk1-1, disk1-2, disk1-3, disk1-4]" in text, text
    assert "selector: service-time, paths: [disk2-1, disk2-2]" in text, text
    rig.daemon.end()
    rig.path("nbdmpathd.log").unlink()
    rig.nbdmpathd(text)
    for path in ("disk1-1", "disk1-2", "disk1-3", "disk1-4"):
        rig.wait_for_path("disk1", path, "A")
    for path in ("disk2-1", "disk2-2"):
        rig.wait_for_path("disk2", path, "A")


def test_one_portal_is_enough_to_ask(rig):
    target = Target(rig)
    serve(rig)
    text = check(rig, rig.ctl("discover", portals(target)[1]))
    assert "paths: [disk1-1]" in text and f":{target.ports[1]}/{TARGET}/1" in text, text


def no_secret_is_told(rig, text):
    told = text + rig.daemon.output()
    assert not any(secret in told for secret in SECRETS), told


def test_secrets_let_in_and_are_not_proposed(rig):
    target = Target(rig)
    target.account("user1", SECRETS[0])
    target.account("target", SECRETS[1], "--outgoing")
    serve(rig)
    port = target.ports[0]
    mutual = f"?target_user=target&target_password={SECRETS[1]}"
    text = check(rig, rig.ctl("discover", f"iscsi://user1%{SECRETS[0]}@127.0.0.1:{port}{mutual}"))
    no_secret_is_told(rig, text)
    assert f'uri: "iscsi://user1@127.0.0.1:{port}/{TARGET}/1?target_user=target"' in text, text
    rig.path("user1.secret").write_text(SECRETS[0] + "\n")
    rig.path("target.secret").write_text(SECRETS[1] + "\n")
    for uri in (f"iscsi://user1%{SECRETS[1]}@127.0.0.1:{port}{mutual}", f"iscsi://127.0.0.1:{port}"):
        done = rig.ctl("discover", uri, check=False)
        assert done.returncode == 1 and "uth" in done.stderr, done
        no_secret_is_told(rig, done.stdout + done.stderr)
    rig.daemon.end()
    rig.path("nbdmpathd.log").unlink()
    rig.nbdmpathd(text)
    rig.wait_for_path("disk1", "disk1-1", "A")


def test_what_does_not_answer_is_said_and_the_rest_is_found(rig):
    target = Target(rig)
    serve(rig)
    nobody = f"iscsi://127.0.0.1:{free_port()}"
    done = rig.ctl("discover", nobody, check=False)
    assert done.returncode == 1 and nobody.removeprefix("iscsi://") in done.stderr, done
    text = check(rig, rig.ctl("discover", nobody, portals(target)[0]))
    assert f"# not used: {nobody.removeprefix('iscsi://')}" in text, text
    target.remove_unit()
    done = rig.ctl("discover", portals(target)[0], check=False)
    assert done.returncode == 1 and "no unit was found" in done.stderr, done


def test_a_silent_portal_keeps_nobody_waiting(rig):
    target = Target(rig, portals=1)
    other = Target(rig, portals=1, name="other")
    serve(rig)
    target.stop()
    begin = time.monotonic()
    asking = rig.start("asking", "sh", "-c", f"exec {NBDMPATHCTL} -s {rig.path('admin.sock')} discover "
                       f"{portals(target)[0]} {portals(other)[0]}")
    # Meanwhile others are answered.
    assert rig.ctl("ls") == []
    text = check(rig, rig.ctl("discover", portals(other)[0]))
    assert "disk1-1" in text
    assert time.monotonic() - begin < 5 or not asking.alive()
    asking.child.wait(30)
    assert "no answer in time" in asking.output() and "disk1-1" in asking.output(), asking.output()
    target.go_on()


def all_look(rig):
    """Whether nobody else may look."""
    done = rig.ctl("discover", f"iscsi://127.0.0.1:{free_port()}", check=False)
    return "others are looking" in done.stderr


def as_many_as_can_look(rig, uri):
    clients = []

    def no_more():
        if all_look(rig):
            return True
        clients.append(rig.start(f"asking{len(clients)}", NBDMPATHCTL, "-s", rig.path("admin.sock"), "discover", uri))
        return False

    wait_for(no_more, what="the most that may look")
    return clients


def test_who_leaves_or_ends_meanwhile_is_not_waited_for(rig):
    target = Target(rig, portals=1)
    serve(rig)
    target.stop()
    for client in as_many_as_can_look(rig, portals(target)[0]):
        client.signal(15)
    wait_for(lambda: not all_look(rig), 4, "the end of what nobody waits for")
    asking = as_many_as_can_look(rig, portals(target)[0])
    begin = time.monotonic()
    assert rig.daemon.end() == 0
    assert in_time(time.monotonic() - begin, 4)
    assert "a thread that hangs" not in rig.daemon.output(), rig.daemon.output()
    for client in asking:
        client.child.wait(10)
    target.go_on()


def test_a_portal_where_nobody_listens_is_said_to_be_one(rig):
    serve(rig)
    done = rig.run(NBDMPATHCTL, "-s", rig.path("admin.sock"), "discover", f"iscsi://127.0.0.1:{free_port()}", check=False)
    assert done.returncode == 1 and "Connection refused" in done.stderr, done.stderr


def test_a_wrong_uri_is_refused_without_its_secret(rig):
    serve(rig)
    for uri, why in (("nbd://h/x", "not an iSCSI URI"), ("iscsi://me%hunter2@", "no host"),
                     ("iscsi://me%hunter2@h:99999", "not a port"), ("iscsi://me%hunter2@h/iqn.x/0", "portal"),
                     ("iscsi://me%hunter2@h?x=y", "unknown parameter 'x'")):
        done = rig.ctl("discover", uri, check=False)
        told = done.stdout + done.stderr
        assert done.returncode == 1 and why in told and "hunter2" not in told + rig.daemon.output(), told


main(globals())
