"""ioredis, unmodified."""

import pytest

from harness.node import NodeProgram, Refused
from harness.waiting import PATIENCE, eventually


class Ioredis(NodeProgram):
    def __init__(self, programs):
        self.events = []
        super().__init__(programs, "ioredis.mjs")

    def happened(self, event):
        self.events.append(event)

    def call(self, client, do, *arguments):
        return self.answer(self.order(do, client=client, arguments=arguments))

    def open(self, client, broker):
        self.answer(self.order("open", client=client, port=broker.port))

    def seen(self, event, count):
        """Waits for so many of these events."""

        def found():
            found = [it for it in list(self.events) if it["event"] == event]
            return found if len(found) >= count else None

        return eventually(found, lambda: f"not {count} {event} in {self.events}")


@pytest.fixture
def ioredis(programs, broker):
    node = Ioredis(programs)
    for client in ("one", "two"):
        node.open(client, broker)
    return node


def test_it_connects_without_complaint(ioredis):
    assert ioredis.call("one", "ping") == "PONG"
    assert "redis_version" in ioredis.call("one", "info")
    assert not [event for event in ioredis.events if event["event"] == "error"]


def test_channels_and_patterns_are_heard(ioredis):
    assert ioredis.call("one", "subscribe", "news", "other") == 2
    assert ioredis.call("one", "psubscribe", "n*") == 3
    assert ioredis.call("two", "publish", "news", "안녕") == 2
    assert ioredis.seen("message", 1)[0]["text"] == "안녕"
    assert ioredis.seen("pmessage", 1)[0]["pattern"] == "n*"
    assert ioredis.call("one", "unsubscribe", "news") == 2
    assert ioredis.call("two", "pubsub", "NUMSUB", "news") == ["news", 0]


def test_shard_channels_are_apart(ioredis):
    assert ioredis.call("one", "ssubscribe", "shard") == 1
    assert ioredis.call("two", "publish", "shard", "not here") == 0
    assert ioredis.call("two", "spublish", "shard", "here") == 1
    assert ioredis.seen("smessage", 1)[0]["text"] == "here"
    assert ioredis.call("one", "sunsubscribe", "shard") == 0
    assert ioredis.call("two", "spublish", "shard", "gone") == 0


def test_streams(ioredis):
    first = ioredis.call("one", "xadd", "s", "*", "n", "1")
    second = ioredis.call("one", "xadd", "s", "*", "n", "2")
    assert ioredis.call("one", "xrange", "s", "-", "+") == [[first, ["n", "1"]], [second, ["n", "2"]]]
    assert ioredis.call("one", "xread", "COUNT", 1, "STREAMS", "s", "0") == [["s", [[first, ["n", "1"]]]]]
    assert ioredis.call("one", "xread", "STREAMS", "s", second) is None
    with pytest.raises(Refused) as refused:
        ioredis.call("one", "xadd", "s", "1-1", "n", "3")
    assert "equal or smaller" in refused.value.message


def test_a_blocked_read_is_woken(ioredis):
    reading = ioredis.order("xread", client="one", arguments=["BLOCK", int(PATIENCE * 1000), "STREAMS", "s", "0"])
    id_ = ioredis.call("two", "xadd", "s", "*", "n", "1")
    assert ioredis.answer(reading) == [["s", [[id_, ["n", "1"]]]]]


def test_it_subscribes_again_after_a_restart(naru, broker, ioredis):
    ioredis.call("one", "subscribe", "news")
    ioredis.call("one", "psubscribe", "ne*")
    ioredis.call("one", "ssubscribe", "shard")
    broker.program.kill()
    naru.restarted(broker)
    eventually(lambda: ioredis.call("two", "publish", "news", "again") == 2, "it did not subscribe again")
    eventually(lambda: ioredis.call("two", "spublish", "shard", "again") == 1, "it did not subscribe to its shard again")
    for event in ("message", "pmessage", "smessage"):
        assert ioredis.seen(event, 1)[-1]["text"] == "again"


def test_many_calls_at_once_are_answered_each_with_its_own(ioredis):
    orders = [ioredis.order("echo", client="one", arguments=[f"text {number}"]) for number in range(1000)]
    assert [ioredis.answer(order) for order in orders] == [f"text {number}" for number in range(1000)]


def test_streams_and_their_groups(ioredis):
    def call(*words):
        return ioredis.call("one", *words)

    assert call("xgroup", "CREATE", "s", "g", "$", "MKSTREAM") == "OK"
    id_ = ioredis.call("two", "xadd", "s", "MAXLEN", "~", 1000, "*", "text", "안녕")
    entry = [id_, ["text", "안녕"]]
    assert call("xread", "COUNT", 1, "STREAMS", "s", "0") == [["s", [entry]]]
    assert call("xreadgroup", "GROUP", "g", "c", "COUNT", 5, "BLOCK", 1000, "STREAMS", "s", ">") == [["s", [entry]]]
    assert call("xreadgroup", "GROUP", "g", "c", "BLOCK", 1, "STREAMS", "s", ">") is None
    assert call("xpending", "s", "g") == [1, id_, id_, [["c", "1"]]]
    assert call("xclaim", "s", "g", "d", 0, id_) == [entry]
    assert call("xautoclaim", "s", "g", "c", 0, "0") == ["0-0", [entry], []]
    assert call("xack", "s", "g", id_) == 1
    assert call("xinfo", "GROUPS", "s")[0][:6] == ["name", "g", "consumers", 2, "pending", 0]
    with pytest.raises(Refused, match="BUSYGROUP"):
        call("xgroup", "CREATE", "s", "g", "$")
