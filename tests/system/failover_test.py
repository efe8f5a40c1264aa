#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server dies, or stops, under load: no client sees more than a short pause."""
import itertools
import os
import signal

from harness import SANITIZED, in_time, main, require, wait_for
from prober import Prober

require("nbdkit", "fio")

ONE_GROUP = "0 0 1 1 round-robin 0 2 1 a 1 b 1"
TWO_GROUPS = "0 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
MAP = """
paths:
  a: {{uri: "{a}", io_timeout: {timeout}}}
  b: {{uri: "{b}", io_timeout: {timeout}}}
multipaths:
  m: {{cache: shared, table: "{table}"}}
"""
BLOCKS = 8000  # of fio; it reads and writes for about three seconds, then verifies what it wrote


# nbdkit 1.32 dies of an assertion (raw_send_socket: sock >= 0) when several of its threads answer a client that is gone,
# which is what a continued server does.
ONE_THREAD = ("-t", "1")


def serve(rig, table, timeout="30s", options=()):
    """Two servers on one disk and a map of both; returns what starts a server (again)."""
    disk = rig.disk()
    start = {name: lambda name=name: rig.nbdkit(name, *options, "file", disk) for name in "ab"}
    servers = {name: start[name]() for name in "ab"}
    rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), table=table, timeout=timeout))
    return servers, start


def start_fio(rig, *options):
    """Every block is written once in random order, mixed with reads, then read back and verified."""
    return rig.start("fio", "fio", "--name=load", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randrw",
                     "--rwmixread=30", "--bs=4k", f"--size={BLOCKS * 4}k", "--iodepth=16", "--verify=crc32c",
                     "--do_verify=1", "--verify_fatal=1", "--verify_state_save=0", "--rate_iops=1000,2000", *options,
                     cwd=rig.directory)


def started(rig):
    """Whether fio's requests arrive: the disk is no longer empty."""
    return os.stat(rig.path("disk")).st_blocks > 0


def end_of_fio(fio, seconds=60):
    fio.child.wait(seconds * (5 if SANITIZED else 1))
    output = fio.output()
    assert fio.child.returncode == 0, output
    assert "err= 0" in output and "verify:" not in output, output


def kill_and_restart(rig, servers, start, name):
    servers[name].kill()
    rig.wait_for_path("m", name, "F")
    servers[name] = start[name]()
    rig.wait_for_path("m", name, "A")


def fio_survives(rig, table):
    servers, start = serve(rig, table)
    fio = start_fio(rig)
    wait_for(lambda: started(rig), what="fio's first write")
    kills = 0
    for name in itertools.cycle("aaabbaba"):
        if not fio.alive():
            break
        kill_and_restart(rig, servers, start, name)
        kills += 1
    end_of_fio(fio)
    print(f"# servers killed under fio: {kills}")
    assert kills >= 8, "fio was gone before the servers were"


def test_fio_verifies_while_servers_of_one_group_are_killed(rig):
    fio_survives(rig, ONE_GROUP)


def test_fio_verifies_while_servers_of_two_groups_are_killed(rig):
    fio_survives(rig, TWO_GROUPS)


def judge_gap(what, gap, bar):
    print(f"# {what}: longest gap {gap * 1000:.1f} ms, bar {bar * 1000:.0f} ms")
    assert in_time(gap, bar), f"{what}: no completion for {gap * 1000:.0f} ms"


def go_on(prober, count=200):
    """Until so many more requests are complete."""
    goal = prober.completions + count
    wait_for(lambda: prober.completions >= goal or prober.errors, 30, "completions")


def gaps_of_killing(rig, table):
    servers, start = serve(rig, table)
    prober = Prober(rig.path("nbd.sock"), "m")
    go_on(prober, 600)
    for name in "abab":
        prober.take_longest_gap()
        servers[name].kill()
        rig.wait_for_path("m", name, "F")
        go_on(prober)
        judge_gap(f"kill -9 of {name}", prober.take_longest_gap(), 0.1)
        servers[name] = start[name]()
        rig.wait_for_path("m", name, "A")
        go_on(prober)
        judge_gap(f"return of {name}", prober.take_longest_gap(), 0.1)
    prober.end()


def test_a_killed_server_of_one_group_makes_a_short_gap(rig):
    gaps_of_killing(rig, ONE_GROUP)


def test_a_killed_server_of_two_groups_makes_a_short_gap(rig):
    gaps_of_killing(rig, TWO_GROUPS)


def test_a_stopped_server_makes_a_gap_of_its_timeout(rig):
    servers, _ = serve(rig, ONE_GROUP, timeout="1s", options=ONE_THREAD)
    prober = Prober(rig.path("nbd.sock"), "m", blocks=4096)
    go_on(prober)
    for name in "ab":
        prober.take_longest_gap()
        servers[name].stop()
        rig.wait_for_path("m", name, "F")
        go_on(prober)
        judge_gap(f"SIGSTOP of {name}", prober.take_longest_gap(), 1.2)
        servers[name].signal(signal.SIGCONT)
        rig.wait_for_path("m", name, "A", 20)
        go_on(prober)
    prober.end()


def test_fio_verifies_after_servers_were_stopped_and_continued(rig):
    # fio writes each block once: what a continued server still carries out is what was written again elsewhere.
    servers, _ = serve(rig, ONE_GROUP, timeout="1s", options=ONE_THREAD)
    fio = start_fio(rig)
    wait_for(lambda: started(rig), what="fio's first write")
    for name in "ab":
        servers[name].stop()
        rig.wait_for_path("m", name, "F")
        servers[name].signal(signal.SIGCONT)
        rig.wait_for_path("m", name, "A", 20)
        assert fio.alive(), fio.output()
    end_of_fio(fio)


main(globals())
