#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An NBD server with a volatile write cache before a file that others write to as well.

    caching_server.py SOCKET FILE [SECONDS]

What is written stays in this process until a flush; with SECONDS, single blocks also go to the file by themselves, in
any order, each in about that time. Nothing clean is kept: another server's data is seen at once. A flush is answered
late, after writes that it does not cover. kill -9 loses the cache. At SIGUSR1 it ends its connections and keeps the cache: so does a host whose server process has died.
(nbdkit's cache filter keeps clean blocks, and reads them although the file has newer ones: I/O must not return to it.)
"""
import contextlib
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

BLOCK = 4096
OPTION_MAGIC, OPTION_REPLY = 0x49484156454F5054, 0x3E889045565A9
ABORT, GO = 2, 7
READ, WRITE, DISC, FLUSH, TRIM, ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
FLAGS = 1 | 4 | 8 | 32 | 64 | 256  # has flags, flush, FUA, trim, write zeroes, multi-conn


class Cache:
    """The file and the blocks that are newer than it."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.file).st_size
        self.dirty = {}
        self.lock = threading.Lock()

    def _block(self, number):
        return self.dirty.get(number) or os.pread(self.file, BLOCK, number * BLOCK)

    def read(self, offset, length):
        with self.lock:
            return b"".join(self._block(number) for number in range(offset // BLOCK, (offset + length) // BLOCK))

    def write(self, offset, data, fua):
        with self.lock:
            for at in range(0, len(data), BLOCK):
                self.dirty[(offset + at) // BLOCK] = data[at:at + BLOCK]
                if fua:
                    self._write_back((offset + at) // BLOCK)

    def flush(self):
        with self.lock:
            for number in list(self.dirty):
                self._write_back(number)

    def _write_back(self, number):
        os.pwrite(self.file, self.dirty.pop(number), number * BLOCK)

    def write_back_for_ever(self, seconds):
        while True:
            time.sleep(seconds * random.random() / 8)
            with self.lock:
                for number in random.sample(list(self.dirty), (len(self.dirty) + 7) // 8):
                    self._write_back(number)


class Server:
    """Accepts; a thread for each connection."""

    def __init__(self, unix, cache):
        self.cache = cache
        self.connections = set()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(unix)
        self.listening.listen(64)

    def run(self):
        while True:
            client, _ = self.listening.accept()
            self.connections.add(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def end_connections(self):
        for client in list(self.connections):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def serve(self, client):
        with contextlib.suppress(OSError, EOFError), client:
            self.negotiate(client)
            sending = threading.Lock()
            while self.answer(client, sending):
                pass
        self.connections.discard(client)

    @staticmethod
    def receive(client, length):
        data = bytearray()
        while len(data) < length:
            part = client.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def negotiate(self, client):
        client.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, 3))
        self.receive(client, 4)
        while True:
            _, option, length = struct.unpack(">QII", self.receive(client, 16))
            self.receive(client, length)
            if option == ABORT:
                raise EOFError
            if option != GO:
                client.sendall(struct.pack(">QIII", OPTION_REPLY, option, 0x80000001, 0))
                continue
            export = struct.pack(">HQH", 0, self.cache.size, FLAGS)
            client.sendall(struct.pack(">QIII", OPTION_REPLY, GO, 3, len(export)) + export)
            client.sendall(struct.pack(">QIII", OPTION_REPLY, GO, 1, 0))
            return

    def answer(self, client, sending):
        _, flags, command, cookie, offset, length = struct.unpack(">IHHQQI", self.receive(client, 28))
        data = b""
        if command == DISC:
            return False
        if command == FLUSH:
            self.cache.flush()
            threading.Timer(random.random() * 0.004, self.reply, (client, sending, cookie)).start()
            return True
        assert offset % BLOCK == 0 and (length % BLOCK == 0 or command == READ), (command, offset, length)
        if command == READ:
            data = self.cache.read(offset, -(-length // BLOCK) * BLOCK)[:length]
        elif command in (TRIM, ZEROES):
            self.cache.write(offset, bytes(length), flags & FUA)
        elif command == WRITE:
            self.cache.write(offset, self.receive(client, length), flags & FUA)
        self.reply(client, sending, cookie, data)
        return True

    @staticmethod
    def reply(client, sending, cookie, data=b""):
        with contextlib.suppress(OSError), sending:
            client.sendall(struct.pack(">IIQ", 0x67446698, 0, cookie) + data)


def main():
    unix, path, *seconds = sys.argv[1:]
    cache = Cache(path)
    server = Server(unix, cache)
    signal.signal(signal.SIGUSR1, lambda *_: server.end_connections())
    if seconds:
        threading.Thread(target=cache.write_back_for_ever, args=(float(seconds[0]),), daemon=True).start()
    server.run()


main()
