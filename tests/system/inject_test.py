#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Faults on demand, on real servers and files: what the map makes of each, and that a client sees what it should."""
import functools
import time

from harness import main, require, wait_for
from prober import FLUSH, READ, WRITE, Client, Prober

require("nbdkit")

TWO_GROUPS = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
MAP = """
paths: {{a: "{a}", b: "{b}"}}
multipaths:
  m: {{cache: shared, no_path_timeout: 60s, table: "{table}"}}
"""
ENOSPC = 28
OLD, NEW = b"o" * 4096, b"n" * 4096


def serve(rig, kind="nbd"):
    disk = rig.disk()
    if kind == "nbd":
        for name in "ab":
            rig.nbdkit(name, "-t", "1", "file", disk)  # with more threads it aborts when a connection with requests ends
        uris = {name: rig.uri(name) for name in "ab"}
    else:
        uris = {name: f"file://{disk}" for name in "ab"}
    rig.nbdmpathd(MAP.format(table=TWO_GROUPS, **uris))


def client_of(rig):
    return Client(rig.path("nbd.sock"), "m")


def number(rig, path, key, rule=0):
    """used=N or waiting=N of a rule."""
    words = rig.ctl("inject", "m", path)[rule].split()
    return int(dict(word.split("=", 1) for word in words if "=" in word)[key])


def an_error_fails_over_and_the_path_stays_failed_until_off(rig, kind):
    serve(rig, kind)
    with client_of(rig) as client:
        assert client.call(WRITE, 0, data=OLD)[0] == 0
        rig.ctl("inject", "m", "a", "error=EIO")
        assert client.call(WRITE, 0, data=NEW)[0] == 0
        assert client.call(READ, 0, 4096) == (0, NEW)
        assert rig.path_state("m", "a") == "F"
        # The probes are failed too: it does not come back.
        wait_for(lambda: number(rig, "a", "used") >= 3, what="two probes")
        assert rig.path_state("m", "a") == "F"
        rig.ctl("inject", "m", "a", "off")
        rig.wait_for_path("m", "a", "A")
        assert client.call(READ, 0, 4096) == (0, NEW)


def hang_holds_requests_and_off_releases_them(rig, kind):
    serve(rig, kind)
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "hang", "op=write")
        client.send(WRITE, 0, data=OLD)
        client.send(WRITE, 4096, data=NEW)
        wait_for(lambda: number(rig, "a", "waiting") == 2, what="two hanging writes")
        assert client_sees(rig, 0) == bytes(4096), "a hanging write was done"
        rig.ctl("inject", "m", "a", "off")
        assert [client.reply()[1] for _ in range(2)] == [0, 0]
        assert client.call(READ, 0, 8192) == (0, OLD + NEW)
        assert rig.path_state("m", "a") == "A"


def client_sees(rig, offset):
    with client_of(rig) as other:
        error, data = other.call(READ, offset, 4096)
        assert error == 0
        return data


def drop_loses_the_path_and_off_reconnects_it(rig, kind):
    serve(rig, kind)
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "hang")
        client.send(WRITE, 0, data=NEW)
        wait_for(lambda: number(rig, "a", "waiting") == 1, what="a hanging write")
        rig.ctl("inject", "m", "a", "drop")
        assert client.reply()[1] == 0, "the write did not go on over b"
        rig.wait_for_path("m", "a", "F")
        assert "path a is lost: dropped by fault injection" in rig.daemon.output()
        assert client.call(READ, 0, 4096) == (0, NEW)
        time.sleep(1.2)  # more than the longest pause between two connects
        assert rig.path_state("m", "a") == "F"
        rig.ctl("inject", "m", "a", "off")
        rig.wait_for_path("m", "a", "A")
        assert client.call(FLUSH)[0] == 0
        assert client.call(READ, 0, 4096) == (0, NEW)


for check in (an_error_fails_over_and_the_path_stays_failed_until_off, hang_holds_requests_and_off_releases_them,
              drop_loses_the_path_and_off_reconnects_it):
    for path_kind in ("nbd", "file"):
        globals()[f"test_{check.__name__}_{path_kind}"] = functools.partial(check, kind=path_kind)


