#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a user sees of nbdmpathd itself: options, exit status, sockets, the demo, signals."""
import errno
import os
import pathlib
import re
import signal
import socket
import threading
import time

import raw_nbd
from harness import NBDMPATHCTL, NBDMPATHD, main, require, wait_for

require("nbdinfo", "nbdkit", "setpriv")
import nbd  # pylint: disable=wrong-import-position  # after require(): the binding comes with the tools

FILE = """
paths: {{a: "file://{disk}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
"""


def ends(rig, status, *words, **options):
    done = rig.run(NBDMPATHD, *words, check=False, **options)
    assert done.returncode == status, f"{words}: {done.returncode} {done.stdout}{done.stderr}"
    return done


def check(rig, text):
    rig.path("checked.yaml").write_text(text)
    return rig.run(NBDMPATHD, "--check", "-c", rig.path("checked.yaml"), check=False)


def one_line(text, *parts):
    assert text.count("\n") == 1 and all(part in text for part in parts), text


def test_version_and_help_go_to_standard_output(rig):
    one_line(ends(rig, 0, "--version").stdout, "nbdmpathd 0.")
    assert "--check" in ends(rig, 0, "--help").stdout


def test_wrong_usage_is_exit_status_2(rig):
    for words in [("--frob",), ("word",), ("-c",), ("--log-level", "loud"), ("--demo=1",), ("-x",)]:
        done = ends(rig, 2, *words)
        assert "--help" in done.stderr and done.stdout == "", done


def test_a_missing_a_directory_and_an_unreadable_configuration_are_one_line_and_78(rig):
    one_line(ends(rig, 78, "-c", rig.path("none")).stderr, "none", "No such file")
    one_line(ends(rig, 78, "-c", rig.directory).stderr, str(rig.directory), "Is a directory")
    one_line(ends(rig, 78, "--check", "-c", rig.path("none")).stdout, "none", "No such file")
    secret = rig.path("secret.yaml")
    secret.write_text("")
    secret.chmod(0)
    rig.directory.chmod(0o755)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = rig.run(*other, NBDMPATHD, "-c", secret, check=False)
    assert done.returncode == 78, done
    one_line(done.stderr, "secret.yaml", "Permission denied")


def test_check_prints_every_problem_with_its_place(rig):
    done = check(rig, "paths: {a: \"nbd://x\", a: 3}\nmultipath: {}\nthreads: foo\nlisten: [{tcp: \":99999\"}]\n")
    assert done.returncode == 78, done
    places = [re.match(r".*checked\.yaml:(\d+):(\d+): .", line).groups() for line in done.stdout.splitlines()]
    assert [int(line) for line, _ in places] == [1, 2, 3, 4], done.stdout
    assert "did you mean 'multipaths'" in done.stdout


def test_check_of_a_right_file_is_0_and_connects_to_nothing(rig):
    text = "listen: [{unix: /nonexistent/nbd.sock}]\n" + FILE.format(disk="/nonexistent/disk")
    done = check(rig, text)
    assert done.returncode == 0 and done.stdout == "", done


def test_an_admin_socket_on_a_public_address_is_refused(rig):
    done = check(rig, "admin: [{tcp: \"0.0.0.0:1234\"}, {tcp: \":1235\"}]\n"
                 "listen: [{unix: /x}]\n" + FILE.format(disk="/x"))
    assert done.returncode == 78 and done.stdout.count("loopback") == 2, done


def test_a_socket_in_use_is_an_error_and_a_stale_one_is_taken_over(rig):
    text = FILE.format(disk=rig.disk())
    first = rig.nbdmpathd(text)
    for line in ("listen: [{unix: %s}]\nadmin: []\n" % rig.path("nbd.sock"),
                 "listen: [{unix: %s}]\nadmin: [{unix: %s}]\n" % (rig.path("other.sock"), rig.path("admin.sock"))):
        rig.path("second.yaml").write_text(line + text)
        done = ends(rig, 1, "-c", rig.path("second.yaml"))
        one_line(done.stderr, ".sock")
        assert not rig.path("other.sock").exists(), "a failed start left its socket behind"
    assert rig.ctl("ls") == ["m"]
    first.kill()
    pathlib.Path(first.log).unlink()
    assert rig.path("nbd.sock").exists() and rig.path("admin.sock").exists()
    rig.nbdmpathd(text)
    assert rig.ctl("ls") == ["m"] and "nbdmpathd" not in rig.run("nbdinfo", "--size", rig.export("m")).stderr
    rig.daemon.end()
    assert not rig.path("nbd.sock").exists() and not rig.path("admin.sock").exists()


