"""A real redis-server to compare with."""

import shutil

from .resp import Wire


def start(programs, held_port, *options):
    """Starts one that keeps nothing; its port."""
    binary = shutil.which("redis-server")
    assert binary, "redis-server is missing: scripts/install-test-tools installs it"
    port = held_port.number
    held_port.release()
    program = programs.start(
        "redis",
        [binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options],
    )
    program.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
    with Wire(port) as wire:
        assert wire.call("PING") == b"PONG"
    return port
