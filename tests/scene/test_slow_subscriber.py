"""Subscribers that do not read for a while, of channels that keep what is published and of those that do not."""

import re

import pytest

from harness.raw_client import RawClient
from harness.resp import Wire
from harness.sdks import token_of

LARGE = "x" * 50_000
COUNT = 200

NAMESPACES = """
[channel.without_namespace]
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "kept"
allow_subscribe_for_client = true
allow_publish_for_client = true
history_size = 300
history_ttl = "1h"
force_recovery = true

[[channel.namespaces]]
name = "few"
allow_subscribe_for_client = true
allow_publish_for_client = true
history_size = 10
history_ttl = "1h"
force_recovery = true
"""

pytestmark = pytest.mark.brokers("naru", "redis")


@pytest.fixture
def server(brokers, broker, tmp_path):
    config = tmp_path / "naru.toml"
    config.write_text(NAMESPACES)
    config.chmod(0o600)
    return brokers.servers(broker, ["server-1"], ["--config", config])[0]


@pytest.fixture
def slow(server):
    """Connects somebody who does not read, with these channels."""
    here = []

    def connect(*channels, user="slow"):
        client = RawClient(server.port, token_of(user))
        here.append(client)
        for channel in channels:
            client.command("subscribe", {"channel": channel})
        return client

    yield connect
    for client in here:
        client.close()


@pytest.fixture
def publisher(server, people):
    """One who hears what it publishes in each of these channels, and then all others on the server do or never will."""
    alice = people("alice", server)

    def publish(channel, count, data=lambda n: [n, LARGE]):
        alice.call("subscribe", channel=channel)
        for n in range(1, count + 1):
            alice.call("publish", channel=channel, data=data(n))
        assert len(alice.heard(channel, count)) == count

    return publish


def pushed(messages, channel):
    """The pushes in a channel, as they come."""
    return (it["push"] for it in messages if it.get("push", {}).get("channel") == channel)


def test_one_behind_costs_a_little_and_gets_all_that_is_kept_in_order(server, slow, publisher):
    readers = [slow("kept:a", user=f"slow-{n}") for n in range(8)]
    publisher("kept:b", 1)
    before = server.program.memory_bytes()
    publisher("kept:a", COUNT)
    # 10 MB have been said, of which little waits for each.
    grown = server.program.memory_bytes() - before
    assert grown < (8 << 20) + len(readers) * (1 << 20), f"{grown} bytes"
    for reader in readers:
        pushes = pushed(reader.messages(), "kept:a")
        offsets = [next(pushes)["pub"]["offset"] for _ in range(COUNT)]
        assert offsets == list(range(1, COUNT + 1))


def test_one_who_is_farther_behind_than_is_kept_is_told_so(slow, publisher):
    reader = slow("few:a")
    publisher("few:a", COUNT)
    offsets, last = [], None
    for last in pushed(reader.messages(), "few:a"):
        if "pub" not in last:
            break
        offsets.append(last["pub"]["offset"])
    assert last["unsubscribe"] == {"code": 2500, "reason": "insufficient state"}
    assert offsets == list(range(1, len(offsets) + 1)) and len(offsets) < COUNT


def test_one_who_is_cut_off_comes_back_to_where_it_was(slow, publisher):
    reader = slow("kept:a", "plain")
    publisher("kept:a", 3, data=lambda n: n)
    publisher("plain", 400)
    stands, end = None, {}
    for message in reader.messages():
        end = message
        if message.get("id") == 2:
            stands = {"offset": message["subscribe"].get("offset", 0), "epoch": message["subscribe"]["epoch"]}
        elif message.get("push", {}).get("channel") == "kept:a":
            stands["offset"] += 1
            assert message["push"]["pub"]["offset"] == stands["offset"]
    # The close frame is the last that comes, if there is room for it.
    assert end.get("close") in (None, 3008), end
    again = slow()
    again.command("subscribe", {"channel": "kept:a", "recover": True, **stands})
    sub = next(it["subscribe"] for it in again.messages() if "subscribe" in it)
    assert sub["recovered"]
    assert [it["data"] for it in sub.get("publications", [])] == list(range(stands["offset"] + 1, 4))


def read_from(broker):
    """Bytes that the broker has answered."""
    with Wire(broker.port) as wire:
        info = wire.call("INFO", "stats").decode()
    return int(re.search(r"^total_net_output_bytes:(\d+)", info, re.M)[1])


def test_who_comes_back_to_much_that_is_large_has_it_read_once(broker, slow, publisher):
    publisher("kept:a", COUNT)
    reader = slow()
    before = read_from(broker)
    reader.command("subscribe", {"channel": "kept:a", "recover": True, "offset": 0, "epoch": ""})
    offset = 0
    for message in reader.messages():
        pushed = [it for it in [message.get("push", {}).get("pub")] if it]
        for publication in message.get("subscribe", {}).get("publications", []) + pushed:
            offset += 1
            assert publication["offset"] == offset
        if offset == COUNT:
            break
    # A page that is too large to be taken would be read again, and again.
    assert read_from(broker) - before < 2 * COUNT * len(LARGE)
