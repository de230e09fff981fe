"""`naru doctor`, and a broker before a data folder that is damaged."""

import os
import shutil
import signal
import subprocess

import pytest

from harness.naru import BINARY
from harness.resp import Wire
from harness.waiting import PATIENCE, eventually

DAMAGED = 3
LOST = 4
# To read a folder of a hundred megabytes, or write one.
LONG = 3 * PATIENCE


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return tmp_path_factory.mktemp("pristine") / "data"


@pytest.fixture
def folder(naru, tmp_path, pristine):
    """A data folder with three segments and a checkpoint, and then some; the broker was killed."""
    if not pristine.exists():
        broker = naru.broker("--fsync", "everysec", data=pristine)
        with Wire(broker.port) as wire:
            for number in range(1, 161):
                wire.call("XADD", "s", f"{number}-0", "body", b"%d" % number * 300_000)
            eventually(lambda: list(pristine.rglob("ckpt-*")), "no checkpoint")
            eventually(lambda: "checkpoint written" in broker.program.log(), "no checkpoint")
            wire.call("CONFIG", "SET", "appendfsync", "always")
            for number in range(161, 171):
                wire.call("XADD", "s", f"{number}-0", "body", "after")
            # What a salvage is to bring along.
            wire.call("XGROUP", "CREATE", "s", "g", "160")
            wire.call("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "s", ">")
            wire.call("XACK", "s", "g", "161-0")
            wire.call("RPUSH", "l", "short", "element " * 100)
            wire.call("SET", "t", "text", "EX", "100000")
            wire.call("NARU.SEND", "dm:alice:bob", "alice", "m1", '{"text":"hello"}')
        broker.program.kill()
    shutil.copytree(pristine, tmp_path / "data")
    return tmp_path / "data"


def segments(folder):
    return sorted(path for path in folder.rglob("*.seg") if path.read_bytes().rstrip(b"\0"))


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


def verified(naru, folder):
    done = naru.run("doctor", "verify", folder, within=LONG)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def check_damage(naru, folder, *words, keeps_from_starting=True):
    """The doctor says where, and the broker does not start, or does."""
    code, said = verified(naru, folder)
    assert code == DAMAGED, said
    missing = [word for word in words if str(word) not in said]
    assert not missing, f"{missing} not in: {said}"
    assert "backup" in said and f"naru doctor salvage {folder} --into" in said
    if keeps_from_starting:
        done = naru.run("broker", "--port", 0, "--data", folder, within=LONG)
        assert done.returncode == DAMAGED, done.stderr
        assert str(words[0]) in done.stderr and "at byte" in done.stderr
        assert f"naru doctor verify {folder}" in done.stderr and "backup" in done.stderr
        assert f"naru doctor salvage {folder} --into NEW_DIR" in done.stderr


def test_a_reader_that_has_read_enough_ends_it_quietly(naru, folder, tmp_path):
    flip(segments(folder)[0], 5000)
    for words in (["verify", folder], ["salvage", folder, "--into", tmp_path / "new"]):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer) as gone:
            done = subprocess.run([BINARY, "doctor", *words], stdout=gone, stderr=subprocess.PIPE, text=True)
        # As of a program that SIGPIPE has ended.
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
    # It was there before anything was printed.
    assert naru.run("doctor", "verify", tmp_path / "new", within=LONG).returncode == 0


def test_a_whole_folder(naru, folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, said = verified(naru, folder)
    assert (code, said.splitlines()[-1]) == (0, "whole"), said
    assert "1 whole checkpoints" in said and f"{len(segments(folder))} segments" in said
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}, "nothing is changed"


def test_a_flipped_byte_in_a_body_is_found_where_it_is(naru, folder):
    # Below the checkpoint a start reads no bodies: the doctor does.
    path = segments(folder)[0]
    flip(path, 1_000_000)
    check_damage(naru, folder, path, "byte", "records", keeps_from_starting=False)


def test_a_flipped_byte_behind_the_checkpoint_keeps_the_broker_from_starting(naru, folder):
    path = segments(folder)[-1]
    end = len(path.read_bytes().rstrip(b"\0"))
    flip(path, end - 500)
    check_damage(naru, folder, path, "byte", "records")


@pytest.mark.parametrize("which", [0, -1])
def test_a_flipped_byte_in_the_head_of_a_segment(naru, folder, which):
    path = segments(folder)[which]
    flip(path, 9)
    check_damage(naru, folder, path, "byte 0", "head")


