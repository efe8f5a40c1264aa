# SPDX-License-Identifier: BSD-3-Clause
"""An NBD client of its own, on a bare socket: it counts every reply, sees every pause, and can vanish at any moment."""
import socket
import struct
import threading
import time

READ, WRITE, DISC, FLUSH, TRIM = range(5)
FUA = 1
OPTION_GO = 7
REPLY_INFO = 3


class Refused(Exception):
    """The server does not open the export; the text is what it says about it."""


class Client:
    """One connection, requests and replies as the test wants them."""

    def __init__(self, unix, export, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(unix))
        self.lengths = {}  # of the reads under way, by cookie
        self.next_cookie = 1
        self.size = self._negotiate(export.encode())

    def _negotiate(self, export):
        self._receive(18)
        self.socket.sendall(struct.pack(">I", 3))
        request = struct.pack(">I", len(export)) + export + struct.pack(">H", 0)
        self.socket.sendall(struct.pack(">QII", 0x49484156454F5054, OPTION_GO, len(request)) + request)
        size = None
        while True:
            _, _, kind, length = struct.unpack(">QIII", self._receive(20))
            data = self._receive(length)
            if kind == 1:
                return size
            if kind & 0x80000000:
                raise Refused(data.decode(errors="replace"))
            if kind == REPLY_INFO and data[:2] == b"\0\0":
                size = struct.unpack(">Q", data[2:10])[0]

    def _receive(self, length):
        data = bytearray()
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return bytes(data)

    def send(self, command, offset=0, length=0, data=b"", flags=0):
        """Sends a request and returns its cookie."""
        cookie = self.next_cookie
        self.next_cookie += 1
        self.lengths[cookie] = length if command == READ else 0
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, cookie, offset, length or len(data)) + data)
        return cookie

    def reply(self):
        """The next reply: cookie, error number, data of a read."""
        magic, error, cookie = struct.unpack(">IIQ", self._receive(16))
        assert magic == 0x67446698, hex(magic)
        length = self.lengths.pop(cookie)
        return cookie, error, self._receive(length) if error == 0 else b""

    def call(self, *request, **options):
        """Sends a request and waits for it: error number, data."""
        cookie = self.send(*request, **options)
        answered, error, data = self.reply()
        assert answered == cookie
        return error, data

    def close(self):
        """Gone, without a DISC."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Prober:
    """Keeps `depth` writes and reads of its own blocks in flight; remembers errors, wrong data and the longest gap
    between two completions."""

    BLOCK = 4096

    def __init__(self, unix, export, depth=4, blocks=256, first=0):
        self.client = Client(unix, export)
        self.depth, self.blocks, self.first = depth, blocks, first
        self.completions = 0
        self.errors = []
        self.longest_gap = 0.0
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _content(self, block, number):
        return struct.pack(">II", block, number) * (self.BLOCK // 8)

    def _start(self, under_way, number):
        # The block that was written half a round ago is read; no block is in flight twice.
        block = self.first + number % self.blocks
        offset = block * self.BLOCK
        if number % 2 == 0 or number < self.blocks:
            data = self._content(block, number)
            under_way[self.client.send(WRITE, offset, data=data)] = (block, data, True)
        else:
            under_way[self.client.send(READ, offset, self.BLOCK)] = (block, self.stored[block], False)

    def _run(self):
        self.stored = {}
        under_way = {}
        number = 0
        last = time.monotonic()
        try:
            while not self.ending or under_way:
                while not self.ending and len(under_way) < self.depth:
                    self._start(under_way, number)
                    number += 1
                cookie, error, data = self.client.reply()
                now = time.monotonic()
                self.longest_gap, last = max(self.longest_gap, now - last), now
                self.completions += 1
                self._judge(*under_way.pop(cookie), error, data)
        except Exception as problem:  # pylint: disable=broad-except
            self.errors.append(repr(problem))

    def _judge(self, block, content, written, error, data):
        if error:
            self.errors.append(f"block {block}: error {error}")
        elif written:
            self.stored[block] = content
        elif data != content:
            self.errors.append(f"block {block}: wrong data")

    def take_longest_gap(self):
        """The longest gap since the last call."""
        gap, self.longest_gap = self.longest_gap, 0.0
        return gap

    def end(self):
        """Waits for what is in flight; asserts that nothing went wrong."""
        self.ending = True
        self.thread.join(60)
        assert not self.thread.is_alive(), "requests that never complete"
        self.client.close()
        assert not self.errors, self.errors[:5]
