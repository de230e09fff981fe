"""What may fail between a sender and a reader, on every broker: a reply that is lost, a fan-out that is left half-done, a store in
trouble."""

import time

import pytest

from harness.between import Between
from harness.resp import Wire
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
