"""The Python library `cent`, unmodified: every method that is not of Centrifugo's paid version."""

import asyncio
import time

import cent
import pytest
from cent import exceptions

from harness.naru import API_KEY as KEY

pytestmark = pytest.mark.brokers("naru", "redis", "valkey")


@pytest.fixture
def api(servers):
    """It speaks to the first server; whoever is on the second is reached through the broker."""
    return cent.Client(f"http://127.0.0.1:{servers[0].port}/api", KEY)


def eventually(question, wanted):
    end = time.monotonic() + 20
    while (found := question()) != wanted:
        assert time.monotonic() < end, f"{found}, and not {wanted}"
        time.sleep(0.02)


def test_publish_reaches_every_server(api, alice, bob):
    for client in (alice, bob):
        client.call("subscribe", channel="public:a")
    done = api.publish(cent.PublishRequest(channel="public:a", data={"text": "안녕"}, tags={"k": "v"}))
    assert (done.offset, done.epoch) == (0, "")
    for client in (alice, bob):
        assert client.wait("publication", channel="public:a")["data"] == {"text": "안녕"}


def test_what_is_kept_has_a_position_and_a_repeat_has_the_first(api, bob):
    bob.call("subscribe", channel="kept:a")
    first = api.publish(cent.PublishRequest(channel="kept:a", data=1, idempotency_key="one"))
    again = api.publish(cent.PublishRequest(channel="kept:a", data=1, idempotency_key="one"))
    second = api.publish(cent.PublishRequest(channel="kept:a", data=2, idempotency_key="two"))
    assert (first.offset, again.offset, second.offset) == (1, 1, 2)
    assert first.epoch and first.epoch == again.epoch == second.epoch
    live = api.publish(cent.PublishRequest(channel="kept:a", data=3, skip_history=True))
    assert live.offset == 0
    bob.wait("publication", 3, channel="kept:a")
    assert [it["data"] for it in bob.seen("publication", channel="kept:a")] == [1, 2, 3]
    # Where nothing is kept, a repeat is known as well.
    for _ in range(2):
        api.publish(cent.PublishRequest(channel="public:a", data=1, idempotency_key="one"))


def test_broadcast_answers_for_each_channel(api, alice, bob):
    alice.call("subscribe", channel="kept:a")
    bob.call("subscribe", channel="kept:b")
    done = api.broadcast(cent.BroadcastRequest(channels=["kept:a", "nowhere:a", "kept:b", ""], data={"n": 1}))
    codes = [it.error and it.error.code for it in done.responses]
    assert codes == [None, 102, None, 107]
    assert [it.result and it.result.offset for it in done.responses] == [1, None, 1, None]
    assert alice.wait("publication", channel="kept:a")["data"] == {"n": 1}
    assert bob.wait("publication", channel="kept:b")["data"] == {"n": 1}


def test_history_is_read_forwards_backwards_and_removed(api):
    for number in range(1, 6):
        api.publish(cent.PublishRequest(channel="kept:a", data=number, tags={"n": str(number)}))
    top = api.history(cent.HistoryRequest(channel="kept:a"))
    assert (top.publications, top.offset) == ([], 5)

    def read(**what):
        return [it.data for it in api.history(cent.HistoryRequest(channel="kept:a", **what)).publications]

    assert read(limit=-1) == [1, 2, 3, 4, 5]
    assert read(limit=2) == [1, 2]
    assert read(limit=2, reverse=True) == [5, 4]
    since = cent.StreamPosition(offset=3, epoch=top.epoch)
    assert read(limit=10, since=since) == [4, 5]
    assert read(limit=10, since=since, reverse=True) == [2, 1]
    last = api.history(cent.HistoryRequest(channel="kept:a", limit=1, reverse=True)).publications[0]
    assert (last.offset, last.tags, last.info) == (5, {"n": "5"}, None)
    with pytest.raises(exceptions.CentApiResponseError) as refused:
        read(limit=1, since=cent.StreamPosition(offset=3, epoch="another"))
    assert refused.value.code == 112
    api.history_remove(cent.HistoryRemoveRequest(channel="kept:a"))
    gone = api.history(cent.HistoryRequest(channel="kept:a", limit=-1))
    assert (gone.publications, gone.offset, gone.epoch) == ([], 5, top.epoch)


