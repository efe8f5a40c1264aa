#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Paths that are not there at start, come later, come back, or are not the disk they should be."""
import time

from harness import SANITIZED, main, require, wait_for
from liar import HAS_FLAGS, READ_ONLY, Liar
from prober import READ, WRITE, Client, Refused

require("nbdkit")

MAP = """
paths:
  a: {{uri: "{a}", reconnect_delay: 100ms}}
  b: {{uri: "{b}", reconnect_delay: 100ms}}
multipaths:
  m: {{cache: shared, table: "1 queue_if_no_path 0 1 1 round-robin 0 2 1 a 1 b 1"{more}}}
"""
SIZE = 64 << 20
DATA = b"d" * 4096


def serve(rig, *names, more=""):
    """The disk, its servers of these names, and the map."""
    disk = rig.disk(size=SIZE)
    servers = {name: rig.nbdkit(name, "file", disk) for name in names}
    rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), more=more))
    return servers


def start(rig, name, *options):
    return rig.nbdkit(name, *options, "file", rig.path("disk"))


def client_of(rig):
    return Client(rig.path("nbd.sock"), "m")


def use(client, count=20):
    """Enough requests for every path of the group to get some."""
    for block in range(count):
        assert client.call(WRITE, block * 4096, data=DATA)[0] == 0
        assert client.call(READ, block * 4096, 4096) == (0, DATA)


def refusal(rig):
    try:
        client_of(rig).close()
    except Refused as refused:
        return str(refused)
    return None


def log_lines(rig, *words):
    return [line for line in rig.daemon.output().splitlines() if all(word in line for word in words)]


def test_a_path_that_is_not_there_is_loaded_failed_and_comes_later(rig):
    serve(rig, "a")
    assert " b F 0 " in rig.status("m") + " ", rig.status("m")
    assert rig.path_state("m", "a") == "A"
    with client_of(rig) as client:
        use(client)
        start(rig, "b")
        rig.wait_for_path("m", "b", "A")
        use(client)
    assert len(log_lines(rig, "path b is lost")) == 1, rig.daemon.output()


def test_a_map_that_no_path_of_was_reached_is_listed_but_not_opened(rig):
    serve(rig)
    assert rig.ctl("ls") == ["m"]
    assert "path" in refusal(rig), refusal(rig)
    assert " a F 0 " in rig.status("m") and " b F 0 " in rig.status("m") + " ", rig.status("m")
    start(rig, "b")
    wait_for(lambda: refusal(rig) is None, what="the map opens")
    rig.wait_for_path("m", "b", "A")
    with client_of(rig) as client:
        assert client.size == SIZE
        use(client)


def test_a_map_of_a_given_size_opens_before_its_first_path(rig):
    serve(rig, more=f", size: {SIZE}")
    with client_of(rig) as client:
        assert client.size == SIZE
        cookie = client.send(READ, 0, 4096)
        rig.wait_for_held("m", 1)
        start(rig, "a")
        assert client.reply() == (cookie, 0, bytes(4096))


def test_a_larger_path_is_used_under_a_given_size_only(rig):
    disk = rig.disk(size=SIZE)
    for name in "ab":
        rig.nbdkit(name, "file", disk)
    rig.nbdmpathd(MAP.format(a=rig.uri("a"), b=rig.uri("b"), more=f", size: {SIZE // 2}"))
    assert rig.path_state("m", "a") == rig.path_state("m", "b") == "A"
    with client_of(rig) as client:
        assert client.size == SIZE // 2
        use(client)


def is_never_used(rig, liar, notice, *verbs):
    """Path b is served by `liar`: it stays failed, gets no request, and the log says so once."""
    rig.wait_for_path("m", "b", "F")
    wait_for(lambda: log_lines(rig, "path b", notice), what=f"'{notice}' in the log")
    with client_of(rig) as client:
        for verb in verbs:
            rejected = rig.ctl("message", "m", "0", verb, "b", check=False)
            assert rejected.returncode == 1 and "not the disk" in rejected.stderr, rejected
        use(client)
        wait_for(lambda: rig.path_state("m", "b") == "F", what="path b failed")
    assert len(log_lines(rig, "path b", notice)) == 1, rig.daemon.output()
    assert liar.requests == [], liar.requests


