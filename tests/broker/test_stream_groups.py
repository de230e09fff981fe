"""Consumer groups: who waits longest is served first, on whichever core; a worker that is killed loses nothing; what 7.2
has and the Redis at hand has not."""

import sys
import textwrap

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Error, Wire
from harness.waiting import eventually


@pytest.fixture(params=["naru", "redis"])
def port(request, programs, naru):
    return naru.broker().port if request.param == "naru" else redis_peer.start(programs, HeldPort())


@pytest.fixture
def connect():
    """Connects, and closes in the end."""
    wires = []

    def connect(port):
        wires.append(Wire(port))
        return wires[-1]

    yield connect
    for wire in wires:
        wire.close()


def waits(wire, other, *words):
    """Sends a command that waits."""
    id_ = wire.call("CLIENT", "ID")
    wire.send(*words)
    eventually(lambda: b" flags=b " in other.call("CLIENT", "LIST", "ID", id_), "it does not wait")


def read(consumer, *options):
    return ["XREADGROUP", "GROUP", "g", consumer, "BLOCK", "0", *options, "STREAMS", "s", ">"]


def test_who_waits_longest_is_served_first(port, connect):
    other = connect(port)
    other.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    # On both cores.
    consumers = [connect(port) for _ in range(6)]
    for number, wire in enumerate(consumers):
        waits(wire, other, *read(f"c{number}", "COUNT", "1"))
    for number in range(3):
        other.call("XADD", "s", f"{number + 1}-0", "f", "v")
    # What is added at once is for as many as it is enough for.
    other.call("MULTI")
    for number in range(3, 6):
        other.call("XADD", "s", f"{number + 1}-0", "f", "v")
    other.call("EXEC")
    for number, wire in enumerate(consumers):
        assert wire.reply() == [[b"s", [[b"%d-0" % (number + 1), [b"f", b"v"]]]]]
    pending = other.call("XPENDING", "s", "g", "-", "+", "10")
    assert [(id_, who) for id_, who, *_ in pending] == [(b"%d-0" % (it + 1), b"c%d" % it) for it in range(6)]


def test_readers_of_a_stream_and_of_its_groups_wait_beside_each_other(port, connect):
    other = connect(port)
    other.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    other.call("XGROUP", "CREATE", "s", "h", "$")
    wires = [connect(port) for _ in range(3)]
    waits(wires[0], other, "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    waits(wires[1], other, *read("c"))
    other.call("XGROUP", "CREATE", "t", "h", "$", "MKSTREAM")
    waits(wires[2], other, "XREADGROUP", "GROUP", "h", "c", "BLOCK", "0", "NOACK", "STREAMS", "t", "s", ">", ">")
    other.call("XADD", "s", "1-1", "f", "v")
    assert [wire.reply() for wire in wires] == [[[b"s", [[b"1-1", [b"f", b"v"]]]]]] * 3
    assert [other.call("XPENDING", "s", group)[0] for group in "gh"] == [1, 0]


@pytest.mark.parametrize("how, answer", [([], None), (["ERROR"], Error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))])
def test_a_waiting_consumer_is_let_go(port, connect, how, answer):
    other, wire = connect(port), connect(port)
    other.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waits(wire, other, *read("c"))
    assert other.call("CLIENT", "UNBLOCK", wire_id(other, b"cmd=xreadgroup"), *how) == 1
    assert wire.reply() == answer
    other.call("XADD", "s", "1-1", "f", "v")
    assert other.call("XPENDING", "s", "g")[0] == 0
    assert wire.call("PING") == b"PONG"


def wire_id(other, what):
    line = next(line for line in other.call("CLIENT", "LIST").splitlines() if what in line)
    return line.split()[0].removeprefix(b"id=")


GONE = Error("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")


