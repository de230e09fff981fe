"""Acknowledged means kept: SIGKILL under load, and what is there afterwards."""

import json
import threading

import pytest

from harness.resp import Error, Wire, decode, encode
from harness.waiting import eventually

WINDOW = 16


class Writer(threading.Thread):
    """Sends numbered commands, a few at a time, until the connection ends; keeps the answers."""

    def __init__(self, port, name, command):
        super().__init__(daemon=True)
        self.wire = Wire(port)
        self.name_, self.command = name, command
        self.sent, self.answers = 0, []
        self.start()

    def run(self):
        try:
            while True:
                while self.sent - len(self.answers) < WINDOW:
                    self.wire.send_raw(encode(*self.command(self.name_, self.sent)))
                    self.sent += 1
                frame = self.wire.frame()
                if not frame:
                    return
                self.answers.append(frame)
        except (OSError, AssertionError):
            # Cut off inside a reply: it does not count as answered.
            return

    def answered(self):
        """What was answered, by number."""
        return {number: decode(frame) for number, frame in enumerate(self.answers)}


def xadd(stream):
    return lambda name, number: ("XADD", stream, "*", "who", name, "n", number)


def send(sender, recipient):
    chat = "dm:" + ":".join(sorted((sender, recipient)))
    return lambda name, number: ("NARU.SEND", chat, sender, f"{name}-{number}", json.dumps({"n": number}))


def ack(user):
    """A device that acknowledges what it is sure to have."""
    return lambda name, number: ("NARU.ACK", user, "phone", number // 4)


def all_entries(wire, stream):
    """A stream's entries as (id, who, number)."""
    found = []
    for id_, fields in wire.call("XRANGE", stream, "-", "+"):
        found.append((tuple(int(part) for part in id_.split(b"-")), fields[1].decode(), int(fields[3])))
    return found


def index(wire, user):
    """What has come to a user, as a device is told that has acknowledged nothing: (from, head, count) by conversation."""
    more, rows = wire.call("NARU.CHANGED", user, "archive", 0, 256)
    assert not more
    return {name.decode(): (after, head, count) for name, after, head, count, *_ in rows}


def history(wire, user, conversation):
    """A whole conversation, oldest first."""
    pages, before, more = [], 0, 1
    while more:
        _, _, more, page = wire.call("NARU.HISTORY", conversation, user, "BEFORE", before, 256)
        page = sorted((json.loads(entry) for entry in page), key=lambda entry: entry["seq"])
        pages[:0] = page
        before = pages[0]["seq"] if pages else 0
    return pages


class Life:
    """One life of the broker: what was written in it."""

    def __init__(self, port, round_):
        def start(kind, command):
            return Writer(port, f"{kind}-{round_}", command)

        self.streams = [
            start("a", xadd("own:a")),
            start("b", xadd("own:b")),
            start("c", xadd("both")),
            start("d", xadd("both")),
        ]
        self.sends = [
            start("e", send("alice", "bob")),
            start("f", send("alice", "bob")),
            start("g", send("carol", "bob")),
        ]
        self.acks = start("h", ack("bob"))

    def count(self):
        return sum(len(writer.answers) for writer in [*self.streams, *self.sends])

    def join(self):
        for writer in [*self.streams, *self.sends, self.acks]:
            writer.join()


def check_streams(wire, lives):
    for stream, places in (("own:a", [0]), ("own:b", [1]), ("both", [2, 3])):
        entries = all_entries(wire, stream)
        ids = [id_ for id_, _, _ in entries]
        assert ids == sorted(set(ids)), "ids are in order, and each is there once"
        by_text = {(who, number): id_ for id_, who, number in entries}
        assert len(by_text) == len(entries), "nothing is there twice"
        for life in lives:
            for writer in (life.streams[place] for place in places):
                for number, id_ in writer.answered().items():
                    given = tuple(int(part) for part in id_.split(b"-"))
                    assert by_text.get((writer.name_, number)) == given, f"{writer.name_} {number} was answered"
                mine = [number for _, who, number in entries if who == writer.name_]
                assert mine == list(range(len(mine))), "a connection's entries are in its order, without a hole"


def check_messages(wire, lives):
    by_id, total, received = {}, 0, index(wire, "bob")
    for conversation, user in (("dm:alice:bob", "alice"), ("dm:bob:carol", "carol")):
        logged = history(wire, user, conversation)
        numbers = list(range(1, len(logged) + 1))
        assert [entry["seq"] for entry in logged] == numbers == [entry["count"] for entry in logged]
        assert received[conversation] == (0, len(logged), len(logged)), "the inbox has all of the log"
        by_id |= {(entry["from"], entry["id"]): entry for entry in logged}
        total += len(logged)
    assert len(by_id) == total, "nothing is there twice"
    assert wire.call("NARU.RESUME", "bob", "archive", "", 0, 1)[2] == total, "each has its number in the inbox"
    for life in lives:
        for writer, sender in zip(life.sends, ("alice", "alice", "carol")):
            for number, (seq, at, prev, count, repeat, *_) in writer.answered().items():
                entry = by_id[sender, f"{writer.name_}-{number}"]
                assert (entry["seq"], entry["at"], entry["prev"], entry["count"]) == (seq, at, prev, count)
                assert entry["body"] == {"n": number} and not repeat


def check_repeats(wire, life):
    """Everything is sent again, answered before or not: each is stored once."""
    before = sum(count for _, _, count in index(wire, "bob").values())
    unanswered = 0
    for writer in life.sends:
        answered = writer.answered()
        for number in range(max(0, len(answered) - 20), writer.sent):
            reply = wire.call(*writer.command(writer.name_, number))
            if number in answered:
                assert reply[:5] == [*answered[number][:4], 1], "a repeat gets the first answer"
            elif not reply[4]:
                unanswered += 1
    assert sum(count for _, _, count in index(wire, "bob").values()) == before + unanswered


def test_what_was_answered_outlives_sigkill_once_and_in_order(naru, tmp_path):
    broker, lives, cursor, epoch = naru.broker(data=tmp_path / "data"), [], 0, None
    with Wire(broker.port) as wire:
        # A device that never acknowledges anything holds the whole inbox.
        wire.call("NARU.RESUME", "bob", "archive", "", 0, 1)
    for round_, answers in enumerate((150, 2500, 700, 4000)):
        life = Life(broker.port, round_)
        lives.append(life)
        eventually(lambda: life.count() >= answers, lambda: f"only {life.count()} answers")
        broker.program.kill()
        life.join()
        broker = naru.restarted(broker)
        with Wire(broker.port) as wire:
            check_streams(wire, lives)
            check_messages(wire, lives)
            now, at, head, *_ = wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)
            cursor = max([cursor, *life.acks.answered().values()])
            assert cursor <= at <= head, "an answered cursor does not go back"
            assert epoch in (None, now), "the inbox is the same one"
            epoch = now
            check_repeats(wire, life)
            assert wire.call("NARU.ACK", "bob", "phone", 0) == at


