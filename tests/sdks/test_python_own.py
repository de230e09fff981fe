"""centrifuge-python's own tests of its client against a server, which it brings in its source distribution, in JSON and
Protobuf. What they need of the server is what its docker-compose.yml sets for Centrifugo.

Left out are the files that put the client before a server of their own (fake_server.py), or before none: they say nothing
about Naru.
"""

import pytest

from clients.own_tests import Run, unpacked
from harness.naru import SECRET, Naru
from harness.program import Programs

CONFIG = """
[token]
allow_anonymous_connection_tokens = true
# Its tokens have no end.
require_exp = false

[inbox]
enabled = false

[channel.subscribe_to_user_personal_channel]
enabled = true

[channel.without_namespace]
allowed_delta_types = ["fossil"]
delta_publish = true
presence = true
join_leave = true
force_push_join_leave = true
history_size = 100
history_ttl = "300s"
force_recovery = true
allow_publish_for_subscriber = true
allow_presence_for_subscriber = true
allow_history_for_subscriber = true
# They publish faster than people.
publish_rate_limit = 0

[[channel.namespaces]]
name = "smallhistory"
force_recovery = true
history_size = 2
history_ttl = "300s"
allow_publish_for_subscriber = true
allow_history_for_subscriber = true
publish_rate_limit = 0
"""
# Tests that fail, and why. One that passes fails the run.
NOT_PASSING = {}
# Three go on without having waited for their first client's subscription, and then wait for ever for what only a subscriber
# hears; and one counts what was tried in half a second.
SUBSCRIBES, CONNECTS = "        await sub1.subscribe()\n", "        await client2.connect()\n"
RETRIES = "retry cycles.\n        await asyncio.sleep({})"
IN_TIME = {
    SUBSCRIBES + CONNECTS: f"{SUBSCRIBES}        await sub1.ready()\n{CONNECTS}",
    RETRIES.format("0.5"): RETRIES.format("5"),
}
TESTS = 62


@pytest.fixture
def programs(tmp_path):
    programs = Programs(tmp_path)
    yield programs
    programs.end()


def test_its_own_tests_pass(programs, request):
    request.node.programs = [programs]
    config = programs.folder / "naru.toml"
    config.write_text(CONFIG)
    config.chmod(0o600)
    naru = Naru(programs)
    broker = naru.broker()
    server = naru.joined_server(broker, "--config", config)
    source = unpacked("centrifuge_python", programs.folder, library="centrifuge")
    changes = {
        "localhost:8000": f"127.0.0.1:{server.port}",
        'hmac_secret = "secret"': f"hmac_secret = {SECRET!r}",
        **IN_TIME,
    }
    texts = {file: file.read_text() for file in (source / "tests").glob("*.py")}
    for old, new in changes.items():
        assert any(old in text for text in texts.values()), f"there is no {old!r} any more"
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    for file, text in texts.items():
        file.write_text(text)
    run = Run(
        programs,
        broker,
        source,
        "tests/test_client.py",
        # They wait without a limit; and functions of theirs that are no tests are called test_….
        *("--timeout", 30, "-o", "timeout_func_only=true"),
        *("-o", "python_functions=none_of_them", "-p", "no:asyncio"),
        settings="pyproject.toml",
        not_passing=NOT_PASSING,
    )
    assert f"{TESTS - len(NOT_PASSING)} passed" in run.passes()
