"""What CONFIG SET changes takes effect."""

import time

import pytest

from harness.resp import Wire, encode
from harness.waiting import eventually

MIB = 1 << 20


@pytest.fixture
def admin(broker):
    with Wire(broker.port) as wire:
        yield wire


def test_who_comes_when_there_are_maxclients_is_told_and_closed(broker, admin):
    assert admin.call("CONFIG", "SET", "maxclients", "3") == b"OK"
    with Wire(broker.port) as second, Wire(broker.port) as third:
        assert (second.call("PING"), third.call("PING")) == (b"PONG", b"PONG")
        with Wire(broker.port) as fourth:
            assert fourth.frame() == b"-ERR max number of clients reached\r\n"
            assert fourth.is_at_end()
        assert b"rejected_connections:1\r\n" in admin.call("INFO", "stats")

    def has_room():
        with Wire(broker.port) as wire:
            wire.send("PING")
            return wire.frame() == b"+PONG\r\n"

    eventually(has_room, "places of those who left are not free")


def test_a_silent_client_is_closed_after_the_timeout_and_a_subscriber_is_not(broker, admin):
    with Wire(broker.port) as silent, Wire(broker.port) as subscriber, Wire(broker.port) as blocked:
        silent.call("PING")
        subscriber.call("SUBSCRIBE", "news")
        blocked.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        # A subscriber itself, so that it is not closed if it is held up.
        admin.call("HELLO", "3")
        admin.call("SUBSCRIBE", "mine")
        assert admin.call("CONFIG", "SET", "timeout", "1") == b"OK"
        eventually(lambda: admin.call("CLIENT", "LIST").count(b"\n") == 3, "the silent one is not closed")
        assert silent.is_at_end()
        assert admin.call("PUBLISH", "news", "x") == 1
        assert subscriber.reply()[2] == b"x"
        admin.call("XADD", "s", "1-1", "f", "v")
        assert blocked.reply()


def test_who_speaks_is_not_idle(broker, admin):
    assert admin.call("CONFIG", "SET", "timeout", "1") == b"OK"

    def goes_on():
        end = time.monotonic() + 3
        with Wire(broker.port) as wire:
            while time.monotonic() < end:
                wire.send("PING")
                if wire.frame() != b"+PONG\r\n":
                    return False
                # As somebody speaks now and then; if that is held up for a second, it begins again.
                time.sleep(0.05)
        return True

    eventually(goes_on, "who speaks is closed")


def test_a_lower_output_limit_holds_for_those_who_are_subscribed_already(broker, admin):
    with Wire(broker.port, receive_buffer_bytes=4096) as stalled:
        stalled.call("SUBSCRIBE", "news")
        assert admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0") == b"OK"
        for _ in range(20):
            admin.call("PUBLISH", "news", b"x" * MIB)
        eventually(lambda: admin.call("PUBLISH", "news", "x") == 0, "it is not closed")


def test_an_output_limit_for_normal_clients_closes_who_does_not_read(broker, admin):
    assert admin.call("CONFIG", "SET", "client-output-buffer-limit", "normal 64kb 0 0") == b"OK"
    with Wire(broker.port, receive_buffer_bytes=4096) as wire:
        number = wire.call("CLIENT", "ID")
        echo = encode("ECHO", b"x" * 16384)

        def is_closed():
            try:
                wire.send_raw(echo * 16)
            except OSError:
                pass
            return admin.call("CLIENT", "LIST", "ID", str(number)) == b""

        eventually(is_closed, "it is not closed")


def test_arguments_may_be_as_long_as_set(broker, admin):
    assert admin.call("CONFIG", "SET", "proto-max-bulk-len", "1mb") == b"OK"
    with Wire(broker.port) as wire:
        assert wire.call("ECHO", b"x" * MIB) == b"x" * MIB
        wire.send_raw(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (MIB + 1))
        assert wire.frame() == b"-ERR Protocol error: invalid bulk length\r\n"
        assert wire.is_at_end()


def test_a_command_longer_than_the_query_buffer_closes_its_client(broker, admin):
    assert admin.call("CONFIG", "SET", "client-query-buffer-limit", "1mb") == b"OK"
    with Wire(broker.port) as wire:
        wire.send_raw(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (4 * MIB))
        try:
            wire.send_raw(b"x" * 2 * MIB)
        except OSError:
            pass
        assert wire.is_at_end()


def test_a_password_that_is_set_holds_for_those_who_come(broker, admin):
    assert admin.call("CONFIG", "SET", "requirepass", "secret") == b"OK"
    assert admin.call("PING") == b"PONG"
    with Wire(broker.port) as wire:
        wire.send("PING")
        assert wire.frame() == b"-NOAUTH Authentication required.\r\n"
        assert wire.call("AUTH", "secret") == b"OK"
        assert wire.call("PING") == b"PONG"
