"""Lists as work queues: who gets what, and what a crash leaves; where both are asked, as by Redis."""

import random
import re
import select

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Error, Wire, encode
from harness.waiting import eventually


@pytest.fixture
def pair(programs, naru):
    """The ports of a Redis and of a Naru."""
    return redis_peer.start(programs, HeldPort()), naru.broker().port


def blocked_names(wire):
    """Who waits, by name."""
    clients = wire.call("CLIENT", "LIST").decode().splitlines()
    named = (re.search(r" name=(w\d+) .* flags=(\w+) ", line) for line in clients)
    return {found[1] for found in named if found and "b" in found[2]}


class Workers:
    """Clients that wait, at one server."""

    def __init__(self, port, count):
        self.asking = Wire(port)
        self.wires = {f"w{number}": Wire(port) for number in range(count)}
        for name, wire in self.wires.items():
            wire.call("CLIENT", "SETNAME", name)
        self.waiting = set()

    def wait(self, name, words):
        """Begins to wait, or is answered at once."""
        self.wires[name].send(*words)
        self.waiting.add(name)

    def has_answer(self, name):
        readable, _, _ = select.select([self.wires[name].socket], [], [], 0)
        return bool(readable)

    def settled(self, expected=None):
        """Who waits once everything is answered; at Redis that is so at once."""
        if expected is not None:
            eventually(
                lambda: blocked_names(self.asking) == expected,
                lambda: f"{blocked_names(self.asking)} wait, not {expected}",
            )
        return blocked_names(self.asking)

    def answers(self, still):
        """What those got that no longer wait."""
        answered = self.waiting - still
        self.waiting = still
        return {name: self.wires[name].frame() for name in answered}


KEYS = ["k1", "k2", "k3", "k4"]


def waiting_command(rng):
    sides = [rng.choice(["LEFT", "RIGHT"]) for _ in range(2)]
    keys = rng.sample(KEYS, rng.randint(1, 3))
    return rng.choice(
        [
            ["BLPOP", *keys, "0"],
            ["BRPOP", *keys, "0"],
            ["BLMPOP", "0", len(keys), *keys, sides[0], "COUNT", rng.randint(1, 3)],
            ["BLMOVE", *[rng.choice(KEYS) for _ in range(2)], *sides, "0"],
            ["BRPOPLPUSH", *[rng.choice(KEYS) for _ in range(2)], "0"],
        ]
    )


def changing_command(rng, values):
    def push():
        fresh = [next(values) for _ in range(rng.randint(1, 4))]
        return [rng.choice(["LPUSH", "RPUSH", "LPUSHX"]), rng.choice(KEYS), *fresh]

    return rng.choice(
        [
            push,
            push,
            lambda: ["DEL", rng.choice(KEYS)],
            lambda: ["RENAME", *rng.sample(KEYS, 2)],
            lambda: ["COPY", *rng.sample(KEYS, 2), "REPLACE"],
            lambda: ["LMOVE", rng.choice(KEYS), rng.choice(KEYS), "LEFT", "RIGHT"],
            lambda: ["LPOP", rng.choice(KEYS), "2"],
            lambda: ["SET", rng.choice(KEYS), "v"],
        ]
    )()


