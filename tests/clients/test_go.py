"""go-redis and rueidis, unmodified: the Go tests in go/, for which the broker is restarted when they ask for it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.waiting import PATIENCE, eventually

# Compiling both clients and what they need, from nothing, on a busy machine.
BUILD_SECONDS_MAX = 240.0
TESTS_SECONDS_MAX = 90.0
# Tests that fail, and why. One that passes fails the run.
NOT_PASSING = {
    "TestRueidisConnectsAsItIs": "there is no CLIENT TRACKING; rueidis connects with DisableCache",
}


@pytest.fixture(scope="module")
def go_tests(tmp_path_factory):
    """The Go tests, compiled."""
    if not shutil.which("go"):
        pytest.skip("there is no Go on this machine")
    binary = tmp_path_factory.mktemp("go") / "clients.test"
    built = subprocess.run(
        ["go", "test", "-c", "-o", binary, "."],
        cwd=Path(__file__).parent / "go",
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
    )
    assert built.returncode == 0, built.stderr
    return binary


@pytest.mark.parametrize("client, tests", [("GoRedis", 8), ("Rueidis", 3)])
def test_the_go_client_finds_nothing_missing(go_tests, programs, naru, broker, tell_listed, client, tests):
    tell_listed("Go", NOT_PASSING)
    run = programs.start(
        client,
        [go_tests, "-test.v", "-test.run", f"^Test{client}"],
        env={"NARU_ADDRESS": f"127.0.0.1:{broker.port}"},
        stdin=subprocess.PIPE,
    )
    restarts = 0

    def asks_or_ends():
        return run.output().count("restart the broker\n") > restarts or not run.is_running()

    while eventually(asks_or_ends, "the Go tests hang", TESTS_SECONDS_MAX) and run.is_running():
        broker.program.kill()
        broker = naru.restarted(broker)
        restarts += 1
        run.process.stdin.write(b"\n")
        run.process.stdin.flush()
    run.exit_code(PATIENCE)
    said = run.output() + run.log()
    listed = {name for name in NOT_PASSING if name.startswith(f"Test{client}")}
    failed = set(re.findall(r"^--- FAIL: (\S+)", said, re.MULTILINE))
    assert not failed - listed, said
    assert not listed - failed, f"{listed - failed} passes now: remove it from the list\n{said}"
    # Each protocol is a test within a test of go-redis.
    innermost = "    --- PASS" if client == "GoRedis" else "--- PASS"
    assert said.count(f"\n{innermost}") == tests, said
