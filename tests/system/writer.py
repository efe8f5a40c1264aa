# SPDX-License-Identifier: BSD-3-Clause
"""A client that writes all the time while a test takes paths away and gives them back."""
import threading

from harness import wait_for
from raw_nbd import FLUSH, Client

BLOCK = 4096


class Writer(threading.Thread):
    """Writes a block of a map after the other, over and over, each with its own number; what was acknowledged must be
    there."""

    def __init__(self, rig, export="m"):
        super().__init__()
        self.client = Client(rig.path("nbd.sock"), export)
        self.written = {}
        self.count = 0
        self.ends = threading.Event()
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.ends.is_set():
                block = self.count % 256
                data = self.count.to_bytes(8, "big") * (BLOCK // 8)
                self.client.write(block * BLOCK, data)
                self.written[block] = data
                self.count += 1
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def goes_on(self):
        seen = self.count
        wait_for(lambda: self.count > seen + 20 or self.failure, 30, "writes go on")
        assert self.failure is None, self.failure

    def finish(self):
        self.ends.set()
        self.join(60)
        assert self.failure is None, self.failure
        cookie = self.client.request(FLUSH, 0, 0)
        assert self.client.reply() == (cookie, 0)
        for block, data in self.written.items():
            assert self.client.read(block * BLOCK, BLOCK) == data, block
        self.client.close()
