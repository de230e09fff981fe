"""Two chat servers at one broker, whose API the libraries of Centrifugo's users speak to."""

import pytest

from harness.naru import API_KEY
from harness.sdk import Sdk
from harness.stores import Brokers

NAMESPACES = """
[[channel.namespaces]]
name = "public"
allow_subscribe_for_client = true

[[channel.namespaces]]
name = "kept"
history_size = 10
history_ttl = "10m"
presence = true
allow_subscribe_for_client = true
allow_publish_for_client = true
"""


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("brokers")
    if marker and "broker_kind" in metafunc.fixturenames:
        metafunc.parametrize("broker_kind", marker.args)


@pytest.fixture
def broker_kind():
    """What the broker is; see harness/stores.py."""
    return "naru"


@pytest.fixture
def servers(naru, programs, broker_kind, tmp_path):
    brokers = Brokers(naru, programs, broker_kind, {})
    config = tmp_path / "naru.toml"
    config.write_text(NAMESPACES)
    config.chmod(0o600)
    arguments = ["--api-key", API_KEY, "--config", config]
    return brokers.servers_apart(brokers.start(tmp_path), ["server-1", "server-2"], arguments)


@pytest.fixture
def sdk(programs):
    """Clients, of the unmodified JavaScript SDK."""
    return Sdk(programs)


@pytest.fixture
def person(naru, sdk):
    """Connects a client as a user to a server."""

    def connect(user, server):
        client = sdk.client(server.url, token=naru.token(user))
        client.wait("connected")
        return client

    return connect


@pytest.fixture
def alice(person, servers):
    return person("alice", servers[0])


@pytest.fixture
def bob(person, servers):
    return person("bob", servers[1])
