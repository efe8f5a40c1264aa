# SPDX-License-Identifier: BSD-3-Clause
"""Clients that write numbered blocks and know what each block may have.

While nbdmpathd lives, nothing is lost, flushed or not: a block has what was acknowledged last, or one of the writes
that were sent later and never answered (their client was gone, or nbdmpathd).

Where nbdmpathd is killed as well and the servers have caches of their own, what was acknowledged and not flushed is
lost only if a server died after it was written, too. Exactly: let F be what the block had when the last successful
flush was sent (or a write with FUA that was acknowledged). With no death of a server since then, the rule above holds
across nbdmpathd's death. With one, the block has F or any later write, answered or not, until the first
successful flush after the reconnect; and from then on one and the same of these.
"""
import random
import struct
import threading
import time

from harness import wait_for
from raw_nbd import FLUSH, READ, WRITE, Client

TRIM, ZEROES, FUA, EIO = 4, 6, 1, 5
BLOCK = 4096


def content(block, number):
    return struct.pack(">QQ", block, number) * (BLOCK // 16)


class Block:
    """The numbers of the writes a block may have."""

    def __init__(self):
        self.allowed = {0}
        self.flushed = {0}  # what it may have at least, whatever dies
        self.since = []  # sent after it had that
        self.deaths = 0  # of servers when it had that
        self.at = 0  # the turn of the model at which it had that
        self.unsafe = False  # nbdmpathd has died since


class Model:
    """The blocks of one client. `deaths()` counts the servers that died."""

    def __init__(self, first, count, deaths=lambda: 0):
        self.blocks = {number: Block() for number in range(first, first + count)}
        self.deaths = deaths
        self.zeroes = {0}  # the numbers of those that left zeroes
        self.trims = set()
        self.number = self.turn = 0

    def send(self, blocks, zeroes=False, trim=False):
        """The number of a write of these blocks, which is about to be sent."""
        self.number += 1
        if zeroes or trim:
            self.zeroes.add(self.number)
        if trim:
            self.trims.add(self.number)
        for block in map(self.blocks.get, blocks):
            block.allowed.add(self.number)
            block.since.append(self.number)
        return self.number, self.deaths()

    def written(self, blocks, sent, fua):
        number, deaths = sent
        self.turn += 1
        for block in map(self.blocks.get, blocks):
            block.allowed, block.unsafe = {number}, False
            if fua:
                block.flushed, block.since, block.deaths, block.at = {number}, [], deaths, self.turn

    def send_flush(self):
        self.turn += 1
        return self.turn, self.number, self.deaths(), [(block, set(block.allowed), block.unsafe)
                                                       for block in self.blocks.values()]

    def flush(self, sent):
        """A flush has succeeded."""
        turn, last, deaths, before = sent
        for block, allowed, unsafe in before:
            if block.unsafe:
                block.allowed = self.legal(block)
                block.flushed, block.unsafe, block.since, block.at = set(block.allowed), False, [], turn
                block.deaths = deaths
            elif not unsafe and turn > block.at:
                block.flushed, block.deaths, block.at = allowed, deaths, turn
                block.since = [number for number in block.since if number > last]

    def lost_connection(self):
        """nbdmpathd has died."""
        for block in self.blocks.values():
            block.unsafe = True

    def legal(self, block):
        if block.unsafe and self.deaths() != block.deaths:
            return block.allowed | block.flushed | set(block.since)
        return block.allowed

    def check(self, number, data, where):
        """Returns the numbers of the writes that it can be."""
        block = self.blocks[number]
        found = struct.unpack(">QQ", data[:16])
        legal = self.legal(block)
        assert data == (content(*found) if any(found) else bytes(BLOCK)), f"{where}: block {number} is torn: {found}"
        assert found[0] == number or not any(found), f"{where}: block {number} has {found}"
        fine = legal & (self.zeroes if found == (0, 0) else {found[1]})
        assert fine, (f"{where}: block {number} has write {found[1]}, allowed is {sorted(legal)}, flushed "
                      f"{sorted(block.flushed)}, {'zeroes ' + str(sorted(self.zeroes & legal)) if found == (0, 0) else ''}")
        return fine

    def settle(self, number, data, where):
        """Read when nothing is under way and everything is flushed: it stays so. (Of what a trim left nothing is known.)"""
        fine = self.check(number, data, where)
        block = self.blocks[number]
        if not block.allowed & self.trims:
            block.allowed, block.flushed, block.since = fine, set(fine), []


class LossReported(Exception):
    """A flush was answered with an error."""


class Writer(threading.Thread):
    """Keeps some requests under way, no two of them of one block. Now and then it is gone in the middle of them."""

    def __init__(self, unix, model, seed, end, depth=4, reconnects=False):
        super().__init__(daemon=True)
        self.unix, self.model, self.ends_at, self.depth, self.reconnects = unix, model, end, depth, reconnects
        self.random = random.Random(seed)
        self.under_way = {}  # by cookie
        self.busy = set()
        self.failure = None
        self.written = self.flushed = self.deaths = self.reconnected = self.losses = 0
        self.scan_first = False
        self.deaths_before = 0  # of servers when it was told that nbdmpathd had died

    def over(self):
        return time.monotonic() > self.ends_at

    def run(self):
        try:
            self.connect(self.session)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def connect(self, work):
        """Does its work, again from the start whenever nbdmpathd has died."""
        deadline = None
        while True:
            try:
                with Client(self.unix, "m") as nbd:
                    deadline = None
                    nbd.socket.settimeout(120)
                    self.under_way, self.busy = {}, set()
                    if not work(nbd):
                        return
            except TimeoutError:
                raise
            except LossReported:
                self.losses += 1
            except (OSError, EOFError):
                if not self.reconnects or deadline is not None and time.monotonic() > deadline:
                    raise
                self.deaths_before = self.model.deaths()
                if deadline is None:
                    deadline = time.monotonic() + 60
                    self.model.lost_connection()
                    self.reconnected += 1
                    self.scan_first = True
                time.sleep(0.01)

    def session(self, nbd):
        """True if it wants another one."""
        if self.scan_first:
            self.scan(nbd)
            self.scan_first = False
        while True:
            if not self.over() and len(self.under_way) < self.depth:
                if not self.step(nbd):
                    self.deaths += 1
                    return True
            elif self.under_way:
                self.complete(nbd)
            else:
                return False

    def scan(self, nbd):
        """What the blocks have now."""
        if self.random.random() < 0.7:
            for block in self.model.blocks:
                self.model.check(block, nbd.read(block * BLOCK, BLOCK), "first read")
        sent = self.model.send_flush()
        self.under_way[nbd.request(FLUSH, 0, 0)] = self.flush_done, sent
        self.complete(nbd)
        for block in self.model.blocks:
            self.model.settle(block, nbd.read(block * BLOCK, BLOCK), "read after a flush")
        return False

    def step(self, nbd):
        """Sends one request; False when the connection is to be thrown away."""
        chance = self.random.random()
        if chance < 0.06:
            self.under_way[nbd.request(FLUSH, 0, 0)] = self.flush_done, self.model.send_flush()
            return True
        blocks = self.choose()
        offset, length = blocks[0] * BLOCK, len(blocks) * BLOCK
        self.busy.update(blocks)
        if chance < 0.3:
            self.under_way[nbd.request(READ, offset, length)] = self.read_done, blocks
            return True
        fua = FUA if chance > 0.85 else 0
        kind = ZEROES if chance < 0.36 else TRIM if chance < 0.38 else WRITE
        sent = self.model.send(blocks, kind == ZEROES, kind == TRIM)
        payload = b"".join(content(block, sent[0]) for block in blocks) if kind == WRITE else b""
        cookie = nbd.request(kind, offset, length, payload, fua)
        self.under_way[cookie] = self.trim_done if kind == TRIM else self.write_done, blocks, sent, fua
        if self.random.random() < 0.01:
            time.sleep(self.random.random() * 0.002)
            return False
        return True

    def choose(self):
        """One to three blocks beside each other which are not busy."""
        free = [block for block in self.model.blocks if block not in self.busy]
        blocks = [self.random.choice(free)]
        while self.random.random() < 0.3 and len(blocks) < 3 and blocks[-1] + 1 in free:
            blocks.append(blocks[-1] + 1)
        return blocks

    def complete(self, nbd):
        cookie, error = nbd.reply()
        done, *rest = self.under_way.pop(cookie)
        stable = done == self.flush_done or done == self.write_done and rest[-1]
        if error == EIO and stable and self.reconnected:
            # Told when its silence is noticed; the fence comes after.
            wait_for(lambda: self.model.deaths() != self.deaths_before, what="the death of a server that is told of")
            raise LossReported
        assert error == 0, f"{done.__name__}: error {error}"
        done(nbd, *rest)

    def flush_done(self, _, sent):
        self.flushed += 1
        self.model.flush(sent)

    def read_done(self, nbd, blocks):
        for block in blocks:
            self.model.check(block, nbd.receive(BLOCK), "read")
        self.busy.difference_update(blocks)

    def write_done(self, _, blocks, sent, fua):
        self.written += 1
        self.model.written(blocks, sent, fua)
        self.busy.difference_update(blocks)

    def trim_done(self, _nbd, blocks, _sent, _fua):
        """It may have left zeroes, or what there was: as if it had not been answered."""
        self.busy.difference_update(blocks)
