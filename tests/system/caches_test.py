#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers that each have a write cache of their own before one disk (design D4): what was acknowledged is neither lost
nor overwritten by what an old cache still has. Each hazard is shown to be real where the setting allows it."""
import pathlib
import signal
import threading
import time

from crash_servers import caching_server
from harness import main, require, wait_for
from proxy import Proxy
from raw_nbd import FLUSH, WRITE, Client

require("nbdkit")

BLOCK = 4096
FUA = 1
NOTHING, OLD, NEW = bytes(BLOCK), b"o" * BLOCK, b"n" * BLOCK
TWO_GROUPS = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"


def nbdkit(rig, name):
    return rig.nbdkit(name, "file", rig.path("disk"), "cache=writeback", "cache-min-block-size=4096", filters=["cache"])


def serve(rig, cache=None, start=caching_server, keys=""):
    """Two servers; b through a proxy. Without `cache` the default is meant. `keys`: of both paths."""
    rig.disk()
    servers = {name: start(rig, name) for name in "ab"}
    servers["proxy"] = Proxy(rig.path("proxy-b.sock"), rig.path("b.sock"))
    rig.nbdmpathd(f"""
paths:
  a: {{uri: "{rig.uri("a")}", stall_timeout: 400ms, reconnect_delay: 100ms {keys}}}
  b: {{uri: "{rig.uri("proxy-b")}", stall_timeout: 30s, reconnect_delay: 100ms {keys}}}
multipaths:
  m: {{{f"cache: {cache}, " if cache else ""}size: 64M, table: "{TWO_GROUPS}"}}
""")
    for name in "ab":
        rig.wait_for_path("m", name, "A")
    return servers


def connect(rig):
    return Client(rig.path("nbd.sock"), "m")


def done(client, *request, **options):
    cookie = client.request(*request, **options)
    assert client.reply() == (cookie, 0)


def flush(client):
    done(client, FLUSH, 0, 0)


def on_disk(rig):
    with open(rig.path("disk"), "rb") as file:
        return file.read(BLOCK)


def write_and_kill_and_flush(rig, cache):
    """What a client reads, and what is on the disk, after a flush that succeeded."""
    servers = serve(rig, cache, nbdkit)
    with connect(rig) as client:
        client.write(0, NEW)
        servers["a"].kill()
        flush(client)
        return client.read(0, BLOCK), on_disk(rig)


def test_the_hazard_is_real_a_flush_succeeds_and_the_data_is_gone(rig):
    assert write_and_kill_and_flush(rig, "shared") == (NOTHING, NOTHING)


def test_by_default_the_data_is_there_after_a_flush(rig):
    assert write_and_kill_and_flush(rig, None) == (NEW, NEW)


def test_an_unflushed_write_survives_its_server(rig):
    servers = serve(rig, None, nbdkit)
    with connect(rig) as client:
        client.write(0, NEW)
        servers["a"].kill()
        assert client.read(0, BLOCK) == NEW
        assert on_disk(rig) == NOTHING, "nobody has flushed"
        servers["b"].kill()
        servers["a"] = nbdkit(rig, "a")
        assert client.read(0, BLOCK) == NEW, "and its second server"


def test_an_unflushed_write_is_not_written_again_over_a_later_one_with_fua(rig):
    servers = serve(rig)
    with connect(rig) as client:
        client.write(0, OLD)
        client.write(BLOCK, OLD)
        done(client, WRITE, 0, BLOCK, NEW, flags=FUA)
        assert on_disk(rig) == NEW
        servers["a"].kill()
        assert client.read(0, 2 * BLOCK) == NEW + OLD, "the one beside it was written again"
        flush(client)
        assert on_disk(rig) == NEW


def test_a_server_that_starts_again_is_given_what_it_has_lost(rig):
    rig.disk()
    server = caching_server(rig, "a")
    rig.nbdmpathd(f"""
paths: {{a: {{uri: "{rig.uri("a")}", reconnect_delay: 100ms}}}}
multipaths:
  m: {{cache: independent, table: "1 queue_if_no_path 0 1 1 round-robin 0 1 1 a 1"}}
