#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Several clients on one map, several maps on several workers."""
from harness import SANITIZED, main, require, wait_for
from prober import FLUSH, READ, WRITE, Client, Prober

require("nbdkit", "fio")

MAP = '  {name}: {{cache: shared, table: "1 queue_if_no_path 0 1 1 round-robin 0 2 1 {name}a 1 {name}b 1"}}\n'


def serve(rig, names, threads=1):
    """A disk, two servers and a map for each name."""
    servers, paths, maps = {}, "", ""
    for name in names:
        disk = rig.disk(name)
        for path in (name + "a", name + "b"):
            servers[path] = rig.nbdkit(path, "file", disk)
            paths += f'  {path}: "{rig.uri(path)}"\n'
        maps += MAP.format(name=name)
    rig.nbdmpathd(f"threads: {threads}\npaths:\n{paths}multipaths:\n{maps}")
    return servers


def test_what_one_client_wrote_and_flushed_another_reads(rig):
    serve(rig, ["m"])
    with Client(rig.path("nbd.sock"), "m") as writer, Client(rig.path("nbd.sock"), "m") as reader:
        for number in range(1, 200):
            data = bytes([number]) * 4096
            assert writer.call(WRITE, number % 7 * 4096, data=data)[0] == 0
            assert writer.call(FLUSH)[0] == 0
            assert reader.call(READ, number % 7 * 4096, 4096) == (0, data)


def test_clients_of_one_map_do_not_disturb_each_other(rig):
    servers = serve(rig, ["m"])
    probers = [Prober(rig.path("nbd.sock"), "m", first=index * 256) for index in range(8)]
    for _ in range(2):
        servers["ma"].kill()
        rig.wait_for_path("m", "ma", "F")
        goals = [prober.completions + 200 for prober in probers]
        wait_for(lambda: all(prober.completions >= goal or prober.errors for prober, goal in zip(probers, goals)), 30,
                 "completions")
        servers["ma"] = rig.nbdkit("ma", "file", rig.path("m"))
        rig.wait_for_path("m", "ma", "A")
    for prober in probers:
        prober.end()


def start_fio(rig, name):
    return rig.start("fio." + name, "fio", f"--name={name}", "--ioengine=nbd", f"--uri={rig.export(name)}",
                     "--rw=randwrite", "--bs=4k", "--size=32m", "--iodepth=16", "--verify=crc32c", "--do_verify=1",
                     "--verify_fatal=1", "--verify_state_save=0", "--rate_iops=0,2500", cwd=rig.directory)


def test_four_maps_on_several_workers_verify_while_their_servers_are_killed(rig):
    names = ["m1", "m2", "m3", "m4"]
    servers = serve(rig, names, threads=3)
    jobs = {name: start_fio(rig, name) for name in names}
    for name in names:
        path = name + "a"
        servers[path].kill()
        rig.wait_for_path(name, path, "F")
        servers[path] = rig.nbdkit(path, "file", rig.path(name))
        rig.wait_for_path(name, path, "A")
    for job in jobs.values():
        assert job.child.wait(60 * (5 if SANITIZED else 1)) == 0, job.output()
        assert "err= 0" in job.output() and "verify:" not in job.output(), job.output()
    assert len(rig.ctl("status")) == 4


main(globals())
