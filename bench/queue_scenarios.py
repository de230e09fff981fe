"""What is measured of queues: the load of each scenario, and the level of fsync, the same for every server."""

from dataclasses import dataclass

MILLION = 1_000_000

# Of --small: enough to see that a scenario runs.
SMALL = {"streams": 50, "entries": 5_000, "connections": 10, "rate": 100}
SMALL_SECONDS = {"quiet": 0.2, "settle": 0.3}


@dataclass(frozen=True)
class Scenario:
    """`load` are options of `naru bench queue KIND` by their names."""

    name: str
    title: str
    kind: str
    # When what is stored is acknowledged.
    fsync: str
    load: dict
    # The figures that matter most here, by their names in figures.py; the others are shown behind them.
    figures: tuple
    # More would take long, and tell little.
    rounds_max: int = 1_000

    @property
    def is_timed(self):
        """Whether it takes as long as one likes."""
        return self.kind in ("add", "beside")

    def arguments(self, small):
        load = self.load
        if small:
            load = {option: min(value, SMALL.get(option, value)) for option, value in load.items()}
            load |= {option: SMALL_SECONDS[option] for option in SMALL_SECONDS if option in load}
        return [word for option, value in load.items() for word in (f"--{option}", str(value))]


def add(in_flight):
    return {"connections": 50, "in-flight": in_flight, "streams": 10_000, "body": 200}


ADD = ("entries", "CPU per entry", "XADD p50", "XADD p99", "XADD p99.9", "written per queued byte")
WORK = ("entries", "CPU per entry")
PUBLISH = ("PUBLISH p50", "PUBLISH p99", "PUBLISH p99.9", "sent late at most", "entries")

SCENARIOS = [
    Scenario("add-always-1", "XADD, 50 connections, one in flight each", "add", "always", add(1), ADD),
    Scenario("add-always-16", "XADD, 50 connections, 16 in flight each", "add", "always", add(16), ADD),
    Scenario("add-everysec-16", "XADD, 50 connections, 16 in flight each", "add", "everysec", add(16), ADD),
    Scenario("add-no-16", "XADD, 50 connections, 16 in flight each", "add", "no", add(16), ADD),
    Scenario(
        "work-always",
        "XREADGROUP COUNT 10 and XACK by 10 consumers of one stream",
        "work",
        "always",
        {"consumers": 10, "count": 10, "entries": 300_000},
        WORK,
    ),
    Scenario(
        "work-everysec",
        "XREADGROUP COUNT 10 and XACK by 10 consumers of one stream",
        "work",
        "everysec",
        {"consumers": 10, "count": 10, "entries": MILLION},
        WORK,
    ),
    Scenario(
        "work-everysec-1",
        "XREADGROUP COUNT 1 and XACK by 10 consumers of one stream",
        "work",
        "everysec",
        {"consumers": 10, "count": 1, "entries": 200_000},
        WORK,
    ),
    Scenario(
        "memory-entries",
        "10 million entries of 200 bytes over 10,000 streams; killed and started again",
        "fill",
        "everysec",
        {"entries": 10 * MILLION, "streams": 10_000, "body": 200, "settle": 5},
        ("memory in all", "memory per entry", "ready again", "space on disk"),
        rounds_max=1,
    ),
    Scenario(
        "memory-streams",
        "one million streams of one entry of 200 bytes; killed and started again",
        "fill",
        "everysec",
        {"entries": MILLION, "streams": MILLION, "body": 200, "settle": 5},
        ("memory in all", "memory per stream", "ready again", "space on disk"),
        rounds_max=1,
    ),
    Scenario(
        "trim",
        "XTRIM of two million entries at once; two other clients at 500 requests a second each",
        "trim",
        "everysec",
        {"entries": 2 * MILLION, "body": 200, "rate": 500, "quiet": 2, "settle": 3},
        (
            "PUBLISH p99.9",
            "PUBLISH longest",
            "XADD p99.9",
            "XADD longest",
            "sent late at most",
            "space before",
            "space after",
        ),
        rounds_max=3,
    ),
    *(
        Scenario(
            f"beside-{fsync}",
            "PUBLISH at 1,000 a second to one subscriber, beside XADD with 20 entries kept in each stream",
            "beside",
            fsync,
            add(16) | {"maxlen": 20, "rate": 1_000, "quiet": 2},
            PUBLISH,
        )
        for fsync in ("always", "everysec")
    ),
]
