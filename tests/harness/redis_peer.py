"""A real redis-server, or valkey-server, to compare with."""

from .resp import Wire
from .stores import binary_of


def start(programs, held_port, *options, kind="redis"):
    """Starts one that keeps nothing; its port."""
    port = held_port.number
    held_port.release()
    program = programs.start(
        kind,
        [binary_of(kind), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options],
    )
    program.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
    with Wire(port) as wire:
        assert wire.call("PING") == b"PONG"
    return port
