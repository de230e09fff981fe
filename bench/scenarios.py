"""What is measured: the load of each scenario, the same for every server."""

from dataclasses import dataclass

# Of --small: enough to see that a scenario runs.
SMALL = {"subscribers": 10, "channels": 10, "patterns": 100, "payload": 65536, "connections": 100, "rate": 100}


@dataclass(frozen=True)
class Scenario:
    """`load` are options of `naru bench KIND` by their names."""

    name: str
    title: str
    load: dict
    kind: str = "pubsub"
    # The figures that matter most here, by their names in figures.py; the others are shown behind them.
    figures: tuple = ("deliveries", "CPU per delivery")

    def arguments(self, small):
        load = {option: min(count, SMALL.get(option, count)) for option, count in self.load.items()} if small else self.load
        return [word for option, count in load.items() for word in (f"--{option}", str(count))]


def fan_out(subscribers, publishers, in_flight, **others):
    load = {"subscribers": subscribers, "publishers": publishers, "in-flight": in_flight, "payload": 64}
    return load | {option.replace("_", "-"): count for option, count in others.items()}


SCENARIOS = [
    Scenario("bulk", "100 subscribers, 4 publishers, 32 in flight each", fan_out(100, 4, 32)),
    Scenario("wide", "1,000 subscribers, 1 publisher, 16 in flight", fan_out(1000, 1, 16)),
    Scenario(
        "single",
        "100 subscribers, one publish at a time",
        fan_out(100, 1, 1),
        figures=("deliveries", "CPU per delivery", "latency p50"),
    ),
    Scenario(
        "steady",
        "100 subscribers, 200 publishes a second, latency from when each was due",
        fan_out(100, 4, 32, rate=200),
        figures=("CPU per delivery", "latency p50", "latency p99"),
    ),
    Scenario("funnel", "1 subscriber, 8 publishers, 64 in flight each", fan_out(1, 8, 64)),
    Scenario("channels", "64 channels of one subscriber, 8 publishers, 32 in flight each", fan_out(64, 8, 32, channels=64)),
    *(
        Scenario(
            f"patterns-{count}",
            f"{count:,} patterns that do not match, 1 subscriber, 1 publisher, 16 in flight",
            fan_out(1, 1, 16, patterns=count),
            figures=("CPU per publish", "publishes"),
        )
        for count in (0, 100, 1_000, 10_000)
    ),
    Scenario(
        "large",
        "1 MiB to 100 subscribers, 1 publisher, 4 in flight",
        fan_out(100, 1, 4, lag_max=4, payload=2**20),
        figures=("deliveries", "CPU per delivery", "memory grown"),
    ),
    Scenario(
        "idle",
        "10,000 idle connections",
        {"connections": 10_000},
        kind="idle",
        figures=("memory per connection",),
    ),
]


def named(names, there):
    """Those of the scenarios with one of these names, or with a name that begins with one and a hyphen."""
    unknown = [name for name in names if not any(matches(it, name) for it in there)]
    if unknown:
        raise ValueError(f"no scenario {', '.join(unknown)}; there are {', '.join(it.name for it in there)}")
    return [it for it in there if not names or any(matches(it, name) for name in names)]


def matches(scenario, name):
    return scenario.name == name or scenario.name.startswith(f"{name}-")