@pytest.mark.parametrize("seed", [random.randrange(1 << 32) for _ in range(6)])
def test_who_waits_gets_what_redis_gives_them(pair, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    values = (f"value-{number}" + "x" * (number % 3 * 20) for number in range(1 << 30))
    redis, naru = [Workers(port, 6) for port in pair]
    for _ in range(150):
        idle = sorted(redis.wires.keys() - redis.waiting)
        if idle and rng.random() < 0.5:
            words, name = waiting_command(rng), rng.choice(idle)
            redis.wait(name, words)
            eventually(lambda: name in blocked_names(redis.asking) or redis.has_answer(name), "it does neither")
            naru.wait(name, words)
        else:
            words = [changing_command(rng, values) for _ in range(rng.choice([1, 1, 1, 3]))]
            commands = words if len(words) == 1 else [["MULTI"], *words, ["EXEC"]]
            replies = []
            for workers in (redis, naru):
                workers.asking.send_raw(b"".join(encode(*command) for command in commands))
                replies.append([workers.asking.frame() for _ in commands])
            assert replies[0] == replies[1], commands
        still = redis.settled()
        naru.settled(still)
        assert redis.answers(set(still)) == naru.answers(set(still)), words
    for key in KEYS:
        kind = redis.asking.call("TYPE", key)
        assert naru.asking.call("TYPE", key) == kind
        if kind == b"list":
            assert redis.asking.call("LRANGE", key, 0, -1) == naru.asking.call("LRANGE", key, 0, -1)


def test_who_goes_while_waiting_takes_nothing(broker):
    with Wire(broker.port) as pusher:
        for _ in range(20):
            gone, stays = Wire(broker.port), Wire(broker.port)
            gone.send("BLPOP", "q", 0)
            eventually(lambda: b"blocked_clients:1\r" in pusher.call("INFO", "clients"), "it does not wait")
            stays.send("BLPOP", "q", 0)
            eventually(lambda: b"blocked_clients:2\r" in pusher.call("INFO", "clients"), "it does not wait")
            gone.close()
            eventually(lambda: b"blocked_clients:1\r" in pusher.call("INFO", "clients"), "it still waits")
            pusher.call("RPUSH", "q", "job")
            assert stays.reply() == [b"q", b"job"]
            stays.close()


@pytest.mark.parametrize("protocol", ["2", "3"])
@pytest.mark.parametrize(
    "words", [["BLPOP", "q", "r", 0], ["BLMPOP", 0, 1, "q", "LEFT"], ["BLMOVE", "q", "r", "LEFT", "LEFT", 0], ["BRPOPLPUSH", "q", "r", 0]]
)
def test_who_waits_is_let_go_as_by_redis(pair, words, protocol):
    for how in ([], ["TIMEOUT"], ["ERROR"]):
        frames = []
        for port in pair:
            with Wire(port) as wire, Wire(port) as other:
                wire.call("HELLO", protocol)
                id_ = wire.call("CLIENT", "ID")
                wire.send(*words)
                eventually(lambda: b" flags=b " in other.call("CLIENT", "LIST", "ID", id_), "it does not wait")
                assert other.call("CLIENT", "UNBLOCK", id_, *how) == 1
                frames.append(wire.frame())
                other.call("RPUSH", "q", "job")
                assert other.call("LPOP", "q") == b"job"
        assert frames[0] == frames[1]


def test_what_was_answered_outlives_sigkill(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        long = "x" * 200
        for number in range(600):
            wire.send("RPUSH", "q", f"{number}-{long if number % 2 else ''}")
        assert [wire.reply() for _ in range(600)] == list(range(1, 601))
        wire.call("LPOP", "q", 100)
        wire.call("LSET", "q", 0, "set")
        wire.call("LINSERT", "q", "AFTER", "set", long)
        wire.call("LREM", "q", 1, "102-")
        wire.call("LTRIM", "q", 0, -11)
        wire.call("LMOVE", "q", "under way", "RIGHT", "LEFT")
        wire.call("SET", "lock", "token", "PX", 30_000_000)
        wire.call("INCRBY", "count", 42)
        wire.call("APPEND", "count", "7")
        wire.call("SETRANGE", "text", 5, long)
        wire.call("RENAME", "text", "renamed")
        wire.call("COPY", "q", "copy")
        wire.call("EXPIRE", "copy", 100_000)
        wire.call("SET", "short", "v", "PX", 20)
        wire.call("SET", "kept", "v", "EX", 100)
        wire.call("PERSIST", "kept")
        keys = ["q", "under way", "lock", "count", "renamed", "copy", "kept"]
        before = state(wire, keys)
        eventually(lambda: wire.call("EXISTS", "short") == 0, "it does not go away")
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert state(wire, keys) == before
        assert wire.call("DBSIZE") == len(keys)
        assert wire.call("FLUSHALL") == b"OK"
        assert wire.call("DBSIZE") == 0
        wire.call("RPUSH", "q", long, "b")
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert wire.call("KEYS", "*") == [b"q"]
        assert wire.call("LRANGE", "q", 0, -1) == [long.encode(), b"b"]


def state(wire, keys):
    """What is under keys, and when they go away."""
    read = {b"list": lambda key: wire.call("LRANGE", key, 0, -1), b"string": lambda key: wire.call("GET", key)}
    return {key: (read[wire.call("TYPE", key)](key), wire.call("PEXPIRETIME", key)) for key in keys}


def test_what_expires_while_nothing_runs_is_gone_afterwards(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        for number in range(1000):
            wire.send("SET", f"k{number}", "v", "PX", 300 if number % 2 else 1_000_000)
        assert all(wire.reply() == b"OK" for _ in range(1000))
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        eventually(lambda: wire.call("DBSIZE") == 500, "they do not go away")
        assert b"expires=500" in wire.call("INFO", "keyspace")
        assert all(wire.call("EXISTS", f"k{number}") == (number + 1) % 2 for number in range(0, 1000, 7))


def test_keys_go_away_by_themselves_while_nobody_asks(broker):
    with Wire(broker.port) as wire:
        for number in range(5000):
            wire.send("SET", f"k{number}", "v", "PX", 50)
        assert all(wire.reply() == b"OK" for _ in range(5000))
        eventually(lambda: b"expired_keys:5000\r" in wire.call("INFO", "stats"), "they do not go away")
        assert wire.call("INFO", "keyspace") == b"# Keyspace\r\n"


def test_a_walk_gives_what_is_there_throughout(broker):
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    with Wire(broker.port) as wire:
        stays = {f"stays-{number}".encode() for number in range(500)}
        for name in stays:
            wire.call("SET", name, "v")
        for number in range(500):
            wire.call("SET", f"goes-{number}", "v")
        found, cursor = [], b"0"
        while True:
            cursor, names = wire.call("SCAN", cursor, "COUNT", rng.randint(1, 30))
            found += names
            # Keys come and go, are replaced and renamed.
            wire.call("DEL", f"goes-{rng.randrange(500)}")
            wire.call("SET", f"comes-{rng.randrange(10_000)}", "v")
            wire.call("SET", rng.choice(sorted(stays)), "w")
            wire.call("RENAME", f"goes-{rng.randrange(500)}", rng.choice(sorted(stays)))
            wire.call("COPY", f"goes-{rng.randrange(500)}", rng.choice(sorted(stays)), "REPLACE")
            if cursor == b"0":
                break
        assert stays <= set(found)
        assert wire.call("RANDOMKEY") in set(wire.call("KEYS", "*"))


def test_users_reach_the_keys_they_may(broker):
    with Wire(broker.port) as admin, Wire(broker.port) as user:
        admin.call("ACL", "SETUSER", "worker", "on", "nopass", "+@all", "%R~read:*", "%W~write:*", "~both:*")
        user.call("AUTH", "worker", "any")
        allowed = [
            ["GET", "read:a"],
            ["SET", "write:a", "v"],
            ["SET", "both:a", "v", "GET"],
            ["COPY", "read:a", "write:b"],
            ["LPUSH", "write:l", "v"],
            ["BLPOP", "both:l", "0.001"],
            ["LMOVE", "both:l", "write:l", "LEFT", "LEFT"],
            ["LMPOP", "1", "both:l", "LEFT"],
            ["EXPIRE", "write:a", "100"],
            ["LLEN", "read:l"],
        ]
        denied = [
            ["GET", "write:a"],
            ["SET", "read:a", "v"],
            ["SET", "write:a", "v", "GET"],
            ["INCR", "write:a"],
            ["COPY", "write:a", "write:b"],
            ["COPY", "read:a", "read:b"],
            ["LPUSH", "read:l", "v"],
            ["BLPOP", "both:l", "write:l", "0.001"],
            ["LMOVE", "write:l", "write:l", "LEFT", "LEFT"],
            ["LMPOP", "2", "both:l", "write:l", "LEFT"],
            ["BLMPOP", "0.001", "1", "read:l", "LEFT"],
            ["EXPIRE", "read:a", "100"],
            ["OBJECT", "ENCODING", "other"],
            ["LRANGE", "other", "0", "1"],
        ]
        for words in allowed:
            assert not (isinstance(reply := user.call(*words), Error) and reply.startswith("NOPERM")), (words, reply)
        for words in denied:
            assert isinstance(reply := user.call(*words), Error) and reply.startswith("NOPERM"), (words, reply)
