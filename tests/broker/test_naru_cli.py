"""naru cli: the prompt for machines without redis-cli."""

import subprocess

import pytest

from harness.naru import BINARY, HeldPort
from harness.resp import Wire
from harness.terminal import Terminal
from harness.waiting import PATIENCE


@pytest.fixture
def cli(broker, tmp_path):
    """Runs it to its end; its home is the test's, so that no history of a person is touched."""

    def run(*arguments, stdin="", port=None):
        done = subprocess.run(
            [BINARY, "cli", "-p", str(port or broker.port), *arguments],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE, env={"HOME": str(tmp_path)},
        )  # fmt: skip
        return done

    return run


def test_a_single_command_is_answered(cli):
    assert cli("PING").stdout.strip() == "PONG"
    assert cli("XADD", "s", "1-1", "field", "값").stdout.strip().strip('"') == "1-1"
    assert cli("PUBLISH", "test_channel", "hi").stdout.strip() in ("(integer) 0", "0")
    refused = cli("NONSENSE")
    assert "ERR unknown command 'NONSENSE'" in refused.stdout + refused.stderr


def test_lines_from_standard_input_are_carried_out(cli):
    done = cli(stdin="XADD s 1-1 n 1\nXADD s 2-1 n 2\nXLEN s\n")
    assert done.returncode == 0 and done.stdout.strip().endswith("2")


def test_nobody_to_speak_to_is_said(cli):
    held = HeldPort()
    done = cli("PING", port=held.number)
    assert done.returncode != 0 and f"127.0.0.1:{held.number}" in done.stderr


@pytest.fixture
def terminal(broker, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Terminal([BINARY, "cli", "-p", broker.port]) as terminal:
        terminal.prompt = rf"127\.0\.0\.1:{broker.port}> "
        terminal.shows(terminal.prompt)
        yield terminal


def test_the_prompt_shows_what_redis_users_know(broker, terminal):
    terminal.enter('publish test_channel "hi"')
    terminal.shows(r"\(integer\) 0\n")
    terminal.shows(terminal.prompt)
    terminal.enter("subscribe test_channel")
    terminal.shows(r'1\) "subscribe"\n2\) "test_channel"\n3\) \(integer\) 1\n')
    terminal.shows(rf"127\.0\.0\.1:{broker.port}\(subscribed mode\)> ")
    with Wire(broker.port) as wire:
        assert wire.call("PUBLISH", "test_channel", "hi") == 1
    terminal.shows(r'1\) "message"\n2\) "test_channel"\n3\) "hi"\n')


def test_subscriptions_can_be_changed_while_messages_come_in(broker, terminal):
    subscribed = rf"127\.0\.0\.1:{broker.port}\(subscribed mode\)> "
    terminal.enter("subscribe one")
    terminal.shows(subscribed)
    terminal.enter("psubscribe t*")
    terminal.shows(r'1\) "psubscribe"\n2\) "t\*"\n3\) \(integer\) 2\n')
    with Wire(broker.port) as wire:
        assert wire.call("PUBLISH", "two", "by pattern") == 1
        terminal.shows(r'"pmessage"(.|\n)*"by pattern"\n')
        terminal.enter("unsubscribe one")
        terminal.shows(r'1\) "unsubscribe"\n2\) "one"\n3\) \(integer\) 1\n')
        terminal.enter("punsubscribe")
        terminal.shows(r'1\) "punsubscribe"\n2\) "t\*"\n3\) \(integer\) 0\n')
        terminal.shows(terminal.prompt)
        terminal.enter("ping")
        terminal.shows("PONG\n")
        assert wire.call("PUBLISH", "two", "late") == 0


def test_errors_are_shown_and_do_not_end_it(terminal):
    terminal.enter("xadd s 0-0 f v")
    terminal.shows(r"\(error\) ERR The ID specified in XADD must be greater than 0-0\n")
    terminal.shows(terminal.prompt)
    terminal.enter("ping")
    terminal.shows("PONG\n")
