# SPDX-License-Identifier: BSD-3-Clause
"""An NBD client made of plain sockets, for what a well-behaved one would not do; and what a process costs."""
import os
import pathlib
import socket
import struct
import threading

READ, WRITE, DISC, FLUSH = 0, 1, 2, 3
OPTION_MAGIC = b"IHAVEOPT"
OPT_GO = 7
REP_ACK = 1


def rss_bytes(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def option(number, payload=b"", length=None):
    return OPTION_MAGIC + struct.pack(">II", number, len(payload) if length is None else length) + payload


def go_payload(name):
    return struct.pack(">I", len(name)) + name.encode() + struct.pack(">H", 0)


def request_bytes(command, offset, length, payload=b"", cookie=1, flags=0, magic=0x25609513):
    return struct.pack(">IHHQQI", magic, flags, command, cookie, offset, length) + payload


class Client:
    """Connected; with an export's name also in the transmission phase. `address`: a unix path, or (host, port)."""

    def __init__(self, address, export=None):
        tcp = isinstance(address, tuple)
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(address if tcp else str(address))
        self.cookie = 0
        self.failure = None
        self.thread = None
        if export is not None:
            self.greet()
            self.go(export)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def receive(self, count):
        parts = []
        while count:
            part = self.socket.recv(min(count, 1 << 20))
            if not part:
                raise EOFError("the server closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def greet(self):
        greeting = self.receive(18)
        assert greeting[:16] == b"NBDMAGICIHAVEOPT", greeting
        self.socket.sendall(struct.pack(">I", 3))

    def reply_to_option(self):
        magic, number, kind, length = struct.unpack(">QIII", self.receive(20))
        assert magic == 0x3E889045565A9, hex(magic)
        return number, kind, self.receive(length)

    def go(self, export):
        self.socket.sendall(option(OPT_GO, go_payload(export)))
        while True:
            _, kind, text = self.reply_to_option()
            if kind == REP_ACK:
                return
            assert kind < 1 << 31, text

    def request(self, command, offset, length, payload=b"", flags=0):
        self.cookie += 1
        self.socket.sendall(request_bytes(command, offset, length, payload, self.cookie, flags))
        return self.cookie

    def reply(self):
        """(cookie, error) of the next simple reply; of a read its data remain to be received."""
        magic, error, cookie = struct.unpack(">IIQ", self.receive(16))
        assert magic == 0x67446698, hex(magic)
        return cookie, error

    def read(self, offset, length):
        cookie = self.request(READ, offset, length)
        assert self.reply() == (cookie, 0)
        return self.receive(length)

    def write(self, offset, payload):
        cookie = self.request(WRITE, offset, len(payload), payload)
        assert self.reply() == (cookie, 0)

    def write_in_background(self, writes):
        """All of them are sent before any reply is looked at, as far as the server lets us."""
        def run():
            try:
                sender = threading.Thread(target=lambda: [self.request(WRITE, offset, len(payload), payload)
                                                          for offset, payload in writes])
                sender.start()
                for _ in writes:
                    assert self.reply()[1] == 0
                sender.join()
            except Exception as error:  # pylint: disable=broad-except
                self.failure = error
        self.thread = threading.Thread(target=run)
        self.thread.start()

    def writing(self):
        return self.thread.is_alive()

    def written(self):
        self.thread.join()
        assert self.failure is None, self.failure
