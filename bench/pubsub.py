#!/usr/bin/env python3
"""Naru's broker against Redis, Valkey and NATS under `naru bench`, one after the other, on this machine.

Each measurement has a server of its own, started for it and ended after it. The servers take turns, and who begins
changes from round to round. Printed are the medians over the rounds, and the medians of the rounds' ratios: to Redis,
and to whichever peer was best. A peer that is not installed is named and left out; bench/peers.sh installs them.
"""

import json
import os
import subprocess
import sys

import figures
import options
import scenarios
import servers
from rounds import Keep, begin, columns, rounds, show, times


def asked_for():
    parser = options.parser(__doc__)
    parser.add_argument("--nats", default="nats-server", metavar="BINARY", help="[default: nats-server]")
    parser.add_argument("--floor", metavar="BINARY", help="also measure this: crates/fanout/examples/floor.rs, built")
    return parser.parse_args()


def main():
    asked = asked_for()
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
