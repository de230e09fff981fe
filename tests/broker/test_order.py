"""One order for everybody: many publishers and subscribers, over all cores."""

import threading
from collections import defaultdict

import pytest

from harness.resp import Wire, encode

PUBLISHERS, SUBSCRIBERS, MESSAGES = 6, 8, 1500
CHURNERS = 3


@pytest.fixture
def broker(naru):
    """With more cores than this machine may have, so that there is something to get wrong."""
    return naru.broker("--cores", "4")


def subscriber(broker, *words):
    """A connection that is subscribed, its confirmations read."""
    wire = Wire(broker.port)
    wire.send(*words)
    for _ in words[1:]:
        assert wire.reply()[0] == words[0].lower().encode()
    return wire


def publish_in_bursts(broker, number, channels):
    """Each publisher numbers its messages, whatever the channel; it waits for the answers of each burst."""
    with Wire(broker.port) as wire:
        for first in range(0, MESSAGES, 50):
            burst = range(first, first + 50)
            wire.send_raw(b"".join(encode("PUBLISH", channels[i % len(channels)], f"{number}:{i}") for i in burst))
            for _ in burst:
                wire.reply()


def publish_all(broker, channels):
    threads = [
        threading.Thread(target=publish_in_bursts, args=(broker, number, channels)) for number in range(PUBLISHERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def heard_by(wires, count):
    """What each connection was sent, as (channel, text)."""
    return [[tuple(wire.reply()[-2:]) for _ in range(count)] for wire in wires]


def test_every_subscriber_of_a_channel_sees_the_same_order(broker):
    wires = [subscriber(broker, "SUBSCRIBE", "one") for _ in range(SUBSCRIBERS)]
    publish_all(broker, ["one"])
    heard = heard_by(wires, PUBLISHERS * MESSAGES)
    assert all(heard[0] == other for other in heard[1:])
    assert len(set(heard[0])) == PUBLISHERS * MESSAGES


def test_patterns_see_the_order_that_channels_see(broker):
    wires = [subscriber(broker, "SUBSCRIBE", "one"), subscriber(broker, "PSUBSCRIBE", "o*")]
    publish_all(broker, ["one"])
    by_channel, by_pattern = heard_by(wires, PUBLISHERS * MESSAGES)
    assert by_channel == by_pattern


def test_a_publishers_order_is_kept_across_channels(broker):
    channels = [f"channel-{number}" for number in range(7)]
    wires = [subscriber(broker, "SUBSCRIBE", *channels) for _ in range(SUBSCRIBERS)]
    publish_all(broker, channels)
    for heard in heard_by(wires, PUBLISHERS * MESSAGES):
        by_publisher = defaultdict(list)
        for _, text in heard:
            publisher, number = text.split(b":")
            by_publisher[publisher].append(int(number))
        assert len(by_publisher) == PUBLISHERS
        assert all(numbers == list(range(MESSAGES)) for numbers in by_publisher.values())


def test_who_joins_in_the_middle_is_confirmed_first_and_then_misses_nothing(broker):
    reference = subscriber(broker, "SUBSCRIBE", "one")
    publishing = threading.Thread(target=publish_all, args=(broker, ["one"]))
    publishing.start()
    late = []
    while publishing.is_alive() and len(late) < 40:
        wire = Wire(broker.port)
        wire.send("SUBSCRIBE", "one")
        late.append(wire)
        assert wire.reply() == [b"subscribe", b"one", 1]
    publishing.join()
    with Wire(broker.port) as wire:
        assert wire.call("PUBLISH", "one", "the end") == 1 + len(late)
    everything = heard_until_the_end(reference)
    for wire in late:
        heard = heard_until_the_end(wire)
        assert heard == everything[len(everything) - len(heard) :]


def heard_until_the_end(wire):
    heard = []
    while not heard or heard[-1] != b"the end":
        kind, _, text = wire.reply()
        assert kind == b"message"
        heard.append(text)
    return heard


def test_what_was_published_before_is_not_heard(broker):
    with Wire(broker.port) as publisher:
        for round_ in range(200):
            assert publisher.call("PUBLISH", "one", f"before {round_}") == 0
            with Wire(broker.port) as wire:
                wire.send("SUBSCRIBE", "one")
                assert wire.reply() == [b"subscribe", b"one", 1]
                assert publisher.call("PUBLISH", "one", f"after {round_}") == 1
                assert wire.reply() == [b"message", b"one", b"after %d" % round_]
                wire.send("UNSUBSCRIBE", "one")
                assert wire.reply() == [b"unsubscribe", b"one", 0]


def test_the_receiver_count_is_exact_while_subscribers_come_and_go(broker):
    with Wire(broker.port) as publisher:
        wires = []
        for count in range(30):
            assert publisher.call("PUBLISH", "one", "x") == count
            wires.append(subscriber(broker, "SUBSCRIBE", "one"))
        for count in range(30, 0, -1):
            assert publisher.call("PUBLISH", "one", "x") == count
            wire = wires.pop()
            wire.send("UNSUBSCRIBE", "one")
            while wire.reply()[0] != b"unsubscribe":
                pass


# -- all of it at once


def deliveries(wire):
    """What a connection is sent up to the end, as (channel, text) by the topic it came by."""
    heard = defaultdict(list)
    while True:
        kind, *words = wire.reply()
        if kind.endswith(b"message"):
            topic, channel, text = words[0], words[-2], words[-1]
            if text == b"the end":
                return heard
            heard[kind, topic].append((channel, text))


def by_channel(heard):
    """The order of each channel: between channels there is none but each publisher's own."""
    orders = defaultdict(list)
    for way, messages in heard.items():
        for channel, text in messages:
            orders[*way, channel].append(text)
    return orders


def listener(broker, protocol, *subscriptions):
    """A connection that speaks that version of RESP and has these subscriptions."""
    wire = Wire(broker.port)
    wire.call("HELLO", protocol)
    for words in subscriptions:
        wire.send(*words)
        for _ in words[1:]:
            assert wire.reply()[0] == words[0].lower().encode()
    return wire


def publish_everywhere(broker, number):
    """Numbered messages on channels and shard channels in turn, in bursts that each are one write."""
    ways = [("PUBLISH", "ch-a"), ("SPUBLISH", "ch-a"), ("PUBLISH", "ch-b"), ("SPUBLISH", "shard"), ("PUBLISH", "ch-a")]
    with Wire(broker.port) as wire:
        for first in range(0, MESSAGES, 50):
            burst = range(first, first + 50)
            wire.send_raw(b"".join(encode(*ways[i % len(ways)], f"{number}:{i}") for i in burst))
            for _ in burst:
                assert wire.reply() >= SUBSCRIBERS


def come_and_go(broker, protocol, over, stray):
    """Subscribes and unsubscribes for as long as the others publish. Notes what came outside of a subscription."""
    subscribe, topic = [("SUBSCRIBE", "ch-a"), ("PSUBSCRIBE", "ch-?"), ("SSUBSCRIBE", "shard")][protocol % 3]
    unsubscribe = subscribe.replace("SUB", "UNSUB")
    with Wire(broker.port) as wire:
        wire.call("HELLO", 2 + protocol % 2)
        while not over.is_set():
            wire.send(subscribe, topic)
            if wire.reply()[0] != subscribe.lower().encode():
                stray.append("before its subscription was confirmed, or after it had ended")
            wire.send(unsubscribe, topic)
            numbers = defaultdict(lambda: -1)
            while (message := wire.reply())[0] != unsubscribe.lower().encode():
                publisher, number = message[-1].split(b":")
                if int(number) <= numbers[publisher]:
                    stray.append(f"{message} after {numbers[publisher]}")
                numbers[publisher] = int(number)


def test_all_see_one_order_by_channel_pattern_and_shard_channel_in_either_protocol_while_others_come_and_go(broker):
    wires = [
        listener(
            broker, 2 + number % 2, ("SUBSCRIBE", "ch-a", "ch-b"), ("PSUBSCRIBE", "ch-*"), ("SSUBSCRIBE", "ch-a", "shard")
        )
        for number in range(SUBSCRIBERS)
    ]
    heard = [None] * SUBSCRIBERS
    readers = [
        threading.Thread(target=lambda at, wire: heard.__setitem__(at, deliveries(wire)), args=(at, wire))
        for at, wire in enumerate(wires)
    ]
    over, stray = threading.Event(), []
    churners = [threading.Thread(target=come_and_go, args=(broker, n, over, stray)) for n in range(CHURNERS)]
    publishers = [threading.Thread(target=publish_everywhere, args=(broker, n)) for n in range(PUBLISHERS)]
    for thread in readers + churners + publishers:
        thread.start()
    for thread in publishers:
        thread.join()
    over.set()
    for thread in churners:
        thread.join()
    with Wire(broker.port) as wire:
        assert wire.call("SPUBLISH", "shard", "the end") == SUBSCRIBERS
    for thread in readers:
        thread.join()
    assert not stray

    everything = {f"{publisher}:{number}".encode() for publisher in range(PUBLISHERS) for number in range(MESSAGES)}
    for mine in heard:
        assert by_channel(mine) == by_channel(heard[0]), "two subscribers saw different orders"
    for topic in ["ch-a", "ch-b"]:
        by_pattern = [one for one in heard[0][b"pmessage", b"ch-*"] if one[0] == topic.encode()]
        assert by_pattern == heard[0][b"message", topic.encode()], "a pattern saw another order than its channel"
    direct = [messages for (kind, _), messages in heard[0].items() if kind != b"pmessage"]
    assert sorted(text for messages in direct for _, text in messages) == sorted(everything)
    for messages in (messages for mine in heard for messages in mine.values()):
        by_publisher = defaultdict(list)
        for _, text in messages:
            publisher, number = text.split(b":")
            by_publisher[publisher].append(int(number))
        assert all(numbers == sorted(numbers) for numbers in by_publisher.values()), "a publisher's order was lost"
