# SPDX-License-Identifier: BSD-3-Clause
import socket
import threading


class Redirector:
    """A portal of which nothing is known but that it sends everybody to `address`, whatever that is."""

    def __init__(self, address, detail=1):
        self.detail = detail
        self.send_to(address)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send_to(self, address):
        text = b"TargetAddress=" + address + b"\0"
        header = bytearray(48)
        header[0] = 0x23  # login response
        header[5:8] = len(text).to_bytes(3, "big")
        header[36:38] = bytes((1, self.detail))
        self.reply = header + text + bytes(-len(text) % 4)

    def address(self):
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            with client:
                request = client.recv(48, socket.MSG_WAITALL)
                if len(request) == 48:
                    length = int.from_bytes(request[5:8], "big")
                    client.recv(length + -length % 4, socket.MSG_WAITALL)
                    client.sendall(self.reply[:16] + request[16:20] + self.reply[20:])  # the task's tag
                    client.recv(1)

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
