"""Channels that keep their publications: killed under load, and beside everything else that a broker has."""

import threading

from harness.resp import Error, Wire, encode
from harness.waiting import eventually

HOUR = 3_600_000
KEEP = ("SIZE", 65_536, "TTL", HOUR, "META", HOUR)


class Publisher(threading.Thread):
    """Publishes numbers on a channel, some at a time, each once, until the connection ends; keeps the answers."""

    WINDOW = 16

    def __init__(self, port, channel, name):
        super().__init__(daemon=True)
        self.wire, self.channel, self.name_ = Wire(port), channel, name
        self.sent, self.answers = 0, []
        self.start()

    def command(self, number):
        once = f"{self.name_}-{number}"
        return ("NARU.CHANNEL.PUBLISH", self.channel, once, *KEEP, "ONCE", once, HOUR)

    def run(self):
        try:
            while True:
                while self.sent - len(self.answers) < self.WINDOW:
                    self.wire.send_raw(encode(*self.command(self.sent)))
                    self.sent += 1
                self.answers.append(self.wire.reply())
        except (OSError, AssertionError):
            # What was cut off does not count as answered.
            return


class Listener(threading.Thread):
    """Hears a channel until the connection ends."""

    def __init__(self, port, channel):
        super().__init__(daemon=True)
        self.wire, self.heard = Wire(port), []
        self.wire.call("SUBSCRIBE", channel)
        self.start()

    def run(self):
        try:
            while True:
                self.heard.append(split(self.wire.reply()[2]))
        except (OSError, AssertionError):
            return


def split(message):
    """Offset, epoch and payload of what was heard."""
    line, payload = message.split(b"\n", 1)
    mark, offset, epoch = line.split(b":")
    assert mark == b"naru"
    return int(offset), epoch, payload


def read(wire, channel):
    return wire.call("NARU.CHANNEL.HISTORY", channel, "META", HOUR)


def test_what_was_answered_or_heard_outlives_sigkill_at_its_offset(naru, tmp_path):
    broker, there, epoch = naru.broker("--fsync", "always", data=tmp_path / "data"), {}, None
    for round_, enough in enumerate((100, 1500, 500, 3000)):
        listener = Listener(broker.port, "room")
        publishers = [Publisher(broker.port, "room", f"{name}{round_}") for name in "ab"]
        eventually(lambda: sum(len(it.answers) for it in publishers) >= enough, "too few answers", within=60)
        broker.program.kill()
        for thread in [listener, *publishers]:
            thread.join()
        broker = naru.restarted(broker)
        with Wire(broker.port) as wire:
            top, now, publications = read(wire, "room")
            kept = {offset: payload for offset, payload in publications}
            assert list(kept) == list(range(1, top + 1)), "offsets have no gap"
            assert len(set(kept.values())) == len(kept), "nothing is there twice"
            assert epoch in (None, now), "the epoch is the same one"
            epoch = now
            assert there.items() <= kept.items(), "what was there stays at its offset"
            offsets = [offset for offset, _, _ in listener.heard]
            assert offsets == list(range(len(there) + 1, len(there) + 1 + len(offsets))), "it is heard in its order"
            for offset, its, payload in listener.heard:
                assert (its, kept.get(offset)) == (epoch, payload), f"{payload} was heard"
            for publisher in publishers:
                for number, (_, offset, its, repeat) in enumerate(publisher.answers):
                    assert (its, repeat) == (epoch, 0)
                    assert kept.get(offset) == f"{publisher.name_}-{number}".encode(), f"{number} was answered"
                # Sent again, answered before or not, it is there once.
                for number in range(max(0, len(publisher.answers) - 5), publisher.sent):
                    _, offset, _, repeat = wire.call(*publisher.command(number))
                    assert repeat == (offset <= top)
            _, _, publications = read(wire, "room")
            there = {offset: payload for offset, payload in publications}
            assert len(set(there.values())) == len(there)
    assert broker.program.terminate() == 0
    assert naru.run("doctor", "verify", tmp_path / "data").returncode == 0


def test_below_always_a_run_that_was_not_ended_in_order_begins_an_epoch(naru, tmp_path):
    broker = naru.broker("--fsync", "everysec", data=tmp_path / "data")
    with Wire(broker.port) as wire:
        _, first, epoch, _ = wire.call("NARU.CHANNEL.PUBLISH", "room", "a", *KEEP)
    assert broker.program.terminate() == 0
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert wire.call("NARU.CHANNEL.PUBLISH", "room", "b", *KEEP)[1:3] == [first + 1, epoch]
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        top, other, publications = read(wire, "room")
        assert (top, publications) == (0, []) and other != epoch, "the newest may be missing"


