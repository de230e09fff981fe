"""How clients on the same machine reach the broker: by Unix socket."""

import os
import shutil
import socket
import stat
import subprocess

import pytest
import redis

from harness.naru import HeldPort, logged
from harness.resp import Wire
from harness.waiting import PATIENCE, eventually

REDIS_CLI = shutil.which("redis-cli")


def run(*words):
    """What a program says, errors included."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout + done.stderr


def refused(done, *words):
    """Checks that it did not start and that it says what to do."""
    assert done.returncode not in (0, None), done.stderr
    missing = [word for word in words if word not in done.stderr]
    assert not missing, f"{missing} not in: {done.stderr}"
    assert "panicked" not in done.stderr and len(done.stderr.splitlines()) < 12


# By Unix socket


def free_port():
    held = HeldPort()
    held.release()
    return held.number


@pytest.fixture
def path(tmp_path):
    return tmp_path / "naru.sock"


def test_redis_cli_comes_by_unix_socket(naru, path):
    broker = naru.broker("--unixsocket", path, port=free_port())
    assert run(REDIS_CLI, "-s", path, "PUBLISH", "news", "hi") == "0\n"
    with Wire(broker.port) as wire:
        assert wire.call("PING") == b"PONG"


def test_a_client_list_shows_the_sockets_path_as_redis_does(naru, path):
    naru.broker("--unixsocket", path, port=free_port())
    said = run(REDIS_CLI, "-s", path, "CLIENT", "LIST")
    assert f" addr={path}:0 laddr={path}:0 " in said, said


def test_a_message_crosses_from_the_unix_socket_to_a_port(naru, path):
    broker = naru.broker("--unixsocket", path, port=free_port())
    with redis.Redis(unix_socket_path=str(path)) as publisher, Wire(broker.port) as subscriber:
        assert subscriber.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        assert publisher.publish("news", "hi") == 1
        assert subscriber.reply() == [b"message", b"news", b"hi"]


def test_the_socket_file_has_the_permissions_asked_for(naru, path):
    naru.broker("--unixsocket", path, "--unixsocketperm", "700", port=free_port())
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_socket_file_goes_with_the_broker(naru, path):
    broker = naru.broker("--unixsocket", path, port=free_port())
    assert path.exists()
    assert broker.program.terminate() == 0
    assert not path.exists()


def test_the_socket_file_of_a_killed_broker_is_replaced(naru, path):
    broker = naru.broker("--unixsocket", path, port=free_port())
    broker.program.kill()
    assert path.exists()
    naru.restarted(broker)
    assert run(REDIS_CLI, "-s", path, "PING") == "PONG\n"


def test_the_socket_of_a_running_broker_is_not_taken_away(naru, path):
    naru.broker("--unixsocket", path, port=free_port())
    done = naru.run("broker", "--memory", "--port", 0, "--unixsocket", path)
    refused(done, str(path), "taken", "--unixsocket")
    assert run(REDIS_CLI, "-s", path, "PING") == "PONG\n"


@pytest.mark.parametrize("name", ["letter.txt", "no/such/folder", "x" * 200])
def test_a_path_that_cannot_be_a_socket(naru, tmp_path, name):
    (tmp_path / "letter.txt").write_text("dear")
    refused(naru.run("broker", "--memory", "--port", 0, "--unixsocket", tmp_path / name), name, "--unixsocket")
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_with_a_unix_socket_port_0_means_no_port_as_in_redis(naru, path):
    program = naru.start("broker", "broker", "--memory", "--port", "0", "--unixsocket", path)
    ready = program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")
    assert "address" not in ready and ready["unixsocket"] == str(path)
    assert run(REDIS_CLI, "-s", path, "PING") == "PONG\n"
