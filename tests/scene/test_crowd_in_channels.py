"""A crowd of subscribers that has lost its server comes back at once to another one: everybody gets what was published meanwhile, in
order and once, while others talk as before."""

import os

import pytest

from harness.crowd import Crowd
from harness.stores import APART
from harness.talk import Talk
from harness.waiting import eventually

# Ten thousand need more files than a process is mostly given: ulimit -n 20000.
COUNT = int(os.environ.get("NARU_CROWD", 600))
PATIENCE = 20 + COUNT / 25
ROOMS = 10
DRAIN_SECONDS = 1

NAMESPACE = """
[[channel.namespaces]]
name = "one"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
history_size = 100
history_ttl = "1h"
force_recovery = true
"""


def publish(client, crowd, *texts):
    """These in each channel of the crowd, many on their way at once."""
    for text in texts:
        for at in range(0, len(crowd.channels), 200):
            orders = [
                client.sdk.order("publish", client=client.name, channel=channel, data={"text": text})
                for channel in crowd.channels[at : at + 200]
            ]
            for order in orders:
                client.sdk.answer(order)


def killed(server):
    server.program.kill()


def drained(server):
    assert server.program.terminate(DRAIN_SECONDS + PATIENCE) == 0


# Valkey runs the same scripts as Redis.
@pytest.mark.brokers(*(kind for kind in APART if COUNT > 2000 or kind != "valkey"))
@pytest.mark.parametrize("end", (killed, drained))
def test_a_crowd_comes_back_to_another_server_and_misses_nothing(
    brokers, broker, programs, people, tmp_path, end
):
    config = tmp_path / "naru.toml"
    config.write_text(NAMESPACE)
    config.chmod(0o600)
    arguments = ["--config", config, "--drain", f"{DRAIN_SECONDS}s"]
    quiet, lost, another = brokers.servers(broker, ["server-1", "server-2", "server-3"], arguments)
    alice, bob, carol = (people(name, quiet) for name in ("alice", "bob", "carol"))
    crowd = Crowd(programs, "one", COUNT, channels=ROOMS)
    first = crowd.all_in(crowd.come([lost], PATIENCE), PATIENCE)
    publish(carol, crowd, "before")
    crowd.get(["before"], PATIENCE)

    end(lost)
    crowd.lose(PATIENCE)
    publish(carol, crowd, "away 1", "away 2", "away 3")

    talk = Talk(alice, bob, "bob")
    eventually(lambda: talk.failure or len(talk.delays) >= 200, "the two hardly talk")
    calm = talk.finish(PATIENCE)
    talk = Talk(alice, bob, "bob")
    coming = crowd.come([another], PATIENCE)
    publish(carol, crowd, "back")
    again = crowd.all_in(coming, PATIENCE)
    crowd.get(["before", "away 1", "away 2", "away 3", "back"], PATIENCE)
    busy = talk.finish(PATIENCE)
    memory = another.program.memory_bytes() >> 20
    print(
        f"{COUNT}: in within {first[0]:.1f} s, back within {again[0]:.1f} s by {again[1]} attempts ({memory} MiB);"
        f" a message takes {calm} ms, meanwhile {busy} ms (median, p99, longest)"
    )
    assert busy[0] < max(1000, 50 * calm[0]), (calm, busy)
