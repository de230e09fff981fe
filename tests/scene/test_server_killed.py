"""A chat server is killed with SIGKILL; its clients go to the other one and go on."""

import pytest

from harness.resp import Wire
from harness.retrying import Sending
from harness.stores import EVERY
from harness.waiting import eventually

# One that has the broker in it is killed with it in test_broker_killed.py.
pytestmark = pytest.mark.brokers(*EVERY)

COUNT = 300


@pytest.fixture
def bounds():
    """A ring that has all that is sent: who acknowledges nothing, and is away for longer than it goes back, gets things twice."""
    return {"ring-max": COUNT}


@pytest.fixture
def servers(servers_apart):
    return servers_apart


def test_the_recipients_server_is_killed(servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1], servers[0])
    assert bob.wait("connected")["data"] == {"server": servers[1].name}
    sending = Sending(alice, "bob", COUNT)
    sending.reach(100)
    servers[1].program.kill()
    bob.wait("connected", 2)
    assert bob.seen("connected")[-1]["data"] == {"server": servers[0].name}
    sending.finish()
    assert bob.texts("bob", COUNT) == sending.texts()
    assert not sending.refusals, "the sender noticed nothing"


def test_the_senders_server_is_killed(servers, people):
    alice, bob = people("alice", servers[0], servers[1]), people("bob", servers[1])
    sending = Sending(alice, "bob", COUNT)
    sending.reach(100)
    servers[0].program.kill()
    answers = sending.finish()
    assert alice.seen("connected")[-1]["data"] == {"server": servers[1].name}
    assert [answer["seq"] for answer in answers] == list(range(1, COUNT + 1))
    assert bob.texts("bob", COUNT) == sending.texts()


def test_who_does_not_come_back_is_waited_for(broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    Sending(alice, "bob", 3, "before").finish()
    assert bob.rpc("ack", {"offset": 2}) == {"offset": 2}
    servers[1].program.kill()
    with Wire(broker.port) as wire:
        eventually(lambda: not wire.call("PUBSUB", "CHANNELS", f"naru:server:{servers[1].name}"), "it is still routed")
    Sending(alice, "bob", 3, "meanwhile").finish()
    # Another client object, for the same device: from the cursor on.
    back = people("bob", servers[0])
    assert back.texts("bob", 4) == ["before 2", "meanwhile 0", "meanwhile 1", "meanwhile 2"]


def test_a_server_that_comes_back_under_its_name_is_used_again(brokers, broker, servers, people):
    alice = people("alice", servers[0])
    servers[1].program.kill()
    (again,) = brokers.servers_apart(broker, [servers[1].name])
    bob = people("bob", again)
    Sending(alice, "bob", 5).finish()
    assert bob.texts("bob", 5) == [f"id {number}" for number in range(5)]
