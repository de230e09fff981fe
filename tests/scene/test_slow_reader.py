"""Readers that hardly read: their own delay, a little memory, and nobody else's business."""

import threading
import time

import pytest

from harness.raw_client import RawClient
from harness.stores import EVERY
from harness.waiting import eventually

pytestmark = pytest.mark.brokers(*EVERY)

READERS = 30
# What a session may cost, and what an allocator does not give back.
SESSION_BYTES = 256 * 1024


@pytest.fixture
def bounds():
    return {"ring-max": 20}


class Trickle(threading.Thread):
    """Reads a byte a second from each."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.clients, self.ended, self.read = clients, threading.Event(), 0
        self.start()

    def run(self):
        while not self.ended.wait(1):
            for client in self.clients:
                self.read += len(client.read(1))


@pytest.fixture
def trickle():
    started = []

    def start(clients):
        started.append(Trickle(clients))
        return started[-1]

    yield start
    for thread in started:
        thread.ended.set()
        thread.join()
        for client in thread.clients:
            client.close()


def test_who_reads_a_byte_a_second_delays_nobody_else(naru, servers, people, trickle):
    alice, carol = people("alice", servers[0]), people("carol", servers[1])
    slow = trickle([RawClient(servers[1].port, naru.token("bob"))])
    alice.rpc("room.join", {"conversation": "room:team"})
    for name in ("bob", "carol"):
        alice.rpc("room.join", {"conversation": "room:team", "user": name})
    before = servers[1].program.memory_bytes()
    text, delays = "x" * 50_000, []
    for number in range(200):
        began = time.monotonic()
        alice.rpc("send", {"to": "room:team", "id": f"id-{number}", "body": {"text": text}})
        with carol.sdk.changed:
            assert carol.sdk.changed.wait_for(lambda: len(carol.come("carol")) > number + 1, 20)
        delays.append(time.monotonic() - began)
    assert sorted(delays)[len(delays) // 2] < 1, "carol waits for bob"
    # 10 MB have been said; what waits for bob is not in the server's memory.
    grown = servers[1].program.memory_bytes() - before
    assert grown < 6 << 20, f"{grown} bytes"
    assert slow.is_alive() and not carol.seen("disconnected")


def test_who_is_far_behind_and_hardly_reads_costs_a_little_memory(naru, servers, people, trickle):
    alice = people("alice", servers[0])
    alice.rpc("room.join", {"conversation": "room:team"})
    names = [f"reader-{number}" for number in range(READERS)]
    for name in names:
        alice.rpc("room.join", {"conversation": "room:team", "user": name})
    for number in range(100):
        alice.rpc("send", {"to": "room:team", "id": f"id-{number}", "body": {"text": "x" * 30_000}})
    # One that reads has the server's caches filled.
    people(names[0], servers[1], device="quick").inbox(names[0], 100 + READERS)
    before = servers[1].program.memory_bytes()
    slow = trickle([RawClient(servers[1].port, naru.token(name)) for name in names])
    # Long enough for a server that would read ahead.
    eventually(lambda: slow.read >= 3 * READERS, "they do not even get a byte a second")
    grown = servers[1].program.memory_bytes() - before
    assert grown < READERS * SESSION_BYTES, f"{grown // READERS} bytes each"
    assert slow.is_alive()
