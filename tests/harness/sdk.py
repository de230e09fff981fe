"""Clients of the unmodified JavaScript SDK, in one Node process (node/clients.mjs)."""

from .node import NodeProgram, Refused
from .waiting import PATIENCE

__all__ = ["Client", "Refused", "Sdk"]


class Sdk(NodeProgram):
    """The Node process."""

    def __init__(self, programs):
        self.clients = {}
        super().__init__(programs, "clients.mjs")

    def happened(self, event):
        self.clients[event["client"]].events.append(event)

    def client(
        self, *addresses, token=None, data=None, next_tokens=None, transport=None, posts=None, protobuf=None
    ):
        """Opens a client, which connects; to the next address if it cannot be reached. Where it is one of plain HTTP, what
        it says is posted to `posts` in turn."""
        client = Client(self, f"client-{len(self.clients) + 1}")
        self.clients[client.name] = client
        what = {"token": token, "data": data, "nextTokens": next_tokens}
        what |= {"transport": transport, "posts": posts, "protobuf": protobuf}
        what = {key: value for key, value in what.items() if value is not None}
        self.answer(self.order("open", client=client.name, addresses=addresses, **what))
        return client


class Client:
    """One client of the SDK and all that has happened to it."""

    def __init__(self, sdk, name):
        self.sdk, self.name, self.events = sdk, name, []

    def call(self, do, **what):
        return self.sdk.answer(self.sdk.order(do, client=self.name, **what))

    def rpc(self, method, data):
        return self.call("rpc", method=method, data=data)

    def send(self, to, id_, body):
        """A message to a user."""
        return self.rpc("send", {"to": f"@{to}", "id": id_, "body": body})

    def seen(self, event, **fields):
        """The events of that name whose fields are so."""
        return [
            it
            for it in list(self.events)
            if it["event"] == event and all(it.get(key) == fields[key] for key in fields)
        ]

    def wait(self, event, count=1, **fields):
        """Waits for `count` of these events; the last."""
        with self.sdk.changed:
            found = self.sdk.changed.wait_for(lambda: len(self.seen(event, **fields)) >= count, PATIENCE)
        assert found, f"{self.name}: not {count} of {event} {fields} in {self.events}"
        return self.seen(event, **fields)[-1]

    def come(self, user):
        """The entries that have come into the inbox, each as often as it has come; without what only says what is unread."""
        publications = self.seen("publication", channel=f"inbox:{user}")
        return [it for it in publications if it["data"]["kind"] not in ("read", "mention")]

    def inbox(self, user, count=None):
        """What has come into the inbox; waits until it is `count`, and fails if it is more."""
        if count:
            with self.sdk.changed:
                found = self.sdk.changed.wait_for(lambda: len(self.come(user)) >= count, PATIENCE)
            assert found, f"{self.name}: not {count} but {len(self.come(user))} entries in {self.events[-5:]}"
        entries = self.come(user)
        assert count is None or len(entries) == count, entries
        return entries

    def texts(self, user, count=None):
        """The texts that have come into the inbox from others, with the same care."""
        return [it["data"]["body"]["text"] for it in self.inbox(user, count)]

    def send_all(self, to, numbers):
        """Numbered messages to a user, or into a room, many on their way at once; the answers."""
        to, numbers, answers = to if to.startswith("room:") else f"@{to}", list(numbers), []
        while numbers:
            some, numbers = numbers[:200], numbers[200:]
            data = [{"to": to, "id": f"id-{n}", "body": {"text": f"{n}"}} for n in some]
            orders = [self.sdk.order("rpc", client=self.name, method="send", data=it) for it in data]
            answers += [self.sdk.answer(order) for order in orders]
        return answers

    def heard(self, channel, count):
        """What has come in a channel."""
        self.wait("publication", count, channel=channel)
        return [it["data"] for it in self.seen("publication", channel=channel)]

    def disconnect(self):
        count = len(self.seen("disconnected"))
        self.call("disconnect")
        self.wait("disconnected", count + 1)

    def connect(self):
        count = len(self.seen("connected"))
        self.call("connect")
        self.wait("connected", count + 1)
