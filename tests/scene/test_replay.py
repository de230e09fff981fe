"""Coming back: after a short absence by the changes in their order, after a long one conversation by conversation."""

import pytest

from harness.sdk import Refused
from harness.stores import EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)

RING = 20


@pytest.fixture
def bounds():
    return {"ring-max": RING, "log-entries-max": 300}


def marks(client, user, kind):
    return [
        it for it in client.seen("publication", channel=f"inbox:{user}") if it["data"]["kind"] == kind
    ]


def had(client, user):
    """What has come, by conversation, without repeats, in the order in which it came."""
    seqs = {}
    for entry in client.come(user):
        known = seqs.setdefault(entry["data"]["conversation"], [])
        if entry["data"]["seq"] not in known:
            known.append(entry["data"]["seq"])
    return seqs


def head(client):
    return client.rpc("conversations", {})["conversations"][0]["offset"]


def test_a_short_absence_is_made_good_in_the_order_of_the_changes(servers, people):
    alice, carol, bob = people("alice", servers[0]), people("carol", servers[1]), people("bob", servers[1])
    bob.disconnect()
    for number in range(8):
        (alice, carol)[number % 2].send("bob", f"id-{number}", {"text": f"{number}"})
    back = people("bob", servers[0])
    assert back.texts("bob", 8) == [f"{number}" for number in range(8)]
    assert [it["offset"] for it in back.inbox("bob")] == list(range(1, 9))


def test_a_long_absence_is_made_good_conversation_by_conversation(servers, people):
    names = ["alice", "carol", "dave"]
    for name in names:
        people(name, servers[0]).send_all("bob", range(1, 101))
    bob = people("bob", servers[1])
    bob.inbox("bob", 300)
    assert list(had(bob, "bob")) == ["dm:alice:bob", "dm:bob:carol", "dm:bob:dave"]
    assert all(seqs == list(range(1, 101)) for seqs in had(bob, "bob").values())
    assert all("offset" not in it for it in bob.come("bob")), "until all is there its position is where it began"
    eventually(lambda: len(marks(bob, "bob", "read")) == 3, "not each conversation says what is unread")
    assert marks(bob, "bob", "read")[-1]["offset"] == head(bob)
    # The same client goes on from there.
    bob.disconnect()
    people("alice", servers[1]).send_all("bob", [101])
    bob.connect()
    assert bob.texts("bob", 301)[-1] == "101"
    assert bob.seen("server subscribed", channel="inbox:bob")[-1]["recovered"]


def test_a_long_replay_that_is_cut_starts_again_on_another_server_and_ends(servers, people):
    for name in ("alice", "carol", "dave"):
        people(name, servers[0]).send_all("bob", range(1, 201))
    bob = people("bob", servers[1], servers[0])
    with bob.sdk.changed:
        assert bob.sdk.changed.wait_for(lambda: len(bob.come("bob")) > 150, 20)
    servers[1].program.kill()
    bob.wait("connected", 2)
    eventually(
        lambda: all(seqs == list(range(1, 201)) for seqs in had(bob, "bob").values()) and len(had(bob, "bob")) == 3,
        lambda: f"something is missing: { {name: len(seqs) for name, seqs in had(bob, 'bob').items()} }",
    )
    last = head(bob)
    eventually(lambda: marks(bob, "bob", "read")[-1].get("offset") == last, "it does not come to an end")
    assert bob.rpc("ack", {"offset": last}) == {"offset": last}


def test_a_long_absence_brings_again_only_what_has_changed_and_a_cut_loses_nothing(servers, people):
    for name in ("alice", "carol"):
        people(name, servers[0]).send_all("bob", range(1, 101))
    bob = people("bob", servers[1], servers[0])
    eventually(lambda: marks(bob, "bob", "read"), "not all has come")
    position = eventually(lambda: marks(bob, "bob", "read")[-1].get("offset"), "it does not come to an end")
    bob.disconnect()
    before = len(bob.seen("publication"))
    for name in ("carol", "dave"):
        people(name, servers[0]).send_all("bob", range(101, 301))
    # It has never acknowledged anything, and names its position.
    bob.connect()
    again = lambda: [it for it in bob.seen("publication")[before:] if it["data"]["kind"] == "message"]
    with bob.sdk.changed:
        assert bob.sdk.changed.wait_for(lambda: len(again()) > 100, 20)
    servers[1].program.kill()
    bob.wait("connected", 3)
    last = head(bob)
    eventually(lambda: marks(bob, "bob", "read")[-1].get("offset") == last, "it does not come to an end")
    assert {it["data"]["conversation"] for it in again()} == {"dm:bob:carol", "dm:bob:dave"}
    assert {it["offset"] for it in again()} == {position}, "until all is there its position is the one it named"
    assert had(bob, "bob") == {
        "dm:alice:bob": list(range(1, 101)),
        "dm:bob:carol": list(range(1, 301)),
        "dm:bob:dave": list(range(1, 201)),
    }
    assert all(it["recovered"] for it in bob.seen("server subscribed", channel="inbox:bob")[1:])


