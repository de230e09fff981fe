"""Servers are restarted one after the other while people talk; none of them loses anything or gets it twice."""

import http.client
import threading
import time

import pytest

from harness.retrying import Sending
from harness.sdk import Refused
from harness.stores import APART
from harness.waiting import eventually

DRAIN_SECONDS = 1
TERM_SECONDS = DRAIN_SECONDS + 15
PEOPLE = 4
COUNT = 400
# What readers, listeners and the publisher speak, and on what.
WAYS = (
    {},
    {"protobuf": True},
    {"transport": "http_stream"},
    {"transport": "http_stream", "protobuf": True},
    {"transport": "sse"},
)

FEED = """
[[channel.namespaces]]
name = "feed"
allow_subscribe_for_client = true
allow_publish_for_client = true
publish_rate_limit = 0
history_size = 10000
history_ttl = "1h"
force_recovery = true
"""

# One with the broker in it takes everybody's broker along.
pytestmark = pytest.mark.brokers(*APART)


class Publishing(threading.Thread):
    """Publishes numbers into a channel until it is ended; one that got no answer may have been published, and is left."""

    def __init__(self, client, channel):
        super().__init__(daemon=True)
        self.client, self.channel = client, channel
        self.answered, self.tried, self.failure, self.ended = [], 0, None, threading.Event()
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                self._publish(self.tried)
                self.tried += 1
        except Exception as failure:  # told to the thread that waits
            self.failure = failure

    def _publish(self, number):
        try:
            self.client.call("publish", channel=self.channel, data={"number": number})
            self.answered.append(number)
        except Refused as refused:
            # Below 100: the SDK's own, of a connection that was lost.
            if not refused.temporary and (refused.code or 0) >= 100:
                raise

    def finish(self):
        self.ended.set()
        self.join(60)
        assert not self.failure, self.failure
        assert not self.is_alive()


def status(server, path):
    """What it is answered, or None if nobody is there."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None


@pytest.fixture
def bounds():
    """A ring that has all that is sent: who acknowledges nothing, and is away for longer than it goes back, gets things twice."""
    return {"ring-max": COUNT}


@pytest.fixture
def arguments(tmp_path, brokers):
    path = tmp_path / "naru.toml"
    path.write_text(FEED)
    path.chmod(0o600)
    return ["--config", path, "--drain", f"{DRAIN_SECONDS}s", *brokers.sets()]


@pytest.fixture
def three(naru, broker, arguments):
    return [naru.joined_server(broker, *arguments, name=f"server-{number}") for number in (1, 2, 3)]


def test_a_rolling_restart_loses_nothing_and_doubles_nothing(naru, broker, arguments, three, people):
    def order(first):
        return [three[(first + at) % 3] for at in range(3)]

    readers = [people(f"reader-{at}", *order(at), **WAYS[at]) for at in range(PEOPLE)]
    listeners = [people(f"listener-{at}", *order(at), **way) for at, way in enumerate(WAYS)]
    for listener in listeners:
        listener.call("subscribe", channel="feed:news")
    publishing = Publishing(people("publisher", *order(2), protobuf=True), "feed:news")
    sending = [Sending(people(f"sender-{at}", *order(at + 1)), f"reader-{at}", COUNT) for at in range(PEOPLE)]
    for at in range(3):
        for one in sending:
            one.reach(COUNT * (at + 1) // 5)
        began = time.monotonic()
        assert three[at].program.terminate(TERM_SECONDS) == 0
        assert time.monotonic() - began >= DRAIN_SECONDS * 0.5, "clients were sent away at once"
        again = naru.server(broker.url, *arguments, name=three[at].name, port=three[at].port)
        eventually(lambda: status(again, "/ready") == 200, "it is not ready again")
        three[at] = again
    for one in sending:
        one.finish()
    publishing.finish()

    for reader, one in zip(readers, sending, strict=True):
        assert reader.texts(reader_name(reader, readers), COUNT) == one.texts()
    codes = {event["code"] for reader in readers for event in reader.seen("connecting")}
    assert 3001 in codes and not any(code >= 3500 for code in codes), codes
    for listener in listeners:
        last = publishing.answered[-1]
        eventually(lambda it=listener: any(e["data"]["number"] == last for e in it.seen("publication")), "not the last")
        heard = listener.seen("publication", channel="feed:news")
        offsets = [event["offset"] for event in heard]
        assert offsets == list(range(1, len(offsets) + 1)), "a gap, or something twice"
        numbers = [event["data"]["number"] for event in heard]
        assert numbers == sorted(set(numbers))
        assert set(publishing.answered) <= set(numbers) <= set(range(publishing.tried))


def reader_name(reader, readers):
    return f"reader-{readers.index(reader)}"
