# SPDX-License-Identifier: BSD-3-Clause
"""What a step sets going: an admin command, or I/O by an NBD client. A job goes on a bit whenever pump() is called, so
that one thread plays a scenario with many of them under way; nothing here waits."""
import errno
import socket
import time

import nbd

from traces import run_lengths

SECTOR = 512


class Job:
    """`result` is None until it has ended; `order`, of I/O, where each request went."""

    def __init__(self):
        self.result = None
        self.order = None
        self._work = self._run()

    def pump(self):
        if self.result is None:
            next(self._work, None)

    def _run(self):
        """A generator: yields when there is nothing to do for the moment, and sets `result` at its end."""
        raise NotImplementedError

    def close(self):
        pass


class Admin:
    """A session on the admin socket."""

    def __init__(self, unix):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(unix))
        self.received = b""

    def send(self, words):
        self.socket.sendall(" ".join(str(word) for word in words).encode() + b"\n")

    def reply(self):
        """The data lines and the errno name or "ok"; None while the end line has not come."""
        lines = self.received.decode().split("\n")
        for number, line in enumerate(lines[:-1]):
            if line == "OK" or line.startswith("ERR "):
                self.received = "\n".join(lines[number + 1:]).encode()
                return lines[:number], "ok" if line == "OK" else line.split()[1]
        return None

    def receive(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError("nbdmpathd closed the admin session")
        self.received += part

    def ask(self, *words):
        """Sends a command and waits for its reply."""
        self.send(words)
        while (reply := self.reply()) is None:
            self.receive()
        return reply

    def close(self):
        self.socket.close()


class Command(Job):
    """An admin command in a session of its own."""

    def __init__(self, unix, *words):
        self.session = Admin(unix)
        self.session.socket.setblocking(False)
        self.words = words
        super().__init__()

    def _run(self):
        self.session.send(self.words)
        while (reply := self.session.reply()) is None:
            try:
                self.session.receive()
            except BlockingIOError:
                yield
        self.close()
        self.result = reply[1]

    def close(self):
        self.session.close()


class WaitEvent(Command):
    """Ends with "event" or, in so many seconds, "timeout"."""

    def __init__(self, unix, number, seconds):
        self.end = time.monotonic() + seconds
        super().__init__(unix, "wait", "mp", number)

    def _run(self):
        for _ in super()._run():
            if time.monotonic() > self.end:
                self.close()
                self.result = "timeout"
                return
            yield
        self.result = "event" if self.result == "ok" else "timeout"


class Commands(Job):
    """Admin commands one after the other, each made by a function when its turn comes, until one fails."""

    def __init__(self, unix, *makers):
        self.unix, self.makers = unix, makers
        super().__init__()

    def _run(self):
        for make in self.makers:
            command = Command(self.unix, *make())
            while command.result is None:
                command.pump()
                yield
            self.result = command.result if command.result != "ok" or make is self.makers[-1] else None
            if self.result is not None:
                return


def error_name(error):
    if error.errnum == errno.EOPNOTSUPP:
        return "EOPNOTSUPP"
    return errno.errorcode.get(error.errnum, "EIO")


class Client:
    """An attached NBD client: to the scenario what an open block device is. What the kernel's block layer does above a
    multipath device it does too: `kind` says what that knows of the device."""

    def __init__(self, uri, kind):
        self.uri, self.kind = uri, kind
        self.handle = None

    def attach(self):
        """A generator that ends when it is attached; nbd.Error when the server refuses."""
        if self.handle is not None:
            return
        handle = nbd.NBD()
        handle.aio_connect_uri(self.uri)
        while handle.aio_is_connecting():
            handle.poll(0)
            yield
        self.handle = handle

    def perform(self, operation, offset, length):
        """A generator that ends with the result: "ok" or an errno name."""
        if operation == "flush" and not self.kind.has_cache:
            return "ok"
        if operation == "discard" and not self.kind.discards:
            return "EOPNOTSUPP"
        if operation != "flush" and offset + length > self.handle.get_size():
            return {"read": "ok", "write": "ENOSPC"}.get(operation, "EINVAL")
        cookies = [self._begin(operation, *part) for part in self._parts(operation, offset, length)]
        result = "ok"
        for cookie in cookies:
            try:
                while not self.handle.aio_command_completed(cookie):
                    self.handle.poll(0)
                    yield
            except nbd.Error as error:
                result = error_name(error)
        return result

    def _parts(self, operation, offset, length):
        """A request longer than the device's limit is several, sent at once."""
        most = self.kind.longest if operation in ("read", "write") else length
        return [(start, min(most, offset + length - start)) for start in range(offset, offset + max(length, 1), most or 1)]

    def _begin(self, operation, offset, length):
        if operation == "read":
            return self.handle.aio_pread(nbd.Buffer(length), offset)
        if operation == "write":
            return self.handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(length)), offset)
        if operation == "flush":
            return self.handle.aio_flush()
        if operation == "discard":
            return self.handle.aio_trim(length, offset)
        return self.handle.aio_zero(length, offset)

    def close(self):
        if self.handle is not None and self.handle.aio_is_ready():
            self.handle.aio_disconnect(0)
            self.handle.poll(0)
        self.handle = None


class Io(Job):
    """`io OP N [at=SECTOR] [size=BYTES]`. `map_seen` tells how many requests begun on each path and which paths failed."""

    def __init__(self, client, words, map_seen):
        self.client, self.map_seen = client, map_seen
        self.operation, self.count, self.sector = words[0], 1, 0
        self.length = 0 if self.operation == "flush" else 4096
        for word in words[1:]:
            if word.startswith("at="):
                self.sector = int(word[3:])
            elif word.startswith("size="):
                self.length = int(word[5:])
            else:
                self.count = int(word)
        super().__init__()

    def _run(self):
        results, order = [], []
        for number in range(self.count):
            before = self.map_seen.begun()
            result = yield from self._one(self.sector + 16 * number)
            results.append(result)
            order.append(self._way(before, result))
        self.order = " ".join(order)
        self.result = run_lengths(results)

    def _one(self, sector):
        try:
            yield from self.client.attach()
        except nbd.Error:
            return "ENOENT"
        return (yield from self.client.perform(self.operation, sector * SECTOR, self.length))

    def _way(self, before, result):
        used = self.map_seen.grown(before)
        if result == "ok" and len(used) < 2:
            return "+".join(used) or "none"
        failed = self.map_seen.failed_paths()
        bad = [f"{path}!" for path in used if path.partition("*")[0] in failed]
        return "+".join(bad + [path for path in used if path.partition("*")[0] not in failed]) or "none"