def test_a_path_of_another_size_at_start_is_never_used(rig):
    liar = Liar(rig.path("b.sock"), SIZE // 2)
    serve(rig, "a")
    is_never_used(rig, liar, "its size is")
    liar.close()


def test_a_path_of_another_size_later_is_never_used(rig):
    servers = serve(rig, "a", "b")
    servers["b"].kill()
    rig.wait_for_path("m", "b", "F")
    liar = Liar(rig.path("b.sock"), SIZE // 2)
    is_never_used(rig, liar, "its size is")
    liar.close()


def test_a_path_of_another_size_is_not_used_when_reinstated_by_hand(rig):
    liar = Liar(rig.path("b.sock"), SIZE // 2)
    serve(rig, "a")
    is_never_used(rig, liar, "its size is", "reinstate_path")
    liar.close()


def test_a_lost_path_reinstated_by_hand_is_still_checked_when_it_comes(rig):
    serve(rig, "a")
    rig.message("m", "reinstate_path", "b")
    liar = Liar(rig.path("b.sock"), SIZE // 2)
    is_never_used(rig, liar, "its size is")
    liar.close()


def test_a_read_only_path_of_a_writable_map_is_never_used(rig):
    servers = serve(rig, "a", "b")
    servers["b"].kill()
    rig.wait_for_path("m", "b", "F")
    liar = Liar(rig.path("b.sock"), SIZE, flags=HAS_FLAGS | READ_ONLY)
    is_never_used(rig, liar, "read-only")
    liar.close()


def is_logged_once_and_retried(rig, lie):
    """Path b is served by one who breaks the protocol: clients see nothing, and an honest server is taken back."""
    servers = serve(rig, "a", "b")
    servers["b"].kill()
    rig.wait_for_path("m", "b", "F")
    liar = Liar(rig.path("b.sock"), SIZE, lie)
    with client_of(rig) as client:
        wait_for(lambda: liar.connections >= 5, what="retries")
        use(client)
        assert len(log_lines(rig, "path b")) <= 5, rig.daemon.output()
        liar.close()
        start(rig, "b")
        rig.wait_for_path("m", "b", "A")
        use(client)


def test_a_server_that_does_not_speak_nbd_is_retried(rig):
    is_logged_once_and_retried(rig, "greeting")


def test_a_server_with_a_wrong_reply_magic_is_retried(rig):
    is_logged_once_and_retried(rig, "reply magic")


def test_a_server_that_closes_in_the_middle_of_a_reply_is_retried(rig):
    is_logged_once_and_retried(rig, "half a reply")


def test_a_server_that_starts_to_lie_costs_no_request(rig):
    liar = Liar(rig.path("b.sock"), SIZE)
    serve(rig, "a")
    rig.wait_for_path("m", "b", "A")
    with client_of(rig) as client:
        liar.lie = "half a reply"
        for _ in range(20):
            assert client.call(READ, 0, 4096) == (0, bytes(4096))
        rig.wait_for_path("m", "b", "F")
    liar.close()


def test_reinstate_manual_leaves_a_path_failed_until_told(rig):
    servers = serve(rig, "a", "b", more=", reinstate: manual")
    servers["b"].kill()
    rig.wait_for_path("m", "b", "F")
    start(rig, "b")
    wait_for(lambda: log_lines(rig, "path b is connected"), what="a new connection")
    assert rig.path_state("m", "b") == "F"
    rig.message("m", "reinstate_path", "b")
    assert rig.path_state("m", "b") == "A"
    with client_of(rig) as client:
        use(client)
    assert rig.path_state("m", "b") == "A"


def test_fail_path_holds_a_path_down_across_a_reconnect(rig):
    servers = serve(rig, "a", "b")
    rig.message("m", "fail_path", "b")
    assert rig.path_state("m", "b") == "F"
    servers["b"].kill()
    wait_for(lambda: log_lines(rig, "path b is lost"), what="the loss")
    start(rig, "b")
    wait_for(lambda: log_lines(rig, "path b is connected"), what="a new connection")
    end = time.monotonic() + 1.5  # longer than the pause between two probes: that nothing happens takes time to see
    wait_for(lambda: rig.path_state("m", "b") == "A" or time.monotonic() > end, what="the end of the wait")
    assert rig.path_state("m", "b") == "F"
    rig.message("m", "reinstate_path", "b")
    assert rig.path_state("m", "b") == "A"


def test_the_server_resists_memory_pressure_as_far_as_it_may(rig):
    serve(rig)
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{rig.daemon.pid}/status", encoding="ascii") if ":\t" in line)
    locked, denied = int(status["VmLck"].split()[0]), rig.daemon.output()
    assert SANITIZED or (locked > 0) != ("locking memory" in denied), (locked, denied)
    with open(f"/proc/{rig.daemon.pid}/oom_score_adj", encoding="ascii") as file:
        assert (int(file.read()) == -900) != ("a low OOM score" in denied), denied


main(globals())