def test_a_flipped_byte_in_a_checkpoint(naru, folder):
    (path,) = folder.rglob("ckpt-*")
    flip(path, path.stat().st_size // 2)
    # All of the log is there still.
    check_damage(naru, folder, path, "byte", keeps_from_starting=False)
    broker = naru.broker(data=folder)
    assert "a checkpoint could not be read" in broker.program.log()
    with Wire(broker.port) as wire:
        assert wire.call("XLEN", "s") == 170


@pytest.mark.parametrize("which", [1, -1])
def test_a_segment_that_is_missing(naru, folder, which):
    path = segments(folder)[which]
    path.unlink()
    check_damage(naru, folder, path, "missing")


def test_a_file_format_that_is_missing(naru, folder):
    (folder / "FORMAT").unlink()
    check_damage(naru, folder, folder / "FORMAT", "missing")


def test_a_torn_tail_is_no_damage(naru, folder):
    path = segments(folder)[-1]
    data = path.read_bytes()
    path.write_bytes(data.rstrip(b"\0")[:-7].ljust(len(data), b"\0"))
    code, said = verified(naru, folder)
    assert code == 0 and str(path) in said and "incomplete" in said and said.endswith("whole\n")
    with Wire(naru.broker(data=folder).port) as wire:
        assert wire.call("XLEN", "s") >= 169


def test_a_folder_that_a_broker_has_open(naru, tmp_path):
    naru.broker(data=tmp_path / "data")
    done = naru.run("doctor", "verify", tmp_path / "data")
    assert done.returncode == 1 and "running broker" in done.stderr and "naru backup" in done.stderr


def test_a_folder_that_is_none(naru, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = naru.run("doctor", "verify", folder)
        assert done.returncode == 1 and "no data folder" in done.stderr and not done.stdout
    assert not (tmp_path / "nowhere").exists() and not (tmp_path / "LOCK").exists()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def salvaged(naru, folder, expected):
    """The new folder, which verifies, and what was said of it; the old one is as it was."""
    before, new = contents(folder), folder.with_name("new")
    done = naru.run("doctor", "salvage", folder, "--into", new, within=LONG)
    assert done.returncode == expected and not done.stderr, done
    is_same = contents(folder) == before
    assert is_same, "the damaged folder is changed"
    report = folder.with_name("new.salvage.txt")
    assert report.read_text() in done.stdout and str(report) in done.stdout
    assert report.stat().st_mode & 0o777 == 0o600
    assert f"naru broker --data {new}" in done.stdout
    assert verified(naru, new) == (0, naru.run("doctor", "verify", new, within=LONG).stdout)
    return new, done.stdout


def check_the_rest(wire):
    """All but the long entries."""
    assert wire.call("XRANGE", "s", "165", "165") == [[b"165-0", [b"body", b"after"]]]
    assert [entry[0] for entry in wire.call("XPENDING", "s", "g", "-", "+", "9")] == [b"162-0", b"163-0"]
    assert wire.call("LRANGE", "l", "0", "-1") == [b"short", b"element " * 100]
    assert wire.call("GET", "t") == b"text" and 0 < wire.call("TTL", "t") <= 100_000
    assert b"hello" in wire.call("NARU.HISTORY", "dm:alice:bob", "bob", "BEFORE", "0", "9")[3][0]
    assert wire.call("XADD", "s", "170-0", "f", "v").startswith("ERR")
    assert wire.call("XADD", "s", "171-0", "f", "v") == b"171-0"


def epoch(wire):
    return wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)[0]


def test_salvage_of_a_whole_folder_loses_nothing(naru, folder):
    new, said = salvaged(naru, folder, 0)
    assert "nothing is lost" in said and "1 streams with 170 entries" in said
    assert not list(new.rglob("ckpt-*"))
    old = naru.broker(data=folder)
    with Wire(old.port) as old_wire, Wire(naru.broker(data=new).port) as wire:
        assert wire.call("XINFO", "STREAM", "s")[:2] == old_wire.call("XINFO", "STREAM", "s")[:2]
        for number in ("1", "100", "160"):
            is_same = wire.call("XRANGE", "s", number, number) == old_wire.call("XRANGE", "s", number, number)
            assert is_same, number
        assert wire.call("XLEN", "s") == 170 and epoch(wire) == epoch(old_wire)
        check_the_rest(wire)


def test_a_damaged_body_is_lost_alone(naru, folder):
    path = segments(folder)[0]
    flip(path, 1_000_000)
    new, said = salvaged(naru, folder, LOST)
    (line,) = [line for line in said.splitlines() if 'key "s": entry' in line]
    assert str(path) in line, said
    lost = line.split("entry ")[1].split(" ")[0]
    with Wire(naru.broker(data=new).port) as wire:
        assert wire.call("XLEN", "s") == 169
        assert wire.call("XRANGE", "s", lost, lost) == []
        # The ones beside it are whole.
        for number in (int(lost.split("-")[0]) - 1, int(lost.split("-")[0]) + 1):
            ((_, (_, body)),) = wire.call("XRANGE", "s", number, number)
            assert len(body) == len(str(number)) * 300_000
        check_the_rest(wire)


def test_a_broker_that_refuses_to_start_serves_the_rest_after_a_salvage(naru, folder):
    path = segments(folder)[-1]
    data = path.read_bytes()
    # Not the last of them, so that the last id is known.
    flip(path, data.rindex(b"after", 0, data.rindex(b"after")))
    check_damage(naru, folder, path, "records")
    new, said = salvaged(naru, folder, LOST)
    with Wire(naru.broker(data=new).port) as wire:
        assert wire.call("XLEN", "s") == 169 and wire.call("XRANGE", "s", "169", "169") == []
        check_the_rest(wire)
    assert "1 records" in said and 'seems to have changed key "s"' in said and f"{path}: byte" in said


def test_a_missing_segment_costs_what_was_in_it(naru, folder):
    path = segments(folder)[0]
    path.unlink()
    # Below the checkpoint, which refers to it.
    check_damage(naru, folder, path, "missing", 'key "s": ', " entries, 1-0 to ", "damaged in 1 place.")
    new, said = salvaged(naru, folder, LOST)
    assert 'key "s": ' in said and " entries, 1-0 to " in said and str(path) in said
    with Wire(naru.broker(data=new).port) as wire:
        assert 20 < wire.call("XLEN", "s") < 160
        check_the_rest(wire)


def test_a_missing_end_costs_what_was_in_it(naru, folder):
    path = segments(folder)[-1]
    path.unlink()
    check_damage(naru, folder, path, "missing")
    new, said = salvaged(naru, folder, LOST)
    assert "how many there were cannot be told" in said and str(path) in said
    with Wire(naru.broker(data=new).port) as wire:
        assert 20 < wire.call("XLEN", "s") < 160
        assert wire.call("XADD", "s", "171-0", "f", "v") == b"171-0"


@pytest.mark.parametrize("which", [0, -1])
def test_a_lost_head_costs_nothing(naru, folder, which):
    path = segments(folder)[which]
    data = path.read_bytes()
    path.write_bytes(bytes(4096) + data[4096:])
    check_damage(naru, folder, path, "head")
    new, said = salvaged(naru, folder, 0)
    assert f"{path}: byte 0" in said
    with Wire(naru.broker(data=new).port) as wire:
        assert wire.call("XLEN", "s") == 170
        check_the_rest(wire)


def test_a_damaged_checkpoint_and_no_format_cost_nothing(naru, folder):
    (path,) = folder.rglob("ckpt-*")
    flip(path, path.stat().st_size // 2)
    (folder / "FORMAT").unlink()
    new, said = salvaged(naru, folder, 0)
    assert str(path) in said and str(folder / "FORMAT") in said
    with Wire(naru.broker(data=new).port) as wire:
        check_the_rest(wire)


def check_refusal(naru, folder, into, *words, code=1):
    before = contents(folder.parent)
    done = naru.run("doctor", "salvage", folder, "--into", into)
    said = done.stdout + done.stderr
    assert done.returncode == code and all(str(word) in said for word in words), done
    is_same = contents(folder.parent) == before
    assert is_same, "something was written"


def test_what_salvage_refuses(naru, folder, tmp_path):
    filled = tmp_path / "filled"
    filled.mkdir()
    (filled / "something").touch()
    check_refusal(naru, folder, filled, filled, "not empty", "--into")
    check_refusal(naru, folder, folder, folder, "not empty")
    check_refusal(naru, folder, folder / "new", folder, "not to be changed")
    check_refusal(naru, folder, folder / "shard-00" / "sub" / "new", folder, "not to be changed")
    check_refusal(naru, filled, tmp_path / "new", "no data folder")
    (folder / "LOCK").touch()
    for path in (folder / "shard-00").iterdir():
        path.unlink()
    check_refusal(naru, folder, tmp_path / "new", "nothing can be salvaged", "backup", code=DAMAGED)
    assert not (tmp_path / "new").exists()


def test_salvage_of_a_folder_that_a_broker_has_open(naru, tmp_path):
    naru.broker(data=tmp_path / "data")
    done = naru.run("doctor", "salvage", tmp_path / "data", "--into", tmp_path / "new")
    assert done.returncode == 1 and "running broker" in done.stderr and "stop it first" in done.stderr
    assert not (tmp_path / "new").exists()
