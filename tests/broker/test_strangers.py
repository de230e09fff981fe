"""What those may take who have not signed in, who come from one address, and all clients together."""

import contextlib
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from harness.resp import Wire, encode
from harness.waiting import PATIENCE, eventually

PASSWORD = "correct horse"
KIB = 1 << 10
MIB = 1 << 20


@pytest.fixture
def closed(naru):
    """A broker with a password, and somebody who knows it."""
    broker = naru.broker("--requirepass", PASSWORD)
    with Wire(broker.port) as wire:
        assert wire.call("AUTH", PASSWORD) == b"OK"
        yield broker, wire


def set_to(wire, *parameters):
    assert wire.call("CONFIG", "SET", *parameters) == b"OK"


def test_who_does_not_sign_in_in_time_is_closed_and_who_does_is_not(closed):
    broker, admin = closed
    set_to(admin, "auth-timeout", "1")

    def signed_in():
        wire = Wire(broker.port)
        with contextlib.suppress(ConnectionError):
            wire.send("AUTH", PASSWORD)
            return wire.frame() == b"+OK\r\n" and wire

    # Who is held up that long is too late, and comes again.
    known = eventually(signed_in, "nobody is in time")
    with known, Wire(broker.port) as silent, Wire(broker.port) as talkative:
        # Half a command is no sign of who it is.
        talkative.send_raw(b"*2\r\n$4\r\nAUTH\r\n$13\r\ncorrect")
        assert silent.is_at_end() and talkative.is_at_end()
        assert known.call("PING") == b"PONG"


def test_strangers_have_a_share_of_maxclients_and_the_oldest_gives_way(closed):
    broker, admin = closed
    set_to(admin, "maxclients", "200")
    strangers = []

    def another():
        strangers.append(Wire(broker.port))
        return strangers[-1].call("PING")

    try:
        assert all(another().startswith("NOAUTH") for _ in range(20))
        assert strangers[0].call("PING").startswith("NOAUTH")
        assert another().startswith("NOAUTH")
        assert strangers[0].is_at_end()
        assert strangers[1].call("AUTH", PASSWORD) == b"OK"
    finally:
        for stranger in strangers:
            stranger.close()


def test_each_wrong_password_takes_longer_and_the_fifth_ends_it(closed):
    broker, _ = closed
    with Wire(broker.port) as wire:
        times = []
        for _ in range(4):
            # Before it is refused: from then on it waits, whenever that is read here.
            asked = time.monotonic()
            assert wire.call("AUTH", "wrong").startswith("WRONGPASS")
            assert wire.call("PING").startswith("NOAUTH")
            times.append(time.monotonic() - asked)
        assert all(took >= 0.09 * 2**number for number, took in enumerate(times)), times
        wire.send("AUTH", "wrong")
        assert wire.is_at_end()


def test_a_stranger_that_does_not_read_is_sent_64_kib_at_most(closed):
    broker, _ = closed
    before = broker.program.memory_bytes()
    with Wire(broker.port, receive_buffer_bytes=4 * KIB) as stranger:
        stranger.call("PING")
        ask = encode("PING") * 1000

        def is_closed():
            try:
                stranger.send_raw(ask)
            except (ConnectionError, TimeoutError):
                return True
            return False

        stranger.socket.settimeout(1)
        eventually(is_closed, "a stranger is sent without end")
    assert broker.program.memory_bytes() - before < 2 * MIB


def test_an_address_has_as_many_connections_as_it_may(broker):
    with Wire(broker.port) as admin:
        set_to(admin, "maxclients-per-address", "3")
        with Wire(broker.port) as first, Wire(broker.port) as second, Wire(broker.port) as third:
            assert first.call("PING") == second.call("PING") == b"PONG"
            # Those that were here before the limit do not count.
            assert third.call("PING") == b"PONG"
            with Wire(broker.port) as fourth:
                assert fourth.is_at_end()

        def has_room():
            with Wire(broker.port) as wire:
                try:
                    wire.send("PING")
                    return wire.frame() == b"+PONG\r\n"
                except ConnectionError:
                    return False

        eventually(has_room, "places of those who left are not free")


def test_an_address_opens_as_many_connections_a_second_as_it_may(broker):
    with Wire(broker.port) as admin:
        set_to(admin, "accept-rate-per-address", "5")
        began = time.monotonic()
        answered = 0
        for _ in range(40):
            with Wire(broker.port) as wire:
                try:
                    wire.send("PING")
                    answered += wire.frame() == b"+PONG\r\n"
                except ConnectionError:
                    pass
        seconds = time.monotonic() - began
        assert 5 <= answered <= 5 * (int(seconds) + 2)


def test_clients_that_take_too_much_together_lose_the_largest(broker):
    with Wire(broker.port) as admin, Wire(broker.port) as small, Wire(broker.port) as large, Wire(broker.port) as kept:
        assert kept.call("CLIENT", "NO-EVICT", "on") == b"OK"
        for wire, bytes_sent in ((small, 64 * KIB), (large, 3 * MIB), (kept, 4 * MIB)):
            wire.call("PING")
            wire.send_raw(b"*2\r\n$4\r\nPING\r\n$%d\r\n" % (8 * MIB) + b"x" * bytes_sent)
        set_to(admin, "maxmemory-clients", "5mb")
        assert large.is_at_end()
        eventually(lambda: b"evicted_clients:1\r\n" in admin.call("INFO", "stats"), "it is not counted")
        # Its reply alone would be too much.
        set_to(admin, "maxmemory-clients", "0")
        small.send_raw(b"x" * (8 * MIB - 64 * KIB) + b"\r\n")
        kept.send_raw(b"x")
        assert small.frame().startswith(b"$%d\r\n" % (8 * MIB))
        assert not kept.is_at_end(within=0.2)


