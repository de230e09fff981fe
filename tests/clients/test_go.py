"""go-redis and rueidis, unmodified: the Go tests in go/, for which the broker is restarted when they ask for it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.waiting import PATIENCE, eventually

# Compiling both clients and what they need, from nothing, on a busy machine.
BUILD_SECONDS_MAX = 240.0
TESTS_SECONDS_MAX = 90.0


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
def test_the_go_client_finds_nothing_missing(go_tests, programs, naru, broker, client, tests):
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
    assert run.exit_code(PATIENCE) == 0, run.output() + run.log()
    # Each protocol is a test within a test of go-redis.
    innermost = "    --- PASS" if client == "GoRedis" else "--- PASS"
    assert run.output().count(f"\n{innermost}") == tests, run.output()
