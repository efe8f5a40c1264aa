# SPDX-License-Identifier: BSD-3-Clause
"""A network between nbdmpathd and a server that delays: what the sender has given up arrives late all the same."""
import contextlib
import queue
import socket
import threading


class Proxy:
    """Accepts on a unix socket and passes bytes on to another one. hold(): what comes for the server waits here, also when
    whoever sent it is gone, until release()."""

    def __init__(self, unix, server):
        self.server = server
        self.open = threading.Event()
        self.open.set()
        self.held_bytes = 0
        unix.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(unix))
        self.listening.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

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
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self.server))
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
