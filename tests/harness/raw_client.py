"""A client of a chat server by hand, which reads when it is told to."""

import base64
import json
import os
import socket
import struct
from contextlib import suppress

from .waiting import PATIENCE

CLOSE = 8


class RawClient:
    """A WebSocket in JSON, with as small a receive buffer as there is."""

    def __init__(self, port, token, device="raw", receive_buffer_bytes=2048):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.data, self.last_id = b"", 0
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(1)
        assert b" 101 " in self.data.split(b"\r\n")[0], self.data
        self.data = b""
        self.command("connect", {"token": token, "data": {"device": device}})

    def command(self, name, request):
        self.last_id += 1
        self._say({"id": self.last_id, name: request})

    def _say(self, what):
        text = json.dumps(what).encode()
        mask = os.urandom(4)
        length = struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else struct.pack("!BH", 0x80 | 126, len(text))
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
        self.socket.sendall(b"\x81" + length + mask + masked)

    def read(self, count):
        """So many bytes, and no more."""
        return self.socket.recv(count)

    def until_answered(self):
        """Reads as far as the answer to the last command, of what is left for `messages`."""
        while b'"id":%d,' % self.last_id not in self.data:
            byte = self.socket.recv(1)
            assert byte, f"the end, instead of an answer: {self.data}"
            self.data += byte

    def messages(self):
        """All that comes from here on, up to the end: a close frame is its code and reason. Pings are answered."""
        data = self.data
        while more := self.socket.recv(1 << 20):
            data += more
            while (frame := self._frame(data)) is not None:
                kind, payload, data = frame
                if kind == CLOSE:
                    yield {"close": struct.unpack("!H", payload[:2])[0], "reason": payload[2:].decode()}
                    return
                for message in map(json.loads, filter(None, payload.split(b"\n"))):
                    if not message:
                        # The end may have come behind it.
                        with suppress(OSError):
                            self._say({})
                    yield message

    def _frame(self, data):
        """The first frame, if it is whole, and what is behind it; none of the server's is masked, or in parts."""
        size, at = (data[1], 2) if len(data) > 1 else (0, 2)
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at], "big")
        return (data[0] & 0xF, data[at : at + size], data[at + size :]) if len(data) >= at + size else None

    def close(self):
        self.socket.close()
