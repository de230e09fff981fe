"""Long bodies, long names, and what is too long: where the log takes only so much at once."""

import pytest

from harness.resp import Error, Wire
from harness.waiting import eventually

# The log's open batch counts as full from here on, and a record is never longer: `Options::batch_bytes`,
# `RECORD_BYTES_MAX`.
BATCH = 1 << 20
RECORD = 32 << 20


@pytest.fixture
def stored(naru, tmp_path):
    return naru.broker(data=tmp_path / "data")


def blocked(wire, count):
    return f"blocked_clients:{count}\r\n".encode() in wire.call("INFO", "clients")


def killed(naru, broker):
    """The same broker after a kill."""
    broker.program.kill()
    return naru.restarted(broker)


def test_who_is_woken_in_a_batch_that_fills_up_is_woken_in_order_and_nobody_is_forgotten(naru, stored):
    wire = Wire(stored.port)
    movers = [Wire(stored.port) for _ in range(24)]
    for number, mover in enumerate(movers):
        mover.send("BLMOVE", "queue", "done", "LEFT", "RIGHT", 0)
        eventually(lambda: blocked(wire, number + 1), "it does not wait")
    # Each of those that are woken records its element anew, so that a few of them fill the batch.
    elements = [b"%03d" % number + b"x" * (BATCH // 5) for number in range(20)]
    wire.send("RPUSH", "queue", *elements)
    # Asked meanwhile, by others; and one that comes late.
    late = Wire(stored.port)
    late.send("BLMOVE", "queue", "done", "LEFT", "RIGHT", 0)
    assert wire.reply() == len(elements)
    assert [mover.reply() for mover in movers[:20]] == elements
    assert wire.call("LRANGE", "done", 0, -1) == elements and wire.call("EXISTS", "queue") == 0
    eventually(lambda: blocked(wire, 5), "those for whom there was nothing do not wait")
    more = [b"more-%d" % number for number in range(5)]
    assert wire.call("RPUSH", "queue", *more) == 5
    assert [waiter.reply() for waiter in [*movers[20:], late]] == more
    wire = Wire(killed(naru, stored).port)
    assert wire.call("LRANGE", "done", 0, -1) == elements + more and wire.call("EXISTS", "queue") == 0


def test_readers_of_a_group_that_are_woken_in_a_full_batch_each_get_something_else(naru, stored):
    wire = Wire(stored.port)
    # What is delivered is recorded with the names of its consumer and its group.
    group, names = b"g" * (BATCH // 8), [b"%02d" % number + b"c" * (BATCH // 8) for number in range(16)]
    wire.call("XGROUP", "CREATE", "jobs", group, "$", "MKSTREAM")
    readers = [Wire(stored.port) for _ in names]
    for number, (reader, name) in enumerate(zip(readers, names)):
        reader.send("XREADGROUP", "GROUP", group, name, "COUNT", 1, "BLOCK", 0, "STREAMS", "jobs", ">")
        eventually(lambda: blocked(wire, number + 1), "it does not wait")
    wire.send("MULTI")
    for number in range(len(names)):
        wire.send("XADD", "jobs", f"{number + 1}-0", "n", number)
    wire.send("EXEC")
    for _ in range(len(names) + 1):
        wire.reply()
    assert len(wire.reply()) == len(names)
    got = [reader.reply() for reader in readers]
    assert [reply[0][1][0][0] for reply in got] == [b"%d-0" % (number + 1) for number in range(len(names))]
    wire = Wire(killed(naru, stored).port)
    pending = wire.call("XPENDING", "jobs", group, "-", "+", 100)
    assert [(entry[0], entry[1]) for entry in pending] == [
        (b"%d-0" % (number + 1), name) for number, name in enumerate(names)
    ]


def test_keys_with_the_longest_names_go_when_their_time_is_over(naru, stored):
    wire = Wire(stored.port)
    # Nearly a record, more than a record of expired names, and many.
    lengths = [RECORD - 1000, RECORD // 2 + 1, (1 << 20) + 1, *[1 << 20] * 8, *[70_000] * 60]
    for number, length in enumerate(lengths):
        assert wire.call("SET", b"%03d" % number + b"n" * (length - 3), "v") == b"OK", length
    for number in range(300):
        wire.call("SET", f"short-{number}", "v", "PX", 1)
    wire.call("SET", "stays", "v")
    for number, length in enumerate(lengths):
        assert wire.call("PEXPIRE", b"%03d" % number + b"n" * (length - 3), 1) == 1
    eventually(lambda: wire.call("DBSIZE") == 1, "they stay")
    wire = Wire(killed(naru, stored).port)
    assert wire.call("DBSIZE") == 1 and wire.call("GET", "stays") == b"v"


def test_what_is_too_long_for_a_record_is_not_copied_and_nothing_half(naru, stored):
    wire = Wire(stored.port)
    body, count = b"b" * (1 << 20), 33
    for number in range(count):
        wire.call("RPUSH", "list", body)
        wire.call("XADD", "stream", f"{number + 1}-0", "f", body)
    wire.call("SET", "there", "before")
    for key in ["list", "stream"]:
        for words in [["COPY", key, "copy"], ["COPY", key, "there", "REPLACE"]]:
            refused = wire.call(*words)
            assert isinstance(refused, Error), words
            assert refused.startswith("ERR what is to be stored at once has ") and str(RECORD) in refused, refused
        # In a transaction as well, whose other commands count.
        wire.send("MULTI")
        wire.send("INCR", "counter")
        wire.send("COPY", key, "copy")
        wire.send("EXEC")
        replies = [wire.reply() for _ in range(4)][3]
        assert replies[0] > 0 and isinstance(replies[1], Error), replies
    assert wire.call("EXISTS", "copy") == 0 and wire.call("GET", "there") == b"before"
    # Two less fit: what comes along with each body is little.
    wire.call("LPOP", "list", 2)
    wire.call("XTRIM", "stream", "MAXLEN", count - 2)
    for key in ["list", "stream"]:
        assert wire.call("COPY", key, f"{key}-copy") == 1
    # A name counts too.
    long = wire.call("COPY", "list", b"n" * (2 << 20))
    assert isinstance(long, Error), long
    wire = Wire(killed(naru, stored).port)
    assert sorted(wire.call("KEYS", "*")) == [b"counter", b"list", b"list-copy", b"stream", b"stream-copy", b"there"]
    assert wire.call("GET", "counter") == b"2" and wire.call("GET", "there") == b"before"
    assert wire.call("LLEN", "list-copy") == wire.call("XLEN", "stream-copy") == count - 2
    assert wire.call("LINDEX", "list-copy", 0) == wire.call("LINDEX", "list-copy", -1) == body
