"""Whatever is sent, the answer is Redis's, or the end: to who has signed in and to who has not."""

import contextlib
import re

import pytest


from harness import redis_peer
from harness.abuse import CASES
from harness.naru import HeldPort, Naru
from harness.program import Programs
from harness.resp import Wire
from harness.waiting import PATIENCE

PASSWORD = "correct horse"

# Said at the end, and answered in every state of a connection. The empty line ends what is half said.
LAST, LAST_ANSWER = b"\r\nPING that-was-all\r\n", b"that-was-all"
STRANGERS_LAST, STRANGERS_LAST_ANSWER = b"\r\nAUTH a b c\r\n", b"-ERR syntax error"

# Redis 7.0 tells strangers of these first; Naru has them sign in, as later versions do.
NOT_YET = re.compile(rb"-ERR (unknown command|unknown subcommand|wrong number of arguments)[^\r]*")
NOAUTH = b"-NOAUTH Authentication required."

# Redis closes strangers that leave more than 17 KiB unread, Naru those that leave 64 KiB.
TALKATIVE = {"a MULTI a thousand deep", "joining and leaving", "unknown words"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    programs = Programs(tmp_path_factory.mktemp("abuse"))
    yield programs
    programs.end()


@pytest.fixture(scope="module")
def pair(programs):
    """The ports of a Redis and of a Naru."""
    return redis_peer.start(programs, HeldPort()), Naru(programs).broker().port


@pytest.fixture(scope="module")
def closed_pair(programs):
    """The same, with a password."""
    theirs = redis_peer.start(programs, HeldPort())
    with Wire(theirs) as wire:
        assert wire.call("CONFIG", "SET", "requirepass", PASSWORD) == b"OK"
    return theirs, Naru(programs).broker("--requirepass", PASSWORD).port


def answers(port, pieces, last, last_answer):
    """All that is said to these pieces, and whether the connection was closed then."""
    with Wire(port) as wire, Wire(port) as beside:
        # Who closes early may do so before all is sent.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                wire.send_raw(piece)
                # By the time this is answered, what was sent has been read, or is about to be.
                beside.call("HELLO", "9")
            wire.send_raw(last)
        wire.socket.settimeout(PATIENCE)
        heard = b""
        try:
            while last_answer not in heard:
                more = wire.socket.recv(1 << 20)
                if not more:
                    return heard, True
                heard += more
        except ConnectionResetError:
            return heard, True
        return heard, False


def compare(case, ask):
    """Asks both; `ask` answers for a peer by its place in the pair."""
    ours = ask(1)
    if case.why_different:
        assert ours == (case.ours, case.is_closed)
    else:
        assert ours == ask(0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_to_abuse_is_that_of_redis(pair, case):
    compare(case, lambda which: answers(pair[which], case.pieces, LAST, LAST_ANSWER))


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in TALKATIVE], ids=lambda case: case.name)
def test_to_a_stranger_it_is_too(closed_pair, case):
    def ask(which):
        said, is_closed = answers(closed_pair[which], case.pieces, STRANGERS_LAST, STRANGERS_LAST_ANSWER)
        return re.sub(rb"discarded because of: [^\r]*", b"", NOT_YET.sub(NOAUTH, said)), is_closed

    compare(case, ask)
