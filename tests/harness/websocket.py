"""WebSocket as bytes: frames that no library would make, and what a server answers, looked at frame by frame."""

import base64
import contextlib
import hashlib
import json
import os
import socket

from .sdks import token_of
from .waiting import PATIENCE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

KEY = base64.b64encode(b"sixteen bytes, 0").decode()


def accepted(key):
    """What the server makes of a client's key: RFC 6455, section 4.2.2."""
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def request(*more, method="GET", path="/connection/websocket", version="HTTP/1.1", **changed):
    """A handshake with these lines in place of its own, which are named by their last word; none leaves one out."""
    lines = {
        "host": "Host: chat.example",
        "connection": "Connection: Upgrade",
        "upgrade": "Upgrade: websocket",
        "version": "Sec-WebSocket-Version: 13",
        "key": f"Sec-WebSocket-Key: {KEY}",
    }
    changes = {f"{name}_line": line for name, line in lines.items()} | changed
    head = [f"{method} {path} {version}", *filter(None, changes.values()), *more]
    return "\r\n".join([*head, "", ""]).encode("latin-1")


def frame(payload=b"", kind=TEXT, final=True, reserved=0, mask=None, is_masked=True, width=None):
    """A client's frame. `width` is that of the length where it is not the shortest."""
    size = len(payload)
    width = width if width is not None else 0 if size < 126 else 2 if size < 1 << 16 else 8
    length = size.to_bytes(width, "big") if width else b""
    short = {0: size, 2: 126, 8: 127}[width]
    head = bytes([(0x80 if final else 0) | reserved << 4 | kind, (0x80 if is_masked else 0) | short]) + length
    if not is_masked:
        return head + payload
    mask = os.urandom(4) if mask is None else mask
    ones = (mask * (size // 4 + 1))[:size]
    return head + mask + bytes(a ^ b for a, b in zip(payload, ones))


def fragments(*pieces, kind=TEXT):
    """The frames of one message."""
    kinds = [kind] + [CONTINUATION] * (len(pieces) - 1)
    return [frame(piece, kind, final=n == len(pieces) - 1) for n, (piece, kind) in enumerate(zip(pieces, kinds))]


def octets(*frames):
    return [bytes([octet]) for octet in b"".join(frames)]


def command(number, size=0, method=None):
    """A command that is answered, with its number, that it is not available; with blanks up to so many bytes."""
    what = {"rpc": {"method": method}} if method is not None else {"ping": {}}
    return json.dumps({"id": number, **what}, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)


def varint(number):
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(number) if number else bytes([low])


def field(number, payload):
    """A field of Protobuf that has a length."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def protobuf(number, what):
    """A command in Protobuf, with its length before it."""
    message = b"\x08" + varint(number) + what
    return varint(len(message)) + message


def close(code=None, reason=b""):
    return frame(b"" if code is None else code.to_bytes(2, "big") + reason, CLOSE)


class Head:
    """An answer's head."""

    def __init__(self, data):
        first, *lines = data.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        pairs = [line.split(": ", 1) for line in lines if line]
        self.headers = {name.lower(): value for name, value in pairs}
        assert len(self.headers) == len(pairs), f"something is said twice: {pairs}"


class Peer:
    """A connection to a chat server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def more(self):
        """Whether more has come before the end."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.read += data
        return bool(data)

    def take(self, count):
        while len(self.read) < count:
            if not self.more():
                return None
        taken, self.read = self.read[:count], self.read[count:]
        return taken

    def head(self):
        """The head of the answer; none if the connection ends without one."""
        while b"\r\n\r\n" not in self.read:
            if not self.more():
                return None
        head, _, self.read = self.read.partition(b"\r\n\r\n")
        return Head(head)

    def sign_in(self, first=b"", **how):
        """Shakes hands, and connects as somebody; `first` is sent in the same piece as the request."""
        self.send(request(**how) + first)
        assert self.head().status == 101
        connect = {"id": 1, "connect": {"token": token_of("alice")}}
        self.send(frame(json.dumps(connect).encode()))
        assert self.frame() == ("answer", 1, None)

    def frame(self):
        """The server's next frame: an answer with its number and the code of its error, a pong, or a close frame with its code;
        none at the end."""
        start = self.take(2)
        if start is None:
            assert not self.read, "the connection ends in a frame"
            return None
        assert start[0] & 0x70 == 0 and start[0] & 0x80 and not start[1] & 0x80, f"no frame of a server's: {start}"
        size = start[1]
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(self.take(width), "big")
            assert size > (125 if width == 2 else 0xFFFF), "the length is longer than it has to be"
        kind, payload = start[0] & 0xF, self.take(size)
        if kind == TEXT:
            answer = json.loads(payload)
            return "answer", answer["id"], answer.get("error", {}).get("code")
        if kind == BINARY:
            # Numbers here are small: a length of one byte or two, the number, and an error with its code or else what it is.
            reply = payload[payload[0] >> 7 :][1:]
            return "answer", reply[1], reply[5] if reply[2] == 0x12 else None
        if kind == CLOSE:
            assert size != 1
            payload[2:].decode()
            return "close", int.from_bytes(payload[:2], "big") if payload else None
        assert kind == PONG, kind
        return "pong", payload

    def to_the_end(self):
        """All frames up to the end. A close frame is answered, and nothing more is said."""
        heard = []
        while (one := self.frame()) is not None:
            heard.append(one)
            if one[0] == "close":
                with contextlib.suppress(OSError):
                    self.send(close())
                    self.socket.shutdown(socket.SHUT_WR)
        return heard

    def up_to(self, last):
        """All frames before this one, or before the end."""
        heard = []
        while (one := self.frame()) not in (last, None):
            heard.append(one)
        assert one == last, f"the connection has ended after {heard}"
        return heard
