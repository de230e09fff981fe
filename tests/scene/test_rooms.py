"""Rooms: who is in them, what they get, and what becomes of one that has many."""

import pytest

from harness.sdk import Refused
from harness.stores import APART, EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)

MEMBERS_MAX = 4
ROOM = {"conversation": "room:team"}


@pytest.fixture
def bounds():
    return {"members-max": MEMBERS_MAX}


@pytest.fixture
def members(servers, people):
    """People in one room, on both servers: the first owns it, the others have been let in."""

    def join(*names):
        clients = [people(name, servers[number % 2]) for number, name in enumerate(names)]
        clients[0].rpc("room.join", ROOM)
        for name in names[1:]:
            clients[0].rpc("room.join", {**ROOM, "user": name})
        return clients

    return join


def said(client, user):
    return [it["data"]["body"]["text"] for it in client.come(user) if it["data"]["kind"] == "message"]


def heard(client, kind):
    return [it["data"] for it in client.seen("publication", channel="room:team") if it["data"]["kind"] == kind]


def test_everybody_in_a_room_gets_everything_in_one_order(members):
    names = ["alice", "bob", "carol"]
    clients = members(*names)
    for number in range(10):
        for client in clients:
            client.rpc("send", {"to": "room:team", "id": f"id-{number}", "body": {"text": f"{client.name} {number}"}})
    for client, name in zip(clients, names):
        eventually(lambda: len(said(client, name)) == 30, lambda: f"{name} has {len(said(client, name))} of 30")
    orders = [
        [it["data"]["seq"] for it in client.come(name) if it["data"]["kind"] == "message"]
        for client, name in zip(clients, names)
    ]
    assert orders[0] == orders[1] == orders[2] == sorted(orders[0])


def test_who_was_away_gets_what_was_said_and_who_came_and_went(servers, people, members):
    alice, bob, _ = members("alice", "bob", "carol")
    bob.disconnect()
    alice.rpc("send", {"to": "room:team", "id": "1", "body": {"text": "hi"}, "mentions": ["bob"]})
    alice.rpc("room.join", {**ROOM, "user": "dave", "role": "reader"})
    alice.rpc("room.role", {**ROOM, "user": "dave", "role": "member"})
    alice.rpc("room.leave", {**ROOM, "user": "carol"})
    back = people("bob", servers[0])
    wanted = [("message", "alice"), ("join", "dave"), ("role", "dave"), ("leave", "carol")]
    eventually(
        lambda: [(it["data"]["kind"], it["data"]["from"]) for it in back.come("bob")][-4:] == wanted,
        lambda: f"not {wanted} at the end of {back.come('bob')}",
    )
    (row,) = back.rpc("conversations", {})["conversations"]
    assert (row["unread"], row["mentions"]) == (1, 1)


def test_nobody_else_reads_writes_or_learns_of_it(servers, people, members):
    (alice,) = members("alice")
    eve = people("eve", servers[1])
    calls = {
        "history": ROOM,
        "room.members": ROOM,
        "presence": ROOM,
        "room.leave": ROOM,
        "room.join": ROOM,
        "room.role": {**ROOM, "user": "alice", "role": "reader"},
        "send": {"to": "room:team", "id": "1", "body": 1},
        "read": {**ROOM, "seq": 1},
        "edit": {**ROOM, "id": "2", "target": 1, "body": 1},
        "delete": {**ROOM, "id": "3", "target": 1},
    }
    for method, data in calls.items():
        with pytest.raises(Refused) as refused:
            eve.rpc(method, data)
        assert refused.value.code == 103, method
    assert alice.rpc("presence", ROOM) == {"online": ["alice"]}


def test_a_room_of_many_is_followed_by_its_channel(servers, people, members):
    names = ["alice", "bob", "carol", "dave", "erin"]
    clients = members(*names)
    alice, bob, carol, *_ = clients
    for client in clients:
        client.wait("server subscribed", channel="room:team")
    assert alice.rpc("room.members", ROOM)["mode"] == "broadcast"
    sent = alice.rpc("send", {"to": "room:team", "id": "1", "body": {"text": "to all"}, "mentions": ["bob"]})
    for client in clients:
        eventually(lambda: [it["seq"] for it in heard(client, "message")] == [sent["seq"]], f"{client.name} hears nothing")
    eventually(lambda: said(bob, "bob") == ["to all"], "bob, who is mentioned, has it not in his inbox")
    assert not said(carol, "carol")

    carol.disconnect()
    alice.rpc("send", {"to": "room:team", "id": "2", "body": {"text": "again"}})
    carol.connect()
    mark = eventually(lambda: heard(carol, "head")[-1:], "carol is not told how far it is")[0]
    eventually(lambda: heard(carol, "head")[-1]["unread"] == 2, lambda: f"{heard(carol, 'head')}")
    assert mark["conversation"] == "room:team"
    missed = carol.rpc("history", {**ROOM, "after": sent["seq"]})["entries"]
    assert [it["body"]["text"] for it in missed] == ["again"]
    (row,) = carol.rpc("conversations", {})["conversations"]
    assert (row["follow"], row["unread"], row["mentions"]) == ("channel", 2, 0)


@pytest.mark.brokers(*APART)
def test_a_room_of_many_is_heard_after_a_server_was_killed(servers, people, members):
    bob = members("alice", "bob", "carol", "dave", "erin")[1]
    bob.wait("server subscribed", channel="room:team")
    servers[0].program.kill()
    alice = people("alice", servers[1])
    alice.rpc("send", {"to": "room:team", "id": "1", "body": {"text": "still here"}})
    eventually(lambda: [it["body"]["text"] for it in heard(bob, "message")] == ["still here"], "bob hears nothing")
