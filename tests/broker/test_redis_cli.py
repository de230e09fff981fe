"""redis-cli, unmodified, as a person uses it."""

import shutil
import subprocess

import pytest

from harness.resp import Wire
from harness.terminal import Terminal
from harness.waiting import PATIENCE, eventually

REDIS_CLI = shutil.which("redis-cli")


def redis_cli(broker, *arguments, stdin=""):
    done = subprocess.run(
        [REDIS_CLI, "-p", str(broker.port), *arguments], input=stdin, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.stdout + done.stderr


def test_a_single_command_is_answered(broker):
    assert redis_cli(broker, "PING") == "PONG\n"
    assert redis_cli(broker, "PUBLISH", "test_channel", "hi") == "0\n"
    assert redis_cli(broker, "NONSENSE") == "ERR unknown command 'NONSENSE', with args beginning with: \n\n"


@pytest.mark.parametrize("flag", ["-2", "-3"])
def test_streams_read_as_they_were_written(broker, flag):
    assert redis_cli(broker, flag, "XADD", "s", "1-1", "field", "값") == "1-1\n"
    assert redis_cli(broker, flag, "--no-raw", "XRANGE", "s", "-", "+").split() == [
        "1)", "1)", '"1-1"', "2)", "1)", '"field"', "2)", '"\\xea\\xb0\\x92"',
    ]  # fmt: skip


def test_a_script_on_standard_input_runs_to_its_end(broker):
    lines = "".join(f"XADD s {number}-0 n {number}\n" for number in range(1, 201))
    assert redis_cli(broker, stdin=lines + "XLEN s\n").splitlines()[-1] == "200"


def test_mass_insertion_by_pipe_is_counted(broker):
    lines = "".join(f"XADD s {number}-0 n {number}\r\n" for number in range(1, 1001))
    said = redis_cli(broker, "--pipe", stdin=lines)
    assert "errors: 0, replies: 1000" in said, said


def test_info_can_be_asked_for(broker):
    said = redis_cli(broker, "INFO", "server")
    assert "redis_version:" in said and "naru_version:" in said


@pytest.mark.parametrize("flag", ["-2", "-3"])
def test_the_prompt_starts_without_complaint_and_shows_what_redis_users_know(broker, flag):
    with Terminal([REDIS_CLI, flag, "-p", str(broker.port)]) as person:
        start = person.shows(rf"127\.0\.0\.1:{broker.port}> ")
        assert "rror" not in start and "arning" not in start, start
        person.enter('publish test_channel "hi"')
        person.shows(r"\(integer\) 0\n[^\n]*> ")
        person.enter("subscribe test_channel")
        person.shows(r'1\) "subscribe"\n2\) "test_channel"\n3\) \(integer\) 1\n')
        with Wire(broker.port) as wire:
            assert wire.call("PUBLISH", "test_channel", "hi") == 1
        person.shows(r'1\) "message"\n2\) "test_channel"\n3\) "hi"\n')


def test_a_name_given_at_the_prompt_is_in_the_list(broker):
    with Terminal([REDIS_CLI, "-p", str(broker.port)]) as person:
        person.shows(r"> ")
        person.enter("client setname alice")
        person.shows(r"OK\n")
        eventually(lambda: " name=alice " in redis_cli(broker, "CLIENT", "LIST"), "alice is not in CLIENT LIST")
