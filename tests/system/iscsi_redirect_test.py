#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""iSCSI targets that send who logs in to another portal: that is followed, with an end to it, and what was sent through one
portal is not taken for settled because of another.
"""
from harness import main, require, wait_for
from iscsi_redirector import Redirector
from iscsi_target import LUN, TARGET, Target
from raw_nbd import WRITE, Client
from writer import BLOCK, Writer

require("tgtd", "tgtadm", "qemu-io")

EIO = 5
WRITES = 32


def uri_of(redirector):
    return f"iscsi://{redirector.address()}/{TARGET}/{LUN}"


def serve(rig, uri, patience="60s"):
    rig.nbdmpathd(f"""
log: {{level: debug}}
paths:
  a: {{uri: "{uri}", stall_timeout: 1s}}
multipaths:
  m: {{table: "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1", size: 64M, no_path_timeout: 60s, fence_timeout: {patience}}}
""")


def serve_failing(rig, uri):
    """A path that cannot be reached, and why."""
    rig.nbdmpathd(f"""
paths: {{a: {{uri: "{uri}"}}}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 1 1 a 1", size: 64M}}}}
""")
    wait_for(lambda: "path a is lost" in rig.daemon.output(), 15, "the reason")
    lines = [line for line in rig.daemon.output().splitlines() if "path a is lost" in line]
    rig.daemon.end()
    rig.path("nbdmpathd.log").unlink()
    assert len(lines) == 1 and len(lines[0]) < 500, lines
    return lines[0].split("path a is lost: ")[1]


def heads(rig, count):
    """So many targets with one disk; the first sends to the second."""
    first = Target(rig, 1, name="t0", host="127.0.0.2")
    others = [Target(rig, 1, name=f"t{number}", host=f"127.0.0.{number + 2}", disk=first.disk)
              for number in range(1, count)]
    first.send_to(others[0])
    return [first] + others


def sent_on(rig, *targets):
    """How often a session began at the end of this way."""
    return rig.daemon.output().count("sent us on: " + " -> ".join(target.address() for target in targets))


def test_where_the_target_sends_us_data_is_served(rig):
    first, second = heads(rig, 2)
    for reason in ("Temporary", "Permanent"):
        first.send_to(second, reason)
        serve(rig, first.uri())
        rig.wait_for_path("m", "a", "A")
        assert sent_on(rig, first, second) == 1, rig.daemon.output()
        done = rig.run("qemu-io", "-f", "raw", "-t", "none", "-c", "write -P 7 0 1M", "-c", "read -P 7 0 1M",
                       rig.export("m"))
        assert "failed" not in done.stdout, done
        assert "Session:" in second.adm("conn", "show", "--tid", 1).stdout
        assert "Session:" not in first.adm("conn", "show", "--tid", 1).stdout
        rig.daemon.end()
        rig.path("nbdmpathd.log").unlink()


def test_every_dial_begins_at_the_portal_that_is_configured(rig):
    first, second, third = heads(rig, 3)
    serve(rig, first.uri())
    rig.wait_for_path("m", "a", "A")
    writer = Writer(rig)
    writer.goes_on()
    second.kill()
    rig.wait_for_path("m", "a", "F")
    second.start()
    rig.wait_for_path("m", "a", "A", 30)
    writer.goes_on()
    writer.finish()
    assert sent_on(rig, first, second) == 2, rig.daemon.output()
    first.send_to(third)
    second.kill()  # nothing is in doubt
    wait_for(lambda: sent_on(rig, first, third) == 1, 30, "the other way")
    second.start()
    third.send_to(second)
    third.drop_sessions()
    wait_for(lambda: sent_on(rig, first, third, second) == 1, 30, "the longer way")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)


def test_the_reset_by_another_head_ends_nothing_of_this_one(rig):
    first, second, third = heads(rig, 3)
    serve(rig, first.uri(), patience="2s")
    rig.wait_for_path("m", "a", "A")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)
        second.stop()
        cookies = [client.request(WRITE, block * BLOCK, BLOCK, b"o" * BLOCK) for block in range(WRITES)]
        rig.wait_for_path("m", "a", "F")
        first.send_to(third)
        rig.wait_for_path("m", "a", "A", 30)
        assert "fence=close" in rig.ctl("show", "paths", "m")[0], rig.ctl("show", "paths", "m")
        second.kill()
        assert dict(client.reply() for _ in cookies) == {cookie: EIO for cookie in cookies}
        assert rig.info("m")["in doubt"] == str(WRITES), "the third head knows nothing of the second one's requests"
        client.write(BLOCK * WRITES, b"n" * BLOCK)
        # Only where they were sent it can be settled.
        second.start()
        first.send_to(second)
        third.kill()
        wait_for(lambda: rig.info("m")["in doubt"] == "0", 30, "the end of the fence")
        client.write(0, b"n" * BLOCK)


def test_a_fence_command_is_told_where_the_session_was(rig):
    first, second = heads(rig, 2)
    rig.path("fence").write_text(f"echo $NBDMPATH_ADDRESS >>{rig.path('seen')}\nkill -9 {second.server.pid}\n")
    serve(rig, first.uri() + f'", trust_peer_close: false, fence_command: "sh {rig.path("fence")}')
    rig.wait_for_path("m", "a", "A")
    with Client(rig.path("nbd.sock"), "m") as client:
        client.read(0, BLOCK)
        second.stop()
        cookie = client.request(WRITE, 0, BLOCK, b"o" * BLOCK)
        wait_for(lambda: rig.path("seen").exists() and rig.path("seen").read_text(), 15, "the command")
        assert rig.path("seen").read_text() == second.address() + "\n"
        second.start()
        assert client.reply() == (cookie, 0)


def test_a_target_that_sends_us_round_is_left(rig):
    first, second, third = heads(rig, 3)
    second.send_to(third)
    third.send_to(first)
    way = " -> ".join(target.address() for target in (first, second, third))
    serve(rig, first.uri())
    wait_for(lambda: f"path a is lost: {way}: the target sends us back to {first.address()}" in rig.daemon.output(),
             what="the reason")
    assert rig.path_state("m", "a") == "F"
    third.send_to(third)
    wait_for(lambda: f"{way}: the target sends us back to {third.address()}" in rig.daemon.output(), what="the reason")
    third.adm("target", "update", "--tid", 1, "--name", "RedirectAddress", "--value", "127.0.0.1")  # where we come from
    rig.wait_for_path("m", "a", "A", 30)


def test_a_target_that_sends_us_on_and_on_is_left(rig):
    redirectors = [Redirector(b"127.0.0.1:1,1")]
    for _ in range(4):
        redirectors.append(Redirector(redirectors[-1].address().encode()))
    try:
        addresses = [redirector.address() for redirector in reversed(redirectors)]
        assert serve_failing(rig, uri_of(redirectors[4])) == \
            f"{' -> '.join(addresses[:4])}: the target sends us on once more, to {addresses[4]}"
        assert serve_failing(rig, uri_of(redirectors[2])).startswith(
            f"{' -> '.join(addresses[2:])} -> 127.0.0.1:1: "), "three are followed"
    finally:
        for redirector in redirectors:
            redirector.end()


def test_the_name_of_a_host_is_looked_up(rig):
    target = Target(rig, 1)
    redirector = Redirector(f"localhost:{target.ports[0]},1".encode(), 0)
    try:
        serve(rig, uri_of(redirector))
        rig.wait_for_path("m", "a", "A", 30)
        assert f" -> {target.address()}" in rig.daemon.output()
    finally:
        redirector.end()


def test_what_is_no_address_is_told_on_one_line(rig):
    for address, why in ((b"", "moved"),
                         (b"no.such.host.invalid", "cannot resolve where the target sends us"),
                         (b"[::1", "the target sends us to '[::1'"),
                         (b"127.0.0.1:0", "'0' is not a port"),
                         (b"127.0.0.1:3260,x", "the number of a portal group"),
                         (b"user%secret@host", "not an address"),
                         (b"\x1b[1m\nConnection refused", "not an address"),
                         (b"x" * 8000, "not an address")):
        redirector = Redirector(address)
        try:
            told = serve_failing(rig, uri_of(redirector))
        finally:
            redirector.end()
        assert why in told and "\x1b" not in told, (address, told)


def test_a_discovery_follows_and_proposes_the_portal_that_was_asked(rig):
    first, second = heads(rig, 2)
    rig.nbdmpathd("log: {level: debug}\n")
    lines = rig.ctl("discover", f"iscsi://{first.address()}")
    assert any(first.address() in line and "67108864 bytes" in line for line in lines), lines
    assert any(first.uri() in line for line in lines), lines
    second.send_to(first)
    lines = rig.ctl("discover", f"iscsi://{first.address()}", check=False)
    told = lines.stdout + lines.stderr
    assert f"{first.address()} -> {second.address()}: the target sends us back to {first.address()}" in told, told


main(globals())
