"""Starts the binary under test, on free ports and in folders of the test's own."""

import json
import os
import socket
import subprocess
from pathlib import Path

from .waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("NARU_BIN", ROOT / "target/release/naru")).resolve()

SECRET = "a secret of the tests, long enough to sign with"

# For who publishes faster than people do, which is bounded by default.
PUBLIC_WITHOUT_RATES = """
[[channel.namespaces]]
name = "public"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
"""

# Of the server API.
API_KEY = "test-api-key"


def log_lines(program):
    """The JSON lines of a program's log; the last may be half-written."""
    for line in program.log().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            yield json.loads(line)


def logged(program, message):
    """The last line that says `message`, if there is one."""
    return next((line for line in reversed(list(log_lines(program))) if message in line.get("message", "")), None)


def on_two_cores(arguments):
    """What has it run on two cores, wherever it would run on one, so that what crosses them is tested."""
    return [] if "--cores" in arguments else ["--cores", "2"]


class Listening:
    """A program that listens on loopback."""

    def __init__(self, program, address):
        self.program = program
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)


class Broker(Listening):
    """A running `naru broker`."""

    def __init__(self, program, address, arguments):
        super().__init__(program, address)
        self.arguments = arguments

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


class Server(Listening):
    """A running `naru serve`."""

    def __init__(self, program, address, name):
        super().__init__(program, address)
        self.name = name

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/connection/websocket"


class Naru:
    """Starts Naru for one test."""

    def __init__(self, programs):
        self.programs = programs

    def run(self, *arguments, within=PATIENCE, env=None):
        """Runs it to its end."""
        return subprocess.run(
            [BINARY, *map(str, arguments)],
            cwd=self.programs.folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
        )

    def start(self, name, *arguments, **options):
        return self.programs.start(name, [BINARY, "--log-format", "json", *arguments], **options)

    def broker(self, *arguments, port=0, data=None, env=None):
        """A broker that stores in `data`, or else in memory."""
        storage = ["--memory"] if data is None else ["--data", data]
        arguments = [*storage, *on_two_cores(arguments), *arguments]
        program = self.start("broker", "broker", "--port", port, *arguments, env=env)
        ready = program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")
        return Broker(program, ready["address"], arguments)

    def restarted(self, broker):
        """The same broker again, on the same port and folder, after it has ended."""
        if hasattr(broker, "again"):
            return broker.again()
        program = self.start("broker", "broker", "--port", broker.port, *broker.arguments)
        ready = program.wait_for(lambda it: logged(it, "the broker is ready"), "no word of being ready")
        return Broker(program, ready["address"], broker.arguments)

    def server(self, broker_url, *arguments, name=None, port=0):
        """A chat server at a broker."""
        return self.serve_alone(name, "--broker", broker_url, *arguments, port=port)

    def serve_alone(self, name, *arguments, port=0):
        """A chat server, at whatever broker the arguments name, or with its own."""
        named = ["--name", name] if name else []
        at = ["--port", port, "--token-secret", SECRET]
        arguments = [*named, *on_two_cores(arguments), *arguments]
        program = self.start(name or "server", "serve", *at, *arguments)
        ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "no word of being ready")
        return Server(program, ready["address"], ready["server"])

    def joined_server(self, broker, *arguments, name=None):
        """A chat server that has reached its broker."""
        server = self.server(broker.url, *arguments, name=name)
        server.program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
        return server

    def token(self, user, *arguments):
        """A token that signs `user` in at the servers started here."""
        done = self.run("token", "--secret", SECRET, "--user", user, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class HeldPort:
    """A port on which nobody listens and which nobody else gets."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def release(self):
        self.socket.close()
