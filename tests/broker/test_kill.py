"""Killed at any moment, many times over, under load from many connections: nothing acknowledged is lost, or there twice.

`NARU_KILL_ROUNDS` and `NARU_KILL_SEED` choose how often, and which way; both are said in a failure.
"""

import os
import random
import secrets

import pytest

from harness.history import Ack, Add, Delete, Group, History, Increment, Pop, Push, Read, State, Trim, check
from harness.load import connections, known_commands, make_groups, read_all, shorten
from harness.naru import logged
from harness.waiting import eventually

ROUNDS = int(os.environ.get("NARU_KILL_ROUNDS", 50))
SEED = os.environ.get("NARU_KILL_SEED") or secrets.token_hex(4)
# Answers before the kill, at most.
ANSWERS_MAX = 10_000
# Every so many rounds the broker acknowledges before the disk has it: SIGKILL takes nothing of that either.
EVERYSEC_EACH = 7


def killed_while_it_starts(naru, broker, chance):
    """The same broker, started and killed before or soon after it is ready."""
    program = naru.start("broker", "broker", "--port", broker.port, *broker.arguments)
    looks = iter(range(chance.randrange(1, 12)))
    eventually(lambda: next(looks, None) is None or logged(program, "the broker is ready"), "it does not start")
    assert program.is_running(), program.log()
    program.kill()


def life(naru, broker, history, seed, round_, enough):
    """One life of the broker under load, to its violent end; how much it answered."""
    knows = known_commands(broker.port)
    shorten(broker.port, history, longest=800, kept=200)
    workers = list(connections(broker.port, history, seed, round_, knows))
    for worker in workers:
        worker.start()

    def is_enough():
        return sum(worker.answers for worker in workers) >= enough or any(worker.failure for worker in workers)

    eventually(is_enough, "too few answers", within=60)
    broker.program.kill()
    for worker in workers:
        worker.join()
        worker.wire.close()
    assert not [worker.failure for worker in workers if worker.failure]
    return sum(worker.answers for worker in workers)


