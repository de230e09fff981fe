"""What WebSocket clients connect to, as gateway.py measures it: each server in the settings that a scenario asks for.

All stay on loopback, and run as they come. Naru and Centrifugo check the token of each client; the others know nobody.
"""

import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import servers
from servers import ROOT, Failed, free_port, listens

ENVIRONMENT = ROOT / "target/bench-env"
PEERS = ROOT / "bench/peers"

# Namespaces: what is published in the one is kept by nobody, in the other for as long as a run may take.
LIVE, KEPT = "public", "kept"
KEPT_MESSAGES, KEPT_TIME = 1_000, "1h"

# Load generators publish faster than people, whose rates are bounded by default.
NARU_SETTINGS = f"""
[[channel.namespaces]]
name = "{LIVE}"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
subscribe_rate_limit = 0
"""

REDIS = ["redis-server", "--bind", "127.0.0.1", "--save", ""]


class Running:
    """Programs that have been started in a folder of their own, and how the load generator reaches them."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = []
        self.urls = []
        self.told = []

    def start(self, name, command, port, said=""):
        """Returns when it listens, and has said so much."""
        log_path = Path(self.folder, f"log-{len(self.programs)}")
        with open(log_path, "w", encoding="utf-8") as log:
            program = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.programs.append(program)
        if not listens(program, port) or not says(log_path, said):
            raise Failed(f"{name} did not start:\n{log_path.read_text(encoding='utf-8')}")
        return port

    def arguments(self):
        """What `naru bench gateway` is told of them."""
        urls = [word for url in self.urls for word in ("--server", url)]
        pids = [word for program in self.programs for word in ("--pid", str(program.pid))]
        return [*urls, *pids, *self.told]

    def end(self):
        for program in reversed(self.programs):
            if program.poll() is None:
                servers.end(program)


class Peer:
    """A server that is measured. `wanted` is what a scenario asks for: "one" or "two" servers, or "kept"."""

    can = frozenset()

    def __init__(self, name, version):
        self.name, self.version = name, version

    @contextlib.contextmanager
    def running(self, wanted, within=None, fsync=None):
        """`fsync` says when a broker of its own, Naru's or Redis, has what is stored on the disk."""
        with tempfile.TemporaryDirectory(prefix="bench-", dir=within) as folder:
            running = Running(folder)
            try:
                self.begin(running, wanted, fsync)
                yield running
            finally:
                running.end()


class Naru(Peer):
    can = frozenset({"one", "two", "kept"})

    def __init__(self, binary, cores):
        super().__init__("naru", servers.version(binary))
        self.binary, self.cores = binary, cores

    def begin(self, running, wanted, fsync):
        secret = secrets.token_hex(32)
        running.told = ["--token-secret", secret]
        cores = ["--cores", str(self.cores)] if self.cores else []
        settings = Path(running.folder, "naru.toml")
        settings.write_text(NARU_SETTINGS, encoding="utf-8")
        base = [self.binary, "serve", "--config", str(settings), "--token-secret", secret, *cores]
        if wanted == "two":
            broker = free_port()
            data = str(Path(running.folder, "data"))
            command = [self.binary, "broker", "--bind", "127.0.0.1", "--port", str(broker)]
            running.start("naru's broker", [*command, "--data", data, "--fsync", fsync], broker)
        for number in range(2 if wanted == "two" else 1):
            port = free_port()
            if wanted == "two":
                where = ["--broker", f"redis://127.0.0.1:{broker}", "--name", f"server-{number}"]
            else:
                where = ["--data", str(Path(running.folder, "data")), "--resp-port", "0", "--name", "server"]
            running.start("naru", [*base, "--port", str(port), *where], port, said="connected to the broker")
            running.urls.append(f"ws://127.0.0.1:{port}")


