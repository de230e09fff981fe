"""Thousands of clients by hand in one process, on one epoll. harness/crowd.py starts it, and says what it does:

one JSON line in, one out for each, when it is done.
"""

import base64
import heapq
import json
import os
import random
import selectors
import socket
import struct
import sys
import time

from jwt import signed

# An attempt that fails is made again as the SDK does: after a random pause within a bound that doubles.
PAUSE_MIN, PAUSE_MAX = 0.5, 20.0

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Member:
    """One client, whatever connection it has. It follows the channels it has, or else its inbox."""

    def __init__(self, crowd, user, token, channels):
        self.crowd, self.user, self.token, self.inbox = crowd, user, token, f"inbox:{user}"
        self.port, self.socket, self.channels = None, None, channels
        self.positions, self.had = {}, {channel: [] for channel in channels or [self.inbox]}
        self.is_wanted = self.is_in = False
        self.forget()

    def forget(self):
        self.read, self.to_write, self.is_upgraded, self.is_in = b"", b"", False, False
        self.answers = 0

    def go(self):
        self.forget()
        self.crowd.attempts += 1
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.to_write = (
            f"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()
        self.crowd.selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def leave(self):
        """Closes, without a word."""
        if self.socket:
            self.crowd.selector.unregister(self.socket)
            self.socket.close()
        self.socket = None
        self.crowd.count_in -= self.is_in
        self.forget()

    def lost(self):
        self.leave()
        if self.is_wanted:
            self.pause = min(self.pause * 2, PAUSE_MAX)
            self.crowd.later(random.random() * self.pause, self)

    def is_ready(self, events):
        try:
            if events & selectors.EVENT_WRITE:
                self.write(b"")
            if events & selectors.EVENT_READ:
                data = self.socket.recv(1 << 16)
                if not data:
                    return self.lost()
                self.read += data
                self.take()
        except OSError:
            self.lost()

    def write(self, data):
        self.to_write += data
        try:
            self.to_write = self.to_write[self.socket.send(self.to_write) :]
        except BlockingIOError:
            pass
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.to_write else 0)
        self.crowd.selector.modify(self.socket, events, self)

    def say(self, what, kind=TEXT):
        text = what if isinstance(what, bytes) else json.dumps(what).encode()
        length = struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else struct.pack("!BH", 0x80 | 126, len(text))
        # A mask of zeros is one too.
        self.write(bytes([0x80 | kind]) + length + bytes(4) + text)

    def take(self):
        if not self.is_upgraded:
            head, end, rest = self.read.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise ConnectionError(head)
            self.read, self.is_upgraded = rest, True
            connect = {"token": self.token, "data": {"device": "one"}}
            if self.inbox in self.positions:
                connect["subs"] = {self.inbox: {"recover": True, **self.positions[self.inbox]}}
            self.say({"id": 1, "connect": connect})
        while (frame := self.frame()) is not None:
            kind, payload = frame
            if kind == CLOSE:
                raise ConnectionError(payload)
            if kind == PING:
                self.say(payload, PONG)
            elif kind == TEXT:
                for line in filter(None, payload.split(b"\n")):
                    self.heard(json.loads(line))

    def frame(self):
        """The next frame, if it is whole; none of the server's is masked, or in parts."""
        if len(self.read) < 2:
            return None
        size, at = self.read[1] & 0x7F, 2
        if size > 125:
            width = 2 if size == 126 else 8
            if len(self.read) < at + width:
                return None
            size, at = int.from_bytes(self.read[at : at + width], "big"), at + width
        if len(self.read) < at + size:
            return None
        kind, payload, self.read = self.read[0] & 0xF, self.read[at : at + size], self.read[at + size :]
        return kind, payload

    def heard(self, message):
        if not message:
            return self.say({})
        if "connect" in message:
            if not self.channels:
                return self.stands(self.inbox, message["connect"]["subs"][self.inbox])
            for number, channel in enumerate(self.channels):
                subscribe = {"channel": channel}
                if channel in self.positions:
                    subscribe |= {"recover": True, **self.positions[channel]}
                self.say({"id": 2 + number, "subscribe": subscribe})
        elif "subscribe" in message:
            self.stands(self.channels[message["id"] - 2], message["subscribe"])
        elif "error" in message:
            raise ConnectionError(message["error"])
        elif push := message.get("push"):
            if "pub" in push and push["channel"] in self.had:
                self.gets(push["channel"], push["pub"])
            elif "unsubscribe" in push:
                self.fails(f"unsubscribed: {push}")

    def stands(self, channel, sub):
        """It is subscribed, and goes on from where it was."""
        if channel not in self.positions:
            self.positions[channel] = {"epoch": sub["epoch"], "offset": sub.get("offset", 0)}
        elif not sub.get("recovered"):
            self.fails(f"the position is not taken: {sub}")
        elif not self.channels:
            self.positions[channel] = {"epoch": sub["epoch"], "offset": sub.get("offset", 0)}
        for publication in sub.get("publications", []):
            self.gets(channel, publication)
        self.answers += 1
        if self.answers == len(self.had):
            self.is_in, self.pause = True, PAUSE_MIN
            self.crowd.count_in += 1

    def gets(self, channel, publication):
        position, data = self.positions[channel], publication["data"]
        offset = publication.get("offset", position["offset"])
        # Of an inbox several may have one offset.
        is_next = offset >= position["offset"] if not self.channels else offset == position["offset"] + 1
        if not is_next:
            self.fails(f"{offset} after {position} in {channel}")
        position["offset"] = offset
        if self.channels or data["kind"] == "message":
            self.had[channel].append(data["text"] if self.channels else data["body"]["text"])
            self.crowd.count_had += 1

    def fails(self, why):
        self.crowd.failures.append(f"{self.user}: {why}")


