"""The scene's fixtures: a broker, two chat servers, people."""

import pytest

from harness.sdk import Sdk
from harness.stores import Brokers


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("brokers")
    if marker and "broker_kind" in metafunc.fixturenames:
        metafunc.parametrize("broker_kind", marker.args)


@pytest.fixture
def broker_kind():
    """What the broker is; see harness/stores.py."""
    return "naru"


@pytest.fixture
def bounds():
    """Bounds of the ledger that are otherwise, by name."""
    return {}


@pytest.fixture
def brokers(naru, programs, broker_kind, bounds):
    return Brokers(naru, programs, broker_kind, bounds)


@pytest.fixture
def broker(brokers, tmp_path):
    """A broker that keeps everything in memory, if it can."""
    return brokers.start(tmp_path)


@pytest.fixture
def durable_broker(brokers, tmp_path):
    """A broker that stores on disk."""
    return brokers.start(tmp_path, data=tmp_path / "data")


@pytest.fixture
def servers(brokers, broker):
    """Two chat servers that have joined the broker. Everybody may make rooms."""
    return brokers.servers(broker, ["server-1", "server-2"], ["--new-rooms", "*"])


@pytest.fixture
def servers_apart(brokers, broker):
    """Two more, neither of which has the broker in it: they and the broker can be killed without one another."""
    return brokers.servers_apart(broker, ["server-2", "server-3"], ["--new-rooms", "*"])


@pytest.fixture
def server(brokers, broker):
    """A chat server that has joined the broker. Everybody may make rooms."""
    return brokers.servers(broker, ["server-1"], ["--new-rooms", "*"])[0]


@pytest.fixture
def sdk(programs):
    return Sdk(programs)


@pytest.fixture
def people(naru, sdk):
    """Signs somebody in at a server, or at the first of several that is there."""

    def person(user, *servers, device=None, connected=True, **how):
        data = {"device": device} if device else None
        client = sdk.client(*(server.url for server in servers), token=naru.token(user), data=data, **how)
        if connected:
            client.wait("connected")
        return client

    return person
