"""How a broker starts, refuses to start, and ends."""

import os
import re
import socket
import subprocess

import pytest

from harness.naru import BINARY
from harness.resp import Wire
from harness.waiting import takes

# As docs/operating.md has it; what is about something else gives it longer.
ENDS_SECONDS, TERM_SECONDS = 5, 15


def in_use(naru, folder):
    """A broker, and clients that do all kinds of things, or nothing."""
    broker = naru.broker(data=folder)
    idle, subscribed, blocked, partial, unread = wires = [Wire(broker.port) for _ in range(5)]
    subscribed.send("SUBSCRIBE", "news")
    assert subscribed.reply() == [b"subscribe", b"news", 1]
    blocked.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    partial.send_raw(b"*2\r\n$4\r\nECHO\r\n$100\r\nx")
    assert idle.call("XADD", "other", "1-1", "f", "v") == b"1-1"
    for _ in range(200):
        unread.send("ECHO", b"x" * 1000)
    return broker, wires


def test_sigterm_ends_it_in_time_whatever_clients_do(naru, tmp_path):
    ready = [in_use(naru, tmp_path / f"data-{n}") for n in range(3)]
    ended = []

    def end():
        ended.append(ready.pop())
        assert ended[-1][0].program.terminate(TERM_SECONDS) == 0

    takes(ENDS_SECONDS, end)
    broker, wires = ended[-1]
    assert all(wire.is_at_end() for wire in wires[:4])
    with Wire(naru.restarted(broker).port) as wire:
        assert wire.call("XLEN", "other") == 1


def test_sigterm_in_the_middle_of_writes_loses_no_answered_one(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        for number in range(1, 2001):
            wire.send("XADD", "s", f"{number}-0", "n", number)
        assert wire.reply() == b"1-0"
        broker.program.process.terminate()
        answered = 1
        while wire.frame():
            answered += 1
    assert broker.program.exit_code(TERM_SECONDS) == 0
    with Wire(naru.restarted(broker).port) as wire:
        assert wire.call("XLEN", "s") >= answered


@pytest.mark.parametrize("command", [["broker", "--memory"], ["serve", "--resp-port", "0", "--data", "data"]])
def test_sigterm_in_the_moment_in_which_it_is_ready_ends_it_in_order(tmp_path, command):
    command = [BINARY, *command, "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as program:
        # Of the two in one process, the one that is ready first.
        next(line for line in program.stderr if "ready" in line)
        program.terminate()
        program.stderr.read()
        assert program.wait(TERM_SECONDS) == 0


def test_sigint_ends_it_too(broker):
    broker.program.process.send_signal(2)
    assert broker.program.exit_code(TERM_SECONDS) == 0


def refused(done, *words):
    """Checks that it did not start and that it says what to do."""
    assert done.returncode not in (0, None), done.stderr
    missing = [word for word in words if word not in done.stderr]
    assert not missing, f"{missing} not in: {done.stderr}"
    assert "panicked" not in done.stderr and len(done.stderr.splitlines()) < 12


def test_a_port_that_is_taken(naru, broker):
    refused(naru.run("broker", "--memory", "--port", broker.port), f"127.0.0.1:{broker.port}", "taken", "--port")


def test_a_port_that_another_program_has(naru):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(naru.run("broker", "--memory", "--port", port), str(port), "taken", "--port")


def test_a_port_can_be_used_again_at_once(naru):
    broker = naru.broker()
    with Wire(broker.port) as wire:
        wire.call("PING")
        assert broker.program.terminate(TERM_SECONDS) == 0
        assert naru.restarted(broker).port == broker.port


def test_a_data_folder_that_is_in_use(naru, tmp_path):
    naru.broker(data=tmp_path / "data")
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data"), str(tmp_path / "data"), "in use", "--data")


def test_a_data_folder_is_free_again_after_sigkill(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    broker.program.kill()
    naru.restarted(broker)


def test_a_data_folder_that_is_a_file(naru, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data"), str(tmp_path / "data"))
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data/below"), str(tmp_path / "data"))


def test_a_data_folder_that_cannot_be_written(naru, tmp_path):
    # Not even root makes folders here.
    refused(naru.run("broker", "--port", 0, "--data", "/proc/naru-data"), "/proc/naru-data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_of_somebody_else(naru, tmp_path):
    (tmp_path / "data").mkdir(mode=0o500)
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data"), str(tmp_path / "data"), "ermission")


def test_a_folder_with_something_else_in_it_is_left_alone(naru, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("dear")
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data"), "letter.txt", "--data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["letter.txt"]


def test_a_missing_folder_is_made(naru, tmp_path):
    naru.broker(data=tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()


def test_damage_in_the_middle_is_not_passed_over(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        for number in range(1, 101):
            wire.call("XADD", "s", f"{number}-0", "text", "x" * 100)
    broker.program.kill()
    segment = max((tmp_path / "data").rglob("*.seg"), key=lambda path: path.read_bytes().count(b"x"))
    bytes_ = bytearray(segment.read_bytes())
    texts = [match.start() for match in re.finditer(b"x" * 100, bytes_)]
    bytes_[texts[50]] ^= 1
    segment.write_bytes(bytes_)
    refused(naru.run("broker", "--port", 0, "--data", tmp_path / "data"), segment.name, "damaged", "backup")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["broker", "--nonsense"], ["--nonsense", "Usage"]),
        (["nonsense"], ["nonsense", "Usage"]),
        (["broker", "--port", "70000"], ["70000", "--port"]),
        (["broker", "--bind", "nowhere"], ["nowhere", "--bind"]),
        (["broker", "--memory", "--data", "x"], ["--memory", "--data"]),
        (["broker", "--cores", "0"], ["--cores"]),
        (["broker", "--memory", "--port", "0", "--bind", "192.0.2.1"], ["192.0.2.1", "--bind"]),
        (["--log", "a=b=c", "broker", "--memory"], ["--log"]),
        ([], ["Usage", "broker"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_a_command_line_that_means_nothing(naru, arguments, words):
    refused_by_usage(naru.run(*arguments), words)


def refused_by_usage(done, words):
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert all(word in said for word in words), said


def test_help_and_version_are_given(naru):
    assert naru.run("--version").stdout.startswith("naru ")
    for command in ("broker", "serve", "demo", "cli", "token"):
        done = naru.run(command, "--help")
        assert done.returncode == 0 and f" {command} [OPTIONS]" in done.stdout


def test_logs_name_no_message(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        wire.call("PUBLISH", "news", "a secret text")
        wire.call("XADD", "s", "1-1", "f", "a secret text")
        wire.call("NARU.SEND", "dm:alice:bob", "alice", "1", '"a secret text"')
        wire.call("NARU.SEND", "dm:alice:bob", "alice", "1", "a secret text")
    assert broker.program.terminate(TERM_SECONDS) == 0
    assert "secret" not in broker.program.log()


def test_readable_logs_are_the_default(naru):
    program = naru.programs.start("broker", [BINARY, "broker", "--memory", "--port", "0"])
    program.wait_for(lambda it: "the broker is ready address=127.0.0.1:" in it.log(), "not ready")
