"""Loaded by the pytest that runs a client's own tests: tells them where the broker is, expects those to fail that are
listed as not passing, and stands in for what the broker lacks around them. own_tests.py starts it."""

import json
import os

import pytest
import redis

TOLD = json.loads(os.environ["NARU_OWN_TESTS"])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    for lack in TOLD["lacking"]:
        has, stand_in = STAND_INS[lack]
        with redis.Redis.from_url(TOLD["url"]) as client:
            if has(client):
                pytest.exit(f"the broker has {lack} now: remove it from the list", returncode=2)
        stand_in()


def pytest_collection_modifyitems(items):
    listed = dict(TOLD["not passing"])
    for item in items:
        # channels_redis keeps its address in each module.
        if hasattr(item.module, "TEST_HOSTS"):
            item.module.TEST_HOSTS = [TOLD["url"]]
    for name, reason in listed.items():
        found = [item for item in items if item.nodeid.split("::", 1)[1].split("[")[0] == name]
        if not found:
            raise pytest.UsageError(f"there is no test {name}: remove it from the list")
        for item in found:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _has_flushdb(client):
    try:
        return client.flushdb()
    except redis.ResponseError:
        return False


# What the tests store is under these names.
KEYS = ["stream", "s", "{stream}1", "{stream}2"]


def _without_flushdb():
    async def flushdb(client, **_):
        return await client.delete(*KEYS)

    redis.Redis.flushdb = lambda client, **_: client.delete(*KEYS)
    redis.asyncio.Redis.flushdb = flushdb


STAND_INS = {
    "FLUSHDB": (_has_flushdb, _without_flushdb),
}
