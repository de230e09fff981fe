"""node-redis, unmodified, in both protocols."""

import pytest

from harness.node import NodeProgram
from harness.waiting import eventually


class NodeRedis(NodeProgram):
    def __init__(self, programs):
        self.events = []
        super().__init__(programs, "node-redis.mjs")

    def happened(self, event):
        self.events.append(event)

    def call(self, client, do, *arguments):
        return self.answer(self.order(do, client=client, arguments=arguments))

    def open(self, client, broker, resp):
        self.answer(self.order("open", client=client, port=broker.port, resp=resp))

    def seen(self, event, count=1):
        """Waits for so many of these events."""

        def found():
            found = [it for it in list(self.events) if it["event"] == event]
            return found if len(found) >= count else None

        return eventually(found, lambda: f"not {count} {event} in {self.events}")

    def heard(self, way, count=1):
        """Waits for so many messages that came by one way of subscribing."""
        return [(it["channel"], it["text"]) for it in self.seen(way, count)]


@pytest.fixture(params=[2, 3], ids=lambda it: f"RESP{it}")
def node(request, programs, broker):
    node = NodeRedis(programs)
    for client in ("one", "two"):
        node.open(client, broker, request.param)
    node.resp = request.param
    return node


def test_it_connects_in_the_protocol_asked_for(node):
    hello = node.call("one", "hello")
    if node.resp == 2:
        hello = dict(zip(hello[::2], hello[1::2], strict=True))
    assert hello["proto"] == node.resp
    assert node.call("one", "ping") == "PONG"
    assert not [event for event in node.events if event["event"] == "error"]


def test_channels_are_heard(node):
    node.call("one", "subscribe", "news", "other")
    assert node.call("two", "publish", "news", "안녕") == 1
    assert node.call("two", "publish", "other", "") == 1
    assert node.call("two", "pubSubNumSub", ["news", "nobody"]) == {"news": 1, "nobody": 0}
    assert sorted(node.call("two", "pubSubChannels")) == ["news", "other"]
    assert node.heard("subscribe", 2) == [("news", "안녕"), ("other", "")]
    node.call("one", "unsubscribe", "news")
    assert node.call("two", "publish", "news", "gone") == 0


def test_patterns_are_heard_beside_channels(node):
    node.call("one", "pSubscribe", "n[ae]ws*", "n*")
    node.call("one", "subscribe", "news")
    assert node.call("two", "pubSubNumPat") == 2
    assert node.call("two", "publish", "news", "1") == 3
    assert node.heard("pSubscribe", 2) == [("news", "1")] * 2
    assert node.heard("subscribe") == [("news", "1")]
    node.call("one", "pUnsubscribe")
    assert node.call("two", "publish", "news", "2") == 1


def test_shard_channels_are_apart(node):
    node.call("one", "sSubscribe", "shard")
    assert node.call("two", "publish", "shard", "not here") == 0
    assert node.call("two", "sPublish", "shard", "here") == 1
    assert node.heard("sSubscribe") == [("shard", "here")]
    assert node.call("two", "pubSubShardChannels") == ["shard"]
    assert node.call("two", "pubSubShardNumSub", ["shard"]) == {"shard": 1}
    node.call("one", "sUnsubscribe", "shard")
    assert node.call("two", "sPublish", "shard", "gone") == 0


def test_bytes_stay_as_they_are(node):
    every = [*range(256), 13, 10, 36]
    coming = node.order("next bytes", client="one", arguments=["b"])
    node.seen("listening")
    assert node.call("two", "publish bytes", "b", every) == 1
    assert node.answer(coming) == every


def test_a_subscriber_may_ping_and_under_resp3_publish_too(node):
    node.call("one", "subscribe", "news")
    # Under RESP2 the answer is a message of the subscription, and in small letters.
    assert node.call("one", "ping") == {2: "pong", 3: "PONG"}[node.resp]
    if node.resp == 3:
        assert node.call("one", "publish", "news", "to myself") == 1
        assert node.heard("subscribe") == [("news", "to myself")]


def test_it_subscribes_again_after_a_restart(naru, broker, node):
    node.call("one", "subscribe", "news")
    node.call("one", "pSubscribe", "ne*")
    node.call("one", "sSubscribe", "shard")
    broker.program.kill()
    node.seen("reconnecting", 2)
    naru.restarted(broker)
    eventually(lambda: node.call("two", "publish", "news", "again") == 2, "it did not subscribe again")
    eventually(lambda: node.call("two", "sPublish", "shard", "again") == 1, "it did not subscribe to its shard again")
    assert ("news", "again") in node.heard("subscribe")
    assert ("news", "again") in node.heard("pSubscribe")
    assert node.heard("sSubscribe")[-1] == ("shard", "again")
