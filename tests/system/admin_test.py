#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The admin socket, with nbdmpathctl and with plain sockets, on unix and TCP."""
import json
import re
import signal
import threading
import time

from admin import Console
from harness import NBDMPATHCTL, free_port, in_time, main, require, wait_for
from raw_nbd import READ, Client

require("nbdkit")

MAP = """
paths: {{a: "{a}", b: "{b}", c: "{c}"}}
multipaths:
  m:
    cache: shared
    reinstate: manual
    table: "1 queue_if_no_path 0 2 1 round-robin 0 2 1 a 1 b 1 round-robin 0 1 1 c 1"
    no_path_timeout: 60s
  other: {{table: "0 0 1 1 round-robin 0 1 1 c 1"}}
"""


def files(rig, listen=""):
    disk = rig.disk()
    rig.nbdmpathd(listen + MAP.format(**{name: f"file://{disk}" for name in "abc"}))


def every_command(ask):
    """`ask(command)` gives (data lines, end line)."""
    info = "2 1 0 0 2 1 A 0 2 0 a A 0 b A 0 E 0 1 0 c A 0"
    table = "1 queue_if_no_path 0 2 1 round-robin 0 2 1 a 1 b 1 round-robin 0 1 1 c 1"
    assert ask("ls") == (["m", "other"], "OK")
    data, end = ask("status m")
    assert end == "OK" and re.fullmatch(r"0 131072 multipath 2 0 0 0 2 1 [AE] 0 2 0 a A 0 b A 0 E 0 1 0 c A 0 ", data[0]), data
    assert data[0].endswith(" "), info
    data, end = ask("table m")
    assert end == "OK" and data[0].strip() == f"0 131072 multipath {table}", data
    data, end = ask("status")
    assert end == "OK" and [line.split(": ")[0] for line in data] == ["m", "other"]
    data, end = ask("table")
    assert end == "OK" and data[1].startswith("other: 0 131072 multipath 0 0 1 1 round-robin 0 1 1 c 1")
    data, end = ask("info m")
    keys = [line.split(": ")[0] for line in data]
    assert end == "OK" and keys == ["name", "state", "tables", "open count", "event number", "size", "read only",
                                    "block size", "held", "held oldest ms", "cache", "in doubt"], data
    assert data[:4] == ["name: m", "state: ACTIVE", "tables: LIVE", "open count: 0"] and "size: 131072" in data
    assert ask("deps m") == (["a", "b", "c"], "OK")
    assert ask("show stats m") == ([f"path={path} pg={group} requests=0 bytes=0 errors=0" for path, group in
                                    [("a", 1), ("b", 1), ("c", 2)]] +
                                   ["held=0 held_oldest_ms=0 in_doubt=0 unflushed=0 memory=0 memory_limit=268435456"], "OK")
    assert ask("show paths m") == ([f"path={path} pg={group} state=active" for path, group in
                                    [("a", 1), ("b", 1), ("c", 2)]], "OK")
    data, end = ask("show stats json")
    assert end == "OK" and [each["map"] for each in json.loads(data[0])] == ["m", "other"], data
    data, end = ask("help")
    assert end == "OK" and {line.split()[0] for line in data} >= {
        "ls", "status", "table", "info", "deps", "show", "message", "wait", "events", "help", "version", "quit"}
    data, end = ask("help wait")
    assert end == "OK" and len(data) == 1 and data[0].startswith("wait MAP [N]")
    data, end = ask("version")
    assert end == "OK" and re.fullmatch(r"nbdmpath \d+\.\d+\.\d+", data[0])
    for command, errno in [("frob", "EINVAL"), ("stats", "EINVAL"), ("status none", "ENXIO"), ("info", "EINVAL"),
                           ("info none", "ENXIO"), ("wait none", "ENXIO"), ("wait m x", "EINVAL"), ("events none", "ENXIO"),
                           ("message none 0 queue_if_no_path", "ENXIO"), ("message m", "EINVAL"), ("ls m", "EINVAL"),
                           ("message m x queue_if_no_path", "EINVAL"), ("message m 131072 queue_if_no_path", "EINVAL")]:
        data, end = ask(command)
        assert not data and end.startswith(f"ERR {errno} "), (command, data, end)
    data, end = ask("wait m 4711")
    assert end == "OK" and data[0].startswith("0 131072 multipath "), (data, end)


def test_every_command_by_hand_over_unix_and_tcp(rig):
    port = free_port()
    files(rig, f"admin: [{{unix: {rig.path('admin.sock')}}}, {{tcp: \"127.0.0.1:{port}\"}}]\n")
    for address in (rig.path("admin.sock"), ("127.0.0.1", port)):
        console = Console(address)
        every_command(console.ask)
        console.send(b"ls\r\n\r\n\nls\n")  # CRLF, empty lines, two at once
        assert console.reply() == console.reply() == (["m", "other"], "OK")
        assert console.ask("  info   \\m ")[1] == "OK"
        console.send("quit")
        assert console.reply() == ([], "OK") and console.line() == ""


