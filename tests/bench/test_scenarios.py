"""The benchmark of bench/ runs: every scenario, on Naru and both protocols' peers, and the picture after it."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness.bench import SMALL, run
from harness.naru import BINARY
from harness.waiting import PATIENCE

SVG = "{http://www.w3.org/2000/svg}"


def scenarios():
    listed = run("pubsub.py", BINARY, "--list")
    return [line.split()[0] for line in listed.stdout.splitlines()]


def test_every_scenario_runs_and_what_it_kept_is_drawn(tmp_path):
    kept = tmp_path / "kept.jsonl"
    # Valkey is spoken to as Redis is, and is not installed for the tests.
    without_valkey = ["--valkey", tmp_path / "nothing"]
    done = run("pubsub.py", BINARY, *SMALL, *without_valkey, "--json", kept, within=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out:" not in done.stderr

    setting, *reports = map(json.loads, kept.read_text().splitlines())
    servers = list(setting["servers"])
    assert set(servers) == {"naru", "redis", "nats"}
    measured = [(it["scenario"], it["server"]) for it in reports]
    assert sorted(measured) == sorted((scenario, server) for scenario in scenarios() for server in servers)

    pictures = [tmp_path / "it.svg", tmp_path / "it.ko.svg"]
    drawn = run("plot.py", kept, *pictures)
    assert drawn.returncode == 0, drawn.stderr
    for picture, language in zip(pictures, ["en", "ko"]):
        svg = ElementTree.parse(picture).getroot()
        assert svg.get("lang") == language
        assert svg.find(f"{SVG}desc").text
        assert len(svg.findall(f"{SVG}rect")) > len(servers)


def test_a_peer_that_is_not_installed_is_named_and_left_out(tmp_path):
    missing = [word for peer in ("redis", "valkey", "nats") for word in (f"--{peer}", tmp_path / "nothing")]
    done = run("pubsub.py", BINARY, *SMALL, "--only", "single", *missing)
    assert done.returncode == 0, done.stderr
    for peer in ("redis", "valkey", "nats"):
        assert f"{peer:<8} is not installed, and left out" in done.stdout


def test_a_scenario_that_there_is_not_is_an_error():
    done = run("pubsub.py", BINARY, *SMALL, "--only", "sinlge")
    assert done.returncode != 0 and "no scenario sinlge; there are bulk" in done.stderr


@pytest.mark.parametrize("kind", ["pubsub", "idle"])
def test_too_few_files_are_an_error_that_says_so(naru, broker, kind):
    count = "--subscribers" if kind == "pubsub" else "--connections"
    shell = f'ulimit -n 300; exec "$0" bench {kind} --port {broker.port} --pid {broker.program.pid} {count} 1000'
    done = subprocess.run(["sh", "-c", shell, BINARY], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "files are needed, one a connection, and 300 is the limit here" in done.stderr


def test_more_connections_than_the_server_allows_are_an_error_that_says_so(naru, broker):
    told = naru.run("cli", "-p", broker.port, "config", "set", "maxclients", 5)
    assert told.stdout.strip() == "OK", told.stdout + told.stderr
    done = naru.run("bench", "idle", "--port", broker.port, "--pid", broker.program.pid, "--connections", 10)
    assert done.returncode == 1
    assert "max number of clients reached" in done.stderr


def test_idle_connections_are_weighed(naru, broker):
    asked = ["--port", broker.port, "--pid", broker.program.pid, "--connections", 200, "--seconds", "0.1", "--json"]
    report = json.loads(naru.run("bench", "idle", *asked).stdout)
    assert report["connections"] == 200
    assert 0 <= report["resident_bytes_per_connection"] < 100_000


def test_nobody_is_shown_progress_who_does_not_look_at_a_terminal(naru, broker):
    done = naru.run("bench", "pubsub", "--port", broker.port, "--seconds", "0.2", "--warm-up", "0")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "latency p99" in done.stdout
