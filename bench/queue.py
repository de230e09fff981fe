#!/usr/bin/env python3
"""Naru's broker against Redis and Valkey as queues that last, under `naru bench queue`, on this machine.

Each measurement has a server of its own, in a fresh folder, started for it and ended after it, at the same level of
fsync. The servers take turns, and who begins changes from round to round. Printed are the medians over the rounds, and
the medians of the rounds' ratios. A peer that is not installed is named and left out; bench/peers.sh installs them.
"""

import json
import os
import subprocess
import sys
import tempfile

import options
import queue_scenarios
import scenarios
import servers
from rounds import Keep, begin, rounds, show


def asked_for():
    parser = options.parser(__doc__)
    parser.add_argument("--within", metavar="DIR", help="where folders are made, on a disk [default: that for temporary files]")
    return parser.parse_args()


def main():
    asked = asked_for()
    if asked.list:
        for scenario in queue_scenarios.SCENARIOS:
            print(f"{scenario.name:<17}{scenario.fsync:<10}{scenario.title}")
        return
    try:
        wanted = scenarios.named(asked.only, queue_scenarios.SCENARIOS)
    except ValueError as unknown:
        sys.exit(str(unknown))
    asked.within = os.path.abspath(asked.within or tempfile.gettempdir())
    if not servers.is_on_disk(asked.within):
        sys.exit(f"{asked.within} is in memory, where fsync costs nothing: give a folder on a disk with --within")
    servers.allow_files()
    there, missing = servers.found(asked, stored=True)
    keep = Keep(asked.json)
    begin(asked, there, missing, keep)
    for scenario in wanted:
        count = min(asked.rounds, scenario.rounds_max)
        reports = rounds(scenario, there, count, keep, lambda server: measure(scenario, server, asked))
        show(scenario, reports, compared=("redis", "valkey"))


def measure(scenario, server, asked):
    """Runs the load against a fresh server; its report."""
    generator = os.path.abspath(asked.generator or asked.naru)
    arguments = scenario.arguments(asked.small)
    if scenario.is_timed:
        arguments += ["--seconds", str(asked.seconds), "--warm-up", str(asked.warm_up)]
    if scenario.kind == "trim" and not isinstance(server, servers.Naru):
        arguments.append("--rewrite")
    with server.running(scenario.fsync, asked.within) as it:
        at = ["--port", str(it.port), "--pid", str(it.pid), "--folder", it.folder]
        load = [generator, "bench", "queue", scenario.kind, *at, *arguments, "--json"]
        done = subprocess.run(load, stdout=subprocess.PIPE)
        if done.returncode != 0:
            raise servers.Failed(f"the measurement of {server.name} failed")
        report = json.loads(done.stdout)
        if scenario.kind == "fill":
            report["ready_seconds"] = ready_again(it, report)
    return report


def ready_again(server, filled):
    """Kills the server and starts it again: the seconds until it answers, with all that it had acknowledged."""
    seconds = server.restart()
    held = server.entries(filled["stream_prefix"], filled["streams"])
    if held != filled["entries"]:
        raise servers.Failed(f"{server.server.name} holds {held} of {filled['entries']} entries after it was killed")
    return seconds


if __name__ == "__main__":
    main()
