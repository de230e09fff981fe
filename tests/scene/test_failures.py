"""What may fail between a sender and a reader, on every broker: a reply that is lost, a fan-out that is left half-done, a store in
trouble."""

import time

import pytest

from harness.between import Between
from harness.disk import small_disk
from harness.resp import Error, Wire
from harness.sdk import Refused
from harness.raw_client import RawClient
from harness.stores import EVERY
from harness.waiting import eventually


@pytest.mark.brokers(*EVERY)
def test_whoever_loses_the_reply_and_sends_again_elsewhere_has_sent_once(naru, servers, people):
    bob = people("bob", servers[1])
    for number in range(10):
        client = RawClient(servers[0].port, naru.token("alice"))
        client.command("rpc", {"method": "send", "data": {"to": "@bob", "id": f"id-{number}", "body": {"text": f"{number}"}}})
        if number % 2:
            client.read(1)
        client.close()
        alice = people("alice", servers[1])
        assert alice.send("bob", f"id-{number}", {"text": f"{number}"})["conversation"] == "dm:alice:bob"
        alice.disconnect()
    eventually(lambda: len(bob.come("bob")) >= 10, "not all have come")
    seqs = [it["data"]["seq"] for it in bob.inbox("bob", 10)]
    assert len(set(seqs)) == 10 and bob.rpc("conversations", {})["conversations"][0]["count"] == 10


@pytest.fixture
def between(broker):
    between = Between(broker)
    yield between
    between.close()


@pytest.fixture
def dying(brokers, between):
    """A chat server that is killed as soon as the broker has done what it was asked for by `wanted`, before it hears of it."""
    server = brokers.naru.joined_server(between, *brokers.sets(), name="server-3")

    def dies(wanted, client, method, data):
        between.keep(wanted.encode())
        client.sdk.order("rpc", client=client.name, method=method, data=data)
        between.wait()
        server.program.kill()

    server.dies = dies
    return server


@pytest.mark.brokers(*EVERY)
def test_a_server_is_killed_between_append_and_deliver(servers, dying, people):
    alice, bob = people("alice", dying), people("bob", servers[1])
    dying.dies("left behind", alice, "send", {"to": "@bob", "id": "id-1", "body": {"text": "left behind"}})
    began = time.monotonic()
    assert bob.texts("bob", 1) == ["left behind"]
    assert time.monotonic() - began < 10
    # Whoever sends it again, since nobody has answered, has sent it once.
    alice = people("alice", servers[0])
    assert alice.send("bob", "id-1", {"text": "left behind"})["duplicate"]
    assert alice.send("bob", "id-2", {"text": "and on"})["seq"] == 2
    assert bob.texts("bob", 2) == ["left behind", "and on"]


@pytest.mark.brokers(*EVERY)
def test_a_server_is_killed_between_edit_and_deliver(servers, dying, people):
    """An edit is several steps on each broker."""
    alice, bob = people("alice", dying), people("bob", servers[1])
    alice.send("bob", "id-1", {"text": "first"})
    assert bob.texts("bob", 1) == ["first"]
    edit = {"conversation": "dm:alice:bob", "target": 1, "id": "id-2", "body": {"text": "mended"}}
    dying.dies("mended", alice, "edit", edit)
    began = time.monotonic()
    edited = bob.inbox("bob", 2)[1]["data"]
    assert time.monotonic() - began < 10
    assert (edited["kind"], edited["target"], edited["body"]) == ("edit", 1, {"text": "mended"})


@pytest.mark.brokers("naru", "embedded")
def test_what_was_stored_and_not_fanned_out_comes_within_seconds(broker, servers, people):
    """A send is one step there: a step alone is for whoever has no better, and is finished all the same."""
    bob = people("bob", servers[1])
    with Wire(broker.port) as wire:
        assert wire.call("NARU.APPEND", "dm:alice:bob", "alice", "id-1", '{"text":"left behind"}')[0] == 1
    began = time.monotonic()
    assert bob.texts("bob", 1) == ["left behind"]
    assert time.monotonic() - began < 10


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def fill(broker_kind, broker, disk):
    """Takes all the space there is; what is in `ballast` can be given back."""
    ballast = disk / "ballast"
    with Wire(broker.port) as wire:
        if broker_kind in ("naru", "embedded"):
            # It takes space for its log ahead, in pieces.
            ballast.write_bytes(bytes(70 << 20))
            replies = (wire.call("XADD", "s", "*", "body", b"x" * 500_000) for _ in range(1000))
            assert any(isinstance(reply, Error) for reply in replies), "it is never full"
            return ballast
        # With `always` it ends itself rather than to go on.
        assert wire.call("CONFIG", "SET", "appendfsync", "everysec") == b"OK"
    with pytest.raises(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    return ballast


@pytest.mark.brokers(*EVERY)
def test_a_disk_that_is_full_refuses_for_now_and_loses_nothing(brokers, broker_kind, disk, people, tmp_path):
    broker = brokers.start(tmp_path, data=disk / "data")
    servers = brokers.servers(broker, ["server-1", "server-2"])
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    alice.send("bob", "id-0", {"text": "0"})
    ballast, refusals, answered = fill(broker_kind, broker, disk), [], 1

    def answers():
        try:
            return alice.send("bob", f"id-{answered}", {"text": f"{answered}"})["count"] == answered + 1
        except Refused as refused:
            refusals.append(refused)

    # There may be room for a few more.
    while answers():
        answered += 1
    assert (refusals[0].code, refusals[0].temporary) == (100, True), refusals
    # What reads goes on.
    assert len(bob.rpc("history", {"conversation": "dm:alice:bob"})["entries"]) >= answered
    ballast.unlink()
    eventually(answers, lambda: f"space is not noticed: {refusals[-1]}")
    assert bob.texts("bob", answered + 1) == [f"{number}" for number in range(answered + 1)]
    assert all((it.code, it.temporary) == (100, True) for it in refusals), refusals


@pytest.mark.brokers("redis", "valkey")
def test_a_store_that_is_full_refuses_for_now_and_loses_nothing(broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    alice.send("bob", "id-0", {"text": "before"})
    with Wire(broker.port) as wire:
        assert wire.call("CONFIG", "SET", "maxmemory", "1") == b"OK"
        with pytest.raises(Refused) as refused:
            alice.send("bob", "id-1", {"text": "meanwhile"})
        assert (refused.value.code, refused.value.temporary) == (100, True)
        assert wire.call("CONFIG", "SET", "maxmemory", "0") == b"OK"
    assert not alice.send("bob", "id-1", {"text": "meanwhile"})["duplicate"]
    assert bob.texts("bob", 2) == ["before", "meanwhile"]
