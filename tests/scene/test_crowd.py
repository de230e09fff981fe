"""A crowd that has lost its servers comes back at once: all of them, with nothing missing, while others talk as before."""

import os
import statistics
import threading
import time

import pytest

from harness.crowd import Crowd
from harness.naru import logged
from harness.stores import EVERY
from harness.waiting import eventually

# Ten thousand need more files than a process is mostly given: ulimit -n 20000.
COUNT = int(os.environ.get("NARU_CROWD", 2000))
PATIENCE = 20 + COUNT / 50


class Talk(threading.Thread):
    """One says something, the other hears it, and so on; how long each is under way."""

    def __init__(self, sender, reader, name):
        super().__init__(daemon=True)
        self.sender, self.reader, self.name_of_reader = sender, reader, name
        self.delays, self.failure, self.ended = [], None, threading.Event()
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                self._say()
        except Exception as failure:  # told to the thread that waits
            self.failure = failure

    def _say(self):
        began = time.monotonic()
        self.sender.send(self.name_of_reader, f"id-{began}", {"text": "."})
        self.reader.wait("publication")
        self.delays.append(time.monotonic() - began)
        self.reader.events.clear()
        self.sender.events.clear()

    def finish(self):
        """The median, the 99th percentile and the longest, in milliseconds."""
        self.ended.set()
        self.join(PATIENCE)
        assert not self.failure, self.failure
        cuts = statistics.quantiles(self.delays, n=100, method="inclusive")
        return [round(1000 * it, 1) for it in (cuts[49], cuts[98], max(self.delays))]


def tell(client, names, text):
    """A message to each of them, many on their way at once."""
    for at in range(0, len(names), 200):
        data = [{"to": f"@{name}", "id": text, "body": {"text": text}} for name in names[at : at + 200]]
        orders = [client.sdk.order("rpc", client=client.name, method="send", data=it) for it in data]
        for order in orders:
            client.sdk.answer(order)


@pytest.mark.brokers(*EVERY)
def test_a_crowd_comes_back_at_once_and_misses_nothing_while_others_talk(naru, brokers, broker, programs, sdk, people):
    quiet, *lost = brokers.servers(broker, ["server-1", "server-2", "server-3"])
    alice, bob, carol = (people(name, quiet) for name in ("alice", "bob", "carol"))
    crowd = Crowd(programs, "one", COUNT)
    first = crowd.all_in(crowd.come(lost, PATIENCE), PATIENCE)
    tell(carol, crowd.names, "before")
    crowd.get(["before"], PATIENCE)

    for server in lost:
        server.program.kill()
    crowd.lose(PATIENCE)
    tell(carol, crowd.names, "away")
    back = [naru.server(broker.url, *brokers.sets(), name=server.name, port=server.port) for server in lost]
    for server in back:
        server.program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")

    talk = Talk(alice, bob, "bob")
    eventually(lambda: talk.failure or len(talk.delays) >= 200, "the two hardly talk")
    calm = talk.finish()
    talk = Talk(alice, bob, "bob")
    coming = crowd.come(back, PATIENCE)
    tell(carol, crowd.names, "back")
    again = crowd.all_in(coming, PATIENCE)
    crowd.get(["before", "away", "back"], PATIENCE)
    busy = talk.finish()
    print(
        f"{COUNT}: in within {first[0]:.1f} s, back within {again[0]:.1f} s by {again[1]} attempts;"
        f" a message takes {calm} ms, meanwhile {busy} ms (median, p99, longest)"
    )
    assert busy[0] < 1000, busy
