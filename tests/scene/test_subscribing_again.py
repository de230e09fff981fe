"""Clients whose subscription the server has ended so that they subscribe again, and who do other things first."""

import json
import urllib.request

import pytest

from harness.naru import API_KEY
from harness.raw_client import RawClient
from harness.sdks import in_seconds, subscription_token, token_of

CHANNEL = "members:a"

LARGE = "x" * 50_000
COUNT = 200

CONFIG = """
[limits]
# For who does not read for as long as a busy machine takes.
write_timeout = "1m"

[[channel.namespaces]]
name = "members"
allow_publish_for_subscriber = true
allow_history_for_subscriber = true
allow_presence_for_subscriber = true
presence = true
history_size = 10
history_ttl = "1h"
force_recovery = true
"""

FOR_NOW, FOR_GOOD = (100, True), (103, False)


class Asking(RawClient):
    """One who waits for answers, and for pushes."""

    def __init__(self, port, user):
        super().__init__(port, token_of(user))
        self.incoming = self.messages()

    def ask(self, name, **request):
        """None if it is done, else the error's code and whether that passes."""
        self.command(name, {"channel": CHANNEL, **request})
        reply = next(it for it in self.incoming if it.get("id") == self.last_id)
        return (reply["error"]["code"], reply["error"].get("temporary", False)) if "error" in reply else None

    def pushed(self, name):
        return next(it["push"][name] for it in self.incoming if name in it.get("push", {}))


@pytest.fixture
def server(brokers, broker, tmp_path):
    config = tmp_path / "naru.toml"
    config.write_text(CONFIG)
    config.chmod(0o600)
    return brokers.servers(broker, ["server-1"], ["--api-key", API_KEY, "--config", config])[0]


@pytest.fixture
def api(server):
    """Asks the server API."""

    def ask(method, **request):
        body = json.dumps({"channel": CHANNEL, **request}).encode()
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{server.port}/api/{method}"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return json.load(answer)["result"]

    return ask


@pytest.fixture
def ended(server, api):
    """One who has not read more than is kept."""
    client = Asking(server.port, "alice")
    assert client.ask("subscribe", token=subscription_token("alice", CHANNEL)) is None
    for n in range(COUNT):
        api("publish", data=[n, LARGE])
    assert client.pushed("unsubscribe")["code"] == 2500
    yield client
    client.close()


def rights(client):
    """What comes of each thing that only subscribers may do."""
    return [client.ask("publish", data=2), client.ask("history", limit=1), client.ask("presence"), client.ask("presence_stats")]


def test_what_only_subscribers_may_is_refused_for_now_until_it_has_subscribed_again(ended):
    assert rights(ended) == [FOR_NOW] * 4
    assert ended.ask("sub_refresh", token=subscription_token("alice", CHANNEL)) == FOR_NOW
    assert ended.ask("subscribe", token=subscription_token("alice", CHANNEL)) is None
    assert rights(ended) == [None] * 4
    assert ended.ask("unsubscribe") is None
    assert rights(ended) == [FOR_GOOD] * 4


def test_one_who_needs_a_new_token_is_refused_for_now_and_one_who_may_not_come_back_for_good(ended):
    assert ended.ask("subscribe", token=subscription_token("alice", CHANNEL, exp=in_seconds(-60))) == (109, False)
    assert rights(ended) == [FOR_NOW] * 4
    assert ended.ask("subscribe") == FOR_GOOD
    assert rights(ended) == [FOR_GOOD] * 4


def test_one_whom_the_application_unsubscribes_meanwhile_is_refused_for_good(api, ended):
    assert api("unsubscribe", user="alice") == {}
    assert ended.pushed("unsubscribe")["code"] == 2000
    assert rights(ended) == [FOR_GOOD] * 4
