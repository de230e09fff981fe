"""A client by hand, for what no library would say."""

import json
import time
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .sdks import token_of
from .waiting import PATIENCE


class ByHand:
    """A WebSocket by hand, in JSON."""

    def __init__(self, server, **options):
        self.left = ExitStack()
        self.socket = self.left.enter_context(connect(server.url, proxy=None, ping_interval=None, **options))
        self.last_id = 0

    def say(self, text):
        self.socket.send(text)

    def ask(self, name, request):
        """A command; the reply to it."""
        self.last_id += 1
        self.say(json.dumps({"id": self.last_id, name: request}))
        return self.reply(lambda it: it.get("id") == self.last_id)

    def reply(self, wanted, within=PATIENCE):
        deadline = time.monotonic() + within
        while True:
            frame = self.socket.recv(timeout=max(deadline - time.monotonic(), 0.001))
            for line in frame.splitlines():
                it = json.loads(line)
                if not it:
                    self.pong()
                elif wanted(it):
                    return it

    def pong(self):
        self.say("{}")

    def connect_as(self, user, **claims):
        return self.ask("connect", {"token": token_of(user, **claims)})

    def end(self, within=PATIENCE):
        """Reads up to the end of the connection; its code and reason."""
        try:
            self.reply(lambda _: False, within)
        except ConnectionClosed as closed:
            assert closed.rcvd, "it ended without a word"
            return closed.rcvd.code, closed.rcvd.reason

    def close(self):
        self.left.close()


class Silent(ByHand):
    """One that says no pong."""

    def pong(self):
        pass
