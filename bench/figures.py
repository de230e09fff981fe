"""What is read out of reports, and how it is compared: medians over the rounds, and medians of the rounds' ratios."""

import statistics
from dataclasses import dataclass
from typing import Callable

MIB = 2**20


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    decimals: int
    of: Callable
    # Which of two servers is better at it: the one with more, the one with less, or neither.
    better: Callable | None = min

    def text(self, value):
        return f"{value:,.{self.decimals}f}"


PUBSUB = [
    Figure("deliveries", "/s", 0, lambda it: it["deliveries_per_second"], max),
    Figure("publishes", "/s", 0, lambda it: it["publishes_per_second"], max),
    Figure("CPU per delivery", "µs", 3, lambda it: it["server_use"]["cpu_us_per_delivery"]),
    Figure("CPU per publish", "µs", 2, lambda it: it["server_use"]["cpu_us_per_publish"]),
    Figure("latency p50", "µs", 0, lambda it: it["latency"]["p50_us"]),
    Figure("latency p99", "µs", 0, lambda it: it["latency"]["p99_us"]),
    Figure("latency p99.9", "µs", 0, lambda it: it["latency"]["p999_us"]),
    Figure("memory grown", "MiB", 1, lambda it: grown(it["server_use"]) / MIB),
    Figure("server CPU", "cores", 2, lambda it: it["server_use"]["cores"], None),
    Figure("load generator CPU", "cores", 2, lambda it: it["generator_cores"], None),
]

IDLE = [
    Figure("memory per connection", "bytes", 0, lambda it: it["resident_bytes_per_connection"]),
    Figure("memory in all", "MiB", 1, lambda it: it["resident_bytes"] / MIB),
    Figure("connects", "/s", 0, lambda it: it["connects_per_second"], max),
    Figure("CPU while idle", "cores", 3, lambda it: it["idle_cores"], None),
]


def grown(use):
    """From before the first connection to the peak."""
    # The kernel counts in batches: a peak may read a little less than what was there at first.
    return max(0, use["peak_resident_bytes"] - use["start_resident_bytes"])


def of(scenario):
    """The figures of a scenario, those that matter most first."""
    figures = IDLE if scenario.kind == "idle" else PUBSUB
    first = [next(it for it in figures if it.name == name) for name in scenario.figures]
    return first + [it for it in figures if it not in first]


def median(figure, reports):
    return statistics.median(figure.of(it) for it in reports)


def ratio(figure, mine, theirs):
    """The median of the ratios of reports of the same rounds; None where there is nothing to compare with."""
    ratios = [figure.of(it) / figure.of(other) for it, other in zip(mine, theirs) if figure.of(other)]
    return statistics.median(ratios) if ratios else None


def ratio_to_best(figure, mine, peers):
    """As `ratio`, in each round to whoever of the peers was best in it. `peers` are lists of reports, one a round."""
    best = [figure.better(figure.of(it) for it in same_round) for same_round in zip(*peers)]
    ratios = [figure.of(it) / theirs for it, theirs in zip(mine, best) if theirs]
    return statistics.median(ratios) if ratios else None
