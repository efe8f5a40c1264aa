#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers, and nbdmpathd, are killed, stopped and cut off at random while clients write: see crash_model.py for what
the blocks may then have.

NBDMPATH_SECONDS: how long, all cases together (default 20); NBDMPATH_SEED: as in the run that printed it.
"""
import os
import random
import sys
import time

from crash_model import BLOCK, Model, Writer
from crash_servers import HOLD, NAMES, Servers, Trouble, caching_server
from harness import main, require, wait_for
from raw_nbd import FLUSH, Client

require("nbdkit", "flock")

CASES = 5
SECONDS = float(os.environ.get("NBDMPATH_SECONDS", "20")) / (CASES if len(sys.argv) < 2 else len(sys.argv) - 1)
SEED = int(os.environ.get("NBDMPATH_SEED", str(random.SystemRandom().randrange(1 << 32))))
CLIENTS = 4
BLOCKS_EACH = 12
ONE_GROUP = "1 queue_if_no_path 0 1 1 round-robin 0 2 1 a 1 b 1"
TWO_GROUPS = "1 queue_if_no_path 0 2 1 round-robin 0 1 1 a 1 round-robin 0 1 1 b 1"
SERVER_TROUBLES = "kill kill_both restart stop stop cut cut cut_and_kill"
DAEMON_TROUBLES = "daemon daemon daemon_then_server server_then_daemon stopped_server_and_daemon everything"


class Run:
    """Clients, servers and what happens to them, for a while."""

    def __init__(self, rig, servers, keys, path_keys=""):
        print(f"seed {SEED}, {SECONDS:g} s", flush=True)
        self.rig, self.servers = rig, servers
        self.text = f"{servers.paths(path_keys)}\nmultipaths:\n  m: {{size: 64M, ambiguous_hold: {HOLD}s, {keys}}}\n"
        rig.nbdmpathd(self.text)
        self.lives = 1
        with Client(rig.path("nbd.sock"), "m") as nbd:
            # Every path counts as dirty at first: the death of a server would be a loss.
            assert nbd.request(FLUSH, 0, 0) == nbd.reply()[0]

    def restart_daemon(self, meanwhile):
        """kill -9; the next one starts when the servers are done with what the last one sent."""
        self.rig.daemon.kill()
        meanwhile()
        for name in NAMES:
            wait_for(lambda name=name: self.servers.drained(name), what=f"the end of the connections to {name}")
        self.rig.path("nbdmpathd.log").rename(self.rig.path(f"nbdmpathd.log.{self.lives}"))
        self.lives += 1
        self.rig.nbdmpathd(self.text)

    def go(self, troubles, deaths=lambda: 0):
        end = time.monotonic() + SECONDS
        reconnects = "daemon" in troubles
        writers = [Writer(self.rig.path("nbd.sock"), Model(client * BLOCKS_EACH, BLOCKS_EACH, deaths),
                          SEED * 101 + client, end, reconnects=reconnects) for client in range(CLIENTS)]
        for writer in writers:
            writer.start()
        trouble = Trouble(self.rig, self.servers, SEED, troubles, self.restart_daemon)
        while time.monotonic() < end and not any(writer.failure for writer in writers):
            trouble.step()
        for writer in writers:
            writer.join()
            assert writer.failure is None, f"seed {SEED}: {writer.failure!r}; before it: {trouble.done}"
        print(f"{sum(w.written for w in writers)} writes, {sum(w.flushed for w in writers)} flushes, "
              f"{sum(w.deaths for w in writers)} dead clients, {self.lives - 1} restarts of nbdmpathd, "
              f"{sum(w.losses for w in writers)} losses told, "
              f"{self.servers.deaths()} deaths of servers, {len(trouble.done)} troubles", flush=True)
        try:
            self.check_at_the_end(writers)
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}: {error}; before it: {trouble.done}") from error
        assert sum(writer.written for writer in writers) and trouble.done
        self.servers.close()

    def check_at_the_end(self, writers):
        """What a client reads after a last flush, and what is left of it when everything is killed."""
        wait_for(lambda: self.rig.info("m")["in doubt"] == "0", 2 * HOLD, "an end of all doubts")
        for writer in writers:
            writer.connect(writer.scan)
        self.rig.daemon.kill()
        for name in NAMES:
            self.servers.kill(name)
        with open(self.rig.path("disk"), "rb") as file:
            for writer in writers:
                for block in writer.model.blocks:
                    file.seek(block * BLOCK)
                    writer.model.check(block, file.read(BLOCK), "disk")


def shared_servers(rig):
    disk = rig.disk()
    return Servers(rig, lambda name: rig.nbdkit(name, "-t", "1", "file", disk))


def servers_with_caches(rig):
    rig.disk()
    return Servers(rig, lambda name: caching_server(rig, name, "0.3"))


def test_servers_of_a_shared_disk(rig):
    run = Run(rig, shared_servers(rig), f'cache: shared, table: "{ONE_GROUP}"')
    run.go(SERVER_TROUBLES)


def test_servers_with_caches_that_are_cut_off(rig):
    disk = rig.disk()

    def start(name):
        return rig.nbdkit(name, "-t", "1", "file", disk, "cache=writeback", "cache-min-block-size=4096", filters=["cache"])

    servers = Servers(rig, start)
    run = Run(rig, servers, f'cache: independent, table: "{TWO_GROUPS}"', servers.fence_key())
    run.go(SERVER_TROUBLES)


def test_servers_with_caches_that_nobody_cuts_off(rig):
    # A limit that is reached: then a write waits for a flush.
    run = Run(rig, servers_with_caches(rig), f'cache: independent, unflushed_limit: 64K, table: "{TWO_GROUPS}"')
    run.go("kill kill_both restart by_hand switch switch fail_path")


def test_nbdmpathd_before_a_shared_disk(rig):
    run = Run(rig, shared_servers(rig), f'cache: shared, table: "{ONE_GROUP}"')
    run.go(DAEMON_TROUBLES)


def test_nbdmpathd_before_servers_with_caches(rig):
    servers = servers_with_caches(rig)
    run = Run(rig, servers, f'cache: independent, table: "{TWO_GROUPS}"', servers.fence_key())
    run.go(DAEMON_TROUBLES + " kill stop cut switch", servers.deaths)


main(globals())
