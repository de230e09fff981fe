"""Codes that end what waits for long: each of these waits since the tests began, and these are the last; see conftest.py."""


def test_3502_is_for_who_says_nothing(long_waits):
    assert long_waits["stale"]() == (3502, "stale")


def test_3005_is_for_who_does_not_renew(long_waits):
    assert long_waits["expiring"]() == (3005, "expired")


def test_2501_is_for_a_subscription_that_is_not_renewed(long_waits):
    ended = long_waits["subscriber"]()["push"]
    assert ended == {"channel": "private:long", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}


def test_3012_is_for_who_does_not_answer_a_ping(long_waits):
    assert long_waits["silent"]() == (3012, "no pong")
