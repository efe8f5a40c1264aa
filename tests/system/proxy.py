# SPDX-License-Identifier: BSD-3-Clause
"""A network between nbdmpathd and a server that delays: what the sender has given up arrives late all the same."""
import contextlib
import pathlib
import queue
import socket
import threading


class Proxy:
    """Accepts on a socket and passes bytes on to another one; both are unix paths, or (host, port). hold(): what comes for
    the server waits here, also when whoever sent it is gone, until release()."""

    def __init__(self, address, server):
        self.server = server
        self.open = threading.Event()
        self.open.set()
        self.held_bytes = 0
        self.listening, address = self._socket(address)
        if self.listening.family == socket.AF_UNIX:
            pathlib.Path(address).unlink(missing_ok=True)
        self.listening.bind(address)
        self.listening.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _socket(address):
        """A socket of the kind that this is an address of, and the address as the socket takes it."""
        if isinstance(address, tuple):
            return socket.socket(socket.AF_INET), address
        return socket.socket(socket.AF_UNIX), str(address)

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def close(self):
        self.listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server, address = self._socket(self.server)
                try:
                    server.connect(address)
                except OSError:
                    client.close()
                    continue
                waiting = queue.SimpleQueue()
                for work, *ends in ((self._take, client, waiting), (self._deliver, waiting, server),
                                    (self._to_client, client, server)):
                    threading.Thread(target=work, args=ends, daemon=True).start()

    def _take(self, client, waiting):
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                waiting.put(data)
                if not self.open.is_set():
                    self.held_bytes += len(data)
        waiting.put(None)

    def _deliver(self, waiting, server):
        with contextlib.suppress(OSError):
            while True:
                data = waiting.get()
                self.open.wait()
                if data is None:
                    server.shutdown(socket.SHUT_WR)
                    return
                server.sendall(data)

    @staticmethod
    def _to_client(client, server):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)  # the server's side has ended it
        server.close()
