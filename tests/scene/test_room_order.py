"""A room of many is heard in the order of its log, whatever happens in it, and by nobody who was put out of it."""

import threading

import pytest

from harness.stores import EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)

ROOM = {"conversation": "room:team"}
ROUNDS = 8


@pytest.fixture
def bounds():
    return {"members-max": 2}


class Talking(threading.Thread):
    """Says one thing after the other, a few at a time, until it is told to stop."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.failure, self.ended = client, None, threading.Event()
        self.start()

    def run(self):
        try:
            number = 0
            while not self.ended.is_set():
                self.client.send_all(ROOM["conversation"], range(number, number + 4))
                number += 4
        except Exception as failure:  # told to the thread that waits
            self.failure = failure

    def finish(self):
        self.ended.set()
        self.join()
        assert not self.failure, self.failure


def heard(client):
    """The numbers of what came in the room's channel, but for what says how far it is."""
    publications = client.seen("publication", channel=ROOM["conversation"])
    return [it["data"]["seq"] for it in publications if it["data"]["kind"] != "head"]


def test_all_hear_one_order_and_who_is_put_out_hears_nothing_after_that(servers, people):
    one, other = servers
    names = {"alice": one, "bob": one, "bert": other, "carol": other, "dave": other, "erin": one}
    clients = {name: people(name, server) for name, server in names.items()}
    alice, carol = clients["alice"], clients["carol"]
    alice.rpc("room.join", ROOM)
    for name in names:
        alice.rpc("room.join", {**ROOM, "user": name})
    for client in clients.values():
        client.wait("server subscribed", channel="room:team")

    away = []  # between which numbers carol is not in the room
    talking = [Talking(clients[name]) for name in ("bob", "bert")]
    for number in range(ROUNDS):
        count = len(heard(carol))
        eventually(lambda: len(heard(carol)) > count, "carol hears nothing while she is in the room")
        said = alice.rpc("send", {"to": "room:team", "id": f"said-{number}", "body": number})
        alice.rpc("edit", {**ROOM, "id": f"edit-{number}", "target": said["seq"], "body": -number})
        left = alice.rpc("room.leave", {**ROOM, "user": "carol"})["seq"]
        alice.rpc("room.role", {**ROOM, "user": "dave", "role": ["reader", "member"][number % 2]})
        alice.rpc("delete", {**ROOM, "id": f"delete-{number}", "target": said["seq"]})
        if number % 2:
            # Otherwise she is back before her server has taken her out.
            eventually(
                lambda: [it for it in carol.come("carol") if it["data"]["seq"] == left],
                "it is not in carol's inbox that she has left",
            )
        away.append((left, alice.rpc("room.join", {**ROOM, "user": "carol"})["seq"]))
    left = alice.rpc("room.leave", {**ROOM, "user": "carol"})["seq"]
    for one_talking in talking:
        one_talking.finish()
    last = alice.rpc("send", {"to": "room:team", "id": "last", "body": "last"})["seq"]
    away.append((left, last + 1))

    for name in ("alice", "bob", "bert", "dave", "erin"):
        eventually(lambda: heard(clients[name])[-1] == last, f"{name} does not hear the last of it")
        seqs = heard(clients[name])
        steps = [(before, after) for before, after in zip(seqs, seqs[1:]) if after <= before]
        assert not steps, f"{name} hears {steps} out of the order of the log"
    come = [it["data"]["seq"] for it in carol.seen("publication", channel="room:team")]
    not_hers = [(left, seq, back) for left, back in away for seq in come if left < seq < back]
    assert not not_hers, f"carol hears of what she was not in the room for (left, heard, back): {not_hers}"
