"""What a peer may cost: nobody's slowness becomes everybody's memory."""

import threading
import time

import pytest

from harness.resp import Wire, encode
from harness.waiting import PATIENCE, eventually

MIB = 1 << 20


def publish_until(broker, reader, stop, channel="news", text=b"x" * 65536):
    """Publishes, one at a time and no faster than `reader` reads, until `stop` is true; how many."""
    with Wire(broker.port) as wire:
        count = 0
        while not stop():
            wire.call("PUBLISH", channel, text)
            count += 1
            eventually(lambda: reader.count > count - 100, "the reader is left behind")
        return count


class Reader(threading.Thread):
    """A subscriber that keeps up."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.wire = Wire(broker.port)
        self.wire.send("SUBSCRIBE", "news")
        assert self.wire.reply()[0] == b"subscribe"
        self.count = 0
        self.start()

    def run(self):
        while (frame := self.wire.frame()) and b"the end" not in frame:
            self.count += 1


def test_a_subscriber_that_never_reads_is_closed_at_its_limit_while_others_hear_all(broker):
    reader = Reader(broker)
    stalled = Wire(broker.port, receive_buffer_bytes=4096)
    stalled.send("SUBSCRIBE", "news")
    before = broker.program.memory_bytes()
    highest = 0

    def is_closed():
        nonlocal highest
        highest = max(highest, broker.program.memory_bytes())
        with Wire(broker.port) as wire:
            return wire.call("PUBSUB", "NUMSUB", "news")[1] == 1

    eventually(lambda: not is_closed(), "the stalled subscriber was not counted")
    # 32 MiB in pieces of 64 KiB, and what the kernel takes.
    count = publish_until(broker, reader, is_closed)
    assert 500 < count < 1500
    assert highest - before < 100 * MIB
    with Wire(broker.port) as wire:
        assert wire.call("PUBLISH", "news", "the end") == 1
    reader.join(PATIENCE)
    assert reader.count == count
    assert stalled.is_at_end()


def test_many_stalled_subscribers_of_a_large_message_share_it(broker):
    stalled = []
    for _ in range(50):
        stalled.append(Wire(broker.port, receive_buffer_bytes=4096))
        stalled[-1].send("SUBSCRIBE", "news")
        assert stalled[-1].reply()[0] == b"subscribe"
    before = broker.program.memory_bytes()
    with Wire(broker.port) as wire:
        for _ in range(20):
            assert wire.call("PUBLISH", "news", b"x" * MIB) == 50
        wire.call("PING")
    eventually(lambda: broker.program.memory_bytes() < before + 64 * MIB, "20 MiB cost 50 times what they should")


def test_a_publisher_that_never_reads_its_replies_is_no_longer_read(broker):
    before = broker.program.memory_bytes()
    with Wire(broker.port, receive_buffer_bytes=4096) as wire:
        wire.socket.settimeout(1)
        piece = encode("ECHO", b"x" * 4096) * 64
        sent = 0
        # The kernel takes some MiB on both sides; beyond that nobody takes more.
        with pytest.raises(TimeoutError):
            while sent < 256 * MIB:
                sent += wire.socket.send(piece)
        assert sent < 64 * MIB
        assert broker.program.memory_bytes() < before + 32 * MIB
        with Wire(broker.port) as other:
            assert other.call("PING") == b"PONG"


def test_replies_that_were_not_read_come_when_they_are(broker):
    with Wire(broker.port, receive_buffer_bytes=4096) as wire:
        asked = 20_000
        sending = threading.Thread(
            target=lambda: wire.socket.sendall(b"".join(encode("ECHO", f"{number:0>400}") for number in range(asked)))
        )
        sending.start()
        for number in range(asked):
            assert wire.reply() == b"%0400d" % number
        sending.join()


def test_a_bulk_that_is_announced_and_not_sent_costs_nothing(broker):
    before = broker.program.memory_bytes()
    wires = []
    for _ in range(100):
        wires.append(Wire(broker.port))
        wires[-1].send_raw(b"*2\r\n$4\r\nECHO\r\n$536870912\r\nx")
    with Wire(broker.port) as wire:
        assert wire.call("PING") == b"PONG"
    assert broker.program.memory_bytes() < before + 20 * MIB


def test_arguments_that_are_announced_and_not_sent_cost_nothing(broker):
    before = broker.program.memory_bytes()
    wires = []
    for _ in range(100):
        wires.append(Wire(broker.port))
        wires[-1].send_raw(b"*1048576\r\n$4\r\nECHO\r\n")
    with Wire(broker.port) as wire:
        assert wire.call("PING") == b"PONG"
    assert broker.program.memory_bytes() < before + 20 * MIB


def test_many_idle_connections_cost_little(broker):
    before = broker.program.memory_bytes()
    wires = [Wire(broker.port) for _ in range(500)]
    for wire in wires:
        assert wire.call("PING") == b"PONG"
    assert broker.program.memory_bytes() < before + 500 * 32 * 1024


def test_an_idle_broker_uses_no_processor(durable_broker):
    with Wire(durable_broker.port) as wire:
        wire.send("SUBSCRIBE", "news")
        wire.reply()
        with Wire(durable_broker.port) as other:
            other.call("XADD", "s", "*", "f", "v")
        before, until = durable_broker.program.cpu_seconds(), time.monotonic() + 3
        eventually(lambda: time.monotonic() > until, "time stands still", within=10)
        assert durable_broker.program.cpu_seconds() - before < 0.3


def test_a_blocked_reader_that_goes_away_leaves_nothing(broker):
    with Wire(broker.port) as wire:
        for _ in range(200):
            with Wire(broker.port) as blocked:
                blocked.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        eventually(lambda: wire.call("CLIENT", "LIST").count(b"\n") == 1, "connections that ended are still there")
        assert wire.call("XADD", "s", "1-1", "f", "v") == b"1-1"


def test_more_commands_than_may_wait_for_the_disk_are_all_answered_in_order(durable_broker):
    """Fills what leads to the keeper and what is owed to each client: their sockets are read no further meanwhile."""
    clients, commands = 6, 6_000
    wires = [Wire(durable_broker.port) for _ in range(clients)]
    before = durable_broker.program.memory_bytes()
    senders = []
    for index, wire in enumerate(wires):
        ask = b"".join(encode("XADD", f"s{index}", f"{number + 1}-1", "f", "v") for number in range(commands))
        senders.append(threading.Thread(target=wire.send_raw, args=(ask,), daemon=True))
        wire.socket.settimeout(60)
    for sender in senders:
        sender.start()
    for wire in wires:
        replies = [wire.reply(within=60) for _ in range(commands)]
        assert replies == [b"%d-1" % (number + 1) for number in range(commands)]
        wire.close()
    for sender in senders:
        sender.join(PATIENCE)
    assert durable_broker.program.memory_bytes() - before < 64 * MIB