def test_what_is_no_socket_is_never_removed(rig):
    text = FILE.format(disk=rig.disk())
    rig.path("nbd.sock").write_text("precious")
    rig.nbdmpathd(text, wait=False)
    assert rig.daemon.child.wait(10) == 1
    assert rig.path("nbd.sock").read_text() == "precious"


def test_a_tcp_port_in_use_is_an_error(rig):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for line in (f"listen: [{{tcp: \"127.0.0.1:{port}\"}}]\nadmin: []\n",
                     f"listen: [{{unix: {rig.path('n.sock')}}}]\nadmin: [{{tcp: \"127.0.0.1:{port}\"}}]\n"):
            rig.path("c.yaml").write_text(line + FILE.format(disk=rig.disk()))
            one_line(ends(rig, 1, "-c", rig.path("c.yaml")).stderr, str(port), "in use")


def demo(rig):
    parent = rig.path("tmp")
    parent.mkdir(exist_ok=True)
    daemon = rig.start("demo", NBDMPATHD, "--demo", env={**os.environ, "TMPDIR": str(parent)})
    wait_for(lambda: "serving" in daemon.output() and "Ctrl-C" in daemon.output(), what="the demo's text")
    return daemon, parent


def test_the_demo_serves_and_leaves_nothing_behind(rig):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon, parent = demo(rig)
        uri = re.search(r"nbd\+unix:\S+", daemon.output()).group(0)
        assert "1G" in rig.run("nbdinfo", uri).stdout
        ctl = re.search(r"nbdmpathctl -s (\S+) status demo", daemon.output()).group(1)
        assert pathlib.Path(ctl).is_socket()
        daemon.signal(number)
        assert daemon.child.wait(15) == 0
        assert not list(parent.iterdir()), f"left behind: {list(parent.rglob('*'))}"
        pathlib.Path(daemon.log).unlink()


def test_the_demo_leaves_nothing_behind_when_it_is_told_twice(rig):
    daemon, parent = demo(rig)
    client = connect(re.search(r"nbd\+unix:\S+", daemon.output()).group(0))
    ctl = re.search(r"nbdmpathctl -s (\S+) status", daemon.output()).group(1)
    for path in ("a1", "a2", "b1", "b2"):
        rig.run(NBDMPATHCTL, "-s", ctl, "message", "demo", "0", "fail_path", path)
    client.aio_pwrite(nbd.Buffer(4096), 0)
    client.poll(10)
    daemon.signal(signal.SIGTERM)
    wait_for(lambda: "shutting down" in daemon.output() or not daemon.alive())
    if daemon.alive():
        daemon.signal(signal.SIGTERM)
    assert daemon.child.wait(5) == 0
    assert not list(parent.iterdir()), f"left behind: {list(parent.rglob('*'))}"


def test_sighup_does_not_end_the_server(rig):
    rig.nbdmpathd(FILE.format(disk=rig.disk()))
    for _ in range(3):
        rig.daemon.signal(signal.SIGHUP)
    wait_for(lambda: rig.daemon.output().count("SIGHUP") >= 1)
    assert rig.ctl("ls") == ["m"]


def connect(uri):
    client = nbd.NBD()
    client.connect_uri(uri)
    return client


def write_until_the_end(client, load):
    """Writes, eight at a time, until the server closes the connection; notes the error of each answered request."""
    under_way = 0
    try:
        while True:
            while under_way < 8:
                load["sent"] = client.request(raw_nbd.WRITE, load["sent"] % 512 * 65536, 65536, bytes(65536))
                under_way += 1
            cookie, load["answers"][cookie] = client.reply()
            under_way -= 1
    except (EOFError, OSError) as end:
        load["end"] = end