""")
    with connect(rig) as client:
        client.write(0, NEW)
        server.kill()
        caching_server(rig, "a")
        assert client.read(0, BLOCK) == NEW
        flush(client)
        assert on_disk(rig) == NEW


def leave_dirty(rig, client, leave):
    """a has OLD in its cache and is left; then NEW is written and flushed through b."""
    client.write(0, OLD)
    leave()
    rig.wait_for_path("m", "a", "F")
    client.write(0, NEW)
    flush(client)
    assert on_disk(rig) == NEW


def stop_and_continue(rig, servers):
    with connect(rig) as client:
        leave_dirty(rig, client, lambda: stop_under_a_read(servers["a"], client))
        servers["a"].signal(signal.SIGCONT)


def stop(server):
    """Until none of its threads can answer."""
    server.stop()
    threads = pathlib.Path(f"/proc/{server.pid}/task")
    wait_for(lambda: all(") T " in (each / "stat").read_text() for each in threads.iterdir()), what="a stopped server")


def stop_under_a_read(server, client):
    """So that its silence is noticed."""
    stop(server)
    assert client.read(0, BLOCK) == OLD


def test_the_hazard_is_real_an_old_cache_comes_back(rig):
    servers = serve(rig, "shared")
    with connect(rig) as client:
        client.write(0, OLD)
        stop(servers["a"])
        client.read(BLOCK, BLOCK)
        client.write(0, NEW)
        flush(client)
        assert on_disk(rig) == NEW
        servers["a"].signal(signal.SIGCONT)
        rig.wait_for_path("m", "a", "A")
        rig.message("m", "switch_group", "1")
        assert client.read(0, BLOCK) == OLD
        flush(client)
        assert on_disk(rig) == OLD


def expect_quarantine(rig):
    """a has an old cache and can be reached: it is left alone until somebody says otherwise."""
    wait_for(lambda: "PATH_QUARANTINED path=a" in rig.daemon.output(), what="the event")
    with connect(rig) as client:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert client.read(0, BLOCK) == NEW
            flush(client)
            assert rig.path_state("m", "a") == "F"
        assert on_disk(rig) == NEW
        assert any("quarantined" in line for line in rig.ctl("show", "paths")), rig.ctl("show", "paths")
        rig.message("m", "reinstate_path", "a")
        rig.wait_for_path("m", "a", "A")


def test_a_stopped_server_with_an_old_cache_is_quarantined(rig):
    stop_and_continue(rig, serve(rig))
    expect_quarantine(rig)


def test_where_a_closed_connection_proves_nothing_an_old_cache_is_quarantined(rig):
    servers = serve(rig, keys=", trust_peer_close: false")
    with connect(rig) as client:
        client.write(0, OLD)
        rig.path("a.sock").rename(rig.path("elsewhere"))  # so that the path does not return at once
        servers["a"].signal(signal.SIGUSR1)
        rig.wait_for_path("m", "a", "F")
        client.write(0, NEW)
        flush(client)
        rig.path("elsewhere").rename(rig.path("a.sock"))
    expect_quarantine(rig)


def test_a_server_that_is_cut_off_returns_without_its_cache(rig):
    rig.path("fence").write_text(f"[ $NBDMPATH_PATH = a ] && kill -9 $(cat {rig.path('pid')})")
    servers = serve(rig, keys=f", fence_command: sh {rig.path('fence')}")
    rig.path("pid").write_text(str(servers["a"].pid))
    stop_and_continue(rig, servers)
    assert servers["a"].child.wait(10) == -signal.SIGKILL
    caching_server(rig, "a")
    rig.wait_for_path("m", "a", "A")
    with connect(rig) as client:
        rig.message("m", "switch_group", "1")
        assert client.read(0, BLOCK) == NEW
        flush(client)
    assert on_disk(rig) == NEW


def test_a_path_that_is_left_alive_is_flushed_first(rig):
    servers = serve(rig)
    with connect(rig) as client:
        client.write(0, OLD)
        rig.message("m", "switch_group", "2")
        assert client.read(0, BLOCK) == OLD and on_disk(rig) == OLD
        client.write(0, NEW)
        rig.message("m", "fail_path", "b")
        assert client.read(0, BLOCK) == NEW and on_disk(rig) == NEW
        assert all(server.alive() for name, server in servers.items() if name != "proxy")


def start_again(rig):
    rig.daemon.kill()
    rig.path("nbdmpathd.log").unlink()
    rig.nbdmpathd(rig.path("nbdmpathd.yaml").read_text())


def test_after_our_own_death_no_cache_is_forgotten(rig):
    serve(rig)
    with connect(rig) as client:
        rig.message("m", "switch_group", "2")
        client.write(0, OLD)
    start_again(rig)
    with connect(rig) as client:
        assert client.read(0, BLOCK) == OLD, "b has it, the path in use now is a"


def test_after_our_own_death_no_cache_overwrites_newer_data(rig):
    servers = serve(rig)
    with connect(rig) as client:
        rig.message("m", "switch_group", "2")
        client.write(0, OLD)
    start_again(rig)
    for name in "ab":
        rig.wait_for_path("m", name, "A")
    servers["proxy"].hold()
    threading.Timer(0.5, servers["proxy"].release).start()  # b is slower than a
    with connect(rig) as client:
        client.write(0, NEW)
        flush(client)
        flush(client)
        assert client.read(0, BLOCK) == NEW and on_disk(rig) == NEW
        rig.message("m", "switch_group", "2")
        assert client.read(0, BLOCK) == NEW
        flush(client)
        assert on_disk(rig) == NEW


main(globals())
