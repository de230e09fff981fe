"""Transactions: all or nothing, for readers, for subscribers and for a crash. What each command answers is compared with
Redis in transcripts/transactions.txt."""

import re
import socket
import threading
import time

import pytest
import redis

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Error, Wire, encode, frame_end
from harness.waiting import PATIENCE, eventually


def pipeline(*commands):
    """Commands in one write."""
    return b"".join(encode(*command) for command in commands)


def transaction(*commands):
    return pipeline(["MULTI"], *commands, ["EXEC"])


def executed(wire, *commands):
    """The reply to EXEC of these commands."""
    wire.send_raw(transaction(*commands))
    assert [wire.reply() for _ in range(len(commands) + 1)] == [b"OK"] + [b"QUEUED"] * len(commands)
    return wire.reply()


@pytest.mark.parametrize("resp", [2, 3])
def test_what_a_client_publishes_to_itself_comes_after_the_reply(broker, resp):
    with Wire(broker.port) as wire:
        if resp == 3:
            wire.call("HELLO", 3)
        subscribed = [b"subscribe", b"c", 1]
        # In Redis's form, which a parser of replies takes for one element.
        assert executed(wire, ["SUBSCRIBE", "c"], ["PUBLISH", "c", "first"]) == [subscribed, 1]
        assert wire.reply() == [b"message", b"c", b"first"]
        assert wire.call("UNSUBSCRIBE", "c") == [b"unsubscribe", b"c", 0]
        assert executed(wire, ["XADD", "s", "*", "f", "v"], ["SUBSCRIBE", "c"], ["PUBLISH", "c", "second"])[1:] == [subscribed, 1]
        assert wire.reply() == [b"message", b"c", b"second"]


def test_what_a_resp3_subscriber_publishes_to_itself_comes_after_the_reply(broker):
    with Wire(broker.port) as wire:
        wire.call("HELLO", 3)
        wire.call("SUBSCRIBE", "c")
        for stored in ([], [["XADD", "s", "*", "f", "v"]]):
            assert executed(wire, *stored, ["PUBLISH", "c", "x"], ["PUBLISH", "c", "y"])[-2:] == [1, 1]
            assert [wire.reply()[2] for _ in range(2)] == [b"x", b"y"]


def test_publications_of_transactions_come_in_the_order_of_what_they_store(broker):
    count, writers = 200, 4

    def write(name):
        with Wire(broker.port) as wire:
            for number in range(count):
                text = f"{name}:{number}"
                id_, receivers = executed(wire, ["XADD", "s", "*", "text", text], ["PUBLISH", "c", text])
                assert receivers == 1, id_

    with Wire(broker.port) as subscriber, Wire(broker.port) as reader:
        subscriber.call("SUBSCRIBE", "c")
        threads = [threading.Thread(target=write, args=[name]) for name in range(writers)]
        for thread in threads:
            thread.start()
        heard = [subscriber.reply()[2] for _ in range(count * writers)]
        for thread in threads:
            thread.join()
        assert heard == [fields[1] for _, fields in reader.call("XRANGE", "s", "-", "+")]


def test_nobody_sees_half_of_a_transaction(broker):
    done, seen = threading.Event(), set()

    def write():
        written, until = 0, time.monotonic() + PATIENCE
        with Wire(broker.port) as wire:
            while written < 300 or len(seen) < 3 and time.monotonic() < until:
                executed(wire, ["XADD", "a", "*", "f", "v"], ["PING"], ["XADD", "b", "*", "f", "v"])
                written += 1
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    with Wire(broker.port) as wire:
        while not done.is_set():
            a, b = executed(wire, ["XLEN", "a"], ["XLEN", "b"])
            assert a == b
            seen.add(a)
    writer.join()
    assert len(seen) >= 3


