"""The inbox: repeats, acknowledgements, devices, history, and what is refused."""

import pytest

from harness.resp import Wire
from harness.sdk import Refused
from harness.stores import EVERY

on_every_broker = pytest.mark.brokers(*EVERY)


def send_numbered(client, to, numbers):
    for number in numbers:
        client.send(to, f"id-{number}", {"text": f"{number}"})


def numbers(*range_):
    return [str(number) for number in range(*range_)]


@on_every_broker
def test_a_repeated_send_stores_nothing_and_answers_the_first_result(server, people):
    alice, bob = people("alice", server), people("bob", server)
    first = alice.send("bob", "id-1", {"text": "once"})
    for text in ("once", "another text"):
        again = alice.send("bob", "id-1", {"text": text})
        assert again == {**first, "duplicate": True}
    assert alice.send("bob", "id-2", {"text": "two"})["seq"] == 2
    assert bob.texts("bob", 2) == ["once", "two"]


@on_every_broker
def test_the_same_id_from_somebody_else_is_another_message(server, people):
    alice, bob, carol = people("alice", server), people("bob", server), people("carol", server)
    assert not alice.send("bob", "id-1", {"text": "from alice"})["duplicate"]
    assert not carol.send("bob", "id-1", {"text": "from carol"})["duplicate"]
    assert bob.texts("bob", 2) == ["from alice", "from carol"]


@on_every_broker
def test_only_what_is_above_the_cursor_comes_to_a_client_that_knows_nothing(server, people):
    alice, bob = people("alice", server), people("bob", server)
    send_numbered(alice, "bob", range(1, 11))
    bob.inbox("bob", 10)
    assert bob.rpc("ack", {"offset": 7}) == {"offset": 7}
    assert bob.rpc("ack", {"offset": 3}) == {"offset": 7}, "a cursor does not go back"
    assert bob.rpc("ack", {"offset": 1000}) == {"offset": 10}, "nor beyond what there is"
    bob.disconnect()
    send_numbered(alice, "bob", range(11, 14))
    assert people("bob", server).texts("bob", 3) == numbers(11, 14)


@on_every_broker
def test_every_device_has_its_own_cursor(server, people):
    alice, phone = people("alice", server), people("bob", server, device="phone")
    send_numbered(alice, "bob", range(1, 6))
    phone.inbox("bob", 5)
    assert phone.rpc("ack", {"offset": 2}) == {"offset": 2}
    # Another one begins at the oldest change that not all devices have acknowledged.
    laptop = people("bob", server, device="laptop")
    assert laptop.texts("bob", 3) == numbers(3, 6)
    assert phone.rpc("ack", {"offset": 5}) == {"offset": 5}
    phone.disconnect()
    laptop.disconnect()
    send_numbered(alice, "bob", [6])
    assert people("bob", server, device="phone").texts("bob", 1) == ["6"]
    assert people("bob", server, device="laptop").texts("bob", 4) == numbers(3, 7)


@on_every_broker
def test_two_devices_at_once_both_get_everything(servers, people):
    alice = people("alice", servers[0])
    phone, laptop = people("bob", servers[0], device="phone"), people("bob", servers[1], device="laptop")
    send_numbered(alice, "bob", range(1, 31))
    assert phone.texts("bob", 30) == laptop.texts("bob", 30) == numbers(1, 31)


@on_every_broker
def test_what_was_not_acknowledged_comes_again_to_a_new_client(server, people):
    alice, bob = people("alice", server), people("bob", server)
    send_numbered(alice, "bob", range(1, 4))
    assert bob.texts("bob", 3) == numbers(1, 4)
    bob.disconnect()
    assert people("bob", server).texts("bob", 3) == numbers(1, 4)


def test_the_senders_other_devices_see_what_was_sent(server, people):
    laptop, phone = people("alice", server, device="laptop"), people("alice", server, device="phone")
    laptop.send("bob", "id-1", {"text": "hi"})
    for client in (laptop, phone):
        (copy,) = client.inbox("alice", 1)
        assert (copy["data"]["from"], copy["data"]["to"], copy["data"]["id"]) == ("alice", "bob", "id-1")


def test_a_message_to_oneself_is_there_once(server, people):
    alice = people("alice", server)
    alice.send("alice", "id-1", {"text": "note"})
    alice.send("alice", "id-2", {"text": "again"})
    assert alice.texts("alice", 2) == ["note", "again"]


@on_every_broker
def test_a_backlog_of_thousands_comes_in_order(server, people):
    people("alice", server).send_all("bob", range(2000))
    assert people("bob", server).texts("bob", 2000) == numbers(2000)


@on_every_broker
def test_a_backlog_of_large_messages_comes_whole(server, people):
    alice = people("alice", server)
    texts = [str(number % 10) * 60_000 for number in range(100)]
    for number, text in enumerate(texts):
        alice.send("bob", f"id-{number}", {"text": text})
    assert people("bob", server).texts("bob", 100) == texts


@on_every_broker
def test_history_is_read_page_by_page_from_the_newest(server, people):
    alice = people("alice", server)
    send_numbered(alice, "bob", range(1, 131))
    page = alice.rpc("history", {"conversation": "dm:alice:bob"})
    assert page["more"] and [entry["seq"] for entry in page["entries"]] == list(range(81, 131))
    page = alice.rpc("history", {"conversation": "dm:alice:bob", "before": 81, "limit": 100})
    assert not page["more"] and [entry["seq"] for entry in page["entries"]] == list(range(1, 81))
    page = people("bob", server).rpc("history", {"conversation": "dm:alice:bob", "before": 2, "limit": 1})
    (entry,) = page["entries"]
    assert (entry["from"], entry["to"], entry["body"], entry["id"]) == ("alice", "bob", {"text": "1"}, "id-1")
    assert alice.rpc("history", {"conversation": "dm:alice:nobody"}) == {"entries": [], "more": False, "head": 0}