def test_history_says_which_client_has_published(api, alice):
    alice.call("publish", channel="kept:a", data={"by": "alice"})
    (publication,) = api.history(cent.HistoryRequest(channel="kept:a", limit=-1)).publications
    assert publication.data == {"by": "alice"}
    assert (publication.info.user, publication.info.client) == ("alice", alice.wait("connected")["id"])


def test_presence_is_of_all_servers(api, person, servers, alice, bob):
    again = person("alice", servers[1])
    for client in (alice, bob, again):
        client.call("subscribe", channel="kept:a")
    clients = {it.wait("connected")["id"]: user for it, user in ((alice, "alice"), (bob, "bob"), (again, "alice"))}
    presence = api.presence(cent.PresenceRequest(channel="kept:a")).presence
    assert {client: info.user for client, info in presence.items()} == clients
    assert all(info.client == client for client, info in presence.items())
    stats = api.presence_stats(cent.PresenceStatsRequest(channel="kept:a"))
    assert (stats.num_clients, stats.num_users) == (3, 2)
    bob.call("unsubscribe", channel="kept:a")
    eventually(lambda: api.presence_stats(cent.PresenceStatsRequest(channel="kept:a")).num_users, 1)


@pytest.mark.parametrize("method", ["presence", "presence_stats", "history", "history_remove"])
def test_what_a_namespace_does_not_have_is_not_available(api, method):
    request = {
        "presence": cent.PresenceRequest,
        "presence_stats": cent.PresenceStatsRequest,
        "history": cent.HistoryRequest,
        "history_remove": cent.HistoryRemoveRequest,
    }[method]
    for channel, code in [("public:a", 108), ("nowhere:a", 102), ("", 107), ("inbox:alice", 107)]:
        with pytest.raises(exceptions.CentApiResponseError) as refused:
            getattr(api, method)(request(channel=channel))
        assert refused.value.code == code, channel


def test_a_user_is_subscribed_and_unsubscribed_on_every_server(api, person, servers, bob):
    here, there = person("alice", servers[0]), person("alice", servers[1])
    api.subscribe(cent.SubscribeRequest(user="alice", channel="public:a"))
    for client in (here, there):
        client.wait("server subscribed", channel="public:a")
    api.publish(cent.PublishRequest(channel="public:a", data=1))
    for client in (here, there):
        assert client.wait("publication", channel="public:a")["data"] == 1
    assert not bob.seen("publication", channel="public:a")
    eventually(lambda: api.channels(cent.ChannelsRequest(pattern="public:*")).channels["public:a"].num_clients, 2)
    client = there.wait("connected")["id"]
    api.unsubscribe(cent.UnsubscribeRequest(user="alice", channel="public:a", client=client))
    eventually(lambda: api.channels(cent.ChannelsRequest()).channels["public:a"].num_clients, 1)
    api.unsubscribe(cent.UnsubscribeRequest(user="alice", channel="public:a"))
    eventually(lambda: api.channels(cent.ChannelsRequest()).channels, {})


def test_who_is_subscribed_gets_what_was_published_after_a_position(api, bob):
    for number in range(1, 4):
        done = api.publish(cent.PublishRequest(channel="kept:a", data=number))
    since = cent.StreamPosition(offset=1, epoch=done.epoch)
    api.subscribe(cent.SubscribeRequest(user="bob", channel="kept:a", recover_since=since))
    bob.wait("server subscribed", channel="kept:a")
    api.publish(cent.PublishRequest(channel="kept:a", data=4))
    bob.wait("publication", 3, channel="kept:a")
    assert [(it["data"], it["offset"]) for it in bob.seen("publication", channel="kept:a")] == [(2, 2), (3, 3), (4, 4)]
    assert list(api.presence(cent.PresenceRequest(channel="kept:a")).presence) == [bob.wait("connected")["id"]]


