"""Which code ends a connection or a subscription, and why; said by hand, where no library would say such a thing.

3001 is at the end; 3010 is in test_recovery.py, 3508 in test_core.py; others are of tokens: test_tokens.py.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness.raw_client import RawClient
from harness.sdks import in_seconds, subscription_token, token_of
from harness.waiting import PATIENCE

# The server waits 25 s for a renewal, and for a pong after a ping that comes within 25 s.
LONG = 45.0


class Wire:
    """A WebSocket by hand, in JSON."""

    def __init__(self, server, **options):
        self.left = ExitStack()
        self.socket = self.left.enter_context(connect(server.url, proxy=None, ping_interval=None, **options))
        self.last_id = 0

    def say(self, text):
        self.socket.send(text)

    def ask(self, name, request):
        """A command; the reply to it."""
        self.last_id += 1
        self.say(json.dumps({"id": self.last_id, name: request}))
        return self.reply(lambda it: it.get("id") == self.last_id)

    def reply(self, wanted, within=PATIENCE):
        deadline = time.monotonic() + within
        while True:
            frame = self.socket.recv(timeout=max(deadline - time.monotonic(), 0.001))
            for line in frame.splitlines():
                it = json.loads(line)
                if not it:
                    self.pong()
                elif wanted(it):
                    return it

    def pong(self):
        self.say("{}")

    def connect_as(self, user, **claims):
        return self.ask("connect", {"token": token_of(user, **claims)})

    def end(self, within=PATIENCE):
        """Reads up to the end of the connection; its code and reason."""
        try:
            self.reply(lambda _: False, within)
        except ConnectionClosed as closed:
            assert closed.rcvd, "it ended without a word"
            return closed.rcvd.code, closed.rcvd.reason

    def close(self):
        self.left.close()


class Silent(Wire):
    """One that says no pong."""

    def pong(self):
        pass


@pytest.fixture
def wire(servers):
    open_ones = []

    def open_one(kind=Wire):
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


@pytest.mark.parametrize("token", ["x", "a.b.c", token_of("alice")[:-4] + "AAAA"])
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
    slow = RawClient(servers[0].port, token_of("slow"))
    slow.command("subscribe", {"channel": channel})
    alice, bob = [libraries("js").open(servers[0].url, token=token_of(user)) for user in ("alice", "bob")]
    for person in (alice, bob):
        person.wait("connected")
    bob.subscribe(channel)
    # Far more than waits for anybody: 1 MiB, and what the sockets hold.
    for n in range(200):
        alice.publish(channel, [n, text])
    assert [n for n, _ in bob.heard(channel, 200)] == list(range(200))
    said = b""
    while some := received(slow):
        said += some
    assert len(said) < 100 * len(text), "all of it came"
    # The close frame, if there was room for it, is the last that came.
    assert b"slow" in said[-200:] or b'"id":2' in said
    slow.close()
    for person in (alice, bob):
        person.disconnect()


def received(slow):
    try:
        return slow.read(1 << 20)
    except ConnectionResetError:
        return b""


@pytest.fixture(scope="module", autouse=True)
def long_waits(servers):
    """All that ends after long, begun at once."""
    channel = "private:long"
    silent, stale = Silent(servers[0]), Wire(servers[0])
    silent.connect_as("silent")
    expiring = Wire(servers[0])
    expiring.connect_as("expiring", exp=in_seconds(1))
    subscriber = Wire(servers[0])
    subscriber.connect_as("subscriber")
    token = subscription_token("subscriber", channel, exp=in_seconds(1))
    assert subscriber.ask("subscribe", {"channel": channel, "token": token})["subscribe"]["expires"]
    # Each is read all the time, so that pings are answered.
    with ThreadPoolExecutor() as readers:
        ends = {
            name: readers.submit(one.end, LONG)
            for name, one in {"silent": silent, "stale": stale, "expiring": expiring}.items()
        }
        ends["subscriber"] = readers.submit(subscriber.reply, lambda it: "unsubscribe" in it.get("push", {}), LONG)
        yield {name: end.result for name, end in ends.items()}
        for one in (silent, stale, expiring, subscriber):
            one.close()


def test_3502_is_for_who_says_nothing(long_waits):
    assert long_waits["stale"]() == (3502, "stale")


def test_3005_is_for_who_does_not_renew(long_waits):
    assert long_waits["expiring"]() == (3005, "expired")


def test_2501_is_for_a_subscription_that_is_not_renewed(long_waits):
    ended = long_waits["subscriber"]()["push"]
    assert ended == {"channel": "private:long", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}


def test_3012_is_for_who_does_not_answer_a_ping(long_waits):
    assert long_waits["silent"]() == (3012, "no pong")


def test_3001_is_for_everybody_at_a_server_that_ends(naru, broker, config):
    server = naru.joined_server(broker, "--config", config)
    one = Wire(server)
    one.connect_as("alice")
    assert server.program.terminate() == 0
    assert one.end() == (3001, "shutdown")
