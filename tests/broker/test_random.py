"""Random commands on lists, strings and keys, said to a Redis and to a Naru: the same replies, and the same after a crash.

Time is coarse: keys go away in a long time, or at once, which is then waited for."""

import itertools
import random

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire
from harness.waiting import eventually

KEYS = ["k1", "k2", "k3", "k4", "k5"]
NUMBERS = ["0", "1", "-1", "2", "-2", "5", "-5", "100", "-100", "9223372036854775807", "-9223372036854775808", "x", "1.5"]
VALUES = ["a", "b", "c", "", "10", "-3", "3.25", "a value that is too long to be kept within a list or a key", "\r\n"]
# In seconds, and farther from each other than a run is long.
FAR = [10**6, 2 * 10**6, 10**8]


def command(rng, rising):
    key, number, value = (lambda: rng.choice(KEYS)), (lambda: rng.choice(NUMBERS)), (lambda: rng.choice(VALUES))
    # Since 7.2 the least is none.
    rank = lambda: rng.choice(NUMBERS[:10])
    side = lambda: rng.choice(["LEFT", "RIGHT"])
    values = lambda: [value() for _ in range(rng.randint(1, 5))]
    some = lambda *options: rng.choice([[], [], *options])
    # Never the same twice, so that GT and LT say the same at both, whenever it comes to them.
    seconds = lambda: f"{rng.choice(FAR) + next(rising)}"
    far = lambda: rng.choice([["EX", seconds()], ["PX", seconds() + "000"], ["EXAT", "4000000000"]])
    return rng.choice(
        [
            lambda: ["LPUSH", key(), *values()],
            lambda: ["RPUSH", key(), *values()],
            lambda: ["RPUSH", key(), *values()],
            lambda: [rng.choice(["LPUSHX", "RPUSHX"]), key(), *values()],
            lambda: [rng.choice(["LPOP", "RPOP"]), key(), *some([number()])],
            lambda: ["LMPOP", "2", key(), key(), side(), *some(["COUNT", number()])],
            lambda: [rng.choice(["BLPOP", "BRPOP"]), key(), key(), "0.001"],
            lambda: ["LMOVE", key(), key(), side(), side()],
            lambda: ["RPOPLPUSH", key(), key()],
            lambda: ["LLEN", key()],
            lambda: ["LRANGE", key(), number(), number()],
            lambda: ["LINDEX", key(), number()],
            lambda: ["LPOS", key(), value(), *some(["RANK", rank()]), *some(["COUNT", number()]), *some(["MAXLEN", number()])],
            lambda: ["LREM", key(), number(), value()],
            lambda: ["LTRIM", key(), rng.choice(["0", "1", "-5"]), rng.choice(["-1", "-2", "8"])],
            lambda: ["LINSERT", key(), rng.choice(["BEFORE", "AFTER"]), value(), value()],
            lambda: ["LSET", key(), number(), value()],
            lambda: ["GET", key()],
            lambda: ["SET", key(), value(), *some(["NX"], ["XX"]), *some(["GET"]), *some(far(), ["KEEPTTL"])],
            lambda: ["SETNX", key(), value()],
            lambda: ["SETEX", key(), rng.choice([seconds(), "0", "-1"]), value()],
            lambda: ["GETSET", key(), value()],
            lambda: ["GETDEL", key()],
            lambda: ["GETEX", key(), *some(far(), ["PERSIST"])],
            lambda: ["MGET", key(), key(), key()],
            lambda: ["MSET", key(), value(), key(), value()],
            lambda: ["MSETNX", key(), value(), key(), value()],
            lambda: [rng.choice(["INCR", "DECR"]), key()],
            lambda: [rng.choice(["INCRBY", "DECRBY"]), key(), number()],
            lambda: ["INCRBYFLOAT", key(), rng.choice(["0.1", "-2.5", "1e3", "3", "1e-5", "x"])],
            lambda: ["APPEND", key(), value()],
            lambda: ["STRLEN", key()],
            lambda: ["GETRANGE", key(), number(), number()],
            lambda: ["SETRANGE", key(), rng.choice(["0", "3", "70", "-1"]), value()],
            lambda: [rng.choice(["DEL", "UNLINK", "EXISTS", "TOUCH"]), key(), key()],
            lambda: ["TYPE", key()],
            lambda: ["EXPIRE", key(), rng.choice([*[seconds()] * 3, "-1"]), *some(["NX"], ["XX"], ["GT"], ["LT"])],
            lambda: ["PEXPIREAT", key(), rng.choice(["1", "4000000000123"]), *some(["NX"], ["XX"], ["GT"], ["LT"])],
            lambda: [rng.choice(["TTL", "EXPIRETIME"]), key()],
            lambda: ["PERSIST", key()],
            lambda: [rng.choice(["RENAME", "RENAMENX"]), key(), key()],
            lambda: ["COPY", key(), key(), *some(["REPLACE"])],
            lambda: ["DBSIZE"],
            lambda: ["PEXPIRE", key(), "1"],
            lambda: rng.choice([["FLUSHALL"], ["DBSIZE"], ["DBSIZE"], ["DBSIZE"]]),
        ]
    )()


def same(theirs, ours, words):
    """Of what depends on the clock nearly the same will do."""
    if words[0] in ("TTL", "EXPIRETIME") and isinstance(theirs, int) and isinstance(ours, int):
        return abs(theirs - ours) <= 30
    return theirs == ours


def state(wire):
    found = {}
    for key in KEYS:
        kind = wire.call("TYPE", key)
        reading = {b"list": ["LRANGE", key, 0, -1], b"string": ["GET", key]}.get(kind)
        found[key] = (kind, reading and wire.call(*reading), round(wire.call("EXPIRETIME", key), -1))
    return found


@pytest.mark.parametrize("seed", [random.randrange(1 << 32) for _ in range(5)])
def test_random_commands_are_answered_as_by_redis(programs, naru, tmp_path, seed):
    print(f"seed {seed}")
    rng, rising = random.Random(seed), itertools.count()
    redis = Wire(redis_peer.start(programs, HeldPort()))
    broker = naru.broker(data=tmp_path / "data")
    ours = Wire(broker.port)
    said = []
    for round_ in range(3):
        for _ in range(500):
            commands = [command(rng, rising) for _ in range(rng.choice([1, 1, 1, 1, 4]))]
            if len(commands) > 1:
                # Whether a millisecond passes within a transaction, nobody knows.
                commands.sort(key=lambda words: words[0] == "PEXPIRE")
                commands = [["MULTI"], *commands, ["EXEC"]]
            expires = any(words[0] == "PEXPIRE" for words in commands)
            said += commands
            for words in commands:
                theirs, mine = redis.call(*words), ours.call(*words)
                if words == ["EXEC"]:
                    pairs = list(zip(theirs, mine, commands[1:]))
                    assert len(theirs) == len(mine) and all(same(*it) for it in pairs), [
                        it for it in pairs if not same(*it)
                    ]
                else:
                    assert same(theirs, mine, words), f"{words}: {theirs} at Redis, {mine}; before it {said[-30:]}"
            if expires:
                # What goes away now has gone away everywhere before anything else is said.
                for wire in (redis, ours):
                    for key in KEYS:
                        eventually(lambda: not 0 <= wire.call("PTTL", key) < 100, f"{key} does not go away")
        broker.program.kill()
        ours.close()
        broker = naru.restarted(broker)
        ours = Wire(broker.port)
        theirs, mine = state(redis), state(ours)
        for key in KEYS:
            assert theirs[key][:2] == mine[key][:2], key
            assert abs(theirs[key][2] - mine[key][2]) <= 60, key