@pytest.mark.parametrize("subscribe", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_what_a_client_is_subscribed_to_is_its_memory(broker, subscribe):
    with Wire(broker.port) as admin, Wire(broker.port) as small, Wire(broker.port) as large:
        set_to(admin, "maxmemory-clients", "1mb")
        small.call(subscribe, "x" * 1000)
        # It may be closed in the middle of them.
        with contextlib.suppress(OSError):
            for number in range(20):
                large.send(subscribe, *(f"{number}-{at}-".ljust(1000, "x") for at in range(100)))
        assert large.is_at_end()
        assert b"evicted_clients:1\r\n" in admin.call("INFO", "stats")
        admin.call("PUBLISH", "c", "x")
        assert small.call(subscribe, "y")[2] == 2


def test_a_limit_that_was_lifted_closes_nobody_any_more(broker):
    with Wire(broker.port) as admin, Wire(broker.port) as silent:
        silent.call("PING")
        idle = lambda: re.search(rb" idle=(\d+) .* cmd=ping ", admin.call("CLIENT", "LIST"))[1]
        eventually(lambda: int(idle()) >= 2, "it is not idle")
        # In one write: no look comes between.
        admin.send_raw(b"".join(encode("CONFIG", "SET", "timeout", seconds) for seconds in (1, 0)))
        assert admin.reply() == admin.reply() == b"OK"
        # Longer than it takes to look again.
        admin.call("XREAD", "BLOCK", "1200", "STREAMS", "s", "$")
        assert silent.call("PING") == b"PONG"


def test_more_connections_than_wait_to_be_accepted_wait_outside(broker):
    """Those that fit are served when it comes to them."""
    backlog, sockets = 1024, []
    process = broker.program.process
    process.send_signal(signal.SIGSTOP)
    threads = Path(f"/proc/{process.pid}/task")
    try:
        eventually(lambda: all(") T " in (it / "stat").read_text() for it in threads.iterdir()), "it goes on")
        while len(sockets) <= backlog + 64:
            outside = socket.socket()
            outside.settimeout(0.3)
            try:
                outside.connect(("127.0.0.1", broker.port))
            except TimeoutError:
                outside.close()
                break
            sockets.append(outside)
    finally:
        process.send_signal(signal.SIGCONT)
    assert backlog <= len(sockets) <= backlog + 1
    for inside in sockets:
        inside.settimeout(PATIENCE)
        inside.sendall(encode("PING"))
        assert inside.recv(7) == b"+PONG\r\n"
        inside.close()


def test_a_pattern_has_a_length_and_a_client_a_number_of_them(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as other:
        assert "1024 bytes" in wire.call("PSUBSCRIBE", "ok", "x" * 1025)
        assert other.call("PUBSUB", "NUMPAT") == 0
        assert wire.call("PSUBSCRIBE", "x" * 1024)[2] == 1
        wire.send("PSUBSCRIBE", *(f"p{number}" for number in range(16 * KIB)))
        assert "patterns" in wire.reply()
        assert other.call("PUBSUB", "NUMPAT") == 1


@pytest.mark.timeout(120)
def test_a_pattern_made_to_be_slow_holds_nobody_up(broker):
    with Wire(broker.port) as subscriber, Wire(broker.port) as publisher:
        subscriber.call("PSUBSCRIBE", "*a" * 500 + "b")
        name = "a" * 20_000
        assert publisher.call("PUBLISH", name, "x") == 0
        assert publisher.call("PING") == b"PONG"


def test_a_half_command_costs_what_was_sent_and_no_more(broker):
    """Within twice the bytes received and 64 KiB for a connection, whatever was announced."""
    count, sent = 50, 200 * KIB
    idle = [Wire(broker.port) for _ in range(count)]
    try:
        for wire in idle:
            wire.call("PING")
        before = broker.program.memory_bytes()
        for wire in idle:
            wire.send_raw(b"*1048576\r\n" + b"$1\r\nx\r\n" * (sent // 7))
        for wire in idle:
            wire.send_raw(b"$536870912\r\n" + b"y" * 1000)
        with Wire(broker.port) as admin:

            def is_received():
                said = admin.call("INFO", "stats").decode()
                fields = dict(line.split(":", 1) for line in said.split("\r\n") if ":" in line)
                return int(fields["total_net_input_bytes"]) >= count * sent // 7 * 7

            eventually(is_received, "it was not all received")
        grown = broker.program.memory_bytes() - before
        assert grown <= count * (2 * (sent + 2 * KIB) + 64 * KIB), grown
    finally:
        for wire in idle:
            wire.close()


@pytest.mark.parametrize("words", ["DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "MODULE LOAD /x.so", "REPLICAOF h 1", "EVAL x 0"])
def test_what_could_do_harm_does_not_exist(broker, words):
    with Wire(broker.port) as wire:
        assert wire.call(*words.split()).startswith("ERR unknown command")
        for name in ("dir", "dbfilename", "logfile", "aclfile"):
            assert wire.call("CONFIG", "SET", name, "/tmp/x").startswith("ERR")
