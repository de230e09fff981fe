"""centrifuge-go's own tests of its client against a server, which are in its Go module. What they need of the server is what
its docker-compose.yml sets for Centrifugo, which it starts with --client.insecure.

Left out are the tests that put the client before a server of their own, or before none: they say nothing about Naru.
"""

import json
import re
import shutil
import subprocess
from functools import reduce
from pathlib import Path

import pytest

from harness.naru import Naru
from harness.program import Programs

CONFIG = """
[inbox]
enabled = false

[token]
allow_anonymous_connect_without_token = true

[channel.without_namespace]
allowed_delta_types = ["fossil"]
delta_publish = true
history_size = 100
history_ttl = "300s"
force_recovery = true
%(open)s
publish_rate_limit = 0
subscribe_rate_limit = 0

[[channel.namespaces]]
name = "smallhistory"
force_recovery = true
history_size = 2
history_ttl = "300s"
%(open)s
publish_rate_limit = 0
subscribe_rate_limit = 0
""" % {
    "open": "\n".join(
        f"allow_{what}_for_{whom} = true"
        for what in ("subscribe", "publish", "history")
        for whom in ("client", "anonymous")
    )
}
FILES = ("client_test.go", "getstate_test.go")
# They wait for some seconds, or count what was tried again and again in half of one.
IN_TIME = {
    r"time\.After\([35] \* time\.Second\)": "time.After(20 * time.Second)",
    r"time\.Sleep\(500 \* time\.Millisecond\)": "time.Sleep(5 * time.Second)",
}
# Where nobody listens.
NOBODY = "localhost:9000"
SECONDS_MAX = 240.0
# Tests that fail, and why. One that passes fails the run.
NOT_PASSING = {}
TESTS = 26


@pytest.fixture
def programs(tmp_path):
    programs = Programs(tmp_path)
    yield programs
    programs.end()


def go(*arguments, cwd):
    done = subprocess.run(["go", *arguments], cwd=cwd, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(programs, request, tmp_path):
    if not shutil.which("go"):
        pytest.skip("there is no Go on this machine")
    request.node.programs = [programs]
    config = tmp_path / "naru.toml"
    config.write_text(CONFIG)
    config.chmod(0o600)
    naru = Naru(programs)
    server = naru.joined_server(naru.broker(), "--config", config)
    module = json.loads(go("list", "-m", "-json", "github.com/centrifugal/centrifuge-go", cwd=Path(__file__).parent / "go"))
    source = tmp_path / "source"
    shutil.copytree(module["Dir"], source, copy_function=shutil.copyfile)
    source.chmod(0o755)
    names = []
    for file in FILES:
        text = (source / file).read_text()
        names += [
            name
            for name, body in re.findall(r"^func (Test\w+)\((.*?)^}", text, re.MULTILINE | re.DOTALL)
            if NOBODY not in body
        ]
        text = text.replace("localhost:8000", f"127.0.0.1:{server.port}")
        (source / file).write_text(reduce(lambda text, change: re.sub(*change, text), IN_TIME.items(), text))
    go("test", "-c", "-o", tmp_path / "own.test", ".", cwd=source)
    run = programs.start("own-tests", [tmp_path / "own.test", "-test.v", "-test.run", f"^({'|'.join(names)})$"])
    run.exit_code(SECONDS_MAX)
    said = run.output() + run.log()
    failed = set(re.findall(r"^--- FAIL: (\S+)", said, re.MULTILINE))
    passed = set(re.findall(r"^--- PASS: (\S+)", said, re.MULTILINE))
    assert len(names) == TESTS
    assert failed == set(NOT_PASSING), said
    assert passed == set(names) - failed, said