class Centrifugo(Peer):
    can = frozenset({"one", "two", "kept"})

    def __init__(self, binary, version):
        super().__init__("centrifugo", version)
        self.binary = binary

    def begin(self, running, wanted, fsync):
        secret = secrets.token_hex(32)
        running.told = ["--token-secret", secret]
        engine = {"type": "memory"}
        if wanted == "two":
            redis = free_port()
            stored = ["--appendonly", "yes", "--appendfsync", fsync, "--dir", running.folder]
            running.start("redis", [*REDIS, "--port", str(redis), *stored], redis)
            engine = {"type": "redis", "redis": {"address": f"redis://127.0.0.1:{redis}"}}
        for number in range(2 if wanted == "two" else 1):
            port = free_port()
            settings = Path(running.folder, f"centrifugo-{number}.json")
            settings.write_text(json.dumps(self.settings(port, secret, engine)), encoding="utf-8")
            running.start("centrifugo", [self.binary, "--config", str(settings)], port)
            running.urls.append(f"ws://127.0.0.1:{port}")

    def settings(self, port, secret, engine):
        may = {"allow_subscribe_for_client": True, "allow_publish_for_client": True}
        kept = {"history_size": KEPT_MESSAGES, "history_ttl": KEPT_TIME, "force_recovery": True}
        return {
            "http_server": {"address": "127.0.0.1", "port": str(port)},
            "client": {"token": {"hmac_secret_key": secret}},
            "channel": {"namespaces": [{"name": LIVE, **may}, {"name": KEPT, **may, **kept}]},
            "engine": engine,
            "log": {"level": "error"},
        }


class Bun(Peer):
    can = frozenset({"one"})

    def __init__(self, binary, version):
        super().__init__("bun", version)
        self.binary = binary

    def begin(self, running, _wanted, _fsync):
        running.told = ["--dialect", "plain"]
        port = free_port()
        running.start("bun", [self.binary, str(PEERS / "bun.js"), str(port)], port)
        running.urls.append(f"ws://127.0.0.1:{port}")


class SocketIo(Peer):
    can = frozenset({"one"})

    def __init__(self, modules, version):
        super().__init__("socket.io", version)
        self.modules = modules

    def begin(self, running, _wanted, _fsync):
        running.told = ["--dialect", "socket-io"]
        redis, port = free_port(), free_port()
        running.start("redis", [*REDIS, "--port", str(redis)], redis)
        # Node looks for modules beside the program.
        program = Path(running.folder, "server.js")
        shutil.copy(PEERS / "socket_io.js", program)
        Path(running.folder, "node_modules").symlink_to(self.modules)
        running.start("socket.io", ["node", str(program), str(port), str(redis)], port)
        running.urls.append(f"ws://127.0.0.1:{port}")


def says(log_path, said):
    deadline = time.monotonic() + servers.START_SECONDS_MAX
    while said not in log_path.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def found(asked):
    """The servers that are there, Naru last, and the names of those that are not."""
    modules = ENVIRONMENT / "node/node_modules"
    there, missing = [], []
    for name, make in [
        ("bun", lambda: program(Bun, asked.bun or modules / ".bin/bun", "--version")),
        ("centrifugo", lambda: program(Centrifugo, asked.centrifugo or ENVIRONMENT / "bin/centrifugo", "version")),
        ("socket.io", lambda: socket_io(modules)),
    ]:
        peer = make()
        if peer:
            there.append(peer)
        else:
            missing.append(name)
    return [*there, Naru(str(Path(asked.naru).resolve()), asked.cores)], missing


def program(kind, binary, *words):
    path = shutil.which(binary)
    if not path:
        return None
    said = subprocess.run([path, *words], stdout=subprocess.PIPE, text=True, check=True).stdout
    # Centrifugo says the version of its language, too, behind its own; one built by `go install` calls itself 0.0.0.
    return kind(str(Path(path).absolute()), next(word for word in said.replace("v", " ").split() if word[0].isdigit()))


def socket_io(modules):
    manifest = modules / "socket.io/package.json"
    if not (manifest.exists() and shutil.which("node") and shutil.which("redis-server")):
        return None
    return SocketIo(modules, json.loads(manifest.read_text(encoding="utf-8"))["version"])
