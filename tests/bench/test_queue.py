"""The benchmark of queues runs: every load, and every scenario of bench/queue.py on Naru and on Redis."""

import json
import os

import pytest

from harness import redis_peer
from harness.bench import SMALL, run
from harness.naru import BINARY, HeldPort
from harness.resp import Wire
from harness.waiting import PATIENCE

# Long enough for a busy disk to write something in it.
SECOND = ["--seconds", "1"]
QUICK = [*SECOND, "--warm-up", "0"]
LOADS = {
    "add": [*QUICK, "--connections", 4, "--streams", 10],
    "work": ["--entries", 500, "--count", 7],
    "fill": ["--entries", 500, "--streams", 10, "--settle", "0.1"],
    "trim": ["--entries", 500, "--quiet", "0.1", "--settle", "0.1"],
    "beside": [*QUICK, "--quiet", "0.1", "--streams", 10, "--maxlen", 5],
}


def test_every_scenario_runs_on_naru_and_on_redis(tmp_path):
    kept = tmp_path / "kept.jsonl"
    # Valkey is spoken to as Redis is, and is not installed for the tests.
    without_valkey = ["--valkey", tmp_path / "nothing", "--within", tmp_path]
    done = run("queue.py", BINARY, *SMALL, *SECOND, *without_valkey, "--json", kept, within=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out:" not in done.stderr
    assert "valkey   is not installed, and left out" in done.stdout

    setting, *reports = map(json.loads, kept.read_text().splitlines())
    assert set(setting["servers"]) == {"naru", "redis"}
    scenarios = [line.split()[0] for line in run("queue.py", BINARY, "--list").stdout.splitlines()]
    measured = [(it["scenario"], it["server"]) for it in reports]
    assert sorted(measured) == sorted((scenario, server) for scenario in scenarios for server in ("naru", "redis"))
    for it in reports:
        assert it["report"]["entries"] > 0 and it["report"]["server_use"]["resident_bytes"] > 0, it
        assert ("ready_seconds" in it["report"]) == it["scenario"].startswith("memory-"), it
    assert not list(tmp_path.glob("bench-*")), "folders of servers are left behind"


def test_a_scenario_of_queues_that_there_is_not_is_an_error():
    done = run("queue.py", BINARY, *SMALL, "--only", "wrok")
    assert done.returncode != 0 and "no scenario wrok; there are add-always-1" in done.stderr


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no folder in memory here")
def test_a_folder_in_memory_is_refused():
    done = run("queue.py", BINARY, *SMALL, "--within", "/dev/shm")
    assert done.returncode != 0 and "is in memory, where fsync costs nothing" in done.stderr


@pytest.mark.parametrize("load", LOADS)
def test_a_load_is_reported_as_a_table_and_as_json(naru, durable_broker, tmp_path, load):
    at = ["--port", durable_broker.port, "--pid", durable_broker.program.pid, "--folder", tmp_path / "data"]
    # The disk is waited for, with all that others have written.
    table = naru.run("bench", "queue", load, *at, *LOADS[load], within=3 * PATIENCE)
    assert table.returncode == 0, table.stderr
    assert table.stderr == "" and "server CPU per entry" in table.stdout
    report = json.loads(naru.run("bench", "queue", load, *at, *LOADS[load], "--json", within=3 * PATIENCE).stdout)
    assert report["entries"] > 0


def test_what_was_filled_is_there_under_the_names_told(naru, broker):
    asked = ["--entries", 95, "--streams", 10, "--settle", 0, "--body", 50]
    report = json.loads(naru.run("bench", "queue", "fill", "--port", broker.port, *asked, "--json").stdout)
    with Wire(broker.port) as wire:
        lengths = [wire.call("XLEN", f"{report['stream_prefix']}{number}") for number in range(10)]
        assert sum(lengths) == 95 and max(lengths) - min(lengths) <= 1, lengths
        [[_, [field, body]]] = wire.call("XRANGE", f"{report['stream_prefix']}3", "-", "+", "COUNT", "1")
        assert field == b"body" and len(body) == 50


def test_what_a_server_refuses_ends_the_run_with_its_own_words(naru, programs):
    port = redis_peer.start(programs, HeldPort())
    with Wire(port) as wire:
        assert wire.call("CONFIG", "SET", "maxmemory", "1mb") == b"OK"
    done = naru.run("bench", "queue", "add", "--port", port, *QUICK, within=3 * PATIENCE)
    assert done.returncode == 1
    assert "XADD was refused: OOM command not allowed" in done.stderr


def test_a_process_or_a_folder_that_is_not_there_is_an_error(naru, broker, tmp_path):
    for option, value in [("--pid", 2**22 + 1), ("--folder", tmp_path / "nothing")]:
        done = naru.run("bench", "queue", "add", "--port", broker.port, *QUICK, option, value)
        assert done.returncode == 1 and "cannot be read" in done.stderr, done.stderr
