"""The JavaScript library `cent.js`, unmodified."""

import pytest

from harness.naru import API_KEY as KEY
from harness.node import NodeProgram, Refused
from harness.waiting import eventually

pytestmark = pytest.mark.brokers("naru", "redis")


class Cent(NodeProgram):
    def __init__(self, programs, server, key=KEY):
        super().__init__(programs, "cent.mjs")
        self.call("open", url=f"http://127.0.0.1:{server.port}/api", key=key)

    def call(self, do, **what):
        return self.answer(self.order(do, **what))

    def ask(self, method, **params):
        return self.call(method, params=params)


@pytest.fixture
def api(programs, servers):
    return Cent(programs, servers[0])


def test_every_method(api, alice, bob):
    bob.call("subscribe", channel="kept:a")
    first = api.ask("publish", channel="kept:a", data={"n": 1})
    assert first["offset"] == 1 and first["epoch"]
    assert bob.wait("publication", channel="kept:a")["data"] == {"n": 1}
    done = api.ask("broadcast", channels=["kept:a", "kept:b"], data=2)
    assert [it["result"]["offset"] for it in done["responses"]] == [2, 1]
    assert list(api.ask("getPresence", channel="kept:a")["presence"]) == [bob.wait("connected")["id"]]
    assert api.ask("getPresenceStats", channel="kept:a") == {"num_clients": 1, "num_users": 1}
    history = api.ask("getHistory", channel="kept:a", limit=-1)
    assert [it["data"] for it in history["publications"]] == [{"n": 1}, 2]
    assert (history["offset"], history["epoch"]) == (2, first["epoch"])
    assert api.ask("removeHistory", channel="kept:a") == {}
    # A server that does not answer in time is left out.
    eventually(lambda: api.ask("getChannels") == {"channels": {"kept:a": {"num_clients": 1}}}, "a server is left out")
    eventually(
        lambda: [it["name"] for it in api.ask("getInfo")["nodes"]] == ["server-1", "server-2"], "a server is left out"
    )
    assert api.ask("subscribe", user="alice", channel="public:a") == {}
    alice.wait("server subscribed", channel="public:a")
    assert api.ask("unsubscribe", user="alice", channel="public:a") == {}
    assert api.ask("refresh", user="alice", expire_at=0) == {}
    assert api.ask("disconnect", user="bob") == {}
    assert bob.wait("disconnected")["code"] == 3503


def test_a_pipeline_is_answered_line_by_line(api, bob):
    bob.call("subscribe", channel="public:a")
    commands = [{"method": "publish", "params": {"channel": "public:a", "data": n}} for n in range(3)]
    answers = api.call("pipeline", commands=[*commands, {"method": "info", "params": {}}])
    assert answers[:3] == [{}, {}, {}] and answers[3]["nodes"]
    bob.wait("publication", 3, channel="public:a")
    assert [it["data"] for it in bob.seen("publication", channel="public:a")] == [0, 1, 2]


def test_errors_are_those_of_the_library(api, programs, servers):
    # Of the error it keeps no more than that there is one.
    with pytest.raises(Refused):
        api.ask("publish", channel="nowhere:a", data=1)
    with pytest.raises(Refused):
        Cent(programs, servers[0], key="wrong").ask("getInfo")
