"""How clients reach the broker: by Unix socket, and by what a configuration file says."""

import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest
import redis

from harness.naru import HeldPort, log_lines, logged
from harness.resp import Wire
from harness.waiting import PATIENCE

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


# By what a configuration file says


def configured(naru, tmp_path, text, *arguments):
    """A broker with a configuration file, and what it says when it is ready."""
    (tmp_path / "naru.conf").write_text(text)
    program = naru.start("broker", "broker", "--config", tmp_path / "naru.conf", *arguments)
    return program, program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")


def test_a_configuration_that_redis_runs_with_will_do(naru, programs, tmp_path):
    port, password = free_port(), r'"a \"secret\" \x77ord"'
    text = (
        f"# of the test\nbind 127.0.0.1 -::1\nport {port}\nunixsocket {tmp_path}/shared.sock\nunixsocketperm 700\n"
        f"requirepass {password}\ninclude {tmp_path}/more-*.conf\nloglevel notice\nio-threads 1\nsave \"\"\n"
        f"appendonly no\ndir {tmp_path}\nmaxmemory-policy noeviction\n"
    )
    (tmp_path / "more-1.conf").write_text("maxclients 500\n")

    def answers():
        with Wire(port) as wire:
            return [
                wire.call("PING"),
                wire.call("AUTH", "wrong"),
                wire.call("AUTH", 'a "secret" word'),
                wire.call("PING"),
                run(REDIS_CLI, "-s", tmp_path / "shared.sock", "PING"),
                stat.S_IMODE((tmp_path / "shared.sock").stat().st_mode),
            ]

    (tmp_path / "redis.conf").write_text(text)
    peer = programs.start("redis", [shutil.which("redis-server"), tmp_path / "redis.conf"])
    peer.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
    of_redis = answers()
    assert peer.terminate() == 0
    program, ready = configured(naru, tmp_path, text)
    assert answers() == of_redis
    assert ready["cores"] == 1
    warnings = [line["parameters"] for line in log_lines(program) if "passed over" in line["message"]]
    assert len(warnings) == 1 and {"save", "maxmemory-policy"} <= set(warnings[0].split())
    assert program.terminate() == 0
    assert not (tmp_path / "naru-data").exists()


def test_debians_own_configuration_will_do(naru, tmp_path):
    path = Path("/etc/redis/redis.conf")
    if not path.exists():
        pytest.skip("there is no /etc/redis/redis.conf")
    text = path.read_text() + f"\nport {free_port()}\n"
    program, ready = configured(naru, tmp_path, text)
    assert sum(line["level"] == "WARN" for line in log_lines(program)) == 1, program.log()


def test_what_must_last_is_kept_below_redis_folder(naru, tmp_path):
    configured(naru, tmp_path, f"port {free_port()}\ndir {tmp_path}\nappendonly yes\n")
    assert (tmp_path / "naru-data").is_dir()


def test_the_command_line_wins_over_the_file(naru, tmp_path):
    port, other = free_port(), free_port()
    _, ready = configured(naru, tmp_path, f"port {other}\ndir {tmp_path}\nio-threads 2\n", "--port", port, "--memory")
    assert ready["address"] == f"127.0.0.1:{port}" and ready["cores"] == 2
    assert not (tmp_path / "naru-data").exists()


def test_all_addresses_are_listened_on(naru, tmp_path):
    port = free_port()
    configured(naru, tmp_path, f"port {port}\nbind * -::*\nappendonly no\n")
    assert run(REDIS_CLI, "-h", "127.0.0.1", "-p", port, "PING") == "PONG\n"
    if has_ipv6():
        assert run(REDIS_CLI, "-h", "::1", "-p", port, "PING") == "PONG\n"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_an_address_that_may_be_missing_is_not_missed(naru, tmp_path):
    port = free_port()
    configured(naru, tmp_path, f"port {port}\nbind -192.0.2.1 127.0.0.1\nappendonly no\n")
    (tmp_path / "naru.conf").write_text(f"port {port}\nbind 192.0.2.1 127.0.0.1\nappendonly no\n")
    refused(naru.run("broker", "--config", tmp_path / "naru.conf"), "192.0.2.1", "--bind")


@pytest.mark.parametrize("slip, meant", [("requirepas", "requirepass"), ("protected-mod", "protected-mode")])
def test_a_slip_in_a_name_keeps_the_broker_from_starting_open(naru, tmp_path, slip, meant):
    (tmp_path / "naru.conf").write_text(f"port {free_port()}\nappendonly no\n{slip} secret\n")
    done = naru.run("broker", "--config", tmp_path / "naru.conf")
    refused(done, f"naru.conf:3: {slip} is no parameter, of Redis or of Naru: did you mean {meant}?")
    assert "secret" not in done.stderr


def test_a_broken_line_is_refused(naru, tmp_path):
    (tmp_path / "naru.conf").write_text('port 1\nrequirepass "secret\n')
    done = naru.run("broker", "--config", tmp_path / "naru.conf")
    refused(done, "naru.conf:2", "quotes")
    assert "secret" not in done.stderr
    refused(naru.run("broker", "--config", tmp_path / "missing.conf"), "missing.conf", "No such file")


def test_a_configuration_sets_what_config_set_could_and_the_command_line_wins(naru, tmp_path):
    (tmp_path / "redis.conf").write_text(
        "maxclients 50\ntimeout 300\ntcp-keepalive 60\nclient-output-buffer-limit pubsub 1mb 0 0\n"
        "client-output-buffer-limit normal 2mb 0 0\nprotected-mode no\nproto-max-bulk-len 2mb\n"
    )
    broker = naru.broker("--config", tmp_path / "redis.conf", "--set", "timeout=7", "--set", "slowlog-max-len=3")
    with Wire(broker.port) as wire:
        words = wire.call("CONFIG", "GET", "*")
    told = dict(zip(words[::2], words[1::2]))
    assert told[b"maxclients"] == b"50"
    assert told[b"timeout"] == b"7"
    assert told[b"tcp-keepalive"] == b"60"
    assert told[b"slowlog-max-len"] == b"3"
    assert told[b"protected-mode"] == b"no"
    assert told[b"proto-max-bulk-len"] == b"2097152"
    assert told[b"client-output-buffer-limit"].startswith(b"normal 2097152 0 0 ")
    assert told[b"client-output-buffer-limit"].endswith(b"pubsub 1048576 0 0")


def test_a_value_that_no_parameter_can_have_is_refused_with_its_place(naru, tmp_path):
    (tmp_path / "redis.conf").write_text("port 0\nmaxclients none\n")
    refused(naru.run("broker", "--config", tmp_path / "redis.conf"), "redis.conf:2: maxclients:", "integer")
    refused(naru.run("broker", "--set", "maxclients=0"), "maxclients", "between 1 and")
    refused(naru.run("broker", "--set", "port=1"), "port", "CONFIG SET")
    refused(naru.run("broker", "--set", "timeout"), "=")
