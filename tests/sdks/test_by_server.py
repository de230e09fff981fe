"""What an application's server does to its clients, by the server API, with each library."""

import json
import urllib.request

import pytest

from harness.naru import API_KEY
from harness.sdks import token_of

pytestmark = pytest.mark.every_way


@pytest.fixture
def api(servers):
    """Asks the first server, whatever server the client is at."""

    def ask(method, **what):
        request = urllib.request.Request(
            f"http://127.0.0.1:{servers[0].port}/api/{method}",
            json.dumps(what).encode(),
            {"Content-Type": "application/json", "X-API-Key": API_KEY},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        assert "error" not in answer, answer
        return answer["result"]

    return ask


def test_it_publishes_with_tags(api, person, fresh):
    bob, channel = person("bob", 1), fresh("kept")
    bob.subscribe(channel)
    published = api("publish", channel=channel, data={"n": 1}, tags={"kind": "news"})
    heard = bob.wait("publication", channel=channel)
    assert (heard["data"], heard["offset"], heard["tags"]) == ({"n": 1}, published["offset"], {"kind": "news"})
    assert not heard.get("info")


def test_it_ends_a_subscription(api, person, fresh):
    bob, channel = person("bob-ended", 1), fresh("kept")
    bob.subscribe(channel)
    api("unsubscribe", user="bob-ended", channel=channel)
    assert bob.wait("unsubscribed", channel=channel)["code"] == 2000


def test_it_begins_and_ends_a_subscription_of_its_own(api, person, fresh):
    bob, kept, live = person("bob-begun", 1), fresh("kept"), fresh("")
    for channel in (kept, live):
        api("subscribe", user="bob-begun", channel=channel)
        stands = bob.wait("server subscribed", channel=channel)
        assert stands["recoverable"] == (channel == kept)
        api("publish", channel=channel, data=[channel])
        assert bob.heard(channel, 1, "server publication") == [[channel]]
        api("unsubscribe", user="bob-begun", channel=channel)
        bob.wait("server unsubscribed", channel=channel)


def test_it_sends_a_client_away_for_good(api, person):
    bob = person("bob-away", 1)
    api("disconnect", user="bob-away")
    assert bob.wait("disconnected")["code"] == 3503


def test_it_has_a_client_come_back(api, person):
    bob = person("bob-back", 1)
    api("disconnect", user="bob-back", disconnect={"code": 4000, "reason": "elsewhere"})
    assert bob.wait("connecting", 2)["code"] == 4000
    bob.wait("connected", 2)


RETURNING = (3000, 3004, 3005, 3006, 3008, 3010, 3011, 3012, 3013, 3014, 4499)
FINAL = (3500, 3504, 3507, 3509, 4500)


def test_a_code_tells_a_client_whether_to_come_back(api, person):
    # After some of them a library asks for another token (3014).
    tokens = {code: [token_of(f"bob-{code}")] for code in RETURNING + FINAL}
    everybody = {code: person(f"bob-{code}", 1, next_tokens=tokens[code]) for code in RETURNING + FINAL}
    for code in everybody:
        api("disconnect", user=f"bob-{code}", disconnect={"code": code, "reason": "because"})
    for code in RETURNING:
        assert everybody[code].wait("connecting", 2)["code"] == code
        everybody[code].wait("connected", 2)
    for code in FINAL:
        assert everybody[code].wait("disconnected")["code"] == code
