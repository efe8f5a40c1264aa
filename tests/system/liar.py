# SPDX-License-Identifier: BSD-3-Clause
"""An NBD server that does not do what it says."""
import contextlib
import socket
import struct
import threading

MAGIC = 0x49484156454F5054
OPTION_REPLY = 0x3E889045565A9
EXPORT_NAME, GO = 1, 7
HAS_FLAGS, READ_ONLY = 1, 2


class Liar:
    """Serves one export of zeroes. `lie`: "" (honest), "greeting" (not NBD), "reply magic", "half a reply"."""

    def __init__(self, unix, size, lie="", flags=HAS_FLAGS):
        self.unix, self.size, self.lie, self.flags = unix, size, lie, flags
        self.connections = 0
        self.requests = []  # (command, offset, length)
        unix.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(unix))
        self.listening.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.unix.unlink(missing_ok=True)
        self.listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, EOFError), client:
            if self.lie == "greeting":
                client.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 10)
                self._receive(client, 1 << 20)
            self._negotiate(client)
            while True:
                self._answer(client)

    @staticmethod
    def _receive(client, length):
        data = b""
        while len(data) < length:
            part = client.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _negotiate(self, client):
        client.sendall(b"NBDMAGIC" + struct.pack(">QH", MAGIC, 3))
        self._receive(client, 4)
        while True:
            _, option, length = struct.unpack(">QII", self._receive(client, 16))
            self._receive(client, length)
            if option == GO:
                info = struct.pack(">HQH", 0, self.size, self.flags)
                client.sendall(struct.pack(">QIII", OPTION_REPLY, option, 3, len(info)) + info)
                client.sendall(struct.pack(">QIII", OPTION_REPLY, option, 1, 0))
                return
            client.sendall(struct.pack(">QIII", OPTION_REPLY, option, 0x80000001, 0))

    def _answer(self, client):
        _, _, command, cookie, offset, length = struct.unpack(">IHHQQI", self._receive(client, 28))
        if command == 2:
            raise EOFError
        self.requests.append((command, offset, length))
        if command == 1:
            self._receive(client, length)
        magic = 0xDEADBEEF if self.lie == "reply magic" else 0x67446698
        data = bytes(length) if command == 0 else b""
        if self.lie == "half a reply":
            client.sendall((struct.pack(">IIQ", magic, 0, cookie) + data)[:-100])
            raise EOFError
        client.sendall(struct.pack(">IIQ", magic, 0, cookie) + data)
