"""Clients of Centrifuge's SDKs, one process for each library, all told the same words: ../node/sdks.mjs, ../sdks/python.py,
../sdks/go/main.go."""

import sys
import time
from itertools import count

from .jwt import signed
from .naru import ROOT, SECRET
from .node import NODE_FOLDER, Ordered
from .waiting import PATIENCE


# How long tokens are good, unless a test wants something else: longer than any test takes.
TOKEN_SECONDS = 3600


def token_of(user, **claims):
    """A connection token."""
    return signed({"sub": user, "exp": in_seconds(TOKEN_SECONDS), **claims}, SECRET)


def subscription_token(user, channel, **claims):
    return token_of(user, channel=channel, **claims)


def in_seconds(seconds):
    """A time as tokens have it."""
    return int(time.time()) + seconds


class Library(Ordered):
    """A process that holds clients of one library."""

    def __init__(self, programs, name, command):
        self.library, self.clients, self.numbers = name, {}, count(1)
        super().__init__(programs, f"sdk-{name}", command)

    def happened(self, event):
        self.clients[event["client"]].events.append(event)

    def open(self, address, encoding="json", **what):
        """A client that connects."""
        client = Client(self, f"client-{next(self.numbers)}", encoding)
        self.clients[client.name] = client
        client.call("open", address=address, encoding=encoding, **what)
        return client


def js(programs):
    return Library(programs, "js", ["node", NODE_FOLDER / "sdks.mjs"])


def python(programs):
    return Library(programs, "python", [sys.executable, ROOT / "tests/sdks/python.py"])


def go(programs, binary):
    return Library(programs, "go", [binary])


class Client:
    """One client, and all that has happened to it."""

    def __init__(self, library, name, encoding):
        self.library, self.name, self.encoding, self.events = library, name, encoding, []

    def call(self, do, **what):
        what = {key: value for key, value in what.items() if value is not None}
        return self.library.answer(self.library.order(do, client=self.name, **what))

    def seen(self, event, **fields):
        """The events of that name whose fields are so, in their order."""
        return [
            it
            for it in list(self.events)
            if it["event"] == event and all(it.get(key) == value for key, value in fields.items())
        ]

    def wait(self, event, count=1, within=PATIENCE, **fields):
        """Waits for `count` of these; the last."""
        with self.library.changed:
            found = self.library.changed.wait_for(lambda: len(self.seen(event, **fields)) >= count, within)
        assert found, f"{self.library.library}, {self.encoding}: not {count} of {event} {fields} in {self.events}"
        return self.seen(event, **fields)[-1]

    def subscribe(self, channel, **what):
        """Subscribes, and waits until it is so; how it stands."""
        self.call("subscribe", channel=channel, **what)
        return self.wait("subscribed", channel=channel)

    def unsubscribe(self, channel):
        before = len(self.seen("unsubscribed", channel=channel))
        self.call("unsubscribe", channel=channel)
        self.wait("unsubscribed", before + 1, channel=channel)

    def publish(self, channel, data):
        return self.call("publish", channel=channel, data=data)

    def history(self, channel, **what):
        return self.call("history", channel=channel, **what)

    def heard(self, channel, count, event="publication"):
        """What has come in a channel: so many, and no more."""
        self.wait(event, count, channel=channel)
        data = [it["data"] for it in self.seen(event, channel=channel)]
        assert len(data) == count, data
        return data

    def disconnect(self):
        before = len(self.seen("disconnected"))
        self.call("disconnect")
        self.wait("disconnected", before + 1)

    def connect(self):
        before = len(self.seen("connected"))
        self.call("connect")
        self.wait("connected", before + 1)
