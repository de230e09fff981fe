#!/usr/bin/env python3
"""Naru's broker against redis-server under `naru bench pubsub`, one after the other, on this machine.

Each measurement has a server of its own, started for it and ended after it. The two take turns, and who begins
alternates from round to round. Printed are the medians over the rounds, and the median of the rounds' ratios.
"""

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SCENARIOS = [
    ("100 subscribers, one publish at a time", ["--subscribers", "100", "--publishers", "1", "--in-flight", "1"]),
    ("100 subscribers, 128 in flight", ["--subscribers", "100", "--publishers", "4", "--in-flight", "32"]),
]

# What is shown: a name, where it stands in the report, its unit, decimals.
FIGURES = [
    ("deliveries", lambda report: report["deliveries_per_second"], "/s", 0),
    ("CPU per delivery", lambda report: report["server_use"]["cpu_us_per_delivery"], "µs", 3),
    ("latency p50", lambda report: report["latency"]["p50_us"], "µs", 0),
    ("latency p99", lambda report: report["latency"]["p99_us"], "µs", 0),
    ("peak memory", lambda report: report["server_use"]["peak_resident_bytes"] / 2**20, "MiB", 1),
    ("server CPU", lambda report: report["server_use"]["cores"], "cores", 2),
    ("load generator CPU", lambda report: report["generator_cores"], "cores", 2),
]

START_SECONDS_MAX = 10
END_SECONDS_MAX = 10


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("naru", help="the naru binary: a release build")
    parser.add_argument("--generator", metavar="BINARY", help="the binary whose `bench` is used [default: the same]")
    parser.add_argument("--redis", default="redis-server", metavar="BINARY", help="[default: redis-server]")
    parser.add_argument("--cores", type=int, help="cores of Naru's broker [default: its own default]")
    parser.add_argument("--rounds", type=int, default=5, help="[default: 5]")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement [default: 5]")
    parser.add_argument("--warm-up", type=float, default=1, help="seconds before it [default: 1]")
    parser.add_argument("--json", metavar="FILE", help="keep every report, as one JSON object a line")
    return parser.parse_args()


def main():
    asked = options()
    # Servers run in folders of their own.
    asked.naru = os.path.abspath(asked.naru)
    generator = os.path.abspath(asked.generator) if asked.generator else asked.naru
    naru_cores = ["--cores", str(asked.cores)] if asked.cores else []
    commands = {
        "redis": lambda port: [asked.redis, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"],
        "naru": lambda port: [asked.naru, "broker", "--bind", "127.0.0.1", "--port", port, "--memory", *naru_cores],
    }
    print(f"redis   {first_line([asked.redis, '--version'])}")
    print(f"naru    {first_line([asked.naru, '--version'])}, cores: {asked.cores or 'default'}")
    print(f"machine {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Linux {platform.release()}, loopback")
    print(f"rounds  {asked.rounds} of {asked.seconds:g} s after {asked.warm_up:g} s; server and load share the cores")

    window = ["--seconds", str(asked.seconds), "--warm-up", str(asked.warm_up)]
    for name, scenario in SCENARIOS:
        reports = {server: [] for server in commands}
        for number in range(asked.rounds):
            order = list(commands) if number % 2 == 0 else list(reversed(commands))
            for server in order:
                report = measure(commands[server], [generator, "bench", "pubsub", *scenario, *window, "--json"])
                reports[server].append(report)
                if asked.json:
                    with open(asked.json, "a", encoding="utf-8") as kept:
                        print(json.dumps({"server": server, "scenario": name, "report": report}), file=kept)
        show(name, reports)


def measure(command, load):
    """Runs `load` against a fresh server; its report."""
    port = str(free_port())
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command(port), cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            if not listens(server, port):
                log.seek(0)
                sys.exit(f"{command(port)[0]} did not start:\n{log.read()}")
            load = subprocess.run([*load, "--port", port, "--pid", str(server.pid)], stdout=subprocess.PIPE)
            if load.returncode != 0:
                sys.exit(f"the measurement of {command(port)[0]} failed")
            return json.loads(load.stdout)
        finally:
            end(server)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(server, port):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def end(server):
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def show(name, reports):
    print(f"\n{name}\n  {'':<20}{'redis':>14}{'naru':>14}  {'':<7}{'naru/redis':>10}")
    for figure, of, unit, decimals in FIGURES:
        redis, naru = ([of(report) for report in reports[server]] for server in ("redis", "naru"))
        ratio = statistics.median(mine / theirs for mine, theirs in zip(naru, redis) if theirs)
        redis, naru = (f"{statistics.median(values):,.{decimals}f}" for values in (redis, naru))
        print(f"  {figure:<20}{redis:>14}{naru:>14}  {unit:<7}{ratio:>10.2f}")


def first_line(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]


if __name__ == "__main__":
    main()
