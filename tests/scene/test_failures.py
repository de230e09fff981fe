"""What may fail between a sender and a reader, on every broker: a reply that is lost, a fan-out that is left half-done, a store in
trouble, everybody coming back at once."""

import statistics
import threading
import time

import pytest

from harness.resp import Wire
from harness.retrying import Sending
from harness.sdk import Refused
from harness.raw_client import RawClient
from harness.stores import APART, EVERY
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


@pytest.mark.brokers("naru", "embedded")
def test_what_was_stored_and_not_fanned_out_comes_within_seconds(broker, servers, people):
    bob = people("bob", servers[1])
    with Wire(broker.port) as wire:
        # As a server leaves it that is killed in between.
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


@pytest.mark.brokers(*APART)
def test_many_come_back_at_once_and_get_all_while_others_talk(servers, people, sdk):
    count = 100
    alice, bob = people("alice", servers[0]), people("bob", servers[0])
    crowd = [people(f"one-{number}", servers[1], servers[0], connected=False) for number in range(count)]
    for client in crowd:
        client.wait("connected")
    delays, ended = [], threading.Event()

    def talk():
        while not ended.is_set():
            began = time.monotonic()
            alice.send("bob", f"talk-{len(delays)}", {"text": "."})
            delays.append(time.monotonic() - began)

    talking = threading.Thread(target=talk)
    servers[1].program.kill()
    talking.start()
    sending = [Sending(bob, f"one-{number}", 3) for number in range(0, count, 10)]
    for client in crowd:
        client.wait("connected", 2)
    ended.set()
    talking.join()
    for one in sending:
        one.finish()
    for number in range(0, count, 10):
        assert crowd[number].texts(f"one-{number}", 3) == ["id 0", "id 1", "id 2"]
    assert statistics.median(delays) < 1, delays
