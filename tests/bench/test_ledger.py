"""The benchmark of conversations and inboxes runs: every load, on Naru and on Redis."""

import json

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire
from harness.waiting import PATIENCE

QUICK = ["--seconds", "0.5", "--warm-up", "0.1"]
LOADS = {
    "append": ([*QUICK, "--conversations", 20, "--in-flight", 4], "broker CPU per append"),
    "deliver": (["--rooms", 3, "--users", 20, "--messages", 10], "broker CPU per recipient"),
    "inboxes": (["--users", 150, "--messages", 3], "broker CPU per inbox"),
    "resume": (["--messages", 300, "--conversations", 7, "--times", 2], "broker CPU per message"),
}


@pytest.mark.parametrize("load", LOADS)
def test_a_load_is_reported_as_a_table_and_as_json(naru, durable_broker, load):
    options, row = LOADS[load]
    at = ["--broker", f"redis://127.0.0.1:{durable_broker.port}", "--pid", durable_broker.program.pid]
    table = naru.run("bench", "ledger", load, *at, *options)
    assert table.returncode == 0, table.stderr
    assert table.stderr == "" and row in table.stdout and "(native)" in table.stdout
    report = json.loads(naru.run("bench", "ledger", load, *at, *options, "--json").stdout)
    assert report["dialect"] == "native" and report["broker_use"]["resident_bytes"] > 0, report


def test_every_load_runs_on_redis_and_leaves_nothing_there(naru, programs):
    port = redis_peer.start(programs, HeldPort())
    for load, (options, row) in LOADS.items():
        done = naru.run("bench", "ledger", load, "--broker", f"redis://127.0.0.1:{port}", *options, within=3 * PATIENCE)
        assert done.returncode == 0, done.stderr
        assert "(scripts)" in done.stdout and row not in done.stdout, "without --pid nothing is said of the broker"
    with Wire(port) as wire:
        assert wire.call("DBSIZE") == 0


def test_a_broker_that_is_not_there_is_an_error(naru):
    port = HeldPort()
    done = naru.run("bench", "ledger", "append", "--broker", f"redis://127.0.0.1:{port.number}", *QUICK)
    assert done.returncode == 1 and f"127.0.0.1:{port.number}" in done.stderr, done.stderr