def test_what_was_said_while_one_was_out_of_a_room_is_not_replayed(servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    room = {"conversation": "room:team"}
    alice.rpc("room.join", room)
    alice.rpc("room.join", {**room, "user": "bob"})
    alice.send_all("room:team", range(1, 4))
    bob.inbox("bob", 4)
    bob.disconnect()
    alice.send_all("room:team", range(4, 30))
    left = alice.rpc("room.leave", {**room, "user": "bob"})["seq"]
    alice.send_all("room:team", range(30, 60))
    back = alice.rpc("room.join", {**room, "user": "bob"})["seq"]
    alice.send_all("room:team", range(60, 100))
    bob.connect()
    last = head(bob)
    eventually(lambda: any(it.get("offset") == last for it in bob.seen("publication")), "it does not come to an end")
    seqs = had(bob, "bob")["room:team"]
    assert seqs == [*range(seqs[0], left + 1), *range(back, back + 41)]


def test_a_long_replay_goes_on_where_the_client_says_it_is(servers, people):
    for name in ("alice", "carol"):
        people(name, servers[0]).send_all("bob", range(1, 101))
    bob = people("bob", servers[1])
    bob.inbox("bob", 200)
    for conversation, seq in (("dm:alice:bob", 100), ("dm:bob:carol", 60)):
        bob.rpc("ack", {"offset": 0, "within": {"conversation": conversation, "seq": seq}})
    bob.disconnect()
    again = people("bob", servers[0])
    assert again.texts("bob", 40) == [f"{number}" for number in range(61, 101)]


def test_where_retention_has_passed_a_reader_it_is_said(servers, people):
    people("alice", servers[0]).send_all("bob", range(1, 401))
    bob = people("bob", servers[1])
    eventually(lambda: bob.come("bob") and bob.come("bob")[-1]["data"]["seq"] == 400, "not all has come")
    first, *entries = bob.come("bob")
    assert first["data"] == {"kind": "trimmed", "conversation": "dm:alice:bob", "seq": first["data"]["seq"]}
    assert [it["data"]["seq"] for it in entries] == list(range(first["data"]["seq"] + 1, 401))


def test_what_is_read_on_one_device_is_known_to_the_other(servers, people):
    alice = people("alice", servers[0])
    phone, laptop = people("bob", servers[0], device="phone"), people("bob", servers[1], device="laptop")
    alice.send_all("bob", range(1, 6))
    assert phone.rpc("read", {"conversation": "dm:alice:bob", "seq": 3})["unread"] == 2
    (mark,) = eventually(lambda: marks(laptop, "bob", "read"), "the laptop hears nothing of it")
    assert (mark["data"]["seq"], mark["data"]["unread"]) == (3, 2)
    # One that is away as well.
    laptop.inbox("bob", 5)
    laptop.disconnect()
    phone.rpc("read", {"conversation": "dm:alice:bob", "seq": 5})
    laptop.connect()
    eventually(lambda: marks(laptop, "bob", "read")[-1]["data"]["unread"] == 0, "it does not hear it later")
    (row,) = laptop.rpc("conversations", {})["conversations"]
    assert (row["count"], row["read"], row["unread"]) == (5, 5, 0)


def test_edits_deletions_and_reactions_are_publications(servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    alice.send_all("bob", [1, 2])
    at = {"conversation": "dm:alice:bob"}
    alice.rpc("edit", {**at, "id": "e", "target": 1, "body": {"text": "better"}})
    alice.rpc("delete", {**at, "id": "d", "target": 2})
    bob.rpc("send", {"to": "@alice", "id": "r", "kind": "reaction", "target": 1, "body": "+1"})
    for client, user in ((alice, "alice"), (bob, "bob")):
        kinds = [(it["data"]["kind"], it["data"].get("target")) for it in client.inbox(user, 5)]
        assert kinds == [("message", None), ("message", None), ("edit", 1), ("delete", 2), ("reaction", 1)]
    page = bob.rpc("history", {**at, "after": 0})["entries"]
    assert (page[0]["body"], page[0]["changed"]) == ({"text": "better"}, 3)
    assert "body" not in page[1] and page[1]["changed"] == 4
    with pytest.raises(Refused) as refused:
        bob.rpc("delete", {**at, "id": "d2", "target": 1})
    assert refused.value.code == 103


def test_unread_is_what_the_log_says_whatever_happens(servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    conversation, read_up_to = "dm:alice:bob", {"alice": 0, "bob": 0}
    people_by_name = {"alice": (alice, "bob"), "bob": (bob, "alice")}
    for turn in range(12):
        name = "bob" if turn % 3 == 2 else "alice"
        sender, other = people_by_name[name]
        for number in range(turn % 4 + 1):
            sent = sender.send(other, f"{name}-{turn}-{number}", {"text": "."})
            read_up_to[name] = sent["seq"]
        if turn % 4 == 1:
            bob.rpc("read", {"conversation": conversation, "seq": sent["seq"] - 1})
            read_up_to["bob"] = max(read_up_to["bob"], sent["seq"] - 1)
        if turn % 5 == 4:
            sender.rpc("delete", {"conversation": conversation, "id": f"d-{turn}", "target": sent["seq"]})
        log = alice.rpc("history", {"conversation": conversation, "limit": 100})["entries"]
        for reader, (client, _) in people_by_name.items():
            unread = sum(it["kind"] == "message" and it["seq"] > read_up_to[reader] for it in log)
            (row,) = client.rpc("conversations", {})["conversations"]
            assert row["unread"] == unread, (turn, reader, row, log)


def test_who_is_far_behind_in_many_conversations_hears_something_at_once(servers, people):
    for number in range(10):
        people(f"friend-{number}", servers[0]).send_all("bob", range(1, 101))
    bob = people("bob", servers[1])
    with bob.sdk.changed:
        # Long before all is read; a second or more is for a busy machine.
        assert bob.sdk.changed.wait_for(lambda: bob.come("bob"), 8)
    bob.inbox("bob", 1000)
    assert len(had(bob, "bob")) == 10
