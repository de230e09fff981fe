#!/usr/bin/env python3
"""Naru's chat server against what else WebSocket clients connect to, under `naru bench gateway`, on this machine.

Each measurement has servers of its own, started for it and ended after it. The servers take turns, and who begins
changes from round to round. Printed are the medians over the rounds, and the medians of the rounds' ratios to each peer.
A peer that is not installed is named and left out; bench/peers.sh installs them.
"""

import json
import os
import subprocess
import sys

import gateway_scenarios
import gateway_servers
import options
import scenarios
import servers
from rounds import Keep, begin, rounds, show


def asked_for():
    parser = options.parser(__doc__)
    parser.add_argument("--bun", metavar="BINARY", help="[default: what bench/peers.sh installed]")
    parser.add_argument("--centrifugo", metavar="BINARY", help="[default: what bench/peers.sh installed]")
    parser.add_argument("--within", metavar="DIR", help="where folders are made [default: that for temporary files]")
    parser.add_argument("--quietly", metavar="PROGRAM", help="runs each measurement, with its words behind it")
    return parser.parse_args()


def main():
    asked = asked_for()
    if asked.list:
        for scenario in gateway_scenarios.SCENARIOS:
            print(f"{scenario.name:<24}{scenario.title}")
        return
    try:
        wanted = scenarios.named(asked.only, gateway_scenarios.SCENARIOS)
    except ValueError as unknown:
        sys.exit(str(unknown))
    servers.allow_files()
    there, missing = gateway_servers.found(asked)
    keep = Keep(asked.json)
    begin(asked, there, missing, keep)
    for scenario in wanted:
        those = [server for server in there if scenario.fits(server)]
        reports = rounds(scenario, those, asked.rounds, keep, lambda server: measure(scenario, server, asked))
        show(scenario, reports, compared=[server.name for server in those if server.name != "naru"])


def measure(scenario, server, asked):
    """Runs the load against fresh servers; its report."""
    generator = os.path.abspath(asked.generator or asked.naru)
    arguments = [*scenario.arguments(asked.small), *scenario.for_server(server, asked.small)]
    if scenario.kind != "resume":
        arguments += ["--seconds", str(asked.seconds)]
    if scenario.kind == "publish":
        arguments += ["--warm-up", str(asked.warm_up)]
    quietly = [asked.quietly] if asked.quietly else []
    with server.running(scenario.wants, asked.within, scenario.fsync) as it:
        load = [*quietly, generator, "bench", "gateway", scenario.kind, *it.arguments(), *arguments, "--json"]
        done = subprocess.run(load, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise servers.Failed(f"the measurement of {server.name} failed")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
