#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of server as paths of one disk, killed in turn; servers with errors and without abilities."""
from harness import Daemonized, Rig, free_port, main, require, wait_for
from prober import Prober

require("nbdkit", "qemu-nbd", "nbd-server", "qemu-io", "fio")

MAP = """
paths:
{paths}
multipaths:
  m: {{cache: shared, table: "1 queue_if_no_path 0 1 1 round-robin 0 {count} 1 {entries}"}}
"""


def start_nbdkit(rig, name):
    return rig.nbdkit(name, "file", rig.path("disk"))


def start_qemu_nbd(rig, name):
    unix = rig.path(name + ".sock")
    unix.unlink(missing_ok=True)
    # Several clients, because the harness looks at the socket too; stays when they leave.
    server = rig.start(name, "qemu-nbd", "-t", "-e", "8", "-f", "raw", "--cache=writeback", "-k", unix, rig.path("disk"))
    wait_for(lambda: Rig.accepts(unix) or not server.alive(), what="qemu-nbd")
    assert server.alive(), server.output()
    return server


def start_nbd_server(rig, name, abilities="flush = true\nfua = true\ntrim = true\n"):
    config = rig.path(name + ".conf")
    unix = rig.path(name + ".sock")
    unix.unlink(missing_ok=True)
    config.write_text(f"[generic]\nunixsock = {unix}\nport = {free_port()}\nlistenaddr = 127.0.0.1\nallowlist = true\n"
                      f"[disk]\nexportname = {rig.path('disk')}\n{abilities}")
    pid_file = rig.path(name + ".pid")
    pid_file.unlink(missing_ok=True)
    rig.run("nbd-server", "-C", config, "-p", pid_file)
    server = Daemonized(pid_file)
    rig.processes.append(server)
    wait_for(lambda: Rig.accepts(unix), what="nbd-server")
    return server


STARTERS = {"kit": start_nbdkit, "qemu": start_qemu_nbd, "classic": start_nbd_server}


def serve(rig, uris):
    """A map of one group of these paths, name: URI."""
    rig.nbdmpathd(MAP.format(paths="\n".join(f'  {name}: "{uri}"' for name, uri in uris.items()), count=len(uris),
                             entries=" ".join(f"{name} 1" for name in uris)))


def verify(rig, *options):
    rig.run("fio", "--name=verify", "--ioengine=nbd", f"--uri={rig.export('m')}", "--rw=randwrite", "--bs=4k",
            "--size=16m", "--iodepth=16", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1",
            "--verify_state_save=0", *options, cwd=rig.directory)


def every_operation(rig):
    output = rig.run("qemu-io", "-f", "raw", "-d", "unmap", "-c", "write -P 0x5a 32M 1M", "-c", "write -z 32M 64k",
                     "-c", "read -P 0 32M 64k", "-c", "discard 33200k 64k", "-c", "flush", "-c", "write -f -P 0x11 34M 4k",
                     "-c", "read -P 0x11 34M 4k", "-c", "write -z -u 34M 4k", "-c", "read -P 0 34M 4k",
                     "-c", "read -P 0x5a 32900k 100k", rig.export("m")).stdout
    assert "failed" not in output, output


def test_servers_of_every_kind_and_a_file_are_one_disk(rig):
    rig.disk()
    servers = {name: start(rig, name) for name, start in STARTERS.items()}
    uris = {name: rig.uri(name) for name in servers}
    uris["classic"] = f"nbd+unix:///disk?socket={rig.path('classic.sock')}"
    serve(rig, {**uris, "own": f"file://{rig.path('disk')}"})
    for name in uris:
        assert rig.path_state("m", name) == "A", rig.daemon.output()
    every_operation(rig)
    verify(rig)
    prober = Prober(rig.path("nbd.sock"), "m", first=10000)
    for name, server in servers.items():
        server.kill()
        rig.wait_for_path("m", name, "F")
        servers[name] = STARTERS[name](rig, name)
        rig.wait_for_path("m", name, "A")
        verify(rig, "--offset=16m")
    prober.end()


def test_a_server_with_errors_now_and_then_is_not_seen_by_the_client(rig):
    disk = rig.disk()
    rig.nbdkit("bad", "file", disk, "error-rate=1%", "error=EIO", filters=["error"])
    rig.nbdkit("good", "file", disk)
    serve(rig, {"bad": rig.uri("bad"), "good": rig.uri("good")})
    prober = Prober(rig.path("nbd.sock"), "m", first=10000)
    verify(rig)
    wait_for(lambda: failures(rig, "bad") >= 2, 20, "two failures and a return between them")
    prober.end()


def failures(rig, path):
    words = rig.status("m").split()
    return int(words[words.index(path) + 2])


def serves_alone(rig, uri):
    """All works with this path among others, and with it alone."""
    rig.nbdkit("rich", "file", rig.path("disk"))
    serve(rig, {"poor": uri, "rich": rig.uri("rich")})
    every_operation(rig)
    verify(rig)
    rig.message("m", "fail_path", "rich")
    every_operation(rig)
    verify(rig, "--offset=16m")
    assert rig.path_state("m", "poor") == "A", rig.daemon.output()


def test_a_server_without_write_zeroes_serves_them(rig):
    rig.nbdkit("poor", "file", rig.disk(), "zeromode=none", filters=["nozero"])
    serves_alone(rig, rig.uri("poor"))


def test_a_server_without_fua_is_flushed_instead(rig):
    rig.nbdkit("poor", "file", rig.disk(), filters=["fua"])  # its default: no FUA
    serves_alone(rig, rig.uri("poor"))


def test_a_server_with_emulated_abilities_serves_all(rig):
    rig.nbdkit("poor", "file", rig.disk(), "fuamode=emulate", "zeromode=emulate", filters=["nozero", "fua"])
    serves_alone(rig, rig.uri("poor"))


def test_a_server_with_reads_and_writes_only_serves_all(rig):
    rig.disk()
    start_nbd_server(rig, "poor", abilities="")
    serves_alone(rig, f"nbd+unix:///disk?socket={rig.path('poor.sock')}")


main(globals())
