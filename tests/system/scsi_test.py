#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What operators ask the units behind SCSI paths: ioctl sg_io, inquiry, luns, turs; a real target on two portals."""
import subprocess
import time

from harness import NBDMPATHCTL, main, require, wait_for
from iscsi_target import LUN, Target

require("tgtd", "tgtadm", "nbdkit")

BOTH = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"


def serve(rig, paths, table=BOTH, keys=""):
    lines = "\n".join(f"  {name}: {{uri: \"{uri}\", stall_timeout: 2s}}" for name, uri in paths.items())
    rig.nbdmpathd(f"log: {{level: debug}}\npaths:\n{lines}\nmultipaths:\n"
                  f"  m: {{table: \"{table}\", cache: shared, no_path_timeout: 60s{keys}}}\n")


def serve_two(rig, target, **options):
    serve(rig, {"a": target.uri(0), "b": target.uri(1)}, **options)
    rig.wait_for_path("m", "a", "A")
    rig.wait_for_path("m", "b", "A")


def facts(lines):
    """`key: value` lines as a dictionary; of a key that comes again, the values in a row."""
    result = {}
    for key, value in (line.split(": ", 1) for line in lines):
        result[key] = result.get(key, "") + value
    return result


def sg_io(rig, *words):
    return facts(rig.ctl("ioctl", "m", "sg_io", *words))