@on_every_broker
def test_a_conversation_of_others_is_not_shown(server, people):
    people("alice", server).send("bob", "id-1", {"text": "private"})
    with pytest.raises(Refused) as refused:
        people("carol", server).rpc("history", {"conversation": "dm:alice:bob"})
    assert refused.value.code == 103


@pytest.mark.parametrize(
    "name", ["밥", "bob@example.com", "a:b", "a%b", "a b", "dm:x:y", "x" * 128, "나" * 42, "../..", "*?[", "\u2028"]
)
def test_a_name_may_be_any_text(server, people, name):
    alice, other = people("alice", server), people(name, server)
    sent = alice.send(name, "id-1", {"text": "hi"})
    assert other.texts(name, 1) == ["hi"]
    back = other.send("alice", "id-1", {"text": "hi back"})
    assert back["conversation"] == sent["conversation"] and back["seq"] == 2
    assert alice.rpc("history", {"conversation": sent["conversation"]})["entries"][0]["to"] == name


def test_conversations_do_not_mix_whatever_names_contain(server, people):
    sender, ids = people("a", server), set()
    for to in ("b", "b:c", "b%3Ac", "b%3ac", ":b", "b:", "%"):
        ids.add(sender.send(to, "id-1", {})["conversation"])
    ids.add(people("a:b", server).send("c", "id-1", {})["conversation"])
    assert len(ids) == 8


BAD_SENDS = {
    "no at": {"to": "bob", "id": "1", "body": {}},
    "no name": {"to": "@", "id": "1", "body": {}},
    "empty": {"to": "", "id": "1", "body": {}},
    "too long": {"to": "@" + "x" * 129, "id": "1", "body": {}},
    "control character": {"to": "@a\nb", "id": "1", "body": {}},
    "null character": {"to": "@a\0b", "id": "1", "body": {}},
    "number": {"to": 5, "id": "1", "body": {}},
    "no recipient": {"id": "1", "body": {}},
    "no id": {"to": "@bob", "body": {}},
    "empty id": {"to": "@bob", "id": "", "body": {}},
    "long id": {"to": "@bob", "id": "x" * 129, "body": {}},
    "no body": {"to": "@bob", "id": "1"},
    "text": "hello",
    "list": [],
}


def test_sends_that_mean_nothing_are_refused_and_say_why(server, people):
    alice, bob = people("alice", server), people("bob", server)
    for why, data in BAD_SENDS.items():
        with pytest.raises(Refused) as refused:
            alice.rpc("send", data)
        assert refused.value.code == 107 and not refused.value.temporary, why
        assert len(refused.value.message) > len("bad request: "), why
    alice.send("bob", "fine", {"text": "fine"})
    assert bob.texts("bob", 1) == ["fine"]
    assert len(alice.seen("connected")) == 1 and not alice.seen("disconnected")


@pytest.mark.parametrize("body", [None, 0, "text", [], {}, {"text": "…", "nested": [{"a": None}]}, True], ids=str)
def test_a_body_may_be_any_json(server, people, body):
    alice, bob = people("alice", server), people("bob", server)
    alice.send("bob", "id-1", body)
    assert bob.inbox("bob", 1)[0]["data"]["body"] == body


def test_the_largest_body_fits_and_one_byte_more_does_not(broker, server, people):
    alice, bob = people("alice", server), people("bob", server)
    with Wire(broker.port) as wire:
        largest = '"' + "x" * (65_536 - 2) + '"'
        assert wire.call("NARU.SEND", "dm:alice:bob", "alice", "largest", largest)[0] == 1
        assert str(wire.call("NARU.SEND", "dm:alice:bob", "alice", "too large", largest[:-1] + 'x"')).startswith("TOOBIG")
    assert bob.inbox("bob", 1)[0]["data"]["body"] == "x" * (65_536 - 2)
    alice.send("bob", "large", {"text": "x" * 65_000})
    assert bob.inbox("bob", 2)[1]["data"]["body"]["text"] == "x" * 65_000
    with pytest.raises(Refused) as refused:
        alice.send("bob", "too large", {"text": "x" * 66_000})
    assert refused.value.code == 107 and "65536" in refused.value.message
    # A whole message far beyond that closes the connection, for good; 3 is the SDK's own number for code 1009.
    alice.sdk.order("rpc", client=alice.name, method="send", data={"to": "@bob", "id": "n", "body": "x" * 140_000})
    assert alice.wait("disconnected")["code"] == 3


def test_acknowledgements_that_mean_nothing_are_refused(server, people):
    alice = people("alice", server)
    for data in ({}, {"offset": -1}, {"offset": "1"}, {"offset": 1.5}, {"offset": 2**53}, None):
        with pytest.raises(Refused) as refused:
            alice.rpc("ack", data)
        assert refused.value.code == 107, data
    assert alice.rpc("ack", {"offset": 0}) == {"offset": 0}


def test_a_method_that_there_is_not_is_not_available(server, people):
    with pytest.raises(Refused) as refused:
        people("alice", server).rpc("nonsense", {})
    assert refused.value.code == 108