def test_a_target_error_reaches_the_client_and_the_path_stays(rig):
    serve(rig)
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "error=target:ENOSPC", "op=write", "range=1M+4K", "count=1")
        assert client.call(WRITE, 0, data=NEW)[0] == 0
        assert client.call(WRITE, 1 << 20, data=NEW)[0] == ENOSPC
        assert client.call(WRITE, 1 << 20, data=NEW)[0] == 0
        assert rig.path_state("m", "a") == "A"
        assert rig.ctl("inject", "m", "a") == ["error=target:ENOSPC op=write range=1M+4K count=1 used=1 waiting=0"]


def test_a_delay_takes_its_time(rig):
    serve(rig)
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "delay=300ms", "op=read")
        begin = time.monotonic()
        assert client.call(READ, 0, 4096) == (0, bytes(4096))
        assert time.monotonic() - begin >= 0.3
        assert rig.path_state("m", "a") == "A"


def test_a_map_goes_on_under_load_while_connections_drop(rig):
    serve(rig)
    prober = Prober(rig.path("nbd.sock"), "m")
    for path in "abab":
        goal = prober.completions + 200
        wait_for(lambda: prober.completions >= goal or prober.errors, 30, "completions")
        used = "drop" if path == "a" else "drop after=20"
        rig.ctl("inject", "m", path, *used.split())
        if path == "b":  # the path in use, so that the request comes
            rig.message("m", "switch_group", "2")
        rig.wait_for_path("m", path, "F", 30)
        rig.ctl("inject", "m", path, "off")
        rig.wait_for_path("m", path, "A", 30)
    prober.end()


def test_a_client_and_the_daemon_end_while_a_request_hangs(rig):
    serve(rig)
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "hang")
        client.send(READ, 0, 4096)
        wait_for(lambda: number(rig, "a", "waiting") == 1, what="a hanging read")
    rig.ctl("inject", "m", "a", "off")
    wait_for(lambda: rig.info("m")["open count"] == "0", what="no client")
    with client_of(rig) as client:
        rig.ctl("inject", "m", "a", "hang")
        client.send(READ, 0, 4096)
        wait_for(lambda: number(rig, "a", "waiting") == 1, what="a hanging read")
        assert rig.daemon.end(20) == 0


def test_faults_of_the_configuration_are_there_from_the_start(rig):
    disk = rig.disk()
    for name in "ab":
        rig.nbdkit(name, "file", disk)
    rig.nbdmpathd(f"""
paths:
  a: {{uri: "{rig.uri('a')}", inject: drop}}
  b: {{uri: "{rig.uri('b')}", inject: ["error=target:ENOSPC op=write count=1", delay=1ms]}}
multipaths:
  m: {{cache: shared, no_path_timeout: 60s, table: "{TWO_GROUPS}"}}
""")
    assert rig.path_state("m", "a") == "F"
    with client_of(rig) as client:
        assert client.call(WRITE, 0, data=NEW)[0] == ENOSPC
        assert client.call(WRITE, 0, data=NEW)[0] == 0
    assert rig.ctl("inject", "m", "b")[0].endswith("used=1 waiting=0")
    rig.ctl("inject", "m", "a", "off")
    rig.wait_for_path("m", "a", "A")


def test_what_is_wrong_is_refused_and_changes_nothing(rig):
    serve(rig)
    for words, text in ((("mm", "a", "hang"), "ENXIO: there is no map 'mm'"),
                        (("m", "aa", "hang"), "EINVAL: map m has no path 'aa'; did you mean 'a'?"),
                        (("m", "a", "hang", "drop"), "EINVAL: 'hang' and 'drop' cannot both happen"),
                        (("m", "a", "hung"), "EINVAL: unknown word 'hung', did you mean 'hang'?")):
        done = rig.ctl("inject", *words, check=False)
        assert done.returncode == 1 and text in done.stderr, done.stderr
    assert rig.ctl("inject", "m", "a") == []
    with client_of(rig) as client:
        assert client.call(READ, 0, 4096)[0] == 0


main(globals())
