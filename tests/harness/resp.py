"""The Redis wire, seen as bytes: frames as they came, and what they mean."""

import socket
import time

from .waiting import PATIENCE


class Error(str):
    """An error reply."""


class Push(list):
    """An out-of-band message of RESP3."""


def encode(*words):
    """A command as clients send it."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def frame_end(data, start=0):
    """Where the frame at `start` ends, or None if it is not complete."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, after = data[start : start + 1], line + 2
    if kind in b"$=!":
        length = int(data[start + 1 : line])
        end = after if length < 0 else after + length + 2
        return end if end <= len(data) else None
    if kind in b"*~>%|":
        count = int(data[start + 1 : line]) * (2 if kind in b"%|" else 1)
        for _ in range(count + (1 if kind == b"|" else 0)):
            after = frame_end(data, after)
            if after is None:
                return None
    return after


def decode(frame):
    """What a complete frame means."""
    value, end = _decode(frame, 0)
    assert end == len(frame), f"more than one frame: {frame!r}"
    return value


def _decode(data, start):
    line = data.index(b"\r\n", start)
    kind, head, after = data[start : start + 1], data[start + 1 : line], line + 2
    if kind in b"$=!":
        if int(head) < 0:
            return None, after
        body = data[after : after + int(head)]
        body = body[4:] if kind == b"=" else body
        return (Error(body.decode()) if kind == b"!" else body), after + int(head) + 2
    if kind in b"*~>%":
        if int(head) < 0:
            return None, after
        items = Push() if kind == b">" else []
        for _ in range(int(head) * (2 if kind == b"%" else 1)):
            item, after = _decode(data, after)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"%" else items), after
    simple = {b"+": bytes, b"-": lambda text: Error(text.decode()), b":": int, b"_": lambda _: None, b",": float}
    simple[b"#"] = lambda text: text == b"t"
    return simple[kind](head), after


class Wire:
    """A raw connection. Every read has a deadline."""

    def __init__(self, port, receive_buffer_bytes=None):
        self.socket = socket.socket()
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def send_raw(self, data):
        self.socket.sendall(data)

    def frame(self, within=PATIENCE):
        """The next frame as it came; b"" at the connection's end."""
        deadline = time.monotonic() + within
        while (end := frame_end(self.data)) is None:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                assert not self.data, f"cut off inside a frame: {self.data!r}"
                return b""
            self.data += more
        frame, self.data = self.data[:end], self.data[end:]
        return frame

    def reply(self, within=PATIENCE):
        """The next reply, decoded."""
        frame = self.frame(within)
        assert frame, "the connection was closed"
        return decode(frame)

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def is_at_end(self, within=PATIENCE):
        """Whether the peer closes the connection; what still comes before is thrown away."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                if not self.socket.recv(1 << 20):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
        return False
