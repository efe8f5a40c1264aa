# SPDX-License-Identifier: BSD-3-Clause
"""An NBD client that speaks extended headers only, made from the protocol's text and nothing of ours.

Everything that comes is checked against the rules: magics, cookies, the request's offset in each chunk, chunks that
overlap or leave something out, descriptors that are empty or run past the export.
"""
import socket
import struct

OPTION, OPTION_REPLY = 0x49484156454F5054, 0x3E889045565A9
REQUEST, REPLY = 0x21E41C71, 0x6E8A278C
EXPORT_NAME, STARTTLS, INFO, GO, STRUCTURED, LIST_META, SET_META, EXTENDED = 1, 5, 6, 7, 8, 9, 10, 11
ACK, REP_INFO, REP_META = 1, 3, 4
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
FUA, NO_HOLE, DF, ONE, FAST, PAYLOAD = (1 << bit for bit in range(6))
NONE, DATA, HOLE, STATUS_EXT, ERROR, ERROR_OFFSET = 0, 1, 2, 6, 0x8001, 0x8002
FLAG_STATUS_PAYLOAD = 1 << 12


class Refused(Exception):
    """An option or a request that was answered with an error."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class ExtendedClient:
    """Connected to a unix socket, with an SSLContext inside TLS; open() enters the transmission phase."""

    def __init__(self, path, context=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.cookie = 0x1122334455667700
        self.pending = {}
        self.contexts = {}
        assert self.receive(16) == b"NBDMAGICIHAVEOPT"
        assert struct.unpack(">H", self.receive(2))[0] & 3 == 3
        self.socket.sendall(struct.pack(">I", 3))
        if context is not None:
            self.option(STARTTLS)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self, count):
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError("the server closed the connection")
            parts += part
        return bytes(parts)

    def option(self, number, payload=b""):
        """The replies before the final ACK; Refused on an error."""
        self.socket.sendall(struct.pack(">QII", OPTION, number, len(payload)) + payload)
        replies = []
        while True:
            magic, echoed, kind, length = struct.unpack(">QIII", self.receive(20))
            assert magic == OPTION_REPLY and echoed == number
            body = self.receive(length)
            if kind == ACK:
                assert not body
                return replies
            if kind >> 31:
                raise Refused(kind & 0xFFFF, body.decode())
            replies.append((kind, body))

    def open(self, name, contexts=()):
        self.option(EXTENDED)
        text = name.encode()
        head = struct.pack(">I", len(text)) + text
        if contexts:
            queries = b"".join(struct.pack(">I", len(query)) + query.encode() for query in contexts)
            for kind, body in self.option(SET_META, head + struct.pack(">I", len(contexts)) + queries):
                assert kind == REP_META
                self.contexts[body[4:].decode()] = struct.unpack(">I", body[:4])[0]
            assert len(set(self.contexts.values())) == len(self.contexts)
        for kind, body in self.option(GO, head + struct.pack(">HH", 1, 3)):
            assert kind == REP_INFO
            if body[:2] == b"\0\0":
                self.size, self.flags = struct.unpack(">QH", body[2:])
            elif body[:2] == b"\0\3":
                self.blocks = struct.unpack(">III", body[2:])
        return self

    def send(self, command, offset=0, length=0, flags=0, payload=None):
        """Returns the cookie; answer() takes it."""
        self.cookie += 1
        if payload is not None:
            flags |= PAYLOAD
            length = len(payload)
        self.pending[self.cookie] = (command, offset, length, flags, payload)
        self.socket.sendall(struct.pack(">IHHQQQ", REQUEST, flags, command, self.cookie, offset, length) + (payload or b""))
        return self.cookie

    def chunk(self):
        magic, flags, kind, cookie, offset, length = struct.unpack(">IHHQQQ", self.receive(32))
        assert magic == REPLY, hex(magic)
        assert flags & ~1 == 0 and length <= (32 << 20) + 16
        asked = self.pending[cookie]
        assert offset == asked[1], "a chunk carries another request's offset"
        if flags & 1:
            del self.pending[cookie]
        return bool(flags & 1), kind, cookie, asked, self.receive(length)

    def answer(self, cookie):
        """What a single request outstanding is answered: bytes, {context: extents}, or None; Refused."""
        parts, extents, error, last = {}, {}, None, False
        while not last:
            last, kind, echoed, asked, body = self.chunk()
            assert echoed == cookie
            command, offset, length, flags, payload = asked
            if kind == NONE:
                assert last and not body
            elif kind in (ERROR, ERROR_OFFSET):
                code, size = struct.unpack(">IH", body[:6])
                assert code and len(body) == 6 + size + (8 if kind == ERROR_OFFSET else 0)
                error = Refused(code, body[6:6 + size].decode())
            elif kind in (DATA, HOLE):
                assert command == READ
                at = struct.unpack(">Q", body[:8])[0]
                part = body[8:] if kind == DATA else bytes(struct.unpack(">I", body[8:])[0])
                assert part and offset <= at and at + len(part) <= offset + length and at not in parts
                parts[at] = part
            else:
                assert kind == STATUS_EXT and command == STATUS, hex(kind)
                if payload is not None:
                    length = struct.unpack(">Q", payload[:8])[0]
                context, found = self.extents(body, offset, length, flags)
                assert context not in extents
                extents[context] = found
        if error:
            raise error
        if command == READ:
            data = b"".join(parts[at] for at in sorted(parts))
            assert len(data) == length and sum(map(len, parts.values())) == length
            assert not flags & DF or len(parts) == 1
            return data
        return extents if command == STATUS else None

    def extents(self, body, offset, length, flags):
        context, count = struct.unpack(">II", body[:8])
        assert context in self.contexts.values() and count > 0 and len(body) == 8 + 16 * count
        found = [struct.unpack_from(">QQ", body, 8 + 16 * i) for i in range(count)]
        assert all(size > 0 and state & ~3 == 0 for size, state in found)
        assert offset + sum(size for size, _ in found) <= self.size
        assert sum(size for size, _ in found[:-1]) < length
        if flags & ONE:
            assert count == 1 and found[0][0] <= length
        return context, found

    def ask(self, command, offset=0, length=0, flags=0, payload=None):
        return self.answer(self.send(command, offset, length, flags, payload))

    def refusal(self, *words, **more):
        """The error that a request is answered with."""
        try:
            self.ask(*words, **more)
        except Refused as refused:
            assert refused.text, "an error without a text"
            return refused.code
        raise AssertionError("not refused")
