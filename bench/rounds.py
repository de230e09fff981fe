"""Servers that take turns at a scenario, and the tables of what came out."""

import json
import os
import platform
import sys

import figures
import servers

REPORT_LINE = "  {:<23}{}  {:<7}{}"


def begin(asked, there, missing, keep):
    """Says what is measured, and keeps it."""
    for server in there:
        print(f"{server.name:<8} {server.version}")
    for name in missing:
        print(f"{name:<8} is not installed, and left out")
    load = os.getloadavg()[0]
    print(f"machine  {os.cpu_count()} cores, load {load:.1f}, Linux {platform.release()}, loopback")
    print(f"network  {servers.congestion_control()} is the system's congestion control")
    print(f"rounds   {asked.rounds} of {asked.seconds:g} s after {asked.warm_up:g} s; server and load share the cores")
    keep.write(
        {
            "servers": {it.name: it.version for it in there},
            "cpus": os.cpu_count(),
            "load": round(load, 1),
            "congestion_control": servers.congestion_control(),
            "rounds": asked.rounds,
            "seconds": asked.seconds,
        }
    )


class Keep:
    """Where reports are kept, if anywhere."""

    def __init__(self, path):
        if path:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.file = open(path, "w", encoding="utf-8") if path else None

    def write(self, line):
        if self.file:
            print(json.dumps(line), file=self.file, flush=True)


def rounds(scenario, there, count, keep, measure):
    """The reports of each server, one a round, as `measure` makes them.

    A peer that fails is left out of the scenario; Naru may not fail.
    """
    reports = {server.name: [] for server in there}
    for number in range(count):
        begins = number % len(there)
        for server in there[begins:] + there[:begins]:
            if server.name not in reports:
                continue
            try:
                report = measure(server)
            except servers.Failed as failure:
                if server.name == "naru":
                    sys.exit(f"{scenario.name}: {failure}")
                print(f"{scenario.name}: left out: {failure}", file=sys.stderr)
                del reports[server.name]
                continue
            reports[server.name].append(report)
            keep.write({"server": server.name, "scenario": scenario.name, "round": number, "report": report})
    return reports


def show(scenario, reports, compared=("redis", "best")):
    """A table of the medians, and of the ratios to those in `compared`; the best is whichever peer was it in a round."""
    names = list(reports)
    print(f"\n{scenario.name}: {scenario.title}")
    heads = "".join(f"{f'naru/{name}':>13}" for name in compared)
    print(REPORT_LINE.format("", columns(names), "", heads))
    for figure in figures.of(scenario):
        values = [figure.text(figures.median(figure, reports[name])) for name in names]
        ratios = "".join(f"{times(ratio(figure, reports, name)):>13}" for name in compared)
        print(REPORT_LINE.format(figure.name, columns(values), figure.unit, ratios))


def ratio(figure, reports, name):
    if name != "best":
        return figures.ratio(figure, reports["naru"], reports.get(name, []))
    peers = [reports[peer] for peer in reports if peer not in ("naru", "floor")]
    return figures.ratio_to_best(figure, reports["naru"], peers) if figure.better and peers else None


def columns(texts):
    return "".join(f"{text:>12}" for text in texts)


def times(ratio):
    return "" if ratio is None else f"{ratio:.2f}"