def test_a_user_is_disconnected_on_every_server(api, person, servers, bob):
    here, there = person("alice", servers[0]), person("alice", servers[1])
    spared = here.wait("connected")["id"]
    told = cent.Disconnect(code=4700, reason="banned")
    api.disconnect(cent.DisconnectRequest(user="alice", whitelist=[spared], disconnect=told))
    gone = there.wait("disconnected")
    assert (gone["code"], gone["reason"]) == (4700, "banned")
    api.disconnect(cent.DisconnectRequest(user="alice"))
    gone = here.wait("disconnected")
    assert (gone["code"], gone["reason"]) == (3503, "force disconnect")
    assert not bob.seen("disconnected")


def test_an_expired_connection_comes_back_with_a_new_token(api, naru, sdk, servers):
    token = naru.token("alice")
    alice = sdk.client(servers[1].url, token=token, next_tokens=[token])
    alice.wait("connected")
    api.refresh(cent.RefreshRequest(user="alice", expire_at=int(time.time()) + 100))
    api.refresh(cent.RefreshRequest(user="alice", expired=True))
    assert alice.wait("connecting", 2)["code"] == 3005
    alice.wait("connected", 2)


def test_channels_and_servers_are_of_all_servers(api, person, servers, alice, bob):
    for client in (alice, bob):
        client.call("subscribe", channel="public:a")
    bob.call("subscribe", channel="kept:b")

    def clients_of(**which):
        found = api.channels(cent.ChannelsRequest(**which)).channels
        return {name: it.num_clients for name, it in found.items()}

    # A server that does not answer in time is left out.
    eventually(clients_of, {"public:a": 2, "kept:b": 1})
    eventually(lambda: clients_of(pattern="kept:*"), {"kept:b": 1})
    nodes = []

    def servers_with_figures():
        nodes[:] = api.info(cent.InfoRequest()).nodes
        return [(it.name, it.num_clients, it.num_users, it.num_subs, it.num_channels) for it in nodes]

    eventually(servers_with_figures, [("server-1", 1, 1, 1, 1), ("server-2", 1, 1, 2, 2)])
    assert len({it.uid for it in nodes}) == 2
    assert all(it.version and it.uptime >= 0 for it in nodes)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_batch_is_answered_in_order(api, parallel):
    requests = [
        cent.PublishRequest(channel="kept:a", data=1),
        cent.BroadcastRequest(channels=["kept:b", "nowhere:a"], data=2),
        cent.PresenceStatsRequest(channel="kept:a"),
        cent.ChannelsRequest(),
        cent.InfoRequest(),
    ]
    replies = api.batch(cent.BatchRequest(requests=requests, parallel=parallel)).replies
    assert [type(it).__name__ for it in replies] == [
        "PublishResult",
        "BroadcastResult",
        "PresenceStatsResult",
        "ChannelsResult",
        "InfoResult",
    ]
    assert replies[0].offset == 1 and replies[1].responses[0].result.offset == 1
    assert "server-1" in [it.name for it in replies[4].nodes]


def test_errors_are_those_of_the_library(api, servers):
    with pytest.raises(exceptions.CentApiResponseError) as refused:
        api.publish(cent.PublishRequest(channel="nowhere:a", data=1))
    assert (refused.value.code, refused.value.message) == (102, "unknown channel")
    with pytest.raises(exceptions.CentApiResponseError) as refused:
        api.publish(cent.PublishRequest(channel="", data=1))
    assert refused.value.code == 107
    for key in ("", "wrong", KEY + "x"):
        with pytest.raises(exceptions.CentUnauthorizedError):
            cent.Client(f"http://127.0.0.1:{servers[0].port}/api", key).info(cent.InfoRequest())


def test_the_asynchronous_client(servers):
    async def ask():
        async with cent.AsyncClient(f"http://127.0.0.1:{servers[1].port}/api", KEY) as api:
            requests = [api.publish(cent.PublishRequest(channel="kept:a", data=n)) for n in range(20)]
            return sorted(it.offset for it in await asyncio.gather(*requests))

    assert asyncio.run(ask()) == list(range(1, 21))