def test_every_command_with_nbdmpathctl_over_unix_and_tcp(rig):
    port = free_port()
    files(rig, f"admin: [{{unix: {rig.path('admin.sock')}}}, {{tcp: \"127.0.0.1:{port}\"}}]\n")
    for address in (rig.path("admin.sock"), f"127.0.0.1:{port}"):
        def ask(command, address=address):
            done = rig.run(NBDMPATHCTL, "-s", address, *command.split(), check=False)
            if done.returncode == 0:
                assert done.stderr == ""
                return done.stdout.splitlines(), "OK"
            assert done.returncode == 1
            errno, _, text = done.stderr.removeprefix("nbdmpathctl: ").strip().partition(": ")
            return done.stdout.splitlines(), f"ERR {errno} {text}"
        every_command(ask)
    assert rig.run(NBDMPATHCTL, "-s", rig.path("none.sock"), "ls", check=False).returncode == 1
    assert rig.run(NBDMPATHCTL, "--frob", check=False).returncode == 1


def test_wrong_messages_err_and_change_nothing(rig):
    files(rig)
    console = Console(rig.path("admin.sock"))
    before = console.ask("info m"), console.ask("status m")
    unrecognised = "ERR EINVAL Unrecognised multipath message received."
    for words, text in [("switch_group 0", "PG number"), ("switch_group 3", "PG number"), ("switch_group x", "PG number"),
                        ("switch_group -1", "PG number"), ("switch_group 0x1", "PG number"),
                        ("switch_group 2x", "PG number"), ("disable_group 0", "PG number"),
                        ("enable_group 9", "PG number"), ("fail_path no-such-device", "error getting device")]:
        data, end = console.ask(f"message m 0 {words}")
        assert not data and end.startswith("ERR EINVAL ") and text in end, (words, end)
    for words in ["switch_group", "disable_group 1 2", "queue_if_no_path 1", "bogus", "fail_path"]:
        assert console.ask(f"message m 0 {words}") == ([], unrecognised), words
    assert (console.ask("info m"), console.ask("status m")) == before
    assert console.ask("message m 0 FAIL_PATH a") == ([], "OK")
    assert console.ask("message m 0 Reinstate_Path a") == ([], "OK")
    number = int(before[0][0][4].split()[-1])
    assert console.ask("info m")[0][4] == f"event number: {number + 2}"


def test_changing_commands_are_logged_with_their_peer(rig):
    files(rig)
    rig.ctl("message", "m", "0", "fail_path", "a")
    wait_for(lambda: re.search(r"admin: .*(uid|user|pid).*fail_path a", rig.daemon.output()), what="the audit line")


def test_lines_that_are_too_long_or_http_are_refused(rig):
    files(rig)
    console = Console(rig.path("admin.sock"))
    console.send(b"x" * 70000 + b"\n")
    assert console.reply()[1].startswith("ERR EINVAL ")
    browser = Console(rig.path("admin.sock"))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nmessage m 0 fail_path a\r\n")
    try:
        assert browser.lines.read() == b""
    except ConnectionResetError:
        pass
    assert rig.path_state("m", "a") == "A"


def two_servers(rig):
    disk = rig.disk()
    servers = {name: rig.nbdkit(name, "file", disk) for name in "abc"}
    rig.nbdmpathd(MAP.format(**{name: rig.uri(name) for name in "abc"}))
    return servers


def test_wait_and_events_tell_of_a_server_that_died(rig):
    servers = two_servers(rig)
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, 512)
        number = int(rig.ctl("info", "m")[4].split()[-1])
        waiting, feed, other = (Console(rig.path("admin.sock")) for _ in range(3))
        waiting.send(f"wait m {number}")
        feed.send("events m")
        other.send("events other")
        # Commands of other sessions are answered while these wait, and after both have been taken.
        assert rig.ctl("ls") == ["m", "other"]
        servers["a"].kill()
        client.read(0, 512)
        data, end = waiting.reply()
        assert end == "OK" and " a F 1 " in data[0], data
        line = feed.line()
        while "PATH_FAILED" not in line:
            assert line.startswith("EVENT m "), line
            line = feed.line()
        assert re.fullmatch(rf"EVENT m {number + 1} PATH_FAILED path=a .*", line), line
        # The session that waited goes on with its next command.
        assert waiting.ask("ls")[1] == "OK"
        other.socket.settimeout(0.2)
        try:
            assert "path=a" not in other.line()
        except TimeoutError:
            pass


def test_a_waiting_session_that_leaves_is_forgotten(rig):
    files(rig)
    for _ in range(50):
        console = Console(rig.path("admin.sock"))
        console.send("wait m")
        console.socket.close()
        console.lines.close()
    assert rig.ctl("message", "m", "0", "fail_path", "a") == []
    assert rig.ctl("ls") == ["m", "other"]


def test_status_answers_within_100_ms_while_a_server_is_stopped_under_load(rig):
    servers = two_servers(rig)
    clients = [Client(rig.path("nbd.sock"), "m") for _ in range(8)]
    for server in servers.values():
        server.stop()
    for client in clients:
        for number in range(32):
            client.request(READ, number * 65536, 65536)
    # A thread of requests cannot prove its arrival: the last client is in the server once this one is answered.
    slowest = 0
    for _ in range(100):
        begin = time.monotonic()
        rig.ctl("status", "m")
        slowest = max(slowest, time.monotonic() - begin)
    print(f"# status, with the start of nbdmpathctl: slowest of 100 {slowest * 1000:.1f} ms")
    for server in servers.values():
        server.signal(signal.SIGCONT)
    replies = [threading.Thread(target=lambda client=client: [client.reply() and client.receive(65536)
                                                              for _ in range(32)]) for client in clients]
    for thread in replies:
        thread.start()
    for thread in replies:
        thread.join(60)
        assert not thread.is_alive(), "a read was not answered"
    assert in_time(slowest, 0.1), slowest


main(globals())
