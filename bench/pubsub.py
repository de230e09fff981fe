#!/usr/bin/env python3
"""Naru's broker against Redis, Valkey and NATS under `naru bench`, one after the other, on this machine.

Each measurement has a server of its own, started for it and ended after it. The servers take turns, and who begins
changes from round to round. Printed are the medians over the rounds, and the medians of the rounds' ratios: to Redis,
and to whichever peer was best. A peer that is not installed is named and left out; bench/peers.sh installs them.
"""

import argparse
import json
import os
import subprocess
import sys

import figures
import scenarios
import servers
from rounds import Keep, begin, columns, rounds, show, times


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("naru", help="the naru binary: a release build")
    parser.add_argument("--generator", metavar="BINARY", help="the binary whose `bench` is used [default: the same]")
    parser.add_argument("--redis", default="redis-server", metavar="BINARY", help="[default: redis-server]")
    parser.add_argument("--valkey", metavar="BINARY", help="[default: what bench/peers.sh installed, or valkey-server]")
    parser.add_argument("--nats", default="nats-server", metavar="BINARY", help="[default: nats-server]")
    parser.add_argument("--floor", metavar="BINARY", help="also measure this: crates/fanout/examples/floor.rs, built")
    parser.add_argument("--cores", type=int, help="cores of Naru's broker [default: its own default]")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this scenario; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the scenarios, and end")
    parser.add_argument("--rounds", type=int, default=5, help="[default: 5]")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement [default: 5]")
    parser.add_argument("--warm-up", type=float, default=1, help="seconds before it [default: 1]")
    parser.add_argument("--small", action="store_true", help="few connections and small payloads: does all of it run?")
    parser.add_argument("--json", metavar="FILE", help="keep every report, as one JSON object a line, for plot.py")
    return parser.parse_args()


def main():
    asked = options()
    if asked.list:
        for scenario in scenarios.SCENARIOS:
            print(f"{scenario.name:<16}{scenario.title}")
        return
    try:
        wanted = scenarios.named(asked.only, scenarios.SCENARIOS)
    except ValueError as unknown:
        sys.exit(str(unknown))
    servers.allow_files()
    there, missing = servers.found(asked)
    keep = Keep(asked.json)
    begin(asked, there, missing, keep)

    growth = []
    for scenario in wanted:
        reports = rounds(scenario, there, asked.rounds, keep, lambda server: measure(scenario, server, asked))
        show(scenario, reports)
        if "patterns" in scenario.load:
            growth.append((scenario.load["patterns"], reports))
    if len(growth) > 1:
        show_growth(growth)


def measure(scenario, server, asked):
    """Runs the load against a fresh server; its report."""
    generator = os.path.abspath(asked.generator or asked.naru)
    window = ["--seconds", str(asked.seconds)]
    if scenario.kind == "pubsub":
        window += ["--warm-up", str(asked.warm_up)]
    with server.running() as it:
        at = ["--protocol", server.protocol, "--port", str(it.port), "--pid", str(it.pid)]
        load = [generator, "bench", scenario.kind, *at, *scenario.arguments(asked.small), *window, "--json"]
        done = subprocess.run(load, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise servers.Failed(f"the measurement of {server.name} failed")
    return json.loads(done.stdout)


def show_growth(growth):
    """How the cost of a publish grows with patterns that do not match."""
    cost = next(figure for figure in figures.PUBSUB if figure.name == "CPU per publish")
    names = [name for name in growth[0][1] if all(name in reports for _, reports in growth)]
    print(f"\ncost of a publish, to that with {growth[0][0]:,} patterns\n  {'':<23}{columns(names)}")
    for count, reports in growth:
        ratios = [times(figures.ratio(cost, reports[name], growth[0][1][name])) for name in names]
        print(f"  {f'{count:,} patterns':<23}{columns(ratios)}")


if __name__ == "__main__":
    main()