@pytest.mark.parametrize("ends", [["DEL", "s"], ["XGROUP", "DESTROY", "s", "g"]], ids=lambda it: it[0])
def test_who_waits_for_a_group_that_goes_is_told(broker, connect, ends):
    other = connect(broker.port)
    other.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    wires = [connect(broker.port) for _ in range(3)]
    waits(wires[0], other, *read("a"))
    waits(wires[1], other, *read("b"))
    waits(wires[2], other, "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    other.call("XGROUP", "CREATE", "s", "another", "$")
    other.call(*ends)
    assert [wire.reply() for wire in wires[:2]] == [GONE, GONE]
    # Who reads without a group goes on waiting.
    other.call("XADD", "s", "1-1", "f", "v")
    assert wires[2].reply() == [[b"s", [[b"1-1", [b"f", b"v"]]]]]


def test_a_consumer_says_when_it_was_seen_and_when_it_got_something(broker, connect):
    wire = connect(broker.port)
    wire.call("HELLO", "3")
    wire.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    wire.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    (info,) = wire.call("XINFO", "CONSUMERS", "s", "g")
    assert info.pop(b"idle") >= 0
    assert info == {b"name": b"c", b"pending": 0, b"inactive": -1}
    wire.call("XADD", "s", "1-1", "f", "v")
    wire.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    (info,) = wire.call("XINFO", "CONSUMERS", "s", "g")
    assert info[b"pending"] == 1 and info[b"inactive"] >= 0
    (group,) = wire.call("XINFO", "STREAM", "s", "FULL")[b"groups"]
    (consumer,) = group[b"consumers"]
    assert list(consumer) == [b"name", b"seen-time", b"active-time", b"pel-count", b"pending"]
    assert consumer[b"seen-time"] == consumer[b"active-time"] == consumer[b"pending"][0][1]


WORKER = textwrap.dedent(
    """
    import sys, redis
    port, name = int(sys.argv[1]), sys.argv[2]
    client = redis.Redis(port=port, decode_responses=True)
    while True:
        for _, entries in client.xreadgroup("workers", name, {"jobs": ">"}, count=10, block=0):
            for id, fields in entries:
                # One step of the work, and its end, in one transaction.
                with client.pipeline() as step:
                    step.xadd("done", {"job": fields["job"], "by": name})
                    step.xack("jobs", "workers", id)
                    step.execute()
                print(id, flush=True)
    """
)


def test_a_worker_is_killed_and_another_finishes_what_it_had(programs, durable_broker, naru, connect):
    broker, jobs = durable_broker, 2000
    wire = connect(broker.port)
    wire.call("XGROUP", "CREATE", "jobs", "workers", "0", "MKSTREAM")
    start_worker = lambda name: programs.start(f"worker-{name}", [sys.executable, "-c", WORKER, broker.port, name])
    first = start_worker("a")
    for number in range(jobs):
        wire.call("XADD", "jobs", "*", "job", number)
        if number == jobs // 2:
            eventually(lambda: len(first.output().splitlines()) > 20, "the worker does nothing")
            first.kill()
            other = start_worker("b")
    eventually(lambda: wire.call("XINFO", "GROUPS", "jobs")[0][11] == 0, "not all was delivered")
    # The broker too: who had what is known afterwards.
    eventually(lambda: all(who == b"a" for _, who, *_ in pending(wire)), "the other worker does not finish")
    left = pending(wire)
    other.kill()
    broker.program.kill()
    wire = connect(naru.restarted(broker).port)
    # When it was delivered counts on as well.
    assert [it[:2] + it[3:] for it in pending(wire)] == [it[:2] + it[3:] for it in left]
    start = b"0"
    while True:
        start, entries, gone = wire.call("XAUTOCLAIM", "jobs", "workers", "c", "0", start, "COUNT", "3")
        assert gone == []
        for id_, (_, job) in entries:
            wire.call("MULTI")
            wire.call("XADD", "done", "*", "job", job, "by", "c")
            wire.call("XACK", "jobs", "workers", id_)
            assert wire.call("EXEC")[1] == 1
        if start == b"0-0":
            break
    assert wire.call("XPENDING", "jobs", "workers")[0] == 0
    done = [int(fields[1]) for _, fields in wire.call("XRANGE", "done", "-", "+")]
    assert sorted(done) == list(range(jobs))


def pending(wire):
    return wire.call("XPENDING", "jobs", "workers", "-", "+", "100000")