def test_sigterm_under_load_answers_and_ends_with_0(rig):
    rig.nbdmpathd("shutdown_timeout: 5s\n" + FILE.format(disk=rig.disk()))
    load = {"sent": 0, "answers": {}, "end": None}
    client = raw_nbd.Client(rig.path("nbd.sock"), "m")
    thread = threading.Thread(target=write_until_the_end, args=(client, load))
    thread.start()
    wait_for(lambda: len(load["answers"]) > 100, what="load")
    sent_before = load["sent"]
    begin = time.monotonic()
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(10) == 0
    assert time.monotonic() - begin < 6
    thread.join(10)
    assert load["end"] is not None
    assert set(load["answers"].values()) <= {0, errno.ESHUTDOWN}, load
    assert set(range(1, sent_before + 1)) <= set(load["answers"]), "a request sent before the signal has no answer"


def slow_map(rig, seconds):
    rig.nbdkit("slow", "memory", "64M", f"delay-read={seconds}", filters=("delay",))
    return f"""
shutdown_timeout: 2s
paths: {{a: "{rig.uri('slow')}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1"}}}}
"""


def test_a_request_in_flight_at_sigterm_is_finished(rig):
    rig.nbdmpathd(slow_map(rig, 1))
    client = connect(rig.export("m"))
    buffer = nbd.Buffer(4096)
    cookie = client.aio_pread(buffer, 0)
    # The server does not count what is in flight; that a second client is served proves the first read was taken.
    connect(rig.export("m")).shutdown()
    rig.daemon.signal(signal.SIGTERM)
    while not client.aio_command_completed(cookie):
        assert client.poll(5000) > 0
    assert rig.daemon.child.wait(5) == 0


def test_shutdown_timeout_bounds_the_end(rig):
    rig.nbdmpathd(slow_map(rig, 30))
    client = connect(rig.export("m"))
    client.aio_pread(nbd.Buffer(4096), 0)
    connect(rig.export("m")).shutdown()
    begin = time.monotonic()
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(10) == 0
    assert 1.5 < time.monotonic() - begin < 4, time.monotonic() - begin


def test_a_second_sigterm_ends_at_once(rig):
    rig.nbdmpathd(slow_map(rig, 30).replace("2s", "30s"))
    client = connect(rig.export("m"))
    client.aio_pread(nbd.Buffer(4096), 0)
    connect(rig.export("m")).shutdown()
    rig.daemon.signal(signal.SIGTERM)
    wait_for(lambda: "shutting down" in rig.daemon.output())
    assert rig.daemon.alive()
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(1) == 0
    assert not rig.path("nbd.sock").exists() and not rig.path("admin.sock").exists()


def test_an_admin_client_that_never_stops_talking_does_not_keep_the_server(rig):
    rig.nbdmpathd(FILE.format(disk=rig.disk()))
    talker = rig.start("talker", "sh", "-c", f"yes ls | {NBDMPATHCTL} -s {rig.path('admin.sock')}", start_new_session=True)
    garbage = socket.socket(socket.AF_UNIX)
    garbage.connect(str(rig.path("admin.sock")))
    garbage.sendall(bytes(100000))
    wait_for(lambda: "m" in talker.output(), what="the talker")
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(10) == 0
    garbage.close()


def test_a_stopped_client_does_not_keep_the_server(rig):
    rig.nbdmpathd("shutdown_timeout: 2s\n" + FILE.format(disk=rig.disk()))
    fio = rig.start("fio", "fio", "--name=x", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randread",
                    "--bs=1M", "--iodepth=32", "--size=32M", "--time_based", "--runtime=60", "--thread")
    wait_for(lambda: any("open count: 1" in line for line in rig.ctl("info", "m")), what="fio")
    fio.stop()
    begin = time.monotonic()
    rig.daemon.signal(signal.SIGTERM)
    assert rig.daemon.child.wait(10) == 0
    assert time.monotonic() - begin < 4


main(globals())