def test_a_restart_in_order_keeps_everything(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        wire.send_raw(b"".join(encode("XADD", "s", f"{number}-0", "n", number) for number in range(1, 1001)))
        for _ in range(1000):
            wire.reply()
        assert wire.call("XDEL", "s", "500-0") == 1
        assert wire.call("XTRIM", "s", "MINID", "101") == 100
        wire.call("XADD", "gone", "1-1", "f", "v")
        assert wire.call("DEL", "gone") == 1
        wire.call("XADD", "empty", "7-7", "f", "v")
        wire.call("XTRIM", "empty", "MAXLEN", 0)
    assert broker.program.terminate() == 0
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        ids = [id_ for id_, _ in wire.call("XRANGE", "s", "-", "+")]
        assert ids == [b"%d-0" % number for number in range(101, 1001) if number != 500]
        assert wire.call("EXISTS", "gone", "empty") == 1
        refused = wire.call("XADD", "empty", "7-7", "f", "v")
        assert isinstance(refused, Error), "ids go on where they were"


def test_a_broker_in_memory_starts_empty(naru):
    broker = naru.broker()
    with Wire(broker.port) as wire:
        wire.call("XADD", "s", "1-1", "f", "v")
        epoch = wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)[0]
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert wire.call("EXISTS", "s") == 0
        assert wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)[0] != epoch


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_tail_is_cut_off_and_said_so(naru, tmp_path, cut):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        for number in range(1, 11):
            wire.call("XADD", "s", f"{number}-0", "n", number)
    broker.program.kill()
    segment = max((tmp_path / "data").rglob("*.seg"), key=lambda path: len(path.read_bytes().rstrip(b"\0")))
    data = segment.read_bytes()
    whole = data.rstrip(b"\0")
    segment.write_bytes(whole[:-cut].ljust(len(data), b"\0"))
    broker = naru.restarted(broker)
    assert "incomplete" in broker.program.log()
    with Wire(broker.port) as wire:
        ids = [id_ for id_, _ in wire.call("XRANGE", "s", "-", "+")]
        assert ids == [b"%d-0" % number for number in range(1, len(ids) + 1)]
        assert len(ids) >= 9
