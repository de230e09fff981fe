"""A broker with a password lets in who knows it, as a Redis with requirepass does."""

import pytest
import redis

from harness import redis_peer
from harness.naru import HeldPort, Naru, logged
from harness.program import Programs
from harness.resp import Wire, encode

PASSWORD = "correct horse"

# What is said; every line is answered by one frame.
TALKS = {
    "nothing goes without it": [["PING"], ["GET", "s"], ["PUBLISH", "c", "m"], ["SUBSCRIBE", "c"]],
    "it is asked for in every form": [["CLIENT", "ID"], ["COMMAND"], ["INFO"], ["CONFIG", "GET", "*"]],
    "by itself": [["AUTH", "wrong"], ["PING"], ["AUTH", PASSWORD], ["PING"]],
    "with a user": [["AUTH", "nobody", PASSWORD], ["AUTH", "default", "wrong"], ["AUTH", "default", PASSWORD], ["PING"]],
    "arguments": [["AUTH"], ["AUTH", "a", "b", "c"], ["AUTH", ""], ["AUTH", PASSWORD + "x"], ["AUTH", PASSWORD[:-1]]],
    "in HELLO": [["HELLO", "3", "AUTH", "default", "wrong"], ["PING"]],
    "a version that is none comes first": [["HELLO", "9", "AUTH", "default", PASSWORD], ["PING"]],
    "RESET forgets it": [["AUTH", PASSWORD], ["PING"], ["RESET"], ["PING"]],
    "once in, a wrong one changes nothing": [["AUTH", PASSWORD], ["AUTH", "wrong"], ["PING"]],
    "quitting is free": [["QUIT"]],
}  # fmt: skip

# What Redis 7.0 answers otherwise: unknown words and wrong counts come first there, and its text for HELLO is older.
SAID_TO_STRANGERS = [["NONSENSE"], ["ECHO"], ["HELLO"], ["HELLO", "3"], ["HELLO", "2"]]

MALFORMED = {
    "eleven arguments": b"*11\r\n",
    "a long argument": b"*1\r\n$16385\r\n",
    "ten arguments": encode("PING", *"abcdefghi"),
    "a long enough argument": encode("ECHO", "x" * 16384),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    programs = Programs(tmp_path_factory.mktemp("password"))
    theirs = redis_peer.start(programs, HeldPort())
    with Wire(theirs) as wire:
        assert wire.call("CONFIG", "SET", "requirepass", PASSWORD) == b"OK"
    yield theirs, Naru(programs).broker("--requirepass", PASSWORD).port
    programs.end()


@pytest.mark.parametrize("why", TALKS)
def test_the_answers_are_those_of_redis(pair, why):
    answers = []
    for port in pair:
        with Wire(port) as wire:
            frames = []
            for words in TALKS[why]:
                wire.send(*words)
                frames.append(wire.frame())
            answers.append(frames)
    assert answers[1] == answers[0]


@pytest.mark.parametrize("words", SAID_TO_STRANGERS, ids=" ".join)
def test_a_stranger_learns_nothing_else(pair, words):
    with Wire(pair[1]) as wire:
        assert str(wire.call(*words)).startswith("NOAUTH ")


@pytest.mark.parametrize("why", MALFORMED)
def test_a_stranger_may_announce_little(pair, why):
    answers = []
    for port in pair:
        with Wire(port) as wire:
            wire.send_raw(MALFORMED[why])
            answers.append(wire.frame())
    assert answers[1] == answers[0]


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_signs_in(pair, protocol):
    with redis.Redis(port=pair[1], password=PASSWORD, protocol=protocol) as client:
        assert client.ping()
    with redis.Redis(port=pair[1], password="wrong", protocol=protocol) as client:
        with pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_password_may_come_from_the_environment_and_is_not_logged(naru):
    program = naru.start("broker", "broker", "--memory", "--port", "0", env={"NARU_REQUIREPASS": PASSWORD})
    ready = program.wait_for(lambda it: logged(it, "the broker is ready"), "not ready")
    with Wire(int(ready["address"].rsplit(":", 1)[1])) as wire:
        assert str(wire.call("PING")).startswith("NOAUTH")
        assert wire.call("AUTH", PASSWORD) == b"OK"
        wire.call("AUTH", "default", "a wrong one")
    assert program.terminate() == 0
    assert PASSWORD not in program.log() and "a wrong one" not in program.log()
