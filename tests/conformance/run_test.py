#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The runner finds what is wrong: recordings with one wrong line are not ok, at the step where it stands."""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
SCENARIO = "title: a failover\npaths: 2 null\ncreate 0 0 1 1 round-robin 0 2 1 p1 1 p2 1\nfail-device p1\nio read 2\n"
TRACE = """title: a failover
step 1: create 0 0 1 1 round-robin 0 2 1 p1 1 p2 1
result: ok
event: 0
state: active live
status: 0 2048 multipath 2 1 0 0 1 1 E 0 2 0 p1 A 0 p2 A 0
table: 0 2048 multipath 0 0 1 1 round-robin 0 2 1 p1 1 p2 1

step 2: fail-device p1
event: 0
state: active live
status: 0 2048 multipath 2 1 0 0 1 1 E 0 2 0 p1 A 0 p2 A 0
table: 0 2048 multipath 0 0 1 1 round-robin 0 2 1 p1 1 p2 1

step 3: io read 2
result: ok
order: p1!+p2 p2
event: 1 (+1)
state: active live
status: 0 2048 multipath 2 0 0 0 1 1 A 0 2 0 p1 F 1 p2 A 0
table: 0 2048 multipath 0 0 1 1 round-robin 0 2 1 p1 1 p2 1
"""
# name: (what the recording has, what it says instead, the complaint; None: it is ok all the same)
CASES = {
    "nothing wrong": ("", "", None),
    "a range of events": ("event: 1 (+1)", "event: ? (+1..2)", None),
    "a wrong result": ("result: ok\norder", "result: EIO\norder", r"step 3 \(io read 2\): result: expected 'EIO', got 'ok'"),
    "a wrong order": ("p1!+p2 p2", "p1!+p2 p1", "step 3 .*: order: "),
    "a request too few": ("p1!+p2 p2", "p1!+p2", "step 3 .*: order: "),
    "no order": ("order: p1!+p2 p2\n", "", "step 3 .*: order: "),
    "an event too many": ("event: 1 (+1)", "event: 2 (+2)", "step 3 .*: event: "),
    "a range above": ("event: 1 (+1)", "event: ? (+2..3)", "step 3 .*: event: "),
    "an event that did not come": ("event: 1 (+1)", "event: ?", "step 3 .*: event: "),
    "a wrong state": ("state: active live\nstatus: 0 2048 multipath 2 0", "state: suspended live\nstatus: 0 2048 multipath 2 0",
                      "step 3 .*: state: "),
    "a wrong count": ("p1 F 1", "p1 F 2", "step 3 .*: status: "),
    "a wrong table": ("table: 0 2048 multipath 0 0 1 1", "table: 0 2048 multipath 1 queue_if_no_path 0 1 1", "step 1 .*: table: "),
    "a device too many": ("event: 0\nstate: active live\nstatus: 0 2048 multipath 2 1 0 0 1 1 E 0 2 0 p1 A 0 p2 A 0\n"
                          "table: 0 2048 multipath 0 0 1 1 round-robin 0 2 1 p1 1 p2 1\n\nstep 2", "event: -\n\nstep 2",
                          "step 1 .*: event: expected '-'"),
    "another scenario": ("step 2: fail-device p1", "step 2: fail-device p2", "another scenario's trace"),
}


def main():
    with tempfile.TemporaryDirectory(prefix="nbdmpath-run.") as name:
        directory = pathlib.Path(name)
        for number, (right, wrong, _) in enumerate(CASES.values()):
            assert right in TRACE, right
            (directory / f"case{number}.scn").write_text(SCENARIO)
            (directory / f"case{number}.trace").write_text(TRACE.replace(right, wrong, 1))
        (directory / "alone.scn").write_text(SCENARIO)
        done = subprocess.run([sys.executable, HERE / "run", "--patience", "3", "--traces", directory / "seen", directory], text=True,
                              capture_output=True, timeout=250)
        written = (directory / "seen" / "alone.trace").read_text()
    lines = done.stdout.splitlines()
    failed = 0
    for number, (case, (_, _, complaint)) in enumerate(CASES.items()):
        wanted = f"ok case{number}$" if complaint is None else f"not ok case{number}: .*{complaint}"
        fine = any(re.match(wanted, line) for line in lines)
        failed += not fine
        print(f"ok {case}" if fine else f"not ok {case}: no line '{wanted}'")
    # Without a recording there is nothing to compare, but what was seen is the recording above.
    steps = written[written.index("step 1"):]
    fine = "ok alone" in lines and re.sub("begun: .*\n", "", steps) == TRACE[TRACE.index("step 1"):] and done.returncode == 1
    failed += not fine
    print("ok a trace is written" if fine else f"not ok a trace is written:\n{written}")
    if failed:
        print(done.stdout, done.stderr)
    sys.exit(1 if failed else 0)


main()
