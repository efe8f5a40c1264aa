# SPDX-License-Identifier: BSD-3-Clause
"""A session of the admin socket by hand."""
import socket


class Console:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(address if isinstance(address, tuple) else str(address))
        self.lines = self.socket.makefile("rb")

    def close(self):
        self.lines.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode() + b"\n")

    def line(self):
        return self.lines.readline().decode().rstrip("\n")

    def reply(self):
        """(data lines, end line)."""
        data = []
        while True:
            line = self.line()
            if line == "OK" or line.startswith("ERR ") or not line:
                return data, line
            data.append(line)

    def ask(self, text):
        self.send(text)
        return self.reply()

    def silent(self, seconds=0.2):
        """Whether nothing comes for a while."""
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(60)
