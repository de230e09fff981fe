"""Which code ends a connection or a subscription, and why; said by hand, where no library would say such a thing.

Those that come after long are in test_waited_for.py, 3010 in test_recovery.py, 3508 in test_core.py, and others of tokens in
test_tokens.py.
"""

import json
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness.by_hand import ByHand
from harness.naru import API_KEY
from harness.raw_client import RawClient
from harness.sdks import token_of
from harness.waiting import PATIENCE, eventually


@pytest.fixture
def wire(servers):
    open_ones = []

    def open_one(kind=ByHand):
        open_ones.append(kind(servers[0]))
        return open_ones[-1]

    yield open_one
    for one in open_ones:
        one.close()


CONNECT = json.dumps({"id": 1, "connect": {"token": token_of("alice")}})


@pytest.mark.parametrize(
    "frames",
    [
        [""],
        ["{"],
        ["[]"],
        ['{"id":1,"subscribe":{"channel":"a"}}'],
        ['{"id":1,"connect":{}}'],
        [CONNECT, CONNECT.replace('"id": 1', '"id": 2')],
        [CONNECT, "{}"],
        [CONNECT, '{"id":2,"subscribe":{}}'],
        [CONNECT, '{"id":2,"unsubscribe":{}}'],
        [CONNECT, '{"id":2,"publish":{"data":{}}}'],
        [CONNECT, '{"id":2,"refresh":{}}'],
        [CONNECT, '{"id":2,"subscribe":{"channel":"a","delta":"zip"}}'],
    ],
    ids=[
        "nothing",
        "half of it",
        "no command",
        "not connected",
        "no token",
        "connected twice",
        "a pong without a ping",
        "subscribes to nothing",
        "unsubscribes from nothing",
        "publishes nowhere",
        "renews with nothing",
        "an unknown delta",
    ],
)
def test_3501_is_for_what_no_client_says(wire, frames):
    one = wire()
    for frame in frames:
        one.say(frame)
    assert one.end() == (3501, "bad request")


@pytest.mark.parametrize("frame", [b"", b"\x05\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02\x08\x01"])
def test_3501_in_protobuf(servers, frame):
    with connect(servers[0].url, proxy=None, subprotocols=["centrifuge-protobuf"]) as socket:
        assert socket.subprotocol == "centrifuge-protobuf"
        socket.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE)
        assert closed.value.rcvd.code == 3501


@pytest.mark.parametrize("token", ["x", "a.b.c", token_of("alice")[:-4] + "AAAA"], ids=["x", "a.b.c", "spoiled"])
def test_3500_is_for_a_token_that_is_none(wire, token):
    one = wire()
    one.say(json.dumps({"id": 1, "connect": {"token": token}}))
    assert one.end() == (3500, "invalid token")


def test_3505_is_for_more_channels_than_a_connection_may_have(wire):
    one = wire()
    one.say(json.dumps({"id": 1, "connect": {"token": token_of("alice", channels=[f"many-{n}" for n in range(129)])}}))
    assert one.end() == (3505, "channel limit")


def test_106_is_for_one_more_channel_than_a_client_may_have(wire):
    one = wire()
    one.connect_as("alice")
    codes = [one.ask("subscribe", {"channel": f"many-{n}"}).get("error", {}).get("code") for n in range(129)]
    assert codes.count(None) in (127, 128) and codes[-1] == 106


def test_1009_is_for_a_frame_that_is_too_large(wire):
    one = wire()
    one.connect_as("alice")
    one.say(json.dumps({"id": 2, "publish": {"channel": "a", "data": "x" * 140_000}}))
    assert one.end()[0] == 1009


def test_3506_is_for_data_that_a_connection_in_json_cannot_have(libraries, servers, wire, fresh):
    channel = fresh("")
    one, alice = wire(), libraries("js").open(servers[1].url, "protobuf", token=token_of("alice"))
    alice.wait("connected")
    alice.subscribe(channel)
    one.connect_as("bob")
    one.ask("subscribe", {"channel": channel})
    alice.call("publish", channel=channel, base64="/wD+")
    assert one.end() == (3506, "inappropriate protocol")
    assert alice.heard(channel, 1) == [{"base64": "/wD+"}]
    alice.disconnect()


def test_3008_is_for_who_does_not_read_and_nobody_else_waits(libraries, servers, fresh):
    channel, text = fresh(""), "x" * 60_000
    slow = RawClient(servers[0].port, token_of("slow"), receive_buffer_bytes=1 << 16)
    slow.command("subscribe", {"channel": channel})
    alice, bob = [libraries("js").open(servers[0].url, token=token_of(user)) for user in ("alice", "bob")]
    for person in (alice, bob):
        person.wait("connected")
    bob.subscribe(channel)
    eventually(lambda: subscribers(servers[0], channel) == 2, "they are not there")
    count = 0
    # More than waits for anybody: 1 MiB, and what the sockets hold.
    while subscribers(servers[0], channel) == 2:
        alice.publish(channel, [count, text])
        count += 1
        assert count < 1000, "all of it is kept for who does not read"
    *_, last = slow.messages()
    assert last == {"close": 3008, "reason": "slow"}
    assert [n for n, _ in bob.heard(channel, count)] == list(range(count))
    slow.close()
    for person in (alice, bob):
        person.disconnect()


def subscribers(server, channel):
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/channels",
        json.dumps({"pattern": channel}).encode(),
        {"Content-Type": "application/json", "X-API-Key": API_KEY},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]["channels"].get(channel, {}).get("num_clients")


def test_3001_is_for_everybody_at_a_server_that_ends(naru, broker, config):
    server = naru.joined_server(broker, "--config", config)
    one = ByHand(server)
    one.connect_as("alice")
    assert server.program.terminate() == 0
    assert one.end() == (3001, "shutdown")
