"""Two chat servers at one broker for all tests of this folder, and a process for each library."""

import itertools
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import sdks
from harness.by_hand import ByHand, Silent
from harness.naru import API_KEY, Naru
from harness.program import Programs
from harness.sdks import in_seconds, subscription_token, token_of

GO_BUILD_SECONDS_MAX = 240.0
# The server waits 25 s for a renewal, and for a pong after a ping that comes within 25 s.
LONG = 60.0
LIBRARIES = ("js", "python", "go")
ENCODINGS = ("json", "protobuf")
# Only the JavaScript library has other ways than WebSocket.
WITHOUT_WEBSOCKET = ("json by http_stream", "protobuf by http_stream", "json by sse")

# Each test has channels of its own in these, and the users of the others: together they are faster than people.
NAMESPACES = """
[token]
leeway = "0s"

[channel.without_namespace]
publish_rate_limit = 0
subscribe_rate_limit = 0
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "kept"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 100
history_ttl = "10m"
force_recovery = true
presence = true
join_leave = true
allow_subscribe_for_client = true
allow_publish_for_subscriber = true
allow_history_for_subscriber = true
allow_presence_for_subscriber = true

[[channel.namespaces]]
name = "few"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 2
history_ttl = "10m"
force_recovery = true
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "newest"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 10
history_ttl = "10m"
force_recovery = true
force_recovery_mode = "cache"
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "asked"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 100
history_ttl = "10m"
allow_recovery = true
allow_positioning = true
allow_history_for_client = true
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "delta"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 100
history_ttl = "10m"
force_recovery = true
delta_publish = true
allowed_delta_types = ["fossil"]
allow_subscribe_for_client = true
allow_publish_for_client = true

[[channel.namespaces]]
name = "private"
publish_rate_limit = 0
subscribe_rate_limit = 0
history_size = 10
history_ttl = "10m"

[[channel.namespaces]]
name = "dialog"
publish_rate_limit = 0
subscribe_rate_limit = 0
allow_user_limited_channels = true
allow_publish_for_subscriber = true

[[channel.namespaces]]
name = "objects"
publish_rate_limit = 0
subscribe_rate_limit = 0
publication_data_format = "json_object"
allow_subscribe_for_client = true
allow_publish_for_client = true
"""

numbers = itertools.count(1)


def pytest_generate_tests(metafunc):
    """A test that connects people does it with every library, in both encodings, unless it says which."""
    if "library" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("libraries")
        names = marker.args if marker else LIBRARIES
        ways = list(itertools.product(names, ENCODINGS))
        if metafunc.definition.get_closest_marker("every_way"):
            ways += [("js", way) for way in WITHOUT_WEBSOCKET]
        metafunc.parametrize("library, encoding", ways, indirect=["library"])


@pytest.fixture(scope="session")
def long_lived(tmp_path_factory):
    """Programs that outlive a test."""
    programs = Programs(tmp_path_factory.mktemp("sdks"))
    yield programs
    programs.end()


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    """A configuration with the namespaces above."""
    path = tmp_path_factory.mktemp("config") / "naru.toml"
    path.write_text(NAMESPACES)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def shared_broker(long_lived):
    return Naru(long_lived).broker()


@pytest.fixture(scope="session")
def servers(long_lived, shared_broker, config):
    """Two chat servers, told apart from those of single tests by living longer."""
    naru = Naru(long_lived)
    arguments = ["--config", config, "--api-key", API_KEY]
    return [naru.joined_server(shared_broker, *arguments, name=name) for name in ("shared-1", "shared-2")]


@pytest.fixture(scope="session")
def go_binary(tmp_path_factory):
    if not shutil.which("go"):
        pytest.skip("there is no Go on this machine")
    binary = tmp_path_factory.mktemp("go") / "sdk"
    built = subprocess.run(
        ["go", "build", "-o", binary, "."],
        cwd=Path(__file__).parent / "go",
        capture_output=True,
        text=True,
        timeout=GO_BUILD_SECONDS_MAX,
    )
    assert built.returncode == 0, built.stderr
    return binary


@pytest.fixture(scope="session")
def libraries(request, long_lived):
    """Starts the process of a library when it is first wanted."""
    running = {}

    def library(name):
        if name not in running:
            binary = [request.getfixturevalue("go_binary")] if name == "go" else []
            running[name] = getattr(sdks, name)(long_lived, *binary)
        return running[name]

    return library


@pytest.fixture
def library(request, libraries, long_lived):
    request.node.programs = [*getattr(request.node, "programs", []), long_lived]
    return libraries(request.param)


@pytest.fixture
def person(servers, library, encoding):
    """Connects a client of the library as somebody to a server; all leave when the test ends."""
    here = []

    def connect(user, server=0, address=None, waiting=True, **what):
        claims = what.pop("claims", {})
        what.setdefault("token", token_of(user, **claims))
        client = library.open(address or servers[server].url, encoding, **what)
        here.append(client)
        if waiting:
            client.wait("connected")
        return client

    yield connect
    for client in here:
        client.call("disconnect")


@pytest.fixture
def everybody(servers, libraries, long_lived, request):
    """Connects somebody with each library in each encoding at once, for what takes a while."""
    request.node.programs = [*getattr(request.node, "programs", []), long_lived]
    here = []

    def connect(**what):
        some = [
            libraries(library).open(servers[0].url, encoding, **what)
            for library, encoding in itertools.product(LIBRARIES, ENCODINGS)
        ]
        here.extend(some)
        for client in some:
            client.wait("connected")
        return some

    yield connect
    for client in here:
        client.call("disconnect")


@pytest.fixture
def fresh():
    """Names that nobody has used."""

    def name(namespace):
        return f"{namespace}:{next(numbers)}" if namespace else f"channel-{next(numbers)}"

    return name


@pytest.fixture(scope="session", autouse=True)
def begin_to_wait(request):
    """Begins with the first test what the last ones wait for."""
    if any("long_waits" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("long_waits")


@pytest.fixture(scope="session")
def long_waits(servers):
    """All that ends after long, begun at once."""
    channel = "private:long"
    silent, stale = Silent(servers[0]), ByHand(servers[0])
    silent.connect_as("silent")
    expiring = ByHand(servers[0])
    expiring.connect_as("expiring", exp=in_seconds(5))
    subscriber = ByHand(servers[0])
    subscriber.connect_as("subscriber")
    token = subscription_token("subscriber", channel, exp=in_seconds(5))
    assert subscriber.ask("subscribe", {"channel": channel, "token": token})["subscribe"]["expires"]
    # Each is read all the time, so that pings are answered.
    with ThreadPoolExecutor() as readers:
        ends = {
            name: readers.submit(one.end, LONG)
            for name, one in {"silent": silent, "stale": stale, "expiring": expiring}.items()
        }
        ends["subscriber"] = readers.submit(subscriber.reply, lambda it: "unsubscribe" in it.get("push", {}), LONG)
        yield {name: end.result for name, end in ends.items()}
        for one in (silent, stale, expiring, subscriber):
            one.close()
