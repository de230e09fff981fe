"""Subscribers that do not read for a while, of channels that keep what is published and of those that do not."""

import json
import re
import signal
import urllib.request
from contextlib import contextmanager

import pytest

from harness import sdks
from harness.raw_client import RawClient
from harness.raw_stream import RawStream
from harness.resp import Wire
from harness.sdks import token_of
from harness.waiting import eventually

LARGE = "x" * 50_000
COUNT = 200

METRICS_TOKEN = "token of the metrics"

NAMESPACES = (
    f"""
[metrics]
on_clients_port = true
token = "{METRICS_TOKEN}"
"""
    # They are read one after the other, and the last are waited for as long as a busy machine takes for those before.
    """
[limits]
write_timeout = "1m"

[channel.without_namespace]
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0

[[channel.namespaces]]
name = "kept"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
history_size = 300
history_ttl = "1h"
force_recovery = true

[[channel.namespaces]]
name = "few"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
history_size = 10
history_ttl = "1h"
force_recovery = true
"""
)

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

    def connect(*channels, user="slow", **how):
        client = RawClient(server.port, token_of(user), **how)
        here.append(client)
        for channel in channels:
            client.command("subscribe", {"channel": channel})
        if channels:
            client.until_answered()
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


@pytest.fixture
def measured(server):
    """A number of the server's metrics."""

    def read(name):
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", headers=headers)
        with urllib.request.urlopen(request) as page:
            found = re.search(rf"^{re.escape(name)} (\d+)", page.read().decode(), re.M)
        # There is none before the first.
        return int(found[1]) if found else 0

    return read


@pytest.fixture
def flood(server, people, measured):
    """Publishes in a channel until the server gives so many up."""

    def publish(channel, count=1):
        alice = people("flooder", server)
        before = measured(SLOW)
        for n in range(1, 1000):
            alice.call("publish", channel=channel, data=[n, LARGE])
            if measured(SLOW) >= before + count:
                return
        raise AssertionError("not enough are too slow")

    return publish


SLOW = 'naru_disconnects_total{code="3008"}'


def pushed(messages, channel):
    """The pushes in a channel, as they come."""
    return (it["push"] for it in messages if it.get("push", {}).get("channel") == channel)


def test_one_behind_costs_a_little_and_gets_all_that_is_kept_in_order(server, slow, publisher):
    readers = [slow("kept:a", user=f"slow-{n}") for n in range(4)]
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


def test_one_who_is_cut_off_comes_back_to_where_it_was(slow, publisher, flood):
    reader = slow("kept:a", "plain", receive_buffer_bytes=ROOMY)
    publisher("kept:a", 3, data=lambda n: n)
    flood("plain")
    stands, end = None, {}
    for message in reader.messages():
        end = message
        if message.get("id") == 2:
            stands = {"offset": message["subscribe"].get("offset", 0), "epoch": message["subscribe"]["epoch"]}
        elif message.get("push", {}).get("channel") == "kept:a":
            stands["offset"] += 1
            assert message["push"]["pub"]["offset"] == stands["offset"]
    assert end == {"close": 3008, "reason": "slow"}
    again = slow()
    again.command("subscribe", {"channel": "kept:a", "recover": True, **stands})
    sub = next(it["subscribe"] for it in again.messages() if "subscribe" in it)
    assert sub["recovered"]
    assert [it["data"] for it in sub.get("publications", [])] == list(range(stands["offset"] + 1, 4))


# Read from within the seconds that the server gives, what is ahead of the last words comes in time.
ROOMY = 1 << 16


def test_one_who_reads_on_in_time_is_told_so_behind_whole_frames(slow, flood):
    reader = slow("plain", receive_buffer_bytes=ROOMY)
    flood("plain")
    messages = list(reader.messages())
    numbers = [it["pub"]["data"][0] for it in pushed(messages, "plain")]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers
    assert messages[-1] == {"close": 3008, "reason": "slow"}


@pytest.mark.parametrize("transport", ["http_stream", "sse"])
def test_one_over_plain_http_is_told_so_behind_whole_messages(server, flood, transport):
    reader = RawStream(transport, server.port, token_of("slow"), ["plain"], receive_buffer_bytes=ROOMY)
    flood("plain")
    messages = [json.loads(it.removeprefix(b"data: ")) for it in reader.chunks()]
    reader.close()
    numbers = [it["pub"]["data"][0] for it in pushed(messages, "plain")]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers
    assert messages[-1]["push"]["disconnect"] == {"code": 3008, "reason": "slow"}


def test_those_who_never_read_are_gone_soon(server, slow, flood, measured, people):
    people("flooder", server)
    before = measured("process_open_fds")
    readers = [slow("plain"), RawStream("http_stream", server.port, token_of("slow"), ["plain"])]
    assert measured("process_open_fds") >= before + len(readers)
    flood("plain", len(readers))
    # One connection more is the flooder's.
    eventually(lambda: measured("process_open_fds") <= before + 1, "connections are left")
    readers[1].close()


@contextmanager
def stopped(program):
    program.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.process.send_signal(signal.SIGCONT)


def test_a_library_is_told_so_and_comes_back_to_all_that_is_kept(server, programs, people, flood):
    library = sdks.js(programs)
    client = library.open(server.url, token=token_of("slow"))
    client.wait("connected")
    for channel in ("kept:a", "plain"):
        client.subscribe(channel)
    alice = people("alice", server)

    def say(first, end):
        for n in range(first, end):
            alice.call("publish", channel="kept:a", data=n)

    say(1, 4)
    client.heard("kept:a", 3)
    with stopped(library.program):
        say(4, 6)
        flood("plain")
        say(6, 8)
    client.wait("connecting", code=3008, reason="slow")
    client.wait("connected", 2)
    assert client.heard("kept:a", 7) == list(range(1, 8))
    client.call("disconnect")


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
