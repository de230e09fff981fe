"""A disk that fills up: what grows is refused, the rest goes on, and it ends by itself when there is space again."""

import pytest

from harness.disk import DISK_BYTES, MIB, small_disk
from harness.resp import Error, Wire
from harness.waiting import eventually

LARGE = b"x" * 500_000


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def fill(wire, key, most=1000):
    """Adds until it is refused; the ids that were answered."""
    added = []
    for _ in range(most):
        reply = wire.call("XADD", key, "*", "body", LARGE)
        if isinstance(reply, Error):
            assert reply.startswith("DISKFULL ") and "space" in reply and "trim" in reply
            return added
        added.append(reply)
    raise AssertionError("it was never refused")


def check_all_there(wire, key, added):
    """In pages: all at once is more than is needed."""
    found, after = [], "-"
    while page := wire.call("XRANGE", key, after, "+", "COUNT", 20):
        assert all(body == LARGE for _, (_, body) in page)
        found += [id_ for id_, _ in page]
        after = f"({found[-1].decode()}"
    assert found == added


def test_a_full_disk_refuses_what_grows_and_recovers_when_there_is_space(naru, disk):
    (disk / "ballast").write_bytes(bytes(70 * MIB))
    broker = naru.broker(data=disk / "data")
    with Wire(broker.port) as wire:
        wire.call("XGROUP", "CREATE", "jobs", "g", "0", "MKSTREAM")
        jobs = [wire.call("XADD", "jobs", "*", "n", number) for number in range(100)]
        taken = wire.call("XREADGROUP", "GROUP", "g", "one", "COUNT", 10, "STREAMS", "jobs", ">")[0][1]
        added = fill(wire, "s")
        assert len(added) > 50

        # Everything that grows, in whatever way it comes.
        assert wire.call("XADD", "jobs", "*", "f", "v").startswith("DISKFULL ")
        assert wire.call("XADD", "s", "MAXLEN", 5, "*", "f", "v").startswith("DISKFULL ")
        assert wire.call("XGROUP", "CREATE", "new", "g", "$", "MKSTREAM").startswith("DISKFULL ")
        assert wire.call("NARU.SEND", "dm:alice:bob", "alice", "m1", "{}").startswith("DISKFULL ")
        assert [wire.call(word) for word in ("MULTI",)] == [b"OK"]
        wire.call("XADD", "jobs", "*", "f", "v")
        wire.call("XLEN", "jobs")
        (refused, length) = wire.call("EXEC")
        assert refused.startswith("DISKFULL ") and length == 100
        # What reads, and what makes it less.
        check_all_there(wire, "s", added)
        assert wire.call("XACK", "jobs", "g", *[id_ for id_, _ in taken]) == 10
        more = wire.call("XREADGROUP", "GROUP", "g", "two", "COUNT", 5, "STREAMS", "jobs", ">")[0][1]
        assert [id_ for id_, _ in more] == jobs[10:15]
        assert wire.call("XDEL", "jobs", jobs[50], jobs[51]) == 2
        assert wire.call("XTRIM", "jobs", "MINID", jobs[5]) == 5

        # Space comes from elsewhere.
        (disk / "ballast").unlink()
        again = []

        def takes_again():
            reply = wire.call("XADD", "s", "*", "body", LARGE)
            if isinstance(reply, bytes):
                again.append(reply)
            return again

        eventually(takes_again, "space is not noticed")
        added += again + fill(wire, "s")
    broker.program.kill()

    # A full disk is no obstacle to starting, and nothing that was acknowledged is lost.
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        check_all_there(wire, "s", added)
        gone = {*jobs[:5], jobs[50], jobs[51]}
        assert [id_ for id_, _ in wire.call("XRANGE", "jobs", "-", "+")] == [id_ for id_ in jobs if id_ not in gone]
        pending = wire.call("XPENDING", "jobs", "g", "-", "+", 100)
        assert [id_ for id_, *_ in pending] == jobs[10:15]

        # Space comes from what is not needed any more, as often as it is wanted.
        for _ in range(3):
            assert wire.call("XTRIM", "s", "MAXLEN", 3) == len(added) - 3
            added, again = added[-3:], []
            eventually(takes_again, "trimming gives no space back")
            added += again + fill(wire, "s")
            check_all_there(wire, "s", added)
    assert broker.program.terminate() == 0
    assert naru.run("doctor", "verify", disk / "data").returncode == 0


def test_a_folder_too_small_for_a_start_is_refused_with_the_reason(naru, disk):
    (disk / "ballast").write_bytes(bytes(DISK_BYTES - 20 * MIB))
    done = naru.run("broker", "--port", 0, "--data", disk / "data")
    assert done.returncode == 1 and "free some space" in done.stderr
    (disk / "ballast").unlink()
    with Wire(naru.broker(data=disk / "data").port) as wire:
        assert isinstance(wire.call("XADD", "s", "*", "f", "v"), bytes)


def test_a_second_process_on_the_same_folder_is_refused(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    done = naru.run("broker", "--port", 0, "--data", tmp_path / "data")
    assert done.returncode == 1
    assert str(tmp_path / "data") in done.stderr and "in use" in done.stderr and "stop it" in done.stderr
    with Wire(broker.port) as wire:
        assert isinstance(wire.call("XADD", "s", "*", "f", "v"), bytes), "the first goes on"
    broker.program.kill()
    naru.restarted(broker)