def test_no_command_about_keys_sees_it(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        wire.call("NARU.CHANNEL.PUBLISH", "room", "hi", *KEEP)
        assert wire.call("DBSIZE") == 0 and wire.call("KEYS", "*") == [] and wire.call("SCAN", 0)[1] == []
        assert wire.call("TYPE", "room") == b"none"
        wire.call("SET", "room", "a key")
        assert wire.call("FLUSHALL") == b"OK"
        assert read(wire, "room")[2] == [[1, b"hi"]]
    assert broker.program.terminate() == 0
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert read(wire, "room")[2] == [[1, b"hi"]]


def test_in_a_transaction_it_is_heard_and_answered_with_the_rest(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire, Wire(broker.port) as other:
        other.call("SUBSCRIBE", "room")
        wire.call("MULTI")
        wire.call("SET", "k", "v")
        wire.call("NARU.CHANNEL.PUBLISH", "room", "one", *KEEP)
        wire.call("PUBLISH", "room", "plain")
        wire.call("NARU.CHANNEL.PUBLISH", "room", "two", *KEEP)
        wire.call("NARU.CHANNEL.HISTORY", "room", "META", HOUR, "LIMIT", 1, "REVERSE")
        ok, one, plain, two, (top, epoch, last) = wire.call("EXEC")
        assert (ok, plain, top, last) == (b"OK", 1, 2, [[2, b"two"]])
        assert (one, two) == ([1, 1, epoch, 0], [1, 2, epoch, 0])
        heard = [other.reply()[2] for _ in range(3)]
        assert split(heard[0]) == (1, epoch, b"one") and heard[1] == b"plain" and split(heard[2]) == (2, epoch, b"two")


def test_a_user_needs_the_right_to_the_channel(naru):
    broker = naru.broker()
    with Wire(broker.port) as wire:
        wire.call("ACL", "SETUSER", "gateway", "on", ">secret", "resetchannels", "&public:*", "+@naru", "+publish")
        wire.call("AUTH", "gateway", "secret")
        enter = ("NARU.CHANNEL.ENTER", "s", "e")
        for channel, is_allowed in (("public:a", True), ("naru:control", False)):
            for command in (
                ("NARU.CHANNEL.PUBLISH", channel, "hi", *KEEP),
                ("NARU.CHANNEL.HISTORY", channel, "META", HOUR),
                ("NARU.CHANNEL.REMOVE", channel),
                (*enter, channel, "c", "", ""),
                ("NARU.CHANNEL.LEAVE", "s", "e", channel, "c"),
                ("NARU.CHANNEL.PRESENCE", channel),
                ("NARU.CHANNEL.STATS", channel),
            ):
                reply = wire.call(*command)
                is_refused = isinstance(reply, Error) and str(reply).startswith("NOPERM")
                assert is_refused != is_allowed, f"{command}: {reply}"


def test_what_is_said_wrongly_is_refused_and_what_there_is_is_counted(naru):
    broker = naru.broker("--set", "channel-count-max=2", "--set", "channel-bytes-max=10")
    with Wire(broker.port) as wire:

        def refused(*command):
            reply = wire.call(*command)
            assert isinstance(reply, Error), reply
            return str(reply)

        publish = ("NARU.CHANNEL.PUBLISH", "room")
        assert refused(*publish, "hi", "SIZE", 1, "TTL", 0, "META", 1) == "INVALID TTL is 1 to 316224000000 milliseconds"
        assert refused(*publish, "hi", "SIZE", 1, "TTL", 1, "TTL", 1, "META", 1) == "INVALID TTL stands there twice"
        assert refused(*publish, "hi", "SIZE", 65_537, "TTL", 1, "META", 1) == "INVALID SIZE is at most 65536"
        assert refused("NARU.CHANNEL.HISTORY", "room", "SINCE", 1) == "INVALID META has to be said"
        assert "512 bytes" in refused("NARU.CHANNEL.REMOVE", "x" * 513)
        assert refused("NARU.CHANNEL.PUBLISH", "room", "hi").startswith("ERR wrong number of arguments")
        for payload in ("12345678", "1234", "56"):
            wire.call(*publish, payload, *KEEP)
        assert [payload for _, payload in read(wire, "room")[2]] == [b"1234", b"56"], "the oldest make room"
        history = ("NARU.CHANNEL.HISTORY", "room", "META", HOUR, "BYTES")
        assert wire.call(*history, 5)[2] == [[2, b"1234"]] and wire.call(*history, 6, "REVERSE")[2][1] == [2, b"1234"]
        assert wire.call(*history, 0, "REVERSE")[2] == [[3, b"56"]], "one at least"
        wire.call("NARU.CHANNEL.PUBLISH", "other", "x" * 100, *KEEP, "ONCE", "k", HOUR)
        full = refused("NARU.CHANNEL.PUBLISH", "third", "hi", *KEEP)
        assert full.startswith("OOM no more than 2 channels are kept: raise channel-count-max")
        wire.call("NARU.SERVER", "s", "e", "")
        wire.call("NARU.CHANNEL.ENTER", "s", "e", "room", "c", "", "{}")
        assert wire.call("NARU.CHANNEL.PRESENCE", "room") == [[b"c", b"", b"{}"]]
        assert wire.call("NARU.CHANNEL.STATS", "room") == [1, 1]
        lines = wire.call("INFO", "channels").decode().split("\r\n")
        counts = dict(line.split(":") for line in lines if ":" in line)
        assert [counts[name] for name in ("channels", "channel_publications", "channel_bytes")] == ["2", "3", "106"]
        assert [counts[name] for name in ("channel_once", "channel_present")] == ["1", "1"]
        assert (counts["channel_count_max"], counts["channel_bytes_max"]) == ("2", "10")
        with Wire(broker.port) as gone:
            gone.call("NARU.SERVER", "t", "e", "")
            gone.call("NARU.CHANNEL.ENTER", "t", "e", "room", "d", "u", "")
            assert wire.call("NARU.CHANNEL.STATS", "room") == [2, 2]
        eventually(lambda: wire.call("NARU.CHANNEL.STATS", "room") == [1, 1], "a server's end ends presence")
