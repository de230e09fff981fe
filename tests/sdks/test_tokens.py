"""Who is let in, for how long, and with which channels: tokens of connections and of subscriptions, and their renewal."""

from harness.sdks import in_seconds, subscription_token, token_of

# Tokens that end so soon are renewed while a test watches.
SOON = 4


def test_a_token_is_renewed_each_time_it_ends_and_the_connection_goes_on(everybody):
    soon = [token_of("alice", exp=in_seconds(SOON * n)) for n in (1, 2)]
    for alice in everybody(token=soon[0], next_tokens=[soon[1], token_of("alice")]):
        # The second is asked for because the server has said when the first renewal ends.
        alice.wait("token asked for", 2)
        assert len(alice.seen("connecting")) == len(alice.seen("connected")) == 1


def test_a_token_that_has_ended_is_replaced_by_another(person):
    alice = person("alice", claims={"exp": in_seconds(-60)}, next_tokens=[token_of("alice", exp=in_seconds(3600))])
    assert len(alice.seen("token asked for")) == 1


def test_a_token_with_a_wrong_signature_is_not_tried_again(person):
    alice = person("alice", token=token_of("alice")[:-4] + "AAAA", waiting=False)
    assert alice.wait("disconnected")["code"] == 3500
    assert not alice.seen("connected")


def test_nobody_becomes_another_by_a_renewal(everybody):
    soon = token_of("alice", exp=in_seconds(SOON))
    for alice in everybody(token=soon, next_tokens=[token_of("bob", exp=in_seconds(3600))]):
        assert alice.wait("disconnected")["code"] == 3500


def test_a_subscription_is_renewed_each_time_its_token_ends(everybody, fresh):
    channel = fresh("private")
    people = everybody(token=token_of("alice"))
    soon = [subscription_token("alice", channel, exp=in_seconds(SOON * n)) for n in (1, 2)]
    for alice in people:
        alice.subscribe(channel, token=soon[0], next_tokens=[soon[1], subscription_token("alice", channel)])
    for alice in people:
        alice.wait("subscription token asked for", 2)
        assert len(alice.seen("subscribing")) == len(alice.seen("subscribed")) == 1


def test_a_subscription_token_that_has_ended_is_replaced_by_another(person, fresh):
    alice, channel = person("alice"), fresh("private")
    ended = subscription_token("alice", channel, exp=in_seconds(-60))
    alice.subscribe(channel, token=ended, next_tokens=[subscription_token("alice", channel)])
    assert len(alice.seen("subscription token asked for")) == 1


def test_a_subscription_token_with_a_wrong_signature_opens_nothing(person, fresh):
    alice, channel = person("alice"), fresh("private")
    alice.call("subscribe", channel=channel, token=subscription_token("alice", channel)[:-4] + "AAAA")
    assert alice.wait("unsubscribed", channel=channel)["code"] == 103


def test_another_ones_subscription_token_ends_the_connection(person, fresh):
    alice, channel = person("alice"), fresh("private")
    alice.call("subscribe", channel=channel, token=subscription_token("bob", channel))
    assert alice.wait("disconnected")["code"] == 3500


def test_a_token_for_another_channel_ends_the_connection(person, fresh):
    alice, channel = person("alice"), fresh("private")
    alice.call("subscribe", channel=channel, token=subscription_token("alice", fresh("private")))
    assert alice.wait("disconnected")["code"] == 3500


def test_a_subscription_token_tells_others_about_the_channels_member(person, fresh):
    alice, bob, channel = person("alice"), person("bob", 1), fresh("kept")
    granted = {"info": {"role": "host"}, "override": {"force_push_join_leave": {"value": True}}}
    bob.subscribe(channel, token=subscription_token("bob", channel, override=granted["override"]))
    alice.subscribe(channel, token=subscription_token("alice", channel, **granted))
    alice.publish(channel, "hello")
    assert bob.wait("publication", channel=channel)["info"]["chan_info"] == {"role": "host"}
    bob.wait("join", 2, channel=channel)
    # Servers tell of their own: which of the two comes first is open.
    joined = {it["info"]["user"]: it["info"].get("chan_info") for it in bob.seen("join", channel=channel)}
    assert joined == {"alice": {"role": "host"}, "bob": None}


def test_a_connection_token_subscribes_to_its_channels(person, fresh):
    alice, channel = person("alice"), fresh("")
    bob = person("bob", 1, claims={"channels": [channel]})
    bob.wait("server subscribed", channel=channel)
    alice.publish(channel, {"n": 1})
    assert bob.heard(channel, 1, "server publication") == [{"n": 1}]


def test_a_connection_token_says_how_it_subscribes(person, fresh):
    alice, channel = person("alice"), fresh("kept")
    pushed = {"force_push_join_leave": {"value": True}}
    bob = person("bob", 1, claims={"subs": {channel: {"data": {"topic": "T"}, "info": {"role": "host"}, "override": pushed}}})
    stands = bob.wait("server subscribed", channel=channel)
    assert (stands["data"], stands["recoverable"], stands["positioned"]) == ({"topic": "T"}, True, True)
    assert bob.wait("server join", channel=channel)["info"]["user"] == "bob"
    alice.subscribe(channel)
    assert bob.wait("server join", 2, channel=channel)
    there = alice.call("presence", channel=channel).values()
    assert [it["chan_info"] for it in there if it["user"] == "bob"] == [{"role": "host"}]
    alice.unsubscribe(channel)
    assert bob.wait("server leave", channel=channel)["info"]["user"] == "alice"


def test_a_channel_that_the_next_token_does_not_name_is_left(everybody, fresh):
    kept, left = fresh(""), fresh("")
    first = token_of("alice", channels=[kept, left], exp=in_seconds(SOON))
    people = everybody(token=first, next_tokens=[token_of("alice", channels=[kept])] * 2)
    for alice in people:
        alice.wait("server subscribed", channel=left)
        # 3010: come back, and see which channels there are now.
        assert alice.wait("connecting", 2)["code"] == 3010
        alice.wait("server unsubscribed", channel=left)
        alice.wait("server subscribed", 2, channel=kept)
