"""CLIENT UNBLOCK: a blocked reader is let go, on whichever core it is, as by Redis."""

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire
from harness.waiting import eventually


@pytest.fixture(params=["naru", "redis"])
def port(request, programs, naru):
    return naru.broker().port if request.param == "naru" else redis_peer.start(programs, HeldPort())


UNBLOCKED = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"


@pytest.fixture
def other(port):
    with Wire(port) as wire:
        yield wire


def blocked(port, other, protocol="2"):
    """A connection that waits for a stream, and its id."""
    wire = Wire(port)
    wire.call("HELLO", protocol)
    id_ = wire.call("CLIENT", "ID")
    wire.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    eventually(lambda: b" flags=b " in other.call("CLIENT", "LIST", "ID", id_), "it does not block")
    return wire, id_


@pytest.mark.parametrize(
    "protocol, how, frame",
    [("2", [], b"*-1\r\n"), ("3", [], b"_\r\n"), ("2", ["TIMEOUT"], b"*-1\r\n"), ("2", ["ERROR"], UNBLOCKED)],
)
def test_a_blocked_reader_is_let_go_and_goes_on(port, other, protocol, how, frame):
    # Several, so that some are on another core than who unblocks them.
    for _ in range(4):
        wire, id_ = blocked(port, other, protocol)
        with wire:
            assert other.call("CLIENT", "UNBLOCK", id_, *how) == 1
            assert wire.frame() == frame
            assert other.call("CLIENT", "UNBLOCK", id_, *how) == 0
            assert wire.call("PING") == b"PONG"
            other.call("XADD", "s", "*", "f", "v")
            assert wire.call("PING") == b"PONG"


def test_in_a_transaction_too(port, other):
    wire, id_ = blocked(port, other)
    with wire:
        for words in (["MULTI"], ["XLEN", "s"], ["CLIENT", "UNBLOCK", id_, "ERROR"], ["CLIENT", "UNBLOCK", id_], ["PING"]):
            other.call(*words)
        assert other.call("EXEC") == [0, 1, 0, b"PONG"]
        assert wire.frame() == UNBLOCKED


def test_who_is_paused_is_not_let_go(broker):
    """Redis 7.0.15 falls over this."""
    with Wire(broker.port) as wire, Wire(broker.port) as other:
        id_ = wire.call("CLIENT", "ID")
        other.call("CLIENT", "PAUSE", "60000", "WRITE")
        wire.send("XADD", "s", "*", "f", "v")
        eventually(lambda: b" flags=b " in other.call("CLIENT", "LIST", "ID", id_), "it is not paused")
        assert other.call("CLIENT", "UNBLOCK", id_) == 0
        other.call("CLIENT", "UNPAUSE")
        assert wire.frame().startswith(b"$")
