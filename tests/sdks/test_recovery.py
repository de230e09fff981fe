"""What was missed while the way to the server was cut, or while something got lost on the way."""

import pytest

from harness.cut import Way
from harness.resp import Wire


@pytest.fixture
def way(servers):
    """To the second server."""
    way = Way(servers[1].port)
    yield way
    way.close()


@pytest.fixture
def pair(person, way):
    """One who publishes, and one whose way can be cut."""

    def connect(**what):
        return person("alice"), person("bob", address=way.url, **what)

    return connect


def missing(way, bob, what):
    """Cuts the way while something happens."""
    before = len(bob.seen("connected"))
    way.cut()
    bob.wait("connecting", before + 1)
    what()
    way.mend()
    bob.wait("connected", before + 1)


def test_what_was_missed_comes_once_and_in_order(pair, way, fresh):
    (alice, bob), channel = pair(), fresh("kept")
    bob.subscribe(channel)
    alice.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1)
    missing(way, bob, lambda: [alice.publish(channel, n) for n in range(2, 30)])
    stands = bob.wait("subscribed", 2, channel=channel)
    assert (stands["was_recovering"], stands["recovered"]) == (True, True)
    alice.publish(channel, 30)
    assert bob.heard(channel, 30) == list(range(1, 31))


def test_more_than_is_kept_is_said_to_be_lost(pair, way, fresh):
    (alice, bob), channel = pair(), fresh("few")
    bob.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1)
    missing(way, bob, lambda: [alice.publish(channel, n) for n in range(2, 6)])
    stands = bob.wait("subscribed", 2, channel=channel)
    assert (stands["was_recovering"], stands["recovered"]) == (True, False)
    alice.publish(channel, 6)
    assert bob.heard(channel, 2) == [1, 6]


def test_where_only_the_newest_counts_only_that_comes(pair, way, fresh):
    (alice, bob), channel = pair(), fresh("newest")
    bob.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1)
    missing(way, bob, lambda: [alice.publish(channel, n) for n in range(2, 6)])
    assert bob.wait("subscribed", 2, channel=channel)["recovered"]
    alice.publish(channel, 6)
    assert bob.heard(channel, 3) == [1, 5, 6]


def test_recovery_is_for_who_asks_where_it_is_not_for_all(pair, way, fresh):
    (alice, bob), asked, unasked = pair(), fresh("asked"), fresh("asked")
    stands = bob.subscribe(asked, options={"recoverable": True})
    assert (stands["recoverable"], stands["positioned"]) == (True, True)
    assert not bob.subscribe(unasked)["recoverable"]
    for channel in (asked, unasked):
        alice.publish(channel, 1)
        bob.heard(channel, 1)
    missing(way, bob, lambda: [alice.publish(it, 2) for it in (asked, unasked)])
    assert bob.wait("subscribed", 2, channel=asked)["recovered"]
    assert not bob.wait("subscribed", 2, channel=unasked)["was_recovering"]
    for channel in (asked, unasked):
        alice.publish(channel, 3)
    assert bob.heard(asked, 3) == [1, 2, 3]
    assert bob.heard(unasked, 2) == [1, 3]


def test_what_the_server_subscribes_to_recovers_too(pair, way, fresh):
    channel = fresh("kept")
    alice, bob = pair(claims={"channels": [channel]})
    bob.wait("server subscribed", channel=channel)
    alice.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1, "server publication")
    missing(way, bob, lambda: [alice.publish(channel, n) for n in (2, 3)])
    assert bob.wait("server subscribed", 2, channel=channel)["recovered"]
    alice.publish(channel, 4)
    assert bob.heard(channel, 4, "server publication") == [1, 2, 3, 4]


def lose_one(broker, alice, channel):
    """Has the servers hear of a publication without the one before it, as if that had got lost."""
    at = alice.history(channel)
    with Wire(broker.port) as wire:
        wire.call("PUBLISH", channel, f'naru:{at["offset"] + 2}:{at["epoch"]}\n{{"naru":{{}},"data":"too far"}}')


def test_a_gap_has_the_subscription_recover(person, shared_broker, fresh):
    alice, channel = person("alice"), fresh("kept")
    alice.subscribe(channel)
    alice.publish(channel, 1)
    alice.heard(channel, 1)
    lose_one(shared_broker, alice, channel)
    assert alice.wait("subscribing", 2, channel=channel)["code"] == 2500
    assert alice.wait("subscribed", 2, channel=channel)["recovered"]
    alice.publish(channel, 2)
    assert alice.heard(channel, 2) == [1, 2]
    assert len(alice.seen("connecting")) == 1


def test_a_gap_in_what_the_server_subscribed_to_has_the_connection_recover(person, shared_broker, fresh):
    channel = fresh("kept")
    alice, bob = person("alice"), person("bob", claims={"channels": [channel]})
    bob.wait("server subscribed", channel=channel)
    # Her subscription recovers by itself.
    alice.subscribe(channel)
    alice.publish(channel, 1)
    bob.heard(channel, 1, "server publication")
    lose_one(shared_broker, alice, channel)
    assert bob.wait("connecting", 2)["code"] == 3010
    assert bob.wait("server subscribed", 2, channel=channel)["recovered"]


def test_large_and_similar_data_goes_as_what_has_changed(pair, way, fresh):
    (alice, bob), channel = pair(), fresh("delta")

    def data(n):
        return {"first": n, "text": [f"line {line} of a large text" for line in range(100)], "last": n}

    bob.subscribe(channel, options={"delta": "fossil"})
    # She has not asked for it.
    alice.subscribe(channel)
    for n in range(3):
        alice.publish(channel, data(n))
    bob.heard(channel, 3)
    missing(way, bob, lambda: [alice.publish(channel, data(n)) for n in (3, 4)])
    alice.publish(channel, data(5))
    assert bob.heard(channel, 6) == alice.heard(channel, 6) == [data(n) for n in range(6)]
    if bob.library.library == "js":
        stats = bob.call("delta stats", channel=channel)
        assert stats["numDeltaPayloads"] >= 2
        assert stats["bytesReceived"] < stats["bytesDecoded"] / 2
