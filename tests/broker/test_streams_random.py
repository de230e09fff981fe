"""Made-up commands on streams get the same answers from a real Redis and from Naru; and after a SIGKILL Naru has the same
groups, pending entries and counters as before.

A run is repeated with NARU_SEED=<seed>, which a failure names.
"""

import os
import random

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Error, Wire

SEEDS = [int(os.environ["NARU_SEED"])] if "NARU_SEED" in os.environ else range(8)
COMMANDS = 700

KEYS = ["s", "t"]
GROUPS = ["g", "h"]
CONSUMERS = ["a", "b", "c"]


class Made:
    """Makes up commands. Ids are few, so that they meet."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.millis = 1

    def commands(self):
        """The next commands, which belong together."""
        return getattr(self, self.random.choice(self.KINDS))()

    def pick(self, *values):
        return self.random.choice(values)

    def key(self):
        return self.random.choice(KEYS)

    def group(self):
        return self.random.choice(GROUPS)

    def consumer(self):
        return self.random.choice(CONSUMERS)

    def id(self):
        millis = self.random.randint(0, self.millis + 1)
        return self.pick(str(millis), f"{millis}-0", f"{millis}-1", f"{millis}-2")

    def ids(self):
        return [self.id() for _ in range(self.random.randint(1, 5))]

    def count(self):
        return self.pick([], [], ["COUNT", str(self.random.randint(0, 12))])

    def trim(self):
        keep = self.pick(["MAXLEN"], ["MINID"])
        keep += self.pick([], ["="], ["~"], ["~"])
        keep += [str(self.random.randint(0, 30)) if keep[0] == "MAXLEN" else self.id()]
        return keep + (self.pick([], ["LIMIT", str(self.random.randint(0, 20))]) if "~" in keep else [])

    def add(self):
        self.millis += self.random.randint(0, 1)
        id_ = self.pick(f"{self.millis}-*", f"{self.millis}-*", f"{self.millis}-{self.random.randint(0, 4)}", self.id())
        options = self.pick([], [], [], [], ["NOMKSTREAM"], self.trim())
        fields = ["f", str(self.random.randint(0, 99))] * self.random.randint(1, 2)
        yield ["XADD", self.key(), *options, id_, *fields]

    def add_many(self):
        key = self.key()
        for _ in range(self.random.randint(1, 15)):
            self.millis += self.random.randint(0, 1)
            yield ["XADD", key, f"{self.millis}-*", "f", "v"]

    def trim_some(self):
        yield ["XTRIM", self.key(), *self.trim()]

    def delete(self):
        yield ["XDEL", self.key(), *self.ids()]

    def range(self):
        edge = lambda edge: self.pick(edge, self.id(), "(" + self.id())
        yield self.pick(
            ["XRANGE", self.key(), edge("-"), edge("+"), *self.count()],
            ["XREVRANGE", self.key(), edge("+"), edge("-"), *self.count()],
        )

    def read(self):
        yield ["XREAD", *self.count(), "STREAMS", *KEYS, self.pick("0", self.id()), self.pick("$", self.id())]

    def read_group(self):
        keys = self.pick(KEYS, KEYS[:1], KEYS[1:])
        noack = self.pick([], [], [], ["NOACK"])
        ids = [self.pick(">", ">", ">", "0", self.id()) for _ in keys]
        group, consumer = self.group(), self.consumer()
        # Redis 7.0 makes the consumer only if there is something to read.
        yield from (["XGROUP", "CREATECONSUMER", key, group, consumer] for key in keys)
        yield ["XREADGROUP", "GROUP", group, consumer, *self.count(), *noack, "STREAMS", *keys, *ids]

    def ack(self):
        yield ["XACK", self.key(), self.group(), *self.ids()]

    def pending(self):
        yield ["XPENDING", self.key(), self.group()]
        idle = self.pick([], [], ["IDLE", self.pick("0", "100000")])
        edges = [self.pick("-", self.id()), self.pick("+", self.id())]
        consumer = self.pick([], [self.consumer()])
        yield ["XPENDING", self.key(), self.group(), *idle, *edges, str(self.random.randint(0, 15)), *consumer]

    def claim(self):
        to = [self.key(), self.group(), self.consumer()]
        # Redis 7.0 makes the consumer only if something is claimed.
        yield ["XGROUP", "CREATECONSUMER", *to]
        options = []
        options += self.pick([], [], ["IDLE", self.pick("0", "500000")], ["TIME", self.pick("5", "99999999999999", "-1")])
        options += self.pick([], ["RETRYCOUNT", self.pick("0", "7", "-1")])
        options += self.pick([], ["FORCE"]) + self.pick([], ["JUSTID"]) + self.pick([], [], [], ["LASTID", self.id()])
        ids = list(dict.fromkeys(self.ids()))
        yield ["XCLAIM", *to, self.pick("0", "0", "100000"), *ids, *options]

    def claim_next(self):
        to = [self.key(), self.group(), self.consumer()]
        yield ["XGROUP", "CREATECONSUMER", *to]
        count = self.pick([], ["COUNT", str(self.random.randint(1, 4))])
        yield ["XAUTOCLAIM", *to, self.pick("0", "0", "100000"), self.pick("0", "-", self.id()), *count, *self.pick([], ["JUSTID"])]

    def make_group(self):
        read = self.pick([], [], ["ENTRIESREAD", str(self.random.randint(-1, 9))])
        make = self.pick(["MKSTREAM"], ["MKSTREAM"], [])
        yield ["XGROUP", "CREATE", self.key(), self.group(), self.pick("$", "0", self.id()), *make, *read]

    def group_changes(self):
        key, group, consumer = self.key(), self.group(), self.consumer()
        read = self.pick([], [], ["ENTRIESREAD", str(self.random.randint(-1, 9))])
        yield self.pick(
            ["XGROUP", "SETID", key, group, self.pick("$", "-", "+", self.id()), *read],
            ["XGROUP", "CREATECONSUMER", key, group, consumer],
            ["XGROUP", "DELCONSUMER", key, group, consumer],
            ["XGROUP", "DESTROY", key, group] if self.random.random() < 0.3 else ["XLEN", key],
        )

    def set_id(self):
        added = self.pick([], ["ENTRIESADDED", str(self.random.randint(0, 60))])
        deleted = self.pick([], [], ["MAXDELETEDID", self.id()])
        # Since 7.2 not below what was deleted.
        self.millis += 3
        yield ["XSETID", self.key(), f"{self.millis}-{self.random.randint(0, 5)}", *added, *deleted]

    def look(self):
        key = self.key()
        yield ["XINFO", "STREAM", key]
        yield ["XINFO", "STREAM", key, "FULL", *self.pick([], ["COUNT", str(self.random.randint(-1, 3))])]
        yield ["XINFO", "GROUPS", key]
        yield ["XINFO", "CONSUMERS", key, self.group()]

    def drop(self):
        yield ["DEL", self.key()] if self.random.random() < 0.3 else ["TYPE", self.key()]

    KINDS = (
        ["add"] * 4 + ["add_many", "add_many", "read_group", "read_group", "read_group", "ack", "make_group", "pending"]
        + ["trim_some", "delete", "range", "read", "claim", "claim_next", "group_changes", "set_id", "look", "drop"]
    )


def mapping(value):
    """A map, however the protocol has it."""
    return value if isinstance(value, dict) else dict(zip(value[::2], value[1::2]))


def comparable(words, answer):
    """An answer without what depends on the clock, and without what only 7.2 has."""
    if isinstance(answer, Error) or answer is None:
        return answer
    match words[:2]:
        case ["XPENDING", _] if len(words) > 3:
            return [[id_, consumer, idle >= 100000, count] for id_, consumer, idle, count in answer]
        case ["XINFO", "CONSUMERS"]:
            return [{k: v for k, v in mapping(it).items() if k not in (b"idle", b"inactive")} for it in answer]
        case ["XINFO", "GROUPS"]:
            return [without_lag(mapping(it)) for it in answer]
        case ["XINFO", "STREAM"]:
            return stream(mapping(answer))
    return answer


def without_lag(group):
    """Redis 7.2.6 counts otherwise than 7.0 what is left for a group."""
    return {name: value for name, value in group.items() if name not in (b"entries-read", b"lag")}


def stream(info):
    """What XINFO STREAM says. With FULL it has the groups themselves."""
    groups = info.get(b"groups")
    if isinstance(groups, list):
        info[b"groups"] = [full_group(mapping(group)) for group in groups]
    return info


def full_group(group):
    """Times given with XCLAIM TIME are compared, others are not."""
    time = lambda at: at if at < 10**12 else None
    group[b"pending"] = [[id_, who, time(at), count] for id_, who, at, count in group[b"pending"]]
    consumers = [mapping(consumer) for consumer in group[b"consumers"]]
    for consumer in consumers:
        consumer.pop(b"active-time", None)
        consumer.pop(b"seen-time")
        consumer[b"pending"] = [[id_, time(at), count] for id_, at, count in consumer[b"pending"]]
    return {**without_lag(group), b"consumers": consumers}


def state(wire):
    """All there is of the streams."""
    asked = [["XINFO", "STREAM", key, "FULL", "COUNT", "0"] for key in KEYS]
    return [comparable(words, wire.call(*words)) for words in asked]


@pytest.mark.parametrize("seed", SEEDS)
def test_made_up_commands_are_answered_alike_and_outlive_a_kill(programs, naru, tmp_path, seed):
    print(f"NARU_SEED={seed}")
    made = Made(seed)
    broker = naru.broker(data=tmp_path / "data")
    ports = redis_peer.start(programs, HeldPort()), broker.port
    with Wire(ports[0]) as redis, Wire(ports[1]) as ours:
        for wire in (redis, ours):
            wire.call("HELLO", str(2 + seed % 2))
            wire.call("CONFIG", "SET", "stream-node-max-entries", "5")
        redis.call("CONFIG", "SET", "stream-node-max-bytes", "0")
        said = []
        while len(said) < COMMANDS:
            for words in made.commands():
                said.append(" ".join(words))
                answers = [comparable(words, wire.call(*words)) for wire in (redis, ours)]
                assert answers[0] == answers[1], "\n".join([f"NARU_SEED={seed}", *said[-60:]])
        before = state(ours)
        assert before == state(redis)
        lags = [ours.call("XINFO", "GROUPS", key) for key in KEYS]
    broker.program.kill()
    with Wire(naru.restarted(broker).port) as ours:
        ours.call("HELLO", str(2 + seed % 2))
        assert tree_apart(state(ours)) == tree_apart(before), f"NARU_SEED={seed}"
        assert [ours.call("XINFO", "GROUPS", key) for key in KEYS] == lags, f"NARU_SEED={seed}"


def tree_apart(state):
    """Without the nodes, which are made anew, as large as they are now to be."""
    for info in state:
        if isinstance(info, dict):
            info.pop(b"radix-tree-keys")
            info.pop(b"radix-tree-nodes")
    return state