def refusal(rig, *words):
    done = rig.ctl(*words, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_commands_go_to_the_current_path_and_come_back_whole(rig):
    target = Target(rig)
    serve_two(rig, target)
    inquiry = sg_io(rig, "in", "36", "120000002400")
    assert inquiry["path"] == "a" and inquiry["status"] == "0x00 GOOD" and inquiry["length"] == "36", inquiry
    assert bytes.fromhex(inquiry["data"])[8:16] == b"IET     ", inquiry
    rig.message("m", "fail_path", "a")
    assert sg_io(rig, "none", "00", "00", "00", "00", "00", "00") == {
        "path": "b", "status": "0x00 GOOD", "length": "0"}
    refused = sg_io(rig, "none", "ff0000000000")
    assert refused["status"] == "0x02 CHECK CONDITION" and refused["sense key"] == "0x5 ILLEGAL REQUEST", refused
    assert refused["asc"] == "0x20" and refused["ascq"] == "0x00" and refused["sense"].startswith("70"), refused


def test_data_goes_out_and_is_logged(rig):
    target = Target(rig)
    serve_two(rig, target)
    assert sg_io(rig, "out", "a5" * 512, "2a00" + "00000008" + "00" + "0001" + "00")["status"] == "0x00 GOOD"
    assert sg_io(rig, "in", "512", "2800" + "00000008" + "00" + "0001" + "00")["data"] == "a5" * 512
    log = rig.daemon.output()
    assert "ioctl m sg_io out a5a5" in log and "ioctl m sg_io in" not in log, log


def test_what_would_break_data_is_refused(rig):
    target = Target(rig)
    write = ("out", "00" * 512, "2a000000000000000100")
    target.update("readonly=1")
    serve(rig, {"a": target.uri()}, "0 0 1 1 round-robin 0 1 1 a 1", ", read_only: true")
    rig.wait_for_path("m", "a", "A")
    assert "EPERM: map m is read-only" in refusal(rig, "ioctl", "m", "sg_io", *write)
    rig.daemon.end()
    target.update("readonly=0")
    rig.path("nbdmpathd.log").unlink()
    rig.nbdmpathd(f"paths: {{a: \"{target.uri()}\"}}\nmultipaths:\n"
                  "  m: {table: \"0 0 1 1 round-robin 0 1 1 a 1\", cache: independent}\n")
    rig.wait_for_path("m", "a", "A")
    assert "EPERM: map m keeps writes" in refusal(rig, "ioctl", "m", "sg_io", *write)
    assert sg_io(rig, "in", "512", "28000000000000000100")["status"] == "0x00 GOOD"


def test_bad_words_are_told(rig):
    target = Target(rig)
    rig.nbdkit("n", "memory", "64M")
    serve(rig, {"a": target.uri(), "n": rig.uri("n")}, "0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 n 1")
    rig.wait_for_path("m", "a", "A")
    for words, why in ((("in", "x", "00"), "is no number of bytes"), (("in", "99999999", "00"), "is no number of bytes"),
                       (("sideways", "00"), "no direction"), (("none", "0g0000000000"), "is not hexadecimal"),
                       (("none", "00000000000"), "half a byte"), (("none", "28000000"), "6 to 16 bytes"),
                       (("none", "280000000000"), "command 28 has 10 bytes, not 6"),
                       (("out", "zz", "2a000000000000000100"), "is not hexadecimal"), ((), "usage")):
        told = refusal(rig, "ioctl", "m", "sg_io", *words)
        assert "EINVAL" in told and why in told, told
    rig.message("m", "fail_path", "a")
    assert "ENOTTY: path n is not SCSI" in refusal(rig, "ioctl", "m", "sg_io", "none", "000000000000")
    rig.message("m", "fail_path", "n")
    assert "EIO: there is no path" in refusal(rig, "ioctl", "m", "sg_io", "none", "000000000000")


def test_a_silent_unit_holds_up_its_own_session_only(rig):
    target = Target(rig)
    serve_two(rig, target)
    target.stop()
    waiting = subprocess.Popen([NBDMPATHCTL, "-s", str(rig.path("admin.sock")), "ioctl", "m", "sg_io", "none",
                                "000000000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert rig.ctl("ls") == ["m"]
    told = waiting.communicate(timeout=30)[1]
    assert "EIO: path a was lost; the command may have been carried out" in told, told
    begin = time.monotonic()
    assert sorted(rig.ctl("turs", "m"))[0].startswith("path=a result=")
    assert time.monotonic() - begin < 20
    closed = subprocess.Popen([NBDMPATHCTL, "-s", str(rig.path("admin.sock")), "ioctl", "m", "sg_io", "none",
                               "000000000000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    closed.kill()
    closed.wait()
    target.go_on()
    wait_for(lambda: rig.ctl("turs", "m") == ['path=a result="ready"', 'path=b result="ready"'], 30, "both are ready")


def test_units_say_what_they_are(rig):
    target = Target(rig)
    rig.nbdkit("n", "memory", "64M")
    serve(rig, {"a": target.uri(0), "b": target.uri(1), "n": rig.uri("n")},
          "1 queue_if_no_path 0 3 1 round-robin 0 1 1 n 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1")
    for path in "abn":
        rig.wait_for_path("m", path, "A")
    said = rig.ctl("inquiry", "m")
    assert said[0] == "path: a" and "vendor: IET" in said and "product: VIRTUAL-DISK" in said, said
    assert "device type: 0x00 disk" in said and "tpgs: none" in said and "serial: S1" in said, said
    assert any(line.startswith("designator: unit t10 ") for line in said), said
    assert rig.ctl("inquiry", "m", "b")[0] == "path: b"
    assert f"lun: {LUN} {LUN:04x}000000000000" in rig.ctl("luns", "m"), rig.ctl("luns", "m")
    assert rig.ctl("turs", "m") == ['path=n result="not SCSI"', 'path=a result="ready"', 'path=b result="ready"']
    assert "ENOTTY: path n is not SCSI" in refusal(rig, "inquiry", "m", "n")
    assert "EINVAL: map m has no path 'x'" in refusal(rig, "inquiry", "m", "x")
    target.update("online=0")
    assert 'path=a result="NOT READY (2/04/01)"' in rig.ctl("turs", "m")
    target.kill()
    rig.wait_for_path("m", "a", "F")
    rig.wait_for_path("m", "b", "F")
    assert rig.ctl("turs", "m")[1:] == ['path=a result="the path is down"', 'path=b result="the path is down"']
    assert "ENOTCONN: path a: the path is down" in refusal(rig, "inquiry", "m", "a")
    assert "ENOTCONN: no SCSI path of map m is up" in refusal(rig, "luns", "m")


main(globals())