def check_whole(naru, folder):
    """A kill tears the end of the log, and damages nothing."""
    done = naru.run("doctor", "verify", folder, within=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_acknowledged_is_lost_or_twice_however_often_it_is_killed(naru, tmp_path):
    print(f"NARU_KILL_ROUNDS={ROUNDS} NARU_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    history, answers, checkpoints, emptied = History(), 0, 0, 0
    broker = naru.broker("--fsync", "always", data=tmp_path / "data")
    make_groups(broker.port, history)
    for round_ in range(3 * ROUNDS):
        # A kill often comes before a checkpoint is written: it goes on until there were some.
        if round_ >= ROUNDS and (ROUNDS < 50 or checkpoints >= 5):
            break
        answers += life(naru, broker, history, SEED, round_, chance.randrange(ANSWERS_MAX))
        checkpoints += broker.program.log().count("checkpoint written")
        emptied += broker.program.log().count("segments of the log emptied")
        if chance.random() < 0.2:
            check_whole(naru, tmp_path / "data")
        if chance.random() < 0.25:
            killed_while_it_starts(naru, broker, chance)
        level = "everysec" if round_ % EVERYSEC_EACH == EVERYSEC_EACH - 1 else "always"
        broker.arguments[broker.arguments.index("--fsync") + 1] = level
        broker = naru.restarted(broker)
        complaints = history.look(read_all(broker.port, known_commands(broker.port)))
        assert not complaints, f"round {round_} of seed {SEED}: {len(complaints)} complaints, {complaints[:20]}"
    segments = sorted(path.name for path in (tmp_path / "data").rglob("*.seg"))
    print(f"{answers} answers, {checkpoints} checkpoints, {emptied} times emptied, segments {segments}")
    if ROUNDS >= 50:
        assert checkpoints >= 5, "kills go by checkpoints"
        assert segments[0] != "0000000000000001.seg", "space came back"
    assert broker.program.terminate() == 0
    check_whole(naru, tmp_path / "data")


def test_the_end_of_the_log_is_missed_if_it_is_gone(naru, tmp_path):
    """What a disk does that lies about what it has synced; to the broker it looks like a write that was torn."""
    history = History()
    broker = naru.broker("--fsync", "always", data=tmp_path / "data")
    make_groups(broker.port, history)
    life(naru, broker, history, SEED, 0, 2000)
    segment = max(path for path in (tmp_path / "data").rglob("*.seg") if path.read_bytes().rstrip(b"\0"))
    data = segment.read_bytes()
    # More than the frame that was under way can have, which nobody was told of.
    segment.write_bytes(data.rstrip(b"\0")[:-1_500_000].ljust(len(data), b"\0"))
    broker = naru.restarted(broker)
    complaints = history.look(read_all(broker.port, known_commands(broker.port)))
    assert any("was answered" in text and "is missing" in text for text in complaints), complaints[:20]


# The checker is checked: what follows is made up.


def add(number, id_=None, key="s", process="w", at=None, maxlen=None, keys=None):
    """An XADD, answered with this id or, without one, not at all."""
    keys = keys or (key,)
    start = float(number if at is None else at)
    done = {} if id_ is None else {"end": start + 0.5, "reply": [id_] * len(keys)}
    return Add(process, start, keys=keys, number=number, maxlen=maxlen, **done)


def entry(number, id_, process="w", is_intact=True):
    return id_, (process, number), is_intact


def answered(kind, reply, **more):
    return kind("c", 0.0, 1.0, reply, **more)


def unanswered(kind, **more):
    return kind("c", 0.0, **more)


A, B, C = (1, 0), (2, 0), (3, 0)
TWO = State({"s": [entry(0, A), entry(1, B)]})
READ = {"key": "s", "group": "g", "consumer": "one"}
ACK = {"key": "s", "group": "g"}


def grouped(last, pending=None, streams=TWO.streams):
    return State(streams, {("s", "g"): Group(last, pending or {})})


GOOD = {
    "all was answered and is there": (State(), [add(0, A), add(1, B)], TWO),
    "what was not answered is there": (State(), [add(0, A), add(1)], TWO),
    "what was not answered is not there": (State(), [add(0, A), add(1)], State({"s": [entry(0, A)]})),
    "deleted, answered or not": (
        TWO,
        [answered(Delete, 1, key="s", id=A), unanswered(Delete, key="s", id=B)],
        State({"s": []}),
    ),
    "trimmed without an answer": (TWO, [unanswered(Trim, key="s", minid=B)], State({"s": [entry(1, B)]})),
    "the oldest went for the newest": (TWO, [add(2, C, maxlen=2)], State({"s": [entry(1, B), entry(2, C)]})),
    "read and acknowledged": (
        grouped((0, 0)),
        [answered(Read, [(A, ("w", 0)), (B, ("w", 1))], **READ), answered(Ack, 1, ids=(A,), **ACK)],
        grouped(B, {B: "one"}),
    ),
    "read without an answer": (grouped((0, 0)), [unanswered(Read, **READ)], grouped(B, {A: "one", B: "one"})),
    "acknowledged without an answer": (grouped(A, {A: "one"}), [unanswered(Ack, ids=(A,), **ACK)], grouped(A)),
    "pushed and popped": (
        State(lists={"l": [("w", 0), ("w", 1)]}),
        [answered(Pop, ("w", 0), key="l"), unanswered(Pop, key="l"), unanswered(Push, key="l", number=2)],
        State(lists={"l": [("c", 2)]}),
    ),
    "counted": (State(counters={"n": 1}), [answered(Increment, 2, key="n"), unanswered(Increment, key="n")], State(counters={"n": 3})),
}

BAD = {
    "an answered entry is missing": (State(), [add(0, A), add(1, B)], State({"s": [entry(0, A)]})),
    "a known entry is missing": (TWO, [], State({"s": [entry(1, B)]})),
    "a stream is missing": (TWO, [], State()),
    "an entry is there twice": (State(), [add(0, A)], State({"s": [entry(0, A), entry(0, B)]})),
    "an entry is elsewhere than answered": (State(), [add(0, A)], State({"s": [entry(0, B)]})),
    "ids do not rise": (State(), [add(0), add(1)], State({"s": [entry(0, B), entry(1, A)]})),
    "a new entry is before a known one": (
        State({"s": [entry(0, B)]}),
        [add(1)],
        State({"s": [entry(1, A), entry(0, B)]}),
    ),
    "a body is damaged": (State(), [add(0, A)], State({"s": [entry(0, A, is_intact=False)]})),
    "an entry was never sent": (State(), [], State({"s": [entry(0, A)]})),
    "an entry comes back after a look without it": (State({"s": []}), [], State({"s": [entry(0, A)]})),
    "a known entry is another one now": (TWO, [], State({"s": [entry(0, A), entry(7, B)]})),
    "a connection's entries have a hole": (State(), [add(0), add(1)], State({"s": [entry(1, B)]})),
    "ids are not in the order of the answers": (
        State(),
        [add(0, B, at=0), add(1, A, at=5, process="v")],
        State({"s": [entry(1, A, process="v"), entry(0, B)]}),
    ),
    "half a transaction": (State(), [add(0, keys=("s", "t"))], State({"s": [entry(0, A)]})),
    "a deleted entry is back": (TWO, [answered(Delete, 1, key="s", id=A)], TWO),
    "a deleted entry was not found": (TWO, [answered(Delete, 0, key="s", id=A)], State({"s": [entry(1, B)]})),
    "a trimmed entry is back": (TWO, [answered(Trim, 1, key="s", minid=B)], TWO),
    "trimming took too much": (TWO, [answered(Trim, 1, key="s", minid=B)], State({"s": []})),
    "a cap took too much": (TWO, [add(2, C, maxlen=2)], State({"s": [entry(2, C)]})),
    "a cap did not hold": (State(), [add(0, A, maxlen=1), add(1, B, maxlen=1)], TWO),
    "a group is gone": (grouped(A), [], TWO),
    "a group went back": (grouped(B), [], grouped(A)),
    "a group is behind what was read": (
        grouped((0, 0)),
        [answered(Read, [(A, ("w", 0)), (B, ("w", 1))], **READ)],
        grouped(A, {A: "one"}),
    ),
    "a pending entry is lost": (grouped(A, {A: "one"}), [], grouped(A)),
    "a pending entry has another owner": (grouped(A, {A: "one"}), [], grouped(A, {A: "two"})),
    "an acknowledged entry is pending again": (
        grouped(A, {A: "one"}),
        [answered(Ack, 1, ids=(A,), **ACK)],
        grouped(A, {A: "one"}),
    ),
    "an acknowledgement did not find its entry": (
        grouped(A, {A: "one"}),
        [answered(Ack, 0, ids=(A,), **ACK)],
        grouped(A),
    ),
    "an entry is delivered twice": (
        grouped((0, 0)),
        [answered(Read, [(A, ("w", 0))], **READ), answered(Read, [(A, ("w", 0))], **READ)],
        grouped(A, {A: "one"}),
    ),
    "an entry is delivered again after a look": (
        grouped(A),
        [answered(Read, [(A, ("w", 0))], **READ)],
        grouped(A, {A: "one"}),
    ),
    "an entry is delivered as another": (
        grouped((0, 0)),
        [answered(Read, [(A, ("w", 1))], **READ)],
        grouped(A, {A: "one"}),
    ),
    "an entry was delivered to nobody": (grouped((0, 0)), [unanswered(Read, **READ)], grouped(B, {B: "one"})),
    "an entry is pending for who did not read": (grouped((0, 0)), [], grouped(A, {A: "one"})),
    "an entry is pending beyond the last": (grouped((0, 0)), [unanswered(Read, **READ)], grouped(A, {B: "one"})),
    "an element is popped twice": (
        State(lists={"l": [("w", 0)]}),
        [answered(Pop, ("w", 0), key="l"), answered(Pop, ("w", 0), key="l")],
        State(lists={"l": []}),
    ),
    "a popped element is back": (
        State(lists={"l": [("w", 0)]}),
        [answered(Pop, ("w", 0), key="l")],
        State(lists={"l": [("w", 0)]}),
    ),
    "a pushed element is missing": (State(), [answered(Push, 1, key="l", number=0)], State(lists={"l": []})),
    "an element was never pushed": (State(), [], State(lists={"l": [("w", 0)]})),
    "elements have changed places": (
        State(lists={"l": [("w", 0), ("w", 1)]}),
        [],
        State(lists={"l": [("w", 1), ("w", 0)]}),
    ),
    "the wrong end was popped": (
        State(lists={"l": [("w", 0), ("w", 1)]}),
        [unanswered(Pop, key="l")],
        State(lists={"l": [("w", 0)]}),
    ),
    "pushed elements are not in their order": (
        State(),
        [unanswered(Push, key="l", number=0), unanswered(Push, key="l", number=1)],
        State(lists={"l": [("c", 1), ("c", 0)]}),
    ),
    "a counter went back": (State(counters={"n": 5}), [], State(counters={"n": 4})),
    "a counter lost what it answered": (State(), [answered(Increment, 1, key="n")], State()),
    "a counter counted twice": (State(), [answered(Increment, 1, key="n")], State(counters={"n": 2})),
    "a counter answered twice the same": (
        State(),
        [answered(Increment, 1, key="n"), answered(Increment, 1, key="n")],
        State(counters={"n": 2}),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_the_checker_takes(case):
    assert list(check(*GOOD[case])) == []


@pytest.mark.parametrize("case", BAD)
def test_the_checker_sees_that(case):
    assert list(check(*BAD[case]))
