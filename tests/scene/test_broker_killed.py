"""The broker is killed with SIGKILL in the middle, and comes back on the same port and folder."""

import pytest

from harness.naru import log_lines
from harness.retrying import Sending
from harness.sdk import Refused
from harness.stores import APART, EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)


@pytest.fixture
def broker(durable_broker):
    return durable_broker


@pytest.fixture
def servers(servers_apart):
    return servers_apart


def rising(numbers):
    return all(one < next_ for one, next_ in zip(numbers, numbers[1:]))


def test_everything_answered_arrives_once_and_in_order(naru, broker, broker_kind, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    sending = Sending(alice, "bob", 300)
    for answered in (60, 160):
        sending.reach(answered)
        broker.program.kill()
        # Somebody notices that it is gone before it comes back.
        seen = len(sending.refusals)
        eventually(lambda: len(sending.refusals) > seen, "nothing was refused while the broker was away")
        broker = naru.restarted(broker)
    seqs = [answer["seq"] for answer in sending.finish()]
    assert bob.texts("bob", 300) == sending.texts()
    offsets = [it["offset"] for it in bob.inbox("bob")]
    assert [it["data"]["seq"] for it in bob.inbox("bob")] == seqs
    # Who found the broker again only when more than a ring had been said is far behind, and gets that under one offset.
    assert rising(seqs) and offsets == sorted(offsets)
    if broker_kind in ("naru", "embedded"):
        assert seqs == list(range(1, 301))
    else:
        # Nobody knows what one that was killed has lost: with each of its lives numbers go on far above.
        assert seqs[-1] > 2 << 20
    for client in (alice, bob):
        assert not client.seen("disconnected") and len(client.seen("connected")) == 1, "clients stay connected"
    refused = [refusal for refusal in sending.refusals if refusal.code == 100]
    assert refused and all(refusal.temporary for refusal in refused)


def test_who_was_away_meanwhile_gets_it_all(naru, broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    bob.disconnect()
    sending = Sending(alice, "bob", 100)
    sending.reach(30)
    broker.program.kill()
    naru.restarted(broker)
    sending.finish()
    bob.connect()
    assert bob.texts("bob", 100) == sending.texts()


def test_what_others_sent_while_a_server_was_cut_off_is_not_missed(naru, brokers, broker, servers, people):
    bob = people("bob", servers[1])
    broker.program.kill()
    broker = naru.restarted(broker)
    (third,) = brokers.servers_apart(broker, ["server-4"])
    carol = people("carol", third)
    Sending(carol, "bob", 20, "from carol").finish()
    assert bob.texts("bob", 20) == [f"from carol {number}" for number in range(20)]


def test_the_outage_and_its_end_are_logged_once_each(naru, broker, servers):
    def messages(level):
        return [line["message"] for line in log_lines(servers[0].program) if line["level"] == level]

    broker.program.kill()
    eventually(lambda: any("trying again" in text for text in messages("WARN")), "nothing is said of the broker")
    naru.restarted(broker)
    eventually(lambda: sum("connected to the broker" in text for text in messages("INFO")) == 2, "no word of it")
    # Closed, what clients are told, not there; and a Redis may still be reading what it has on disk.
    warned = messages("WARN")
    assert len(warned) <= 4
    assert len(set(warned)) == len(warned)


def test_channels_work_again_afterwards(naru, broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    assert bob.call("subscribe", channel="public:news") == {}
    alice.call("publish", channel="public:news", data={"n": 1})
    assert bob.heard("public:news", 1) == [{"n": 1}]
    broker.program.kill()
    with pytest.raises(Refused) as refused:
        alice.call("publish", channel="public:news", data={"n": 2})
    assert refused.value.code == 100 and refused.value.temporary
    naru.restarted(broker)

    def heard_again():
        try:
            return alice.rpc("publish", {"channel": "public:news", "data": {"n": 3}})["receivers"] == 1
        except Refused:
            return False

    eventually(heard_again, "the subscription was not restored")
    assert {"n": 3} in bob.heard("public:news", 2)


@pytest.mark.brokers(*APART)
def test_a_broker_that_forgot_everything_is_noticed(naru, brokers, people, tmp_path):
    broker = brokers.start(tmp_path)
    (server,) = brokers.servers(broker, ["server-1"])
    alice, bob = people("alice", server), people("bob", server)
    Sending(alice, "bob", 5, "before").finish()
    assert bob.texts("bob", 5) == [f"before {number}" for number in range(5)]
    broker.program.kill()
    naru.restarted(broker)
    # The epoch is another: the client is sent away with "insufficient state", comes back, and reads from the start.
    bob.wait("connecting", code=3010)
    bob.wait("connected", 2)
    Sending(alice, "bob", 5, "after").finish()
    bob.wait("publication", 10, channel="inbox:bob")
    assert bob.texts("bob")[5:] == [f"after {number}" for number in range(5)]
