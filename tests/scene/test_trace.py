"""`naru trace`: where a message is, on every broker."""

import json

import pytest

from harness.stores import EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)


def test_where_a_message_is_can_be_told(naru, broker, server, people):
    url = f"redis://127.0.0.1:{broker.port}"

    def traced(*what):
        done = naru.run("trace", "dm:alice:bob", *what, "--broker", url, "--json")
        assert done.returncode == (0 if json.loads(done.stdout)["entry"] else 1), done.stderr
        return json.loads(done.stdout)

    def device_of(user, *what):
        return [it for it in traced(*what)["recipients"] if it["user"] == user][0]["devices"][0]

    alice, bob = people("alice", server), people("bob", server, device="phone")
    sent = alice.send("bob", "id 1", {"text": "where am I?"})
    bob.inbox("bob", 1)
    found = traced("alice", "id 1")
    assert found == traced(sent["seq"])
    assert found["entry"]["body"] == {"text": "where am I?"} and found["entry"]["at"] == sent["at"]
    assert (found["head"], found["fanned_out"], found["done"], found["mode"]) == (1, 1, True, "fanout")
    who = {it["user"]: it for it in found["recipients"]}
    assert set(who) == {"alice", "bob"} and all(it["delivered"] for it in who.values())
    assert who["bob"]["servers"] == [server.name]
    assert device_of("bob", "alice", "id 1")["acknowledged"] is False
    bob.rpc("ack", {"offset": 1})
    assert device_of("bob", sent["seq"]) | {"seen_ms": 0} == {
        "device": "phone",
        "acknowledged": True,
        "cursor": 1,
        "seen_ms": 0,
    }
    bob.disconnect()
    away = lambda: [it["servers"] for it in traced(1)["recipients"] if it["user"] == "bob"] == [[]]
    eventually(away, "still held by a server")
    text = naru.run("trace", "dm:alice:bob", "alice", "id 1", "--broker", url).stdout
    assert "dm:alice:bob 1: a message by alice, called id 1" in text
    assert "bob: in the inbox; away" in text and "phone: has it; cursor 1" in text
    assert "where am I?" not in text, "what it says is nobody's business"
    nothing = naru.run("trace", "dm:alice:bob", 7, "--broker", url)
    assert nothing.returncode == 1 and nothing.stdout == "dm:alice:bob has no such entry; the newest is 1\n"
