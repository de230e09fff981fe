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
        return "" if value is None else f"{value:,.{self.decimals}f}"


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


def latencies(name, key, better=min):
    """The percentiles of the latency that a report has under `key`."""
    percentiles = [("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("longest", "max_us")]
    return [
        Figure(f"{name} {percentile}", "ms", 2, lambda it, field=field: it[key][field] / 1000, better)
        for percentile, field in percentiles
    ]


def sent_late(key):
    """What the load generator was late itself, at most."""
    return Figure("sent late at most", "ms", 2, lambda it: it[key]["sent_late_max_us"] / 1000, None)


# What all measurements of queues have.
USED = [
    Figure("CPU per entry", "µs", 2, lambda it: it["server_use"]["cpu_us_per_entry"]),
    Figure("memory grown", "MiB", 1, lambda it: grown(it["server_use"]) / MIB),
    Figure("server CPU", "cores", 2, lambda it: it["server_use"]["cores"], None),
    Figure("load generator CPU", "cores", 2, lambda it: it["generator_cores"], None),
]

WRITTEN = Figure("written per queued byte", "", 2, lambda it: it["written_per_queued_byte"])

ADD = [
    Figure("entries", "/s", 0, lambda it: it["entries_per_second"], max),
    *latencies("XADD", "latency"),
    WRITTEN,
    *USED,
]

WORK = [
    Figure("entries", "/s", 0, lambda it: it["entries_per_second"], max),
    *latencies("XREADGROUP", "read_latency"),
    *latencies("XACK", "acknowledge_latency"),
    *USED,
]

FILL = [
    Figure("memory in all", "MiB", 1, lambda it: it["server_use"]["resident_bytes"] / MIB),
    Figure("memory per entry", "bytes", 1, lambda it: it["resident_bytes_per_entry"]),
    Figure("memory per stream", "bytes", 0, lambda it: it["resident_bytes_per_stream"]),
    Figure("ready again", "s", 2, lambda it: it["ready_seconds"]),
    Figure("space on disk", "MiB", 1, lambda it: it["disk_bytes"] / MIB),
    WRITTEN,
    Figure("filled", "/s", 0, lambda it: it["filled_per_second"], max),
    *USED,
]

TRIM = [
    *latencies("PUBLISH", "publish_beside"),
    sent_late("publish_beside"),
    *latencies("XADD", "add_beside"),
    *latencies("quiet PUBLISH", "publish_quiet", None),
    *latencies("quiet XADD", "add_quiet", None),
    Figure("space before", "MiB", 1, lambda it: it["disk_bytes_before"] / MIB, None),
    Figure("space after", "MiB", 1, lambda it: it["disk_bytes_after"] / MIB),
    Figure("space returned after", "s", 1, lambda it: it["space_seconds"]),
    Figure("trimmed after", "s", 3, lambda it: it["trim_seconds"]),
    *USED,
]

BESIDE = [
    *latencies("PUBLISH", "publish_beside"),
    sent_late("publish_beside"),
    *latencies("quiet PUBLISH", "publish_quiet", None),
    *ADD,
]

RESUME = [
    Figure("all are back", "s", 2, lambda it: it["resumed_seconds"]),
    *latencies("back", "resume"),
    *latencies("live, quiet", "live_quiet", None),
    *latencies("live, meanwhile", "live_meanwhile"),
    Figure("live p99 by quiet", "", 2, lambda it: it["live_meanwhile"]["p99_us"] / it["live_quiet"]["p99_us"]),
    Figure("load generator CPU", "cores", 2, lambda it: it["generator_cores"], None),
]

BY_KIND = {
    "pubsub": PUBSUB,
    "publish": PUBSUB,
    "resume": RESUME,
    "idle": IDLE,
    "add": ADD,
    "work": WORK,
    "fill": FILL,
    "trim": TRIM,
    "beside": BESIDE,
}


def grown(use):
    """From before the first connection to the peak."""
    # The kernel counts in batches: a peak may read a little less than what was there at first.
    return max(0, use["peak_resident_bytes"] - use["start_resident_bytes"])


def of(scenario):
    """The figures of a scenario, those that matter most first."""
    figures = BY_KIND[scenario.kind]
    first = [next(it for it in figures if it.name == name) for name in scenario.figures]
    return first + [it for it in figures if it not in first]


def median(figure, reports):
    """None where it is not known, as the bytes that a disk has written without a disk."""
    known = [value for value in map(figure.of, reports) if value is not None]
    return statistics.median(known) if known else None


def ratio(figure, mine, theirs):
    """The median of the ratios of reports of the same rounds; None where there is nothing to compare with."""
    return ratio_of([(figure.of(it), figure.of(other)) for it, other in zip(mine, theirs)])


def ratio_to_best(figure, mine, peers):
    """As `ratio`, in each round to whoever of the peers was best in it. `peers` are lists of reports, one a round."""
    rounds = zip(mine, zip(*peers))
    known = [(figure.of(it), [value for value in map(figure.of, others) if value is not None]) for it, others in rounds]
    return ratio_of([(value, figure.better(others)) for value, others in known if others])


def ratio_of(pairs):
    ratios = [value / other for value, other in pairs if value is not None and other]
    return statistics.median(ratios) if ratios else None
