"""Command lines with odd arguments, said to a Redis and to a Naru: the same replies, errors and their order among them.

Each run has the same lines. NARU_SEED=<seed> has others, NARU_LINES says how many, NARU_PEER=valkey compares with that."""

import os

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.odd_lines import KEYS, STREAMS, OddLines
from harness.resp import Wire, encode

SEEDS = [int(os.environ["NARU_SEED"])] if "NARU_SEED" in os.environ else [1, 2]
LINES = int(os.environ.get("NARU_LINES", 2000))
PEER = os.environ.get("NARU_PEER", "redis")

# Said at once, without waiting for each reply.
AT_ONCE = 50

CLOCK_SECONDS = 600


def is_error(frame):
    return frame.startswith(b"-")


def lines_of(frame):
    return sorted(frame.split(b"\r\n"))


def is_whole(line, frame):
    return line[1] == b"0" and frame.startswith(b"*2\r\n$1\r\n0\r\n")


def is_near(theirs, ours, of_millis):
    """Two times that were said at about the same time."""
    apart = abs(int(theirs[1:]) - int(ours[1:])) / (1000 if of_millis else 1)
    return apart < CLOCK_SECONDS


IN_ANY_ORDER = (b"KEYS", b"SCAN")

# What Naru answers otherwise, and why: for a line, whether its replies, of which neither or both are errors, say the same.
SAYS_THE_SAME = {
    # Cursors are numbers of another kind: a walk is the same where one step is all of it.
    b"SCAN": lambda line, theirs, ours: not (is_whole(line, theirs) and is_whole(line, ours)),
    b"TTL": lambda line, theirs, ours: is_near(theirs, ours, False),
    b"EXPIRETIME": lambda line, theirs, ours: is_near(theirs, ours, False),
    b"PTTL": lambda line, theirs, ours: is_near(theirs, ours, True),
    b"PEXPIRETIME": lambda line, theirs, ours: is_near(theirs, ours, True),
    # Nothing is noted of when keys were read, encodings are Naru's own, and no value is shared.
    b"OBJECT": lambda line, theirs, ours: line[1].upper() in (b"IDLETIME", b"ENCODING", b"REFCOUNT"),
    # It has times, and counts as 7.2 does; test_streams_random.py compares the rest.
    b"XINFO": lambda line, theirs, ours: True,
    b"XPENDING": lambda line, theirs, ours: len(line) > 3 and theirs.count(b"\r\n") == ours.count(b"\r\n"),
    # Since 7.2 who reads or claims nothing is a consumer even so.
    b"XGROUP": lambda line, theirs, ours: line[1].upper() == b"CREATECONSUMER",
}

# Why replies are not the same when only one is an error, or each another: a word of the line, or none; how theirs and ours
# begin.
KNOWN = [("there is one database", "DB", "", "-ERR DB index is out of range")]
KNOWN += {
    "redis": [
        ("since 7.2 it is not below what was deleted", "XSETID", "", "-ERR The ID specified in XSETID is smaller"),
        ("since 7.2 the error names the command", "STREAMS", "-ERR Unbalanced XREAD", "-ERR Unbalanced 'xread"),
        ("since 7.2 it is out of range", "RANK", "", "-ERR value is out of range"),
        ("since 7.2 it is said to be out of range", None, "-ERR timeout is negative", "-ERR timeout is out of range"),
        ("since 7.4 it is the newest entry", "+", "-ERR Invalid stream ID", ""),
    ],
    "valkey": [
        ("it looks at the time before the key", "GETEX", "-ERR value is not an integer", ""),
        ("it looks at the time before the key", "GETEX", "-ERR invalid expire time", ""),
        ("it reads cursors otherwise", "SCAN", "-ERR invalid cursor", ""),
        ("it reads cursors otherwise", "SCAN", "", "-ERR invalid cursor"),
        ("it knows all types", "SCAN", "-ERR unknown type name", ""),
        ("it has no least integer", "LREM", "-ERR value is out of range", ""),
        ("it takes an index for a smaller one", "LSET", "+OK", "-ERR index out of range"),
        ("it tells more", "HELP", "*", "*"),
        ("it claims what its memory has room for", "XAUTOCLAIM", "-ERR Insufficient memory", "*"),
    ],
}[PEER]


def is_same(line, theirs, ours):
    if theirs == ours or line[0].upper() in IN_ANY_ORDER and lines_of(theirs) == lines_of(ours):
        return True
    same = SAYS_THE_SAME.get(line[0].upper())
    return same is not None and not is_error(theirs) and not is_error(ours) and same(line, theirs, ours)


def is_known(line, theirs, ours):
    said = [word.upper().decode("latin-1") for word in line]
    fits = lambda word, its, mine: (
        (word is None or word in said) and theirs.startswith(its.encode()) and ours.startswith(mine.encode())
    )
    return any(fits(*known[1:]) for known in KNOWN)


def looks():
    """What says what is there."""
    for key in KEYS:
        name = key.encode()
        yield from ([b"TYPE", name], [b"GET", name], [b"LRANGE", name, b"0", b"-1"], [b"XRANGE", name, b"-", b"+"])
    yield from ([b"XINFO", b"STREAM", key.encode()] for key in STREAMS)


class Both:
    """A connection to each."""

    def __init__(self, ports):
        self.wires = [Wire(port) for port in ports]

    def say(self, lines):
        """The replies of both, for each line."""
        for wire in self.wires:
            wire.send_raw(b"".join(encode(*line) for line in lines))
        return [[wire.frame() for wire in self.wires] for _ in lines]


def show(line):
    return " ".join(repr(word)[1:] for word in line)


@pytest.mark.parametrize("seed", SEEDS)
def test_odd_lines_are_answered_as_by_redis(programs, broker, seed):
    print(f"NARU_SEED={seed}")
    peer = redis_peer.start(programs, HeldPort(), "--stream-node-max-bytes", "0", kind=PEER)
    both = Both((peer, broker.port))
    both.say([[b"HELLO", b"%d" % (2 + seed % 2)]])
    made, differences, said = OddLines(seed), [], 0
    while said < LINES and len(differences) < 20:
        lines = [made.next() for _ in range(AT_ONCE)] + list(looks())
        said += AT_ONCE
        for line, (theirs, ours) in zip(lines, both.say(lines)):
            assert theirs and ours, f"{show(line)}: the connection was closed"
            if is_same(line, theirs, ours):
                continue
            if not is_known(line, theirs, ours):
                differences.append(f"{show(line)}\n    {PEER} {theirs}\n    naru {ours}")
            # What comes of it is no difference of its own.
            both.say([[b"FLUSHALL"]])
            break
    assert not differences, "\n".join([f"NARU_SEED={seed}", *differences])
