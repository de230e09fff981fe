"""Two Socket.IO servers with the Redis adapters, plain, sharded and on a stream, on ioredis and on node-redis, unmodified."""

import pytest
import redis

from harness.node import NodeProgram
from harness.waiting import PATIENCE, eventually


class SocketIo(NodeProgram):
    """A Socket.IO server in a process of its own, with its clients."""

    def __init__(self, programs, broker, library, adapter):
        self.adapter = adapter
        self.events = []
        super().__init__(programs, "socket-io.mjs")
        self.call("open", broker=broker.port, library=library, adapter=adapter)

    def happened(self, event):
        self.events.append(event)

    def call(self, do, **what):
        return self.answer(self.order(do, **what))

    def heard(self, name):
        """What was said to a client so far."""
        return [it["text"] for it in list(self.events) if it["event"] == "said" and it["to"] == name]

    def hears(self, name, *texts):
        """Waits until these, and nothing else, were said to a client."""
        eventually(lambda: len(self.heard(name)) >= len(texts), lambda: f"{name} heard {self.heard(name)}")
        assert self.heard(name) == list(texts)


@pytest.fixture(
    params=[(library, adapter) for library in ("ioredis", "node-redis") for adapter in ("plain", "sharded", "streams")],
    ids=lambda it: f"{it[0]}, {it[1]}",
)
def pair(request, programs, broker):
    """Two servers that know of each other; alice is at the first, bob at the second."""
    library, adapter = request.param
    pair = [SocketIo(programs, broker, library, adapter) for _ in range(2)]
    for server, name in zip(pair, ("alice", "bob"), strict=True):
        eventually(lambda: server.call("servers") == 2, "they do not know of each other")
        server.call("connect", name=name)
    yield pair
    assert [it for server in pair for it in server.events if it["event"] == "link error"] == []


@pytest.fixture
def joined(pair, broker):
    """Waits until a room that somebody has joined is heard of at the broker."""
    client = redis.Redis(port=broker.port, decode_responses=True)

    def joined(room):
        """The sharded adapter has a channel for each room; the plain one hears all rooms by a pattern, and on a stream
        everybody reads everything."""
        eventually(
            lambda: pair[0].adapter == "streams" or client.pubsub_numpat() or any(room in it for it in client.pubsub_shardchannels()),
            f"nobody hears {room}",
        )

    yield joined
    client.close()


def test_a_broadcast_reaches_the_clients_of_both_servers_in_order(pair):
    for number in range(100):
        pair[0].call("say", text=f"{number}")
    for server, name in zip(pair, ("alice", "bob"), strict=True):
        server.hears(name, *map(str, range(100)))
    pair[0].call("say to others", name="alice", text="not to me")
    pair[1].call("say locally", text="only here")
    pair[0].call("say", bytes=[0, 255, 13, 10])
    binary = {"type": "Buffer", "data": [0, 255, 13, 10]}
    pair[0].hears("alice", *map(str, range(100)), binary)
    # What is said locally does not go by the broker, so it may come before what does.
    eventually(lambda: len(pair[1].heard("bob")) == 103, "bob did not hear all")
    assert sorted(map(str, pair[1].heard("bob")[100:102])) == ["not to me", "only here"]
    assert pair[1].heard("bob")[102] == binary


def test_a_room_spans_both_servers(pair, joined):
    pair[1].call("join", name="bob", room="room 방")
    joined("room 방")
    pair[0].call("say", room="room 방", text="to the room")
    pair[1].hears("bob", "to the room")
    pair[1].call("leave", name="bob", room="room 방")
    pair[0].call("say", room="room 방", text="to nobody")
    pair[0].call("say", text="to all")
    pair[1].hears("bob", "to the room", "to all")
    pair[0].hears("alice", "to all")


def test_each_server_finds_the_sockets_of_both(pair, joined):
    pair[1].call("join", name="bob", room="room 1")
    joined("room 1")
    for server in pair:
        assert server.call("sockets") == [["alice", []], ["bob", ["room 1"]]]
        assert server.call("sockets", room="room 1") == [["bob", ["room 1"]]]


def test_sockets_elsewhere_are_told_to_join_and_to_leave(pair, joined):
    pair[0].call("all join", room="room 2")
    eventually(lambda: len(pair[0].call("sockets", room="room 2")) == 2, "bob did not join")
    pair[0].call("disconnect", room="room 2")
    for server, name in zip(pair, ("alice", "bob"), strict=True):
        eventually(lambda: any(it["event"] == "disconnect" for it in server.events), f"{name} was not sent away")


def test_servers_and_clients_elsewhere_answer(pair):
    assert pair[0].call("count elsewhere") == [1]
    within = int(PATIENCE * 1000)
    assert pair[1].call("ask", text="a question", within=within) == ["alice heard a question", "bob heard a question"]