class Crowd:
    def __init__(self, secret, prefix, count, channels=0):
        self.selector, self.waiting, self.failures = selectors.DefaultSelector(), [], []
        self.attempts = self.count_in = self.count_had = 0
        claims = {"exp": int(time.time()) + 3600}
        self.members = {}
        for number in range(count):
            name = f"{prefix}-{number}"
            # One with others, and one for itself.
            own = [f"{prefix}:{number % channels}", f"{prefix}:of-{number}"] if channels else []
            self.members[name] = Member(self, name, signed({"sub": name, **claims}, secret), own)
        self.partial, self.orders = b"", []
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)

    def later(self, pause, member):
        heapq.heappush(self.waiting, (time.monotonic() + pause, id(member), member))

    def until(self, condition, deadline=float("inf")):
        while not condition() and time.monotonic() < deadline and not self.failures:
            self.turn()

    def turn(self):
        for key, events in self.selector.select(0.02):
            if not key.data:
                self.listen()
            elif key.data.socket is key.fileobj:
                key.data.is_ready(events)
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, member = heapq.heappop(self.waiting)
            if member.is_wanted and not member.socket:
                member.go()

    def listen(self):
        data = os.read(sys.stdin.fileno(), 1 << 20) or sys.exit()
        *lines, self.partial = (self.partial + data).split(b"\n")
        self.orders += map(json.loads, lines)

    def serve(self):
        """Takes orders; who is connected is so in between, too."""
        while True:
            while not self.orders:
                self.turn()
            order = self.orders.pop(0)
            number, do, deadline = order.pop("order"), order.pop("do"), time.monotonic() + order.pop("within")
            result = getattr(self, do)(**order, deadline=deadline)
            result |= {"in": self.count_in, "failures": self.failures[:5]}
            print(json.dumps({"order": number, "result": result}), flush=True)

    def come(self, ports, deadline):
        """All at once, each to one of these ports; until the last of them is in."""
        began, self.attempts, self.waiting = time.monotonic(), 0, []
        for number, member in enumerate(self.members.values()):
            member.port, member.is_wanted, member.pause = ports[number % len(ports)], True, PAUSE_MIN
            member.go()
        self.until(lambda: self.count_in == len(self.members), deadline)
        return {"seconds": time.monotonic() - began, "attempts": self.attempts}

    def lose(self, deadline):
        """Until all connections have been cut; nobody comes back yet."""
        for member in self.members.values():
            member.is_wanted = False
        self.until(lambda: not any(member.socket for member in self.members.values()), deadline)
        return {}

    def get(self, texts, deadline):
        """Until as many have come as are expected in each channel; who has had others, or in another order, or twice."""
        count = len(texts) * sum(len(member.had) for member in self.members.values())
        self.until(lambda: self.count_had >= count, deadline)
        everybody = self.members.items()
        wrong = [f"{name}: {one.had}" for name, one in everybody if any(had != texts for had in one.had.values())]
        return {"wrong": wrong[:5], "count": len(wrong)}


if __name__ == "__main__":
    Crowd(**json.loads(sys.argv[1])).serve()
