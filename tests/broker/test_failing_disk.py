"""A disk that cannot write what it took: nobody is told that it is there, and the broker ends."""

from contextlib import suppress

import pytest

from harness.disk import FailingSync
from harness.naru import logged
from harness.resp import Wire, encode

BURST = 20


def write(number):
    """Of everything that is stored, something."""
    yield "XADD", "s", "*", "n", number
    yield "RPUSH", "l", number
    yield "NARU.SEND", "dm:alice:bob", "alice", f"m{number}", "{}"


def frames(wire):
    """All that still comes."""
    while frame := wire.frame():
        yield frame


@pytest.mark.parametrize("who", ["one at a time", "several"])
def test_what_could_not_be_synced_is_not_acknowledged_and_not_tried_again(naru, tmp_path, who):
    disk = FailingSync(tmp_path)
    broker = naru.broker(data=tmp_path / "data", env=disk.env)
    with Wire(broker.port) as wire:
        kept = [[wire.call(*words) for words in write(number)] for number in range(BURST)]

    # What cannot be synced may be a mark, which is written in a pause: then there is nobody to tell.
    for _ in range(3):
        wires = [Wire(broker.port) for _ in range(1 if who == "one at a time" else 3)]
        disk.fail_next()
        for wire in wires:
            # By then it may have ended.
            with suppress(OSError):
                wire.send_raw(b"".join(encode(*words) for number in range(BURST, 2 * BURST) for words in write(number)))
        answers = [frame for wire in wires for frame in frames(wire)]
        assert disk.has_failed()
        assert all(frame.startswith(b"-IOERR ") for frame in answers), answers
        assert broker.program.exit_code() == 70
        assert logged(broker.program, "the log cannot be written"), broker.program.log()
        if answers:
            break
        broker = naru.broker(data=tmp_path / "data", env=disk.env)
    assert answers

    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        ids = [id_ for id_, _ in wire.call("XRANGE", "s", "-", "+")]
        assert ids[:BURST] == [id_ for id_, _, _ in kept]
        assert wire.call("LRANGE", "l", 0, BURST - 1) == [b"%d" % number for number in range(BURST)]
        # Recognised as said already, with the same answer.
        assert [wire.call(*sent) for *_, sent in map(write, range(BURST))][0][:2] == kept[0][2][:2]
        assert isinstance(wire.call("XADD", "s", "*", "n", "on it goes"), bytes)
    assert broker.program.terminate() == 0
    assert naru.run("doctor", "verify", tmp_path / "data").returncode == 0
