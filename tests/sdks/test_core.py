"""What every library does with a connection and its channels, in JSON and Protobuf: two people, each at a server of
their own."""

import pytest

from harness.node import Refused


def test_connecting_tells_who_is_connected(person):
    alice = person("alice", data={"device": "phone"})
    assert len(alice.wait("connected")["id"]) == 36


def test_what_one_publishes_the_other_hears(person, fresh):
    alice, bob, channel = person("alice", claims={"info": {"name": "A"}}), person("bob", 1), fresh("")
    bob.subscribe(channel)
    alice.publish(channel, {"text": "하나"})
    alice.publish(channel, [2, None, "drei"])
    assert bob.heard(channel, 2) == [{"text": "하나"}, [2, None, "drei"]]
    info = bob.wait("publication", channel=channel)["info"]
    assert (info["user"], info["client"], info["conn_info"]) == ("alice", alice.wait("connected")["id"], {"name": "A"})


def test_who_has_unsubscribed_hears_nothing_more(person, fresh):
    alice, bob, channel = person("alice"), person("bob", 1), fresh("")
    bob.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1)
    bob.unsubscribe(channel)
    alice.publish(channel, 2)
    bob.call("subscribe again", channel=channel)
    bob.wait("subscribed", 2, channel=channel)
    alice.publish(channel, 3)
    assert bob.heard(channel, 2) == [1, 3]


def test_a_stream_is_read_from_anywhere_in_both_directions(person, fresh):
    alice, channel = person("alice"), fresh("kept")
    alice.subscribe(channel)
    for n in range(1, 6):
        alice.publish(channel, n)
    alice.heard(channel, 5)

    def read(**how):
        page = alice.history(channel, **how)
        assert page["offset"] == 5
        return [(it["offset"], it["data"]) for it in page["publications"]]

    epoch = alice.history(channel)["epoch"]
    assert epoch and read() == []
    assert read(limit=100) == [(n, n) for n in range(1, 6)]
    assert read(limit=2) == [(1, 1), (2, 2)]
    assert read(limit=2, reverse=True) == [(5, 5), (4, 4)]
    assert read(limit=2, since={"offset": 2, "epoch": epoch}) == [(3, 3), (4, 4)]
    assert read(limit=9, since={"offset": 3, "epoch": epoch}, reverse=True) == [(2, 2), (1, 1)]
    with pytest.raises(Refused) as refused:
        read(limit=1, since={"offset": 1, "epoch": "another"})
    assert refused.value.code == 112


def test_who_is_there_is_known_at_every_server(person, fresh):
    alice, bob, channel = person("alice", claims={"info": {"name": "A"}}), person("bob", 1), fresh("kept")
    alice.subscribe(channel)
    bob.subscribe(channel)
    present = bob.call("presence", channel=channel)
    id_of = {client: client.wait("connected")["id"] for client in (alice, bob)}
    assert {id_: it["user"] for id_, it in present.items()} == {id_of[alice]: "alice", id_of[bob]: "bob"}
    assert present[id_of[alice]]["conn_info"] == {"name": "A"}
    assert alice.call("presence stats", channel=channel) == {"clients": 2, "users": 2}
    bob.unsubscribe(channel)
    assert alice.call("presence stats", channel=channel) == {"clients": 1, "users": 1}
    alice.unsubscribe(channel)


def test_who_comes_and_goes_is_told_to_whom_asks(person, fresh):
    alice, bob, channel = person("alice"), person("bob", 1), fresh("kept")
    alice.subscribe(channel, options={"join_leave": True})
    assert alice.wait("join", channel=channel)["info"]["user"] == "alice"
    bob.subscribe(channel)
    alice.wait("join", 2, channel=channel)
    joined = alice.seen("join", channel=channel)[1]["info"]
    assert (joined["user"], joined["client"]) == ("bob", bob.wait("connected")["id"])
    bob.disconnect()
    assert alice.wait("leave", channel=channel)["info"]["client"] == joined["client"]
    assert not bob.seen("join", channel=channel)


@pytest.mark.parametrize(
    "do, channel, code",
    [
        ("subscribe", "nobody-has-this:1", 102),
        ("subscribe", "private:1", 103),
        ("subscribe", "dialog:x#bob", 103),
        ("publish", "private:1", 103),
        ("publish", "dialog:x#bob", 103),
        ("presence", "few:1", 108),
        ("presence", "kept:never", 103),
        ("history", "private:1", 103),
        ("history", "objects:1", 108),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_code(person, do, channel, code):
    alice = person("alice")
    if do == "subscribe":
        alice.call("subscribe", channel=channel)
        assert alice.wait("unsubscribed", channel=channel)["code"] == code
        return
    with pytest.raises(Refused) as refused:
        alice.call(do, channel=channel, data=None if do in ("presence", "history") else {})
    assert refused.value.code == code


def test_a_channel_takes_only_data_of_its_form(person, fresh):
    alice, channel = person("alice"), fresh("objects")
    alice.subscribe(channel)
    with pytest.raises(Refused) as refused:
        alice.publish(channel, [1])
    assert refused.value.code == 107
    alice.publish(channel, {"n": 2})
    assert alice.heard(channel, 1) == [{"n": 2}]


def test_a_dialog_is_open_to_whom_its_name_lists(person):
    alice, bob, channel = person("alice"), person("bob", 1), "dialog:talk#alice,bob"
    bob.subscribe(channel)
    alice.subscribe(channel)
    alice.publish(channel, "just us")
    assert bob.heard(channel, 1) == ["just us"]


def test_a_method_that_is_not_there(person):
    with pytest.raises(Refused) as refused:
        person("alice").call("rpc", method="no such method", data={})
    assert refused.value.code in (104, 108)


def test_a_method_answers(person):
    alice, bob = person("alice"), person("bob", 1)
    sent = alice.call("rpc", method="send", data={"to": "@bob", "id": "1", "body": {"text": "hello"}})
    assert sent
    entry = bob.wait("server publication", channel="inbox:bob")["data"]
    assert entry["body"]["text"] == "hello"


@pytest.mark.libraries("js", "go")
def test_what_is_sent_without_a_handler_ends_the_connection(person):
    """Python's library cannot send."""
    alice = person("alice")
    alice.call("send", data={})
    assert alice.wait("disconnected")["code"] == 3508
