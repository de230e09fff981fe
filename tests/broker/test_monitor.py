"""Watching a broker at work: MONITOR and SLOWLOG, as in Redis."""

import re

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire
from harness.waiting import eventually

SAID = [
    ("AUTH", "default", "secret"),
    ("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "x"),
    ("PUBLISH", "a", b'b"c\\\x00\xff\n\t\a z'),
    ("CLIENT", "ID"),
    ("CLIENT", "LIST"),
    ("CONFIG", "GET", "timeout"),
    ("NONSENSE",),
    ("XLEN",),
    ("XLEN", "s"),
    ("SELECT", "0"),
    ("SUBSCRIBE", "news"),
    ("COMMAND", "COUNT"),
    ("QUIT",),
]


@pytest.fixture
def redis_port(programs):
    return redis_peer.start(programs, HeldPort())


def say(port):
    """Says all of it on one connection, and waits until it has ended."""
    with Wire(port) as wire:
        for words in SAID:
            wire.send(*words)
        assert wire.is_at_end()


def without_time_and_address(line):
    assert re.fullmatch(rb'\+\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] ".*"\r\n', line), line
    return line.split(b"] ", 1)[1]


def watched(port):
    """The lines of what is said, up to a last word."""
    with Wire(port) as monitor, Wire(port) as other:
        assert monitor.call("MONITOR") == b"OK"
        say(port)
        other.call("ECHO", "the end")
        lines = []
        while b"the end" not in (line := monitor.frame()):
            lines.append(without_time_and_address(line))
        return lines


def test_a_monitor_sees_what_it_sees_in_redis_and_no_passwords(broker, redis_port):
    ours = watched(broker.port)
    assert ours == watched(redis_port)
    assert not [line for line in ours if b"secret" in line]


def test_monitors_on_all_cores_see_everybodys_commands(broker):
    monitors = [Wire(broker.port) for _ in range(4)]
    for monitor in monitors:
        assert monitor.call("MONITOR") == b"OK"
    others = [Wire(broker.port) for _ in range(4)]
    for number, other in enumerate(others):
        other.call("ECHO", f"from {number}")
    for monitor in monitors:
        seen = {without_time_and_address(monitor.frame()) for _ in others}
        assert seen == {b'"ECHO" "from %d"\r\n' % number for number in range(4)}


def test_reset_ends_monitoring(broker):
    with Wire(broker.port) as monitor, Wire(broker.port) as other:
        monitor.call("MONITOR")
        assert b"flags=O " in other.call("CLIENT", "LIST")
        assert monitor.call("RESET") == b"RESET"
        assert b"flags=O " not in other.call("CLIENT", "LIST")
        other.call("PING")
        assert monitor.call("PING") == b"PONG"


def test_a_monitor_that_never_reads_is_closed(broker):
    with Wire(broker.port, receive_buffer_bytes=4096) as monitor, Wire(broker.port) as other:
        monitor.call("MONITOR")
        before = broker.program.memory_bytes()
        highest = 0

        def is_closed():
            nonlocal highest
            for _ in range(10):
                other.call("ECHO", b"x" * 262144)
            highest = max(highest, broker.program.memory_bytes())
            return other.call("CLIENT", "LIST").count(b"\n") == 1

        eventually(is_closed, "it is not closed", within=60)
        assert highest - before < 100 << 20


def slow(port):
    """What SLOWLOG GET shows of what is said, without what varies."""
    with Wire(port) as admin:
        admin.call("CONFIG", "SET", "slowlog-log-slower-than", "0", "requirepass", "")
        say(port)
        admin.call("ECHO", b"x" * 200)
        admin.call("DEL", *[str(number) for number in range(50)])
        admin.call("CONFIG", "SET", "slowlog-log-slower-than", "-1", "requirepass", "")
        entries = admin.call("SLOWLOG", "GET", "-1")
        assert admin.call("SLOWLOG", "LEN") == len(entries)
        assert [entry[0] for entry in entries] == sorted((entry[0] for entry in entries), reverse=True)
        assert len(admin.call("SLOWLOG", "GET", "3")) == 3
        return [(entry[3], entry[5]) for entry in entries]


def test_the_slow_log_reads_as_in_redis(broker, redis_port):
    assert slow(broker.port) == slow(redis_port)


def test_latency_notes_what_is_over_the_threshold(broker):
    with Wire(broker.port) as wire:
        wire.call("CONFIG", "SET", "latency-monitor-threshold", "1")
        wire.call("PUBSUB", "NUMSUB", *map(str, range(50_000)))
        # What follows is not noted, however long it takes.
        wire.call("CONFIG", "SET", "latency-monitor-threshold", "1000000")
        [event] = [event for event in wire.call("LATENCY", "LATEST") if event[0] == b"command"]
        assert event[3] >= event[2] >= 1
        assert wire.call("LATENCY", "HISTORY", "command")[-1] == [event[1], event[2]]
        assert b"- command: " in wire.call("LATENCY", "DOCTOR")
        assert wire.call("LATENCY", "GRAPH", "command").startswith(b"command - high ")
        assert wire.call("LATENCY", "RESET", "command") == 1
        assert wire.call("LATENCY", "HISTORY", "command") == []
