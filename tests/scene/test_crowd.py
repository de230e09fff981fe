"""A crowd that has lost its servers comes back at once: all of them, with nothing missing, while others talk as before."""

import os

import pytest

from harness.crowd import Crowd, with_files_for
from harness.naru import logged
from harness.stores import EVERY
from harness.talk import Talk
from harness.waiting import eventually

# Ten thousand where the broker is in a chat server, which takes some 25 s more than two thousand do. Elsewhere fewer: each of the
# three other kinds of broker would take its time for as many again.
USUAL, EMBEDDED = 2000, 10_000


@pytest.fixture
def count(broker_kind):
    return with_files_for(int(os.environ.get("NARU_CROWD", EMBEDDED if broker_kind == "embedded" else USUAL)))


def tell(client, names, text):
    """A message to each of them, many on their way at once."""
    for at in range(0, len(names), 200):
        data = [{"to": f"@{name}", "id": text, "body": {"text": text}} for name in names[at : at + 200]]
        orders = [client.sdk.order("rpc", client=client.name, method="send", data=it) for it in data]
        for order in orders:
            client.sdk.answer(order)


@pytest.mark.brokers(*EVERY)
def test_a_crowd_comes_back_at_once_and_misses_nothing_while_others_talk(
    count, naru, brokers, broker, programs, sdk, people
):
    patience = 20 + count / 50
    quiet, *lost = brokers.servers(broker, ["server-1", "server-2", "server-3"])
    alice, bob, carol = (people(name, quiet) for name in ("alice", "bob", "carol"))
    crowd = Crowd(programs, "one", count)
    first = crowd.all_in(crowd.come(lost, patience), patience)
    tell(carol, crowd.names, "before")
    crowd.get(["before"], patience)

    for server in lost:
        server.program.kill()
    crowd.lose(patience)
    tell(carol, crowd.names, "away")
    back = [naru.server(broker.url, *brokers.sets(), name=server.name, port=server.port) for server in lost]
    for server in back:
        server.program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")

    talk = Talk(alice, bob, "bob")
    eventually(lambda: talk.failure or len(talk.delays) >= 200, "the two hardly talk", patience)
    calm = talk.finish(patience)
    talk = Talk(alice, bob, "bob")
    coming = crowd.come(back, patience)
    tell(carol, crowd.names, "back")
    again = crowd.all_in(coming, patience)
    crowd.get(["before", "away", "back"], patience)
    busy = talk.finish(patience)
    print(
        f"{count}: in within {first[0]:.1f} s, back within {again[0]:.1f} s by {again[1]} attempts;"
        f" a message takes {calm} ms, meanwhile {busy} ms (median, p99, longest)"
    )
    assert busy[0] < max(1000, 50 * calm[0]), (calm, busy)
