"""Who cannot have a WebSocket: the SDK over HTTP streaming and server-sent events, its commands posted to any server."""

import pytest

from harness.raw_stream import RawStream
from harness.cut import Way
from harness.naru import PUBLIC_WITHOUT_RATES
from harness.waiting import eventually

HOWS = {
    "http_stream": {"transport": "http_stream"},
    "http_stream in Protobuf": {"transport": "http_stream", "protobuf": True},
    "sse": {"transport": "sse"},
}


@pytest.fixture(params=HOWS)
def how(request):
    return HOWS[request.param]


@pytest.fixture
def bounds():
    """A ring that has all that is sent: who acknowledges nothing, and is away for longer than it goes back, gets things twice."""
    return {"ring-max": 300}


@pytest.fixture
def way(servers):
    way = Way(servers[0].port)
    yield way
    way.close()


def test_people_talk_on_one_server(servers, people, how):
    alice, bob = people("alice", servers[0], **how), people("bob", servers[0])
    assert alice.wait("connected")["transport"] == how["transport"]
    assert alice.wait("connected")["data"] == {"server": servers[0].name}
    alice.send_all("bob", range(200))
    bob.send_all("alice", range(200, 400))
    assert bob.texts("bob", 400) == alice.texts("alice", 400)
    for client in (alice, bob):
        assert client.call("subscribe", channel="public:news") == {}
    alice.call("publish", channel="public:news", data={"n": 1})
    bob.call("publish", channel="public:news", data={"lines": "a\nb"})
    for client in (alice, bob):
        assert sorted(client.heard("public:news", 2), key=str) == [{"lines": "a\nb"}, {"n": 1}]
    assert not alice.seen("connecting")[1:] and not alice.seen("error")


def test_what_is_posted_to_another_server_arrives(servers, people, how):
    posts = [servers[1].url, servers[0].url, servers[1].url]
    alice = people("alice", servers[0], posts=posts, **how)
    bob = people("bob", servers[1], posts=[servers[0].url], **how)
    for number in range(60):
        # One after the other: what is posted to different servers may overtake.
        (alice, bob)[number % 2].send(("bob", "alice")[number % 2], f"id-{number}", {"text": f"{number}"})
    expected = [f"{number}" for number in range(60)]
    assert alice.texts("alice", 60) == bob.texts("bob", 60) == expected
    bob.call("subscribe", channel="public:news")
    alice.call("publish", channel="public:news", data={"n": 1})
    assert bob.heard("public:news", 1) == [{"n": 1}]
    assert not alice.seen("connecting")[1:] and not bob.seen("connecting")[1:]


def test_after_a_cut_nothing_is_missing_and_nothing_comes_twice(servers, people, way, how):
    bob, alice = people("bob", way, **how), people("alice", servers[1])
    for turn in range(3):
        alice.send_all("bob", range(turn * 100, turn * 100 + 50))
        way.break_off()
        alice.send_all("bob", range(turn * 100 + 50, turn * 100 + 100))
        bob.wait("connected", turn + 2)
    assert bob.texts("bob", 300) == alice.texts("alice", 300)
    assert all(it["recovered"] for it in bob.seen("server subscribed")[1:])
    assert bob.rpc("ack", {"offset": 300}) == {"offset": 300}


def test_a_server_that_stops_sends_its_clients_to_another(servers, people, how):
    alice, bob = people("alice", servers[0]), people("bob", servers[1], servers[0], **how)
    alice.send("bob", "id-1", {"text": "1"})
    bob.inbox("bob", 1)
    assert servers[1].program.terminate() == 0
    bob.wait("connecting", code=3001, reason="shutdown")
    bob.wait("connected", 2)
    assert bob.seen("connected")[-1]["data"] == {"server": servers[0].name}
    alice.send("bob", "id-2", {"text": "2"})
    bob.send("alice", "id-3", {"text": "3"})
    assert bob.texts("bob", 3) == ["1", "2", "3"]


def test_a_server_that_is_killed_is_left_for_another(servers, people, how):
    alice, bob = people("alice", servers[0]), people("bob", servers[1], servers[0], posts=[servers[0].url], **how)
    servers[1].program.kill()
    bob.wait("connected", 2)
    alice.send("bob", "id-1", {"text": "1"})
    assert bob.texts("bob", 1) == ["1"]


@pytest.mark.parametrize("transport", ["http_stream", "sse"])
def test_a_reader_that_does_not_read_costs_a_little_memory_and_is_cut_off(
    naru, brokers, broker, people, tmp_path, transport
):
    config = tmp_path / "naru.toml"
    config.write_text(PUBLIC_WITHOUT_RATES)
    servers = brokers.servers(broker, ["server-1", "server-2"], ["--config", config])
    alice, carol = people("alice", servers[0]), people("carol", servers[1])
    carol.call("subscribe", channel="public:news")
    # One for live publications, and one whose inbox waits for it.
    live = RawStream(transport, servers[1].port, naru.token("bob"), ["public:news"])
    inbox = RawStream(transport, servers[1].port, naru.token("dave"))
    before = servers[1].program.memory_bytes()
    text = "x" * 50_000
    for number in range(200):
        alice.call("publish", channel="public:news", data={"n": number, "text": text})
        alice.send("dave", f"id-{number}", {"text": text})
    assert [it["n"] for it in carol.heard("public:news", 200)] == list(range(200))
    grown = servers[1].program.memory_bytes() - before
    assert grown < 8 << 20, f"{grown} bytes"
    assert live.read_all() < 200 * len(text), "it was not cut off"
    eventually(lambda: inbox.read(1 << 16), "the inbox's reader is served")
    inbox.close()
