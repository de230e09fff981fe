"""The scene's fixtures: a broker, two chat servers, people."""

import pytest

from harness.sdk import Sdk


@pytest.fixture
def servers(naru, broker):
    """Two chat servers that have joined the broker."""
    return [naru.joined_server(broker, name=f"server-{number}") for number in (1, 2)]


@pytest.fixture
def sdk(programs):
    return Sdk(programs)


@pytest.fixture
def people(naru, sdk):
    """Signs somebody in at a server, or at the first of several that is there."""

    def person(user, *servers, device=None, connected=True):
        data = {"device": device} if device else None
        client = sdk.client(*(server.url for server in servers), token=naru.token(user), data=data)
        if connected:
            client.wait("connected")
        return client

    return person
