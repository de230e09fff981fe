"""`naru backup`: a copy of a running broker's data, made while it works."""

from dataclasses import replace

from harness.history import History
from harness.load import connections, known_commands, make_groups, read_all
from harness.resp import Error, Wire
from harness.waiting import eventually


def as_of(ops, begun, ended):
    """What a copy knows that was asked for at one time and there at another: what was answered before must be in it, what
    was asked for after must not, and the rest may be."""
    for op in ops:
        if op.start <= ended:
            was_answered = op.end is not None and op.end < begun
            yield op if was_answered else replace(op, end=None, reply=None)


def test_a_copy_made_under_load_has_all_that_was_acknowledged_before(naru, tmp_path):
    history = History()
    broker = naru.broker("--fsync", "always", data=tmp_path / "data")
    knows = known_commands(broker.port)
    make_groups(broker.port, history)
    workers = list(connections(broker.port, history, "backup", 0, knows))
    for worker in workers:
        worker.start()

    def answers():
        return sum(worker.answers for worker in workers)

    copies = []
    # The first while little is there, the last over several segments, with a checkpoint.
    for enough in (500, 6000, 30_000):
        eventually(lambda: answers() >= enough, lambda: f"only {answers()} answers", within=60)
        copy, begun = tmp_path / f"copy-{enough}", history.now()
        done = naru.run("backup", "-p", broker.port, copy, within=60)
        assert (done.returncode, done.stdout) == (0, f"{copy}\n"), done.stderr
        copies.append((copy, begun, history.now()))
    so_far = answers()
    eventually(lambda: answers() > so_far + 2000, "the broker goes on", within=60)
    broker.program.kill()
    for worker in workers:
        worker.join()
    assert not [worker.failure for worker in workers if worker.failure]

    known, ops = history.known, history.ops
    for copy, begun, ended in copies:
        done = naru.run("doctor", "verify", copy, within=60)
        assert done.returncode == 0, done.stdout + done.stderr
        restored = naru.broker(data=copy)
        then = History()
        then.known, then.ops = known, list(as_of(ops, begun, ended))
        complaints = then.look(read_all(restored.port, knows))
        assert not complaints, f"{copy}: {complaints[:20]}"
        assert restored.program.terminate() == 0
    broker = naru.restarted(broker)
    assert not history.look(read_all(broker.port, knows)), "and the original is as it was"


def test_what_cannot_be_copied_is_refused(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    (tmp_path / "there").mkdir()
    with Wire(broker.port) as wire:
        for target, words in (("copy", "absolute"), (tmp_path / "there", "there already"), ("/proc/copy", "cannot")):
            refused = wire.call("NARU.BACKUP", target)
            assert isinstance(refused, Error) and words in refused, refused
        assert wire.call("MULTI") == b"OK"
        assert "transaction" in wire.call("NARU.BACKUP", tmp_path / "copy")
        assert wire.call("DISCARD") == b"OK"
        # In order with what comes before and after on the connection.
        for words in (("XADD", "s", "1-1", "f", "v"), ("NARU.BACKUP", tmp_path / "copy"), ("PING",)):
            wire.send(*words)
        assert [wire.reply() for _ in range(3)] == [b"1-1", b"OK", b"PONG"]
    done = naru.run("backup", "-p", broker.port, tmp_path / "copy")
    assert done.returncode == 1 and "there already" in done.stderr and not done.stdout
    broker.program.kill()
    done = naru.run("backup", "-p", broker.port, tmp_path / "other")
    assert done.returncode == 1 and "Could not connect" in done.stderr
    with Wire(naru.broker(data=tmp_path / "copy").port) as wire:
        assert wire.call("XLEN", "s") == 1


def test_a_chat_server_by_its_rules_may_not(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        assert wire.call("ACL", "SETUSER", "gateway", "on", "nopass", "+@naru", "-@admin") == b"OK"
        assert wire.call("AUTH", "gateway", "") == b"OK"
        assert wire.call("NARU.BACKUP", tmp_path / "copy").startswith("NOPERM ")
        assert not isinstance(wire.call("NARU.SEND", "dm:alice:bob", "alice", "m1", "{}"), Error)
    assert not (tmp_path / "copy").exists()


def test_a_relative_folder_is_below_where_it_is_asked_for(naru, tmp_path):
    broker = naru.broker("--requirepass", "secret", data=tmp_path / "data")
    done = naru.run("backup", "-p", broker.port, "-a", "secret", "copy")
    assert done.stdout == f"{naru.programs.folder / 'copy'}\n", done.stderr
    assert (naru.programs.folder / "copy/FORMAT").exists()


def test_a_broker_in_memory_has_nothing_to_copy(naru, broker, tmp_path):
    done = naru.run("backup", "-p", broker.port, tmp_path / "copy")
    assert done.returncode == 1 and "memory" in done.stderr and not (tmp_path / "copy").exists()
