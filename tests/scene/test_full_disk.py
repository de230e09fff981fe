"""A chat server with a broker inside, whose disk fills up."""

import pytest

from harness.disk import MIB, small_disk
from harness.naru import log_lines, logged
from harness.resp import Error, Wire
from harness.sdk import Refused
from harness.waiting import eventually


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def test_senders_are_told_that_there_is_no_space_and_are_served_when_there_is(naru, disk, people):
    (disk / "ballast").write_bytes(bytes(70 * MIB))
    server = naru.serve_alone("server", "--data", disk / "data", "--resp-port", 0)
    ready = logged(server.program, "the embedded broker is ready")
    alice = people("alice", server)
    with Wire(int(ready["address"].rsplit(":", 1)[1])) as wire:
        while not isinstance(wire.call("XADD", "s", "*", "body", b"x" * 500_000), Error):
            pass

    for number in range(20):
        with pytest.raises(Refused) as refused:
            alice.send("bob", "id-1", {"text": "kept"})
        assert (refused.value.code, refused.value.temporary) == (100, True)
        assert "no space left" in refused.value.message and "sending the same again is safe" in refused.value.message
    # Others come, and what needs no space is done.
    bob = people("bob", server)
    assert alice.rpc("history", {"conversation": "dm:alice:bob"})["entries"] == []
    server.program.wait_for(lambda it: logged(it, "no space is left for the log's next file"), "it is not said")
    trouble = [line for line in log_lines(server.program) if "the broker is in trouble" in line.get("message", "")]
    assert len(trouble) == 1 and trouble[0]["code"] == "DISKFULL", "it is said once, however many are refused"

    (disk / "ballast").unlink()
    server.program.wait_for(lambda it: logged(it, "there is space for the log again"), "it is not said")

    def is_sent():
        try:
            return alice.send("bob", "id-1", {"text": "kept"})
        except Refused:
            return None

    eventually(is_sent, "it is still refused")
    assert bob.texts("bob", 1) == ["kept"]
    assert server.program.terminate() == 0
