"""Several chat servers at one broker of each kind, and that broker lost and back."""

import pytest

from harness import sdks
from harness.cut import Way
from harness.node import Refused
from harness.sdks import token_of
from harness.stores import APART, Brokers, Embedded
from harness.waiting import eventually


@pytest.fixture(params=APART)
def brokers(request, naru, programs):
    return Brokers(naru, programs, request.param, {})


@pytest.fixture
def started(brokers, tmp_path):
    """A broker that keeps on disk."""
    return brokers.start(tmp_path, data=tmp_path / "data")


@pytest.fixture
def two(brokers, started, config):
    return brokers.servers_apart(started, ["one", "two"], ["--config", config])


@pytest.fixture
def anybody(request, libraries):
    """Connects somebody, with any library."""
    here = []

    def connect(user, library, encoding, address):
        client = libraries(library).open(address, encoding, token=token_of(user))
        here.append(client)
        client.wait("connected")
        return client

    yield connect
    for client in here:
        client.call("disconnect")


EVERYBODY = [(library, encoding) for library in ("js", "python") for encoding in ("json", "protobuf")]


def test_everybody_hears_everybody_at_every_server(two, anybody):
    at = [(*who, server.url) for who in EVERYBODY for server in two]
    people = [anybody(f"user-{n}", *it) for n, it in enumerate(at)]
    for person in people:
        person.subscribe("kept:all")
    for n, person in enumerate(people):
        person.publish("kept:all", {"from": n})
    heard = [person.heard("kept:all", len(people)) for person in people]
    # The broker gives the order, the same for all.
    assert all(it == heard[0] for it in heard)
    assert sorted(it["from"] for it in heard[0]) == list(range(len(people)))
    for person in people[:: len(people) - 1]:
        page = person.history("kept:all", limit=100)
        assert [it["data"] for it in page["publications"]] == heard[0]
        assert person.call("presence stats", channel="kept:all") == {"clients": len(people), "users": len(people)}
    assert len(people[1].call("presence", channel="kept:all")) == len(people)


# It takes as long as a server may be silent, and Valkey runs the same scripts as Redis.
@pytest.mark.parametrize("brokers", ("naru", "redis"), indirect=True)
def test_who_was_at_a_server_that_is_killed_is_gone(two, anybody):
    alice, bob = anybody("alice", "js", "json", two[0].url), anybody("bob", "python", "protobuf", two[1].url)
    alice.subscribe("kept:all", options={"join_leave": True})
    bob.subscribe("kept:all")
    assert alice.call("presence stats", channel="kept:all")["users"] == 2
    two[1].program.kill()

    def alone():
        return list(it["user"] for it in alice.call("presence", channel="kept:all").values()) == ["alice"]

    eventually(alone, "he is still said to be there", 40)


@pytest.fixture
def stays(anybody, two):
    """Two who stay connected while something happens to the broker."""
    alice, bob = anybody("alice", "js", "json", two[0].url), anybody("bob", "python", "protobuf", two[1].url)
    for person in (alice, bob):
        person.subscribe("kept:all")
    for n in (1, 2, 3):
        alice.publish("kept:all", n)
    for person in (alice, bob):
        person.heard("kept:all", 3)
    return alice, bob


def published(person, data):
    """Whether it is published now; a refusal has to be of the kind that passes."""
    try:
        person.publish("kept:all", data)
    except Refused as refused:
        assert passes(refused), refused
        return False
    return True


def test_a_broker_that_comes_back_has_what_was_kept(naru, brokers, two, started, stays, anybody):
    alice, bob = stays
    way = Way(two[1].port)
    carol = anybody("carol", "js", "protobuf", way.url)
    carol.subscribe("kept:all")
    epoch = alice.history("kept:all")["epoch"]
    way.cut()
    carol.wait("connecting", 2)
    alice.publish("kept:all", 4)
    bob.heard("kept:all", 4)
    started.program.kill()
    again = naru.restarted(started)
    eventually(lambda: published(alice, 5), "it is not taken")
    way.mend()
    carol.wait("connected", 2)
    try:
        page = eventually(lambda: history_of(bob), "the history is not to be had")
        kept = [it["data"] for it in page["publications"]]
        stands = carol.wait("subscribed", 2, channel="kept:all")
        if brokers.kind == "naru":
            # What was answered is there once; what was not, and so was said again, may be there twice.
            assert page["epoch"] == epoch and kept[:4] == [1, 2, 3, 4] and set(kept[4:]) == {5}
            assert stands["recovered"]
            for person, all_of_it in ((alice, [1, 2, 3, 4, 5]), (bob, [1, 2, 3, 4, 5]), (carol, [4, 5])):
                eventually(lambda: heard(person)[-1:] == [5], person.events)
                assert sorted(set(heard(person))) == all_of_it, person.events
        else:
            # Nobody knows whether such a store has lost something: so it begins anew, and says so.
            assert page["epoch"] != epoch and set(kept) == {5}
            assert stands["was_recovering"] and not stands["recovered"]
            for person in (alice, bob):
                person.wait("subscribed", 2, channel="kept:all")
        for person in (alice, bob, carol):
            eventually(lambda: in_place(person), person.events)
        alice.publish("kept:all", 6)
        for person in (alice, bob, carol):
            person.wait("publication", channel="kept:all", data=6)
    finally:
        way.close()
        again.program.kill()


