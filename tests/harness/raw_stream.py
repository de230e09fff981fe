"""A session over plain HTTP by hand, which reads when it is told to."""

import json
import socket
import urllib.parse

from .waiting import PATIENCE


class RawStream:
    """One that is connected and subscribed, with as small a receive buffer as there is."""

    def __init__(self, transport, port, token, channels=(), receive_buffer_bytes=2048):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        commands = [{"id": 1, "connect": {"token": token, "data": {"device": "raw"}}}]
        commands += [{"id": 2 + n, "subscribe": {"channel": channel}} for n, channel in enumerate(channels)]
        frame = "\n".join(json.dumps(command) for command in commands)
        if transport == "sse":
            request = f"GET /connection/sse?{urllib.parse.urlencode({'cf_connect': frame})} HTTP/1.1\r\nHost: x\r\n\r\n"
        else:
            head = f"POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nContent-Length: {len(frame)}\r\n\r\n"
            request = head + frame
        self.socket.sendall(request.encode())
        self.read_to(f'"id":{len(commands)},')

    def read_to(self, text):
        data = b""
        while text.encode() not in data:
            byte = self.socket.recv(1)
            assert byte, data
            data += byte

    def read(self, count):
        """So many bytes, and no more."""
        return self.socket.recv(count)

    def chunks(self):
        """What each chunk holds that comes whole from here on; the last one ends the answer, and the connection."""
        data = b""
        while more := self.socket.recv(1 << 16):
            data += more
        # What was read so far ends in the midst of one.
        data, chunks = data[data.index(b"\n\r\n") + 3 :], []
        while True:
            length, data = data.split(b"\r\n", 1)
            held, end, data = data[: int(length, 16)], data[int(length, 16) :][:2], data[int(length, 16) + 2 :]
            assert end == b"\r\n", "a chunk is cut"
            if not held:
                assert data == b""
                return chunks
            chunks.append(held)

    def read_all(self):
        """How many bytes come until the server ends the connection."""
        count = 0
        try:
            while data := self.socket.recv(1 << 16):
                count += len(data)
        except ConnectionResetError:
            pass
        return count

    def close(self):
        self.socket.close()
