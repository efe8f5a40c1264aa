#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers are killed, stopped and cut off at random while clients write: no block ever has older data than acknowledged.

NBDMPATH_SECONDS: how long (default 15); NBDMPATH_SEED: as in the run that printed it.
"""
import contextlib
import os
import random
import signal
import struct
import threading
import time

from harness import SANITIZED, main, require, wait_for
from proxy import Proxy
from raw_nbd import FLUSH, READ, WRITE, Client

require("nbdkit")

SECONDS = float(os.environ.get("NBDMPATH_SECONDS", "15"))
SEED = int(os.environ.get("NBDMPATH_SEED", str(random.SystemRandom().randrange(1 << 32))))
BLOCK = 4096
CLIENTS = 4
BLOCKS_EACH = 8
LONGEST_PAUSE = 1.5  # of a server or a network; ambiguous_hold is much longer
HOLD = 60 if SANITIZED else 10


def content(block, number):
    return struct.pack(">QQ", block, number) * (BLOCK // 16)


class Blocks:
    """What each block of one client may have: the last acknowledged number, or one that nobody answered since."""

    def __init__(self, client):
        self.allowed = {block: {0} for block in range(client, CLIENTS * BLOCKS_EACH, CLIENTS)}
        self.number = 0

    def check(self, block, data, where):
        found = struct.unpack(">QQ", data[:16])
        assert data == content(*found), f"{where}: block {block} is torn: {found}"
        fine = found == (0, 0) and 0 in self.allowed[block] or found[0] == block and found[1] in self.allowed[block]
        assert fine, f"{where}: block {block} has {found}, allowed is {sorted(self.allowed[block])}"


class Writer(threading.Thread):
    """Writes and reads its blocks one request after the other; now and then it is gone in the middle of a write."""

    def __init__(self, rig, client, end):
        super().__init__()
        self.rig, self.client, self.ends_at = rig, client, end
        self.random = random.Random(SEED * 101 + client)
        self.blocks = Blocks(client)
        self.failure = None
        self.written = self.deaths = 0

    def run(self):
        try:
            while time.monotonic() < self.ends_at:
                with Client(self.rig.path("nbd.sock"), "m") as nbd:
                    nbd.socket.settimeout(120)
                    while time.monotonic() < self.ends_at and self.step(nbd):
                        pass
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def step(self, nbd):
        """One request; False when the connection is to be thrown away."""
        block = self.random.choice(list(self.blocks.allowed))
        chance = self.random.random()
        if chance < 0.3:
            cookie = nbd.request(READ, block * BLOCK, BLOCK)
            assert nbd.reply() == (cookie, 0)
            self.blocks.check(block, nbd.receive(BLOCK), "read")
        elif chance < 0.35:
            cookie = nbd.request(FLUSH, 0, 0)
            assert nbd.reply() == (cookie, 0)
        else:
            self.blocks.number += 1
            number = self.blocks.number
            self.blocks.allowed[block].add(number)
            cookie = nbd.request(WRITE, block * BLOCK, BLOCK, content(block, number))
            if self.random.random() < 0.02:
                time.sleep(self.random.random() * 0.002)
                self.deaths += 1
                return False
            assert nbd.reply() == (cookie, 0)
            self.blocks.allowed[block] = {number}
            self.written += 1
        return True


class Trouble:
    """What happens to the servers and the networks before them, from the seed."""

    def __init__(self, rig, start, servers, proxies):
        self.rig, self.start, self.servers, self.proxies = rig, start, servers, proxies
        self.random = random.Random(SEED)
        self.done = []

    def pause(self, most):
        time.sleep(self.random.uniform(0.05, most))

    def kill(self, name):
        self.servers[name].kill()
        self.pause(0.5)
        self.servers[name] = self.start(name)

    def stop(self, name):
        self.servers[name].signal(signal.SIGSTOP)
        self.pause(LONGEST_PAUSE)
        self.servers[name].signal(signal.SIGCONT)

    def cut(self, name):
        self.proxies[name].hold()
        self.pause(LONGEST_PAUSE)
        self.proxies[name].release()

    def cut_and_kill(self, name):
        self.proxies[name].hold()
        self.pause(0.6)
        self.kill(name)
        self.proxies[name].release()

    def step(self):
        name = self.random.choice("ab")
        what = self.random.choice((self.kill, self.stop, self.stop, self.cut, self.cut, self.cut_and_kill))
        self.done.append(what.__name__)
        what(name)
        self.pause(0.5)


def check_disk(rig, writers):
    with open(rig.path("disk"), "rb") as file:
        for writer in writers:
            for block in writer.blocks.allowed:
                file.seek(block * BLOCK)
                writer.blocks.check(block, file.read(BLOCK), "disk")


def test_no_older_data_whatever_happens_to_the_servers_of_a_shared_disk(rig):
    print(f"seed {SEED}, {SECONDS:g} s", flush=True)
    disk = rig.disk()

    def start(name):
        return rig.nbdkit(name, "-t", "1", "file", disk)

    servers = {name: start(name) for name in "ab"}
    proxies = {name: Proxy(rig.path(f"proxy-{name}.sock"), rig.path(f"{name}.sock")) for name in "ab"}
    paths = "\n".join(f'  {name}: {{uri: "{rig.uri("proxy-" + name)}", stall_timeout: 300ms, reconnect_delay: 100ms}}'
                      for name in "ab")
    rig.nbdmpathd(f"""
paths:
{paths}
multipaths:
  m: {{cache: shared, ambiguous_hold: {HOLD}s, table: "1 queue_if_no_path 0 1 1 round-robin 0 2 1 a 1 b 1"}}
""")
    end = time.monotonic() + SECONDS
    writers = [Writer(rig, client, end) for client in range(CLIENTS)]
    for writer in writers:
        writer.start()
    trouble = Trouble(rig, start, servers, proxies)
    while time.monotonic() < end and not any(writer.failure for writer in writers):
        trouble.step()
    for writer in writers:
        writer.join()
        assert writer.failure is None, f"seed {SEED}: {writer.failure!r}; before it: {trouble.done}"
    wait_for(lambda: rig.info("m")["in doubt"] == "0", 2 * HOLD, "an end of all doubts")
    check_disk(rig, writers)
    print(f"{sum(w.written for w in writers)} writes, {sum(w.deaths for w in writers)} dead clients, "
          f"{len(trouble.done)} troubles", flush=True)
    assert sum(w.written for w in writers) > 100 and trouble.done
    with contextlib.suppress(OSError):
        for proxy in proxies.values():
            proxy.close()


main(globals())
