"""The load generator for WebSocket clients: each load runs on Naru's chat server, on one and on two, and in bench/."""

import json

import pytest

from harness.bench import SMALL, run
from harness.naru import BINARY, PUBLIC_WITHOUT_RATES, SECRET
from harness.waiting import PATIENCE

QUICK = ["--seconds", "0.5", "--warm-up", "0.1"]
FEW = ["--subscribers", 7, "--publishers", 2, "--in-flight", 4]
LONE = ["--subscribers", 7, "--publishers", 1, "--in-flight", 1]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "naru.toml"
    path.write_text(PUBLIC_WITHOUT_RATES)
    return ["--config", path]


@pytest.fixture
def server(naru, broker, config):
    return naru.joined_server(broker, *config)


def at(*servers):
    urls = [word for server in servers for word in ("--server", f"ws://127.0.0.1:{server.port}")]
    return [*urls, "--token-secret", SECRET]


LOADS = {
    "channels": [*FEW, "--channels", 3, "--threads", 2],
    "Protobuf": [*FEW, "--encoding", "protobuf"],
    "one at a time": LONE,
    "people": [*FEW, "--to", "people"],
    "a rate": [*FEW, "--rate", 200],
}


@pytest.mark.parametrize("load", LOADS)
def test_messages_are_published_and_none_is_lost(naru, server, load):
    done = naru.run("bench", "gateway", "publish", *at(server), *QUICK, *LOADS[load], "--json", "--pid", server.program.pid)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["deliveries"] > 0 and report["server_use"]["cpu_us_per_delivery"] >= 0, report


def test_a_report_is_a_table_for_people(naru, server):
    done = naru.run("bench", "gateway", "publish", *at(server), *QUICK, *FEW)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and "latency p99" in done.stdout and "server CPU" not in done.stdout


def test_messages_cross_from_one_server_to_another(naru, broker, server, config):
    second = naru.joined_server(broker, *config, name="second")
    for to in ("channels", "people"):
        load = [*QUICK, *FEW, "--to", to, "--json"]
        done = naru.run("bench", "gateway", "publish", *at(server, second), *load)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["deliveries"] > 0


@pytest.mark.parametrize("subscribe", [[], ["--subscribe"]])
def test_idle_connections_are_weighed(naru, server, subscribe):
    asked = ["--connections", 100, "--seconds", "0.1", "--pid", server.program.pid, "--json", *subscribe]
    done = naru.run("bench", "gateway", "idle", *at(server), *asked)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["connections"] == 100
    assert 0 <= report["resident_bytes_per_connection"] < 200_000


def test_who_was_cut_off_comes_back_to_what_was_missed(naru, server):
    asked = ["--connections", 50, "--at-once", 20, "--missed", 3, "--quiet", "0.3", "--rate", 50, "--json"]
    done = naru.run("bench", "gateway", "resume", *at(server), *FEW, *asked, within=3 * PATIENCE)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["connections"] == 50 and report["resume"]["p50_us"] > 0


def test_rooms_are_sent_to(naru, broker):
    server = naru.joined_server(broker, "--open-rooms", "bench-*")
    done = naru.run("bench", "gateway", "publish", *at(server), *QUICK, *FEW, "--to", "rooms", "--channels", 2)
    assert done.returncode == 0, done.stderr


def test_without_a_token_naru_lets_nobody_in(naru, server):
    done = naru.run("bench", "gateway", "publish", "--server", f"ws://127.0.0.1:{server.port}", *QUICK)
    assert done.returncode == 1 and "did not take a connection" in done.stderr


def test_every_scenario_runs(tmp_path):
    kept = tmp_path / "kept.jsonl"
    nobody = [word for peer in ("bun", "centrifugo") for word in (f"--{peer}", tmp_path / "nothing")]
    done = run("gateway.py", BINARY, *SMALL, *nobody, "--json", kept, within=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = run("gateway.py", BINARY, "--list").stdout.splitlines()
    _, *reports = map(json.loads, kept.read_text().splitlines())
    assert {it["scenario"] for it in reports if it["server"] == "naru"} == {line.split()[0] for line in listed}
