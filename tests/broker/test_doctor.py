"""`naru doctor`, and a broker before a data folder that is damaged."""

import shutil

import pytest

from harness.resp import Wire
from harness.waiting import eventually

DAMAGED = 3


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
    done = naru.run("doctor", "verify", folder)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def check_damage(naru, folder, *words, keeps_from_starting=True):
    """The doctor says where, and the broker does not start, or does."""
    code, said = verified(naru, folder)
    assert code == DAMAGED, said
    missing = [word for word in words if str(word) not in said]
    assert not missing, f"{missing} not in: {said}"
    assert "backup" in said
    if keeps_from_starting:
        done = naru.run("broker", "--port", 0, "--data", folder)
        assert done.returncode == DAMAGED, done.stderr
        assert str(words[0]) in done.stderr and "at byte" in done.stderr
        assert f"naru doctor verify {folder}" in done.stderr and "backup" in done.stderr


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
