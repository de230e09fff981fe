"""The scene that must always work: two servers, a broker between them, two people, one of whom goes away."""

import pytest

from harness.resp import Wire
from harness.stores import EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)


@pytest.fixture
def broker(durable_broker):
    return durable_broker


def texts(*numbers):
    return [f"message {number}" for number in numbers]


def test_the_five_steps(broker, broker_kind, servers, people):
    with Wire(broker.port) as wire:
        # 1. Both servers subscribe at the broker.
        def both_listen():
            channels = wire.call("PUBSUB", "CHANNELS", "naru:server:*")
            return sorted(channels) == [b"naru:server:server-1", b"naru:server:server-2"]

        eventually(both_listen, "the servers are not subscribed")
        client_1, client_2 = people("alice", servers[0]), people("bob", servers[1])
        assert client_1.wait("connected")["data"] == {"server": "server-1"}
        assert client_2.wait("connected")["data"] == {"server": "server-2"}

        # 2. Client 1 sends to client 2.
        sent = client_1.send("bob", "id-1", {"text": "message 1"})
        assert sent["conversation"] == "dm:alice:bob" and sent["seq"] == 1 and sent["duplicate"] is False

        # 3. The broker stores it in client 2's queue and passes it on.
        if broker_kind in ("naru", "embedded"):
            head, row = (wire.call("NARU.STANDING", "bob", "dm:alice:bob")[place] for place in (1, 3))
            assert (head, row[:4]) == (1, [b"dm:alice:bob", 0, 1, 1])

        # 4. Server 2 sees that client 2 is connected to it, and delivers.
        (delivered,) = client_2.inbox("bob", 1)
        assert delivered["offset"] == 1
        assert delivered["data"] == {
            "kind": "message", "conversation": "dm:alice:bob", "seq": 1, "prev": 0, "count": 1, "from": "alice", "to": "bob",
            "id": "id-1", "at": sent["at"], "body": {"text": "message 1"},
        }  # fmt: skip
        assert client_2.rpc("ack", {"offset": 1}) == {"offset": 1}

        # 5. Client 2 goes away; client 1 keeps sending; client 2 comes back, on the other server.
        client_2.disconnect()
        for number in range(2, 52):
            client_1.send("bob", f"id-{number}", {"text": f"message {number}"})
        back = people("bob", servers[0])
        assert back.texts("bob", 50) == texts(*range(2, 52))
        client_1.send("bob", "id-52", {"text": "message 52"})
        assert back.texts("bob", 51) == texts(*range(2, 53))
        assert [it["offset"] for it in back.inbox("bob")] == list(range(2, 53))
        assert client_2.texts("bob") == texts(1)


def test_the_same_client_that_comes_back_goes_on_where_it_was(servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    for number in range(1, 4):
        alice.send("bob", f"id-{number}", {"text": f"message {number}"})
    assert bob.texts("bob", 3) == texts(1, 2, 3)
    bob.disconnect()
    for number in range(4, 100):
        alice.send("bob", f"id-{number}", {"text": f"message {number}"})
    bob.connect()
    assert bob.texts("bob", 99) == texts(*range(1, 100))
    resumed = bob.seen("server subscribed", channel="inbox:bob")[-1]
    assert resumed["wasRecovering"] and resumed["recovered"]


def test_both_people_write_at_once_and_both_see_one_order(sdk, servers, people):
    alice, bob, phone = (
        people("alice", servers[0]),
        people("bob", servers[1]),
        people("bob", servers[0], device="phone"),
    )
    orders = []
    for number in range(100):
        for sender, to in ((alice, "bob"), (bob, "alice")):
            data = {"to": f"@{to}", "id": f"id-{number}", "body": {"text": f"to {to} {number}"}}
            orders.append(sdk.order("rpc", client=sender.name, method="send", data=data))
    assert sorted(sdk.answer(order)["seq"] for order in orders) == list(range(1, 201))

    def log(client, user):
        return [(it["data"]["seq"], it["data"]["from"], it["data"]["id"]) for it in client.inbox(user, 200)]

    assert log(alice, "alice") == log(bob, "bob") == log(phone, "bob")
    assert [seq for seq, _, _ in log(bob, "bob")] == list(range(1, 201))
    for name in ("alice", "bob"):
        assert [id_ for _, sender, id_ in log(bob, "bob") if sender == name] == [f"id-{n}" for n in range(100)]
