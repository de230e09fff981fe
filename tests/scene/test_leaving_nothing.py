"""What is started to be looked at or tried takes away what it has stored, however it is ended."""

import re
import signal
import socket
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from harness.demo import Demo
from harness.disk import FailingSync
from harness.naru import BINARY
from harness.resp import encode


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


ASKED = pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda it: it.name)


@ASKED
def test_a_demo_leaves_nothing(programs, elsewhere, asked):
    demo = Demo(programs, env={"TMPDIR": str(elsewhere)})
    assert len(list(elsewhere.glob("naru-demo-*/data"))) == 1
    demo.program.process.send_signal(asked)
    assert demo.program.exit_code() == 0
    assert list(elsewhere.iterdir()) == []


IGNORING = ["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh"]


def is_ignored(program, number):
    status = Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16) >> (number - 1) & 1 == 1


def test_a_demo_goes_on_at_sighup_if_it_was_started_to_ignore_it_and_ends_by_ctrl_c_all_the_same(programs, elsewhere):
    """As `nohup` and a shell's `&` start it."""
    demo = Demo(programs, env={"TMPDIR": str(elsewhere)}, by=IGNORING)
    # The page alone would not show it: it may come from what is about to end.
    assert is_ignored(demo.program, signal.SIGHUP)
    demo.program.process.send_signal(signal.SIGHUP)
    with urllib.request.urlopen(demo.urls[0]) as page:
        assert page.status == 200
    demo.program.process.send_signal(signal.SIGINT)
    assert demo.program.exit_code() == 0
    assert list(elsewhere.iterdir()) == []


def test_a_demo_whose_disk_fails_says_so_and_leaves_nothing(programs, tmp_path, elsewhere):
    disk = FailingSync(tmp_path)
    demo = Demo(programs, env={"TMPDIR": str(elsewhere), **disk.env})
    disk.fail_next()
    # It may have failed already: it syncs by itself what it gets ready.
    with suppress(OSError), socket.create_connection(("127.0.0.1", demo.broker_port)) as peer:
        peer.sendall(encode("XADD", "s", "*", "n", 1))
        peer.recv(4096)
    assert demo.program.exit_code() == 70
    assert disk.has_failed()
    assert list(elsewhere.iterdir()) == []


@ASKED
@pytest.mark.parametrize("what", [("--live", "--start", "naru"), ("--live", "--start", "embedded"), ("--start", "naru")], ids=" ".join)
def test_a_verification_leaves_nothing(programs, elsewhere, asked, what):
    # More than there is time for.
    much = ("--time", "10m") if "--live" in what else ("--histories", "1000000")
    verify = programs.start("verify", [BINARY, "verify", *what, *much], env={"TMPDIR": str(elsewhere)})
    verify.wait_for(lambda _: list(elsewhere.rglob("*.seg")), "nothing is stored")
    verify.process.send_signal(asked)
    assert verify.exit_code() == 1 and "asked to end" in verify.log(), verify.log()
    assert list(elsewhere.iterdir()) == []