def test_watching_makes_increments_that_are_not_lost(broker):
    """Each client reads a count, and adds one if nobody else has meanwhile."""
    count, clients = 60, 4
    tries = []

    def add():
        with Wire(broker.port) as wire:
            added = 0
            while added < count:
                wire.call("WATCH", "count")
                entries = wire.call("XREVRANGE", "count", "+", "-", "COUNT", 1)
                now = int(entries[0][1][1]) if entries else 0
                reply = executed(wire, ["XADD", "count", "MAXLEN", 1, "*", "n", now + 1])
                tries.append(reply)
                added += reply is not None

    threads = [threading.Thread(target=add) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Wire(broker.port) as wire:
        [[_, fields]] = wire.call("XRANGE", "count", "-", "+")
        assert int(fields[1]) == count * clients
    assert None in tries, "they came in each other's way"


def line_of(wire, id_):
    line = wire.call("CLIENT", "LIST", "ID", id_).decode()
    return dict(field.split("=", 1) for field in line.split())


def test_client_list_shows_who_is_in_a_transaction(broker):
    with Wire(broker.port) as one, Wire(broker.port) as other:
        id_ = one.call("CLIENT", "ID")
        shown = lambda: tuple(line_of(other, id_)[field] for field in ("flags", "multi"))
        assert shown() == ("N", "-1")
        one.call("WATCH", "s")
        one.call("MULTI")
        assert shown() == ("x", "0")
        one.call("PING")
        one.call("CLIENT", "INFO")
        assert shown() == ("x", "2")
        other.call("XADD", "s", "*", "f", "v")
        assert shown() == ("xd", "2")
        assert one.call("EXEC") is None
        assert shown() == ("N", "-1")
        info = executed(one, ["CLIENT", "INFO"], ["XLEN", "s"])[0].decode()
        assert " flags=x " in info and " multi=2 " in info and " cmd=exec " in info
        one.call("MULTI")
        one.call("DISCARD")
        assert shown() == ("N", "-1")


def test_client_list_shows_the_transaction_that_is_open_while_another_is_being_stored(durable_broker):
    with Wire(durable_broker.port) as one, Wire(durable_broker.port) as other:
        id_ = one.call("CLIENT", "ID")
        one.send_raw(transaction(["XADD", "s", "*", "f", "v"]) + pipeline(["MULTI"], ["XLEN", "s"]))
        assert len([one.reply() for _ in range(5)]) == 5
        line = line_of(other, id_)
        assert (line["flags"], line["multi"]) == ("x", "1")
        assert one.call("EXEC") == [1]


def test_who_wants_no_replies_is_counted_all_the_same(broker):
    with Wire(broker.port) as wire:
        wire.send("CLIENT", "REPLY", "OFF")
        wire.send_raw(transaction(["XADD", "s", "nonsense", "f", "v"], ["XADD", "s", "1-1", "f", "v"], ["XADD", "s", "1-1", "f", "v"]))
        assert wire.call("CLIENT", "REPLY", "ON") == b"OK"
        lines = wire.call("INFO", "commandstats", "errorstats").decode()
        assert re.search(r"cmdstat_xadd:calls=3,.*,failed_calls=2", lines) and "errorstat_ERR:count=2" in lines


def test_a_connection_that_ends_in_a_transaction_leaves_nothing(broker):
    with Wire(broker.port) as other:
        for ending in (b"", transaction(["PING"])[:-4]):
            with Wire(broker.port) as wire:
                id_ = wire.call("CLIENT", "ID")
                wire.call("WATCH", "s")
                wire.send_raw(pipeline(["MULTI"], ["XADD", "s", "1-1", "f", "v"]) + ending)
                assert [wire.reply(), wire.reply()] == [b"OK", b"QUEUED"]
            eventually(lambda: other.call("CLIENT", "LIST", "ID", id_) == b"", "still listed")
            assert other.call("EXISTS", "s") == 0


def test_exec_is_answered_to_a_client_that_has_said_all_it_had_to_say(durable_broker):
    """As `printf … | nc`: the end of the input comes before the answer."""
    with Wire(durable_broker.port) as wire:
        commands = [["XADD", "s", "*", "f", "v"], ["PUBLISH", "c", "m"], ["CLIENT", "SETNAME", "x"]]
        wire.send_raw(transaction(*commands) + encode("CLIENT", "GETNAME"))
        wire.socket.shutdown(socket.SHUT_WR)
        replies = [wire.reply() for _ in range(6)]
        assert replies[-2][1:] == [0, b"OK"] and replies[-1] == b"x"
        assert wire.is_at_end()


@pytest.mark.parametrize("stored", [[], [["XADD", "s", "*", "f", "v"]]], ids=["live", "stored"])
def test_who_ends_itself_in_a_transaction_gets_the_whole_reply_first(broker, stored):
    """Redis executes all of it too, but cuts its reply off behind the end."""
    with Wire(broker.port) as wire, Wire(broker.port) as other:
        other.call("SUBSCRIBE", "c")
        id_ = wire.call("CLIENT", "ID")
        commands = [*stored, ["CLIENT", "KILL", "ID", id_, "SKIPME", "no"], ["PUBLISH", "c", "after"], ["PING"]]
        wire.send_raw(transaction(*commands) + encode("PUBLISH", "c", "too late"))
        replies = [wire.reply() for _ in range(len(commands) + 2)]
        assert replies[-1][-3:] == [1, 1, b"PONG"]
        assert wire.is_at_end()
        assert other.reply() == [b"message", b"c", b"after"]
        assert other.call("PING") == [b"pong", b""]


@pytest.mark.parametrize("stored", [[], [["XADD", "s", "*", "f", "v"]]], ids=["live", "stored"])
def test_too_many_wrong_passwords_in_a_transaction_end_the_connection(broker, stored):
    with Wire(broker.port) as wire:
        wrong = [["AUTH", "nobody", "wrong"]] * 5
        replies = executed(wire, *stored, *wrong)
        assert all(reply.startswith("WRONGPASS") for reply in replies[-5:]) and len(replies) == len(stored) + 5
        assert wire.is_at_end()


def test_replies_cannot_be_turned_off_inside(broker):
    """In Redis the reply to EXEC then has fewer elements than it says."""
    refused = Error("ERR Command not allowed inside a transaction")
    with Wire(broker.port) as wire:
        assert executed(wire, ["CLIENT", "REPLY", "OFF"], ["CLIENT", "REPLY", "SKIP"], ["PING"]) == [refused] * 2 + [b"PONG"]
        assert wire.call("PING") == b"PONG"


@pytest.fixture
def redis_port(programs):
    return redis_peer.start(programs, HeldPort())


READS = [["XREAD", "STREAMS", "s", "0"], ["XREAD", "STREAMS", "t", "0"]]


@pytest.mark.parametrize(
    "hello",
    [
        ["HELLO", "3"],
        ["HELLO", "3", "SETNAME", "x"],
        ["HELLO", "3", "SETNAME", "two words"],
        ["HELLO", "3", "SETNAME"],
        ["HELLO", "3", "AUTH", "default", "any"],
        ["HELLO", "3", "AUTH", "nobody", "any"],
        ["HELLO", "3", "NONSENSE"],
        ["HELLO", "7"],
        ["HELLO", "x"],
        ["HELLO"],
    ],
    ids=" ".join,
)
def test_hello_inside_changes_how_what_is_behind_it_is_written(broker, redis_port, hello):
    frames = []
    for port in (broker.port, redis_port):
        with Wire(port) as wire:
            # What HELLO itself answers differs: it is taken out.
            wire.send(*hello)
            said = wire.frame()
            wire.call("HELLO", "2")
            wire.send("XADD", "s", "1-1", "f", "v")
            wire.frame()
            frames.append([])
            for hellos in ([hello], [hello, ["HELLO", "2"]], [["HELLO", "3"], hello]):
                wire.call("RESET")
                commands = [command for it in hellos for command in [*READS, it, *READS]]
                wire.send_raw(transaction(*commands, *READS))
                for _ in range(len(commands) + len(READS) + 1):
                    wire.frame()
                reply = wire.frame()
                frames[-1].append([part for part in elements(reply) if b"server" not in part])
            assert said
    assert frames[0] == frames[1]


def elements(frame):
    """The frames of which an array is made."""
    start = frame.index(b"\r\n") + 2
    found = []
    while start < len(frame):
        end = frame_end(frame, start)
        found.append(frame[start:end])
        start = end
    return found


def test_a_client_that_is_closed_meanwhile_loses_no_half_of_its_transaction(durable_broker):
    """Its core's part comes after the keeper's: here what is published, since it subscribes too."""
    rounds = 60
    with Wire(durable_broker.port) as other, Wire(durable_broker.port) as listener:
        listener.call("SUBSCRIBE", "c")
        for number in range(rounds):
            with Wire(durable_broker.port) as wire:
                id_ = wire.call("CLIENT", "ID")
                wire.send_raw(transaction(["XADD", "s", "*", "n", number], ["SUBSCRIBE", "own"], ["PUBLISH", "c", number]))
                # So that it comes before, in the middle, or behind.
                for _ in range(number % 6):
                    other.call("PING")
                other.call("CLIENT", "KILL", "ID", id_)
                assert wire.is_at_end()
        heard = []

        def all_is_heard_and_stored():
            """The last one may be on its way when this one looks."""
            stored = [fields[1] for _, fields in other.call("XRANGE", "s", "-", "+")]
            while len(heard) < len(stored):
                heard.append(listener.reply()[2])
            other.call("PUBLISH", "c", "the end")
            heard.extend(iter(lambda: listener.reply()[2], b"the end"))
            return sorted(heard) == sorted(stored)

        eventually(all_is_heard_and_stored, lambda: f"heard {heard}")


def shown(port):
    """What a monitor sees of transactions, executed and not."""
    with Wire(port) as monitor, Wire(port) as wire, Wire(port) as other:
        monitor.call("MONITOR")
        wire.call("WATCH", "s")
        other.call("XADD", "s", "1-1", "f", "v")
        commands = [["PING"], ["XADD", "s", "1-2", "f", "v"], ["PUBLISH", "c", "m"], ["XLEN", "s"], ["CLIENT", "SETNAME", "x"]]
        assert executed(wire, *commands) is None
        assert len(executed(wire, *commands)) == len(commands)
        assert len(executed(wire, ["PING"], ["CONFIG", "GET", "timeout"])) == 2
        for words in (["exec"], ["MULTI"], ["NONSENSE"], ["EXEC"], ["MULTI"], ["exec", "x"]):
            wire.call(*words)
        other.call("ECHO", "the end")
        lines = []
        while b"the end" not in (line := monitor.frame()):
            lines.append(line.split(b"] ", 1)[1])
        return lines


def test_a_monitor_sees_what_is_executed_and_nothing_else(broker, redis_port):
    assert shown(broker.port) == shown(redis_port)


def counted(port):
    with Wire(port) as wire, Wire(port) as other:
        wire.call("CONFIG", "RESETSTAT")
        wire.call("WATCH", "s")
        other.call("XADD", "s", "1-1", "f", "v")
        commands = [
            ["PING"], ["XADD", "s", "1-1", "f", "v"], ["XADD", "s", "nonsense", "f", "v"], ["PUBLISH", "c", "m"],
            ["SELECT", "99"], ["AUTH", "nobody", "x"], ["XLEN", "s"],
        ]  # fmt: skip
        assert executed(wire, *commands) is None
        assert len(executed(wire, *commands)) == len(commands)
        lines = wire.call("INFO", "commandstats", "errorstats").decode().split("\r\n")
        # Without the times.
        return {re.sub(r"usec.*,rejected", "rejected", line) for line in lines if line and not line.startswith("#")}


def test_what_is_executed_is_counted_with_its_errors_and_nothing_else(broker, redis_port):
    assert counted(broker.port) == counted(redis_port)


def test_exec_without_having_signed_in(naru):
    broker = naru.broker("--requirepass", "secret")
    with Wire(broker.port) as wire:
        for command in ("MULTI", "DISCARD", "WATCH", "UNWATCH"):
            assert wire.call(command, *(["s"] if command == "WATCH" else [])) == Error("NOAUTH Authentication required.")
        abort = Error("EXECABORT Transaction discarded because of: NOAUTH Authentication required.")
        assert wire.call("EXEC") == abort
        wire.call("AUTH", "default", "secret")
        wire.call("MULTI")
        assert wire.call("RESET") == b"RESET"
        assert wire.call("EXEC") == abort


def test_a_transaction_that_is_too_large_for_a_record_leaves_out_what_does_not_fit(durable_broker, naru):
    """Each command by itself is refused or kept, as if the disk were full for it; the rest is done, and kept."""
    half = b"x" * (17 << 20)
    with Wire(durable_broker.port) as wire:
        replies = executed(
            wire,
            ["XADD", "s", "1-1", "f", half],
            ["XADD", "s", "2-1", "f", half],
            ["XADD", "s", "3-1", "f", "small"],
            ["NARU.SEND", "dm:alice:bob", "alice", "m1", "{}"],
            ["XLEN", "s"],
        )
        assert replies[0] == b"1-1" and replies[2] == b"3-1" and replies[4] == 2
        assert replies[1].startswith("ERR what is to be stored at once has")
        assert replies[3][0] == 1
    durable_broker.program.kill()
    broker = naru.restarted(durable_broker)
    with Wire(broker.port) as wire:
        assert [id_ for id_, _ in wire.call("XRANGE", "s", "-", "+")] == [b"1-1", b"3-1"]
        assert len(wire.call("NARU.RESUME", "bob", "phone", "", 0, 10)[6]) == 1


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_uses_pipelines_and_watches(broker, protocol):
    with redis.Redis(port=broker.port, protocol=protocol) as client, redis.Redis(port=broker.port) as other:
        with client.pipeline() as pipeline:
            id_, length, receivers = pipeline.xadd("s", {"a": "1"}).xlen("s").publish("c", "m").execute()
            assert (length, receivers) == (1, 0) and client.xrange("s")[0][0] == id_
        with client.pipeline() as pipeline:
            pipeline.watch("s")
            other.xadd("s", {"a": "2"})
            pipeline.multi()
            pipeline.xadd("s", {"a": "3"})
            with pytest.raises(redis.WatchError):
                pipeline.execute()
        assert client.xlen("s") == 2

        def double(pipeline):
            length = pipeline.xlen("s")
            pipeline.multi()
            for _ in range(length):
                pipeline.xadd("s", {"a": "4"})

        assert len(client.transaction(double, "s")) == 2
        with client.pipeline() as pipeline, pytest.raises(redis.ResponseError, match="unknown command"):
            pipeline.xadd("s", {"a": "5"}).execute_command("NONSENSE").execute()
        assert client.xlen("s") == 4


class Writer(threading.Thread):
    """Sends numbered transactions, a few at a time, until the connection ends; counts the answers."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.wire, self.name_ = Wire(port), name
        self.sent, self.answered = 0, 0
        self.start()

    def run(self):
        try:
            while True:
                while self.sent - self.answered < 8:
                    commands = entries_in_two_streams(self.name_, self.sent)
                    self.wire.send_raw(transaction(*commands))
                    self.sent += 1
                frames = [self.wire.frame() for _ in range(len(commands) + 2)]
                if not all(frames):
                    return
                self.answered += 1
        except (OSError, AssertionError):
            # Cut off inside a reply: it does not count as answered.
            return


def entries_in_two_streams(name, number):
    fields = ["who", name, "n", number]
    return [
        ["XADD", "a", "*", *fields],
        ["PUBLISH", "told", f"{name} {number}"],
        ["XADD", "b", "*", *fields],
        ["XADD", f"own:{name}", "*", *fields],
        ["DEL", f"own:{name}"],
        ["NARU.SEND", "dm:alice:bob", "alice", f"{name}-{number}", "{}"],
    ]


def test_sigkill_leaves_all_of_a_transaction_or_nothing(naru, tmp_path):
    broker, lives = naru.broker(data=tmp_path / "data"), []
    for round_, answers in enumerate((40, 300, 120, 600)):
        listener = Wire(broker.port)
        listener.call("SUBSCRIBE", "told")
        writers = [Writer(broker.port, f"w{round_}{which}") for which in "xyz"]
        lives += writers
        eventually(lambda: sum(writer.answered for writer in writers) >= answers, "too few answers")
        broker.program.kill()
        for writer in writers:
            writer.join()
        heard = []
        while frame := listener.frame():
            heard.append(frame)
        broker = naru.restarted(broker)
        with Wire(broker.port) as wire:
            a, b = ([tuple(fields[1::2]) for _, fields in wire.call("XRANGE", stream, "-", "+")] for stream in "ab")
            assert a == b, "both streams have the same transactions, in the same order"
            assert len(set(a)) == len(a)
            for writer in lives:
                mine = [int(number) for who, number in a if who.decode() == writer.name_]
                assert mine == list(range(len(mine))), "in its order, without a hole"
                assert writer.answered <= len(mine) <= writer.sent, "what was answered is there"
                assert wire.call("EXISTS", f"own:{writer.name_}") == 0
            sent = wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)[2]
            assert sent == len(a), "the inbox has one message for each"
            for frame in heard:
                who, number = frame.split(b"\r\n")[-2].split()
                assert (who, number) in a, "nobody was told of what is not there"