def passes(refused):
    """Below 100 it is the library's own, such as a timeout."""
    return refused.temporary or (refused.code or 0) < 100


def heard(person):
    return [it["data"] for it in person.seen("publication", channel="kept:all")]


def in_place(person):
    """Whether it is subscribed, as far as its library knows."""
    last = [it["event"] for it in list(person.events) if it["event"] in ("subscribing", "subscribed", "unsubscribed")]
    return last[-1] == "subscribed"


def history_of(person):
    try:
        return person.history("kept:all", limit=100)
    except Refused as refused:
        assert passes(refused), refused
        return None


@pytest.mark.parametrize("brokers", ("naru", "redis"), indirect=True)
def test_a_broker_that_has_forgotten_everything_is_noticed(naru, brokers, config, tmp_path, libraries):
    broker = brokers.start(tmp_path)
    (server,) = brokers.servers_apart(broker, ["one"], ["--config", config])
    own = token_of("dave", channels=["kept:all"])
    people = [libraries(library).open(server.url, encoding, token=token_of("a")) for library, encoding in EVERYBODY]
    dave = libraries("js").open(server.url, token=own)
    for person in people:
        person.subscribe("kept:all")
    dave.wait("server subscribed", channel="kept:all")
    for n in (1, 2, 3):
        people[0].publish("kept:all", n)
    for person in people:
        person.heard("kept:all", 3)
    broker.program.kill()
    naru.restarted(broker)
    # Inboxes and channels are of another epoch: insufficient state, and then from the start.
    for person in (*people, dave):
        assert person.wait("connecting", 2)["code"] == 3010
    for person in people:
        stands = person.wait("subscribed", 2, channel="kept:all")
        assert stands["was_recovering"] and not stands["recovered"]
    assert not dave.wait("server subscribed", 2, channel="kept:all")["recovered"]
    people[0].publish("kept:all", 4)
    for person in people:
        assert person.heard("kept:all", 4) == [1, 2, 3, 4]
        assert [it["offset"] for it in person.seen("publication")] == [1, 2, 3, 1]
        person.disconnect()
    dave.disconnect()


def test_a_server_that_is_killed_with_its_broker_comes_back_with_what_was_kept(naru, config, tmp_path, anybody):
    first = Embedded(naru, ["--data", tmp_path / "data", "--config", config])
    second = naru.joined_server(first, "--config", config, name="second")
    people = [anybody(f"user-{n}", *who, (first.server, second)[n % 2].url) for n, who in enumerate(EVERYBODY)]
    for person in people:
        person.subscribe("kept:all")
    for n in (1, 2, 3):
        people[1].publish("kept:all", n)
    for person in people:
        person.heard("kept:all", 3)
    epoch = people[1].history("kept:all")["epoch"]
    first.program.kill()
    again = first.again()
    try:
        eventually(lambda: published(people[1], 4), "it is not taken")
        for n, person in enumerate(people):
            eventually(lambda it=person: heard(it)[-1:] == [4], person.events)
            # What was not answered, and so was said again, may be there twice.
            assert heard(person)[:3] == [1, 2, 3] and set(heard(person)[3:]) == {4}
            if n % 2 == 0:
                assert person.wait("subscribed", 2, channel="kept:all")["recovered"]
        assert people[0].history("kept:all")["epoch"] == epoch
    finally:
        again.program.kill()


def test_what_was_published_while_a_server_was_cut_off_is_not_missed(brokers, started, config, anybody):
    way = Way(started.port)
    one, two = [
        brokers.naru.server(url, "--config", config, *brokers.sets(), name=name)
        for name, url in (("one", started.url), ("two", f"redis://127.0.0.1:{way.port}"))
    ]
    alice, bob = anybody("alice", "js", "json", one.url), anybody("bob", "python", "protobuf", two.url)

    bob.subscribe("kept:all")
    alice.subscribe("kept:all")
    eventually(lambda: published(alice, 1), "it is not taken")
    bob.heard("kept:all", 1)
    way.cut()
    alice.publish("kept:all", 2)
    alice.publish("kept:all", 3)
    way.mend()
    alice.publish("kept:all", 4)
    try:
        assert bob.heard("kept:all", 4) == [1, 2, 3, 4]
    finally:
        way.close()
