"""The same words to a real Redis and to Naru get the same bytes back, in RESP2 and in RESP3."""

from pathlib import Path

import pytest

from harness import redis_peer, stage, transcript
from harness.naru import HeldPort, Naru
from harness.program import Programs
from harness.resp import Wire
from harness.waiting import eventually


FILES = sorted(Path(__file__).parent.glob("transcripts/*.txt"))
CASES = [
    pytest.param(case, resp, id=f"{path.stem}: {case.name} (RESP{resp})")
    for path in FILES
    for case in transcript.read(path)
    for resp in (2, 3)
]
# Gives every case keys of its own.
NUMBERS = {param.id: number for number, param in enumerate(CASES)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory, request):
    """The ports of a Redis and of a Naru."""
    programs = Programs(tmp_path_factory.mktemp("pair"))
    redis = redis_peer.start(programs, HeldPort())
    broker = Naru(programs).broker()
    yield redis, broker.port
    programs.end()


def is_quiet(port):
    """Whether nobody is subscribed to anything any more."""
    with Wire(port) as wire:
        is_quiet = wire.call("PUBSUB", "CHANNELS") == [] and wire.call("PUBSUB", "NUMPAT") == 0
        # Nor is this one there when the case begins.
        wire.call("QUIT")
        return wire.is_at_end() and is_quiet


@pytest.mark.parametrize("case, resp", CASES)
def test_replies_are_the_same_bytes(pair, case, resp, request):
    prefix = f"c{NUMBERS[request.node.callspec.id]}-".encode()
    for port in pair:
        eventually(lambda: is_quiet(port), "the case before left subscriptions")
    with stage.Stage(pair[0], resp, prefix) as redis, stage.Stage(pair[1], resp, prefix) as naru:
        differences = []
        for step in case.steps:
            theirs = redis.play(step)
            ours = naru.play(step, theirs)
            differences += differing(step, resp, theirs, ours)
    assert not differences, "\n".join(differences)


def differing(step, resp, theirs, ours):
    """What is wrong about a step's answers, in words."""
    if resp not in step.why_different:
        if ours != theirs:
            yield f"{step.shown}\n    redis {theirs}\n    naru  {ours}"
    elif ours == theirs:
        yield f"{step.shown}\n    no longer different: remove the note"
    elif step.expected and ours.get(step.who) != step.expected:
        yield f"{step.shown}\n    noted {step.expected}\n    naru  {ours}"
