"""Generic channels: across servers, and to and from whoever speaks Redis."""

import shutil
import subprocess

import pytest

from harness.naru import PUBLIC_WITHOUT_RATES
from harness.resp import Wire
from harness.sdk import Refused
from harness.waiting import PATIENCE, eventually


def redis_cli(broker, *arguments):
    command = [shutil.which("redis-cli"), "-p", str(broker.port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()


def test_a_publication_reaches_subscribers_on_both_servers(servers, people):
    alice, bob, carol = people("alice", servers[0]), people("bob", servers[1]), people("carol", servers[0])
    for client in (alice, bob, carol):
        assert client.call("subscribe", channel="public:news") == {}
    for number in range(50):
        (alice if number % 2 else bob).call("publish", channel="public:news", data={"n": number})
    expected = [{"n": number} for number in range(50)]
    for client in (alice, bob, carol):
        assert client.heard("public:news", 50) == expected
    info = carol.seen("publication", channel="public:news")[0]["info"]
    assert info["user"] == "bob" and info["client"] == bob.wait("connected")["id"]


def test_what_redis_cli_publishes_reaches_clients(broker, servers, people):
    bob = people("bob", servers[1])
    bob.call("subscribe", channel="public:news")
    assert redis_cli(broker, "PUBLISH", "public:news", '{"from":"redis-cli"}') == "1"
    assert redis_cli(broker, "PUBLISH", "public:news", '"서울"') == "1"
    assert bob.heard("public:news", 2) == [{"from": "redis-cli"}, "서울"]


def test_what_clients_publish_reaches_redis(broker, servers, people):
    alice = people("alice", servers[0])
    with Wire(broker.port) as wire:
        wire.send("SUBSCRIBE", "public:news")
        assert wire.reply() == [b"subscribe", b"public:news", 1]
        alice.call("publish", channel="public:news", data={"text": "from a browser"})
        kind, channel, payload = wire.reply()
        assert (kind, channel) == (b"message", b"public:news")
        assert b"from a browser" in payload


def test_what_is_no_json_harms_nobody(broker, servers, people):
    bob = people("bob", servers[1])
    bob.call("subscribe", channel="public:news")
    redis_cli(broker, "PUBLISH", "public:news", "plain text")
    redis_cli(broker, "PUBLISH", "public:news", '{"line":"one",\n"two":2}')
    redis_cli(broker, "PUBLISH", "public:news", '{"n":3}')
    eventually(
        lambda: {"n": 3} in [it["data"] for it in bob.seen("publication")] or bob.seen("disconnected"), "silence"
    )
    # The protocol's word for it is 3506; passing it on as text would be fine too.
    assert not bob.seen("disconnected") or bob.seen("disconnected")[0]["code"] == 3506
    again = people("carol", servers[1])
    again.call("subscribe", channel="public:news")
    redis_cli(broker, "PUBLISH", "public:news", '{"n":4}')
    assert {"n": 4} in again.heard("public:news", 1)


def test_who_unsubscribes_hears_no_more_and_the_broker_forgets(broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    bob.call("subscribe", channel="public:news")
    assert alice.rpc("publish", {"channel": "public:news", "data": 1}) == {"receivers": 1}
    bob.heard("public:news", 1)
    bob.call("unsubscribe", channel="public:news")
    bob.wait("unsubscribed")
    with Wire(broker.port) as wire:
        eventually(lambda: wire.call("PUBSUB", "NUMSUB", "public:news")[1] == 0, "the server is still subscribed")
    assert alice.rpc("publish", {"channel": "public:news", "data": 2}) == {"receivers": 0}
    bob.call("subscribe", channel="public:news")
    assert alice.rpc("publish", {"channel": "public:news", "data": 3}) == {"receivers": 1}
    assert bob.heard("public:news", 2) == [1, 3]


def test_a_client_that_goes_away_takes_its_subscriptions_along(broker, servers, people):
    bob = people("bob", servers[1])
    bob.call("subscribe", channel="public:news")
    bob.disconnect()
    with Wire(broker.port) as wire:
        eventually(lambda: wire.call("PUBSUB", "NUMSUB", "public:news")[1] == 0, "the server is still subscribed")


@pytest.mark.parametrize(
    "channel, code",
    [
        ("other:news", 102),
        ("news", 103),
        ("inbox:alice", 103),
        ("inbox:bob", 103),
        ("naru:server:server-1", 103),
        ("$public:news", 103),
        ("public:" + "x" * 249, 107),
    ],
)
def test_channels_that_are_not_open_are_refused(broker, servers, people, channel, code):
    alice = people("alice", servers[0])
    refused = alice.call("subscribe", channel=channel)
    # Subscribing to what the server has subscribed already has a code of its own.
    assert refused["code"] in {code, 105 if channel == "inbox:alice" else code}
    with pytest.raises(Refused) as error:
        alice.call("publish", channel=channel, data={})
    assert error.value.code == code
    with Wire(broker.port) as wire:
        assert channel.encode() not in wire.call("PUBSUB", "CHANNELS", "other*")
    assert not alice.seen("disconnected")


def test_a_large_stream_arrives_whole_and_in_order(brokers, broker, people, tmp_path):
    # Faster than people write.
    config = tmp_path / "naru.toml"
    config.write_text(PUBLIC_WITHOUT_RATES)
    servers = brokers.servers(broker, ["server-1", "server-2"], ["--config", config])
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    bob.call("subscribe", channel="public:news")
    for number in range(200):
        alice.call("publish", channel="public:news", data={"n": number, "filling": "x" * 10_000})
    assert [it["n"] for it in bob.heard("public:news", 200)] == list(range(200))
