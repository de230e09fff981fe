"""What gateway.py measures: the load of each scenario, the same for every server."""

from dataclasses import dataclass

from gateway_servers import KEPT
from scenarios import SMALL, Scenario, fan_out

SMALL_HERE = SMALL | {"connections": 50, "subscribers": 10, "at-once": 20, "quiet": 1}


@dataclass(frozen=True)
class Gateway(Scenario):
    """`wants` is what servers it needs: "one", "two" with a broker that stores, or "kept" messages on one."""

    kind: str = "publish"
    wants: str = "one"
    # Of "two": what an acknowledged message survives. `always` is the end of the machine, `everysec` that of the process.
    fsync: str = "always"
    # Servers that speak the Centrifuge client protocol only, in Protobuf.
    protobuf: bool = False

    def arguments(self, small):
        load = {option: min(count, SMALL_HERE.get(option, count)) for option, count in self.load.items()} if small else self.load
        return [word for option, count in load.items() for word in (f"--{option}", str(count))]

    def for_server(self, server, small):
        """What only this server is told: Naru sends to people, the others to a channel for each of them."""
        words = ["--encoding", "protobuf"] if self.protobuf else []
        if self.wants == "two":
            # Subscribers are on the one, publishers on the other.
            count = min(self.load["subscribers"], SMALL_HERE["subscribers"]) if small else self.load["subscribers"]
            channels = ["--namespace", KEPT, "--channels", str(count)]
            # Else an answer waits until it is on the disk, whatever the broker does by itself.
            level = ["--level", "memory"] if self.fsync != "always" else []
            people = {"naru": ["--to", "people", *level], "centrifugo": channels}
            words += people[server.name]
        if self.wants == "kept" and server.name == "centrifugo":
            words += ["--of", "channels", "--kept-namespace", KEPT]
        return words

    def fits(self, server):
        return self.wants in server.can and (not self.protobuf or server.name in ("naru", "centrifugo"))


def direct(fsync):
    """Both servers keep the same promise: they are never compared at different levels."""
    name, when = ("direct", "on disk") if fsync == "always" else (f"direct-{fsync}", "on disk within a second")
    load = {"subscribers": 100, "publishers": 16, "in_flight": 8}
    title = f"messages to 100 people, {when}, from another server: 16 senders, 8 in flight each"
    steady = f"messages to 100 people, {when}, 2,000 a second, latency from when each was due"
    figures = ("deliveries", "latency p99")
    return [
        Gateway(name, title, fan_out(**load), wants="two", figures=figures, fsync=fsync),
        Gateway(f"{name}-steady", steady, fan_out(**load, rate=2000), wants="two", figures=figures, fsync=fsync),
    ]


LOADS = [
    ("bulk", "100 subscribers, 4 publishers, 32 in flight each", fan_out(100, 4, 32), ("deliveries", "CPU per delivery")),
    ("wide", "1,000 subscribers, 1 publisher, 16 in flight", fan_out(1000, 1, 16), ("deliveries", "CPU per delivery")),
    (
        "single",
        "100 subscribers, one publish at a time",
        fan_out(100, 1, 1),
        ("CPU per delivery", "latency p50", "deliveries"),
    ),
]

SCENARIOS = [
    *(Gateway(name, title, load, figures=figures) for name, title, load, figures in LOADS),
    *(Gateway(f"{name}-protobuf", f"{title}, Protobuf", load, figures=figures, protobuf=True) for name, title, load, figures in LOADS),
    Gateway(
        "idle", "10,000 idle connections", {"connections": 10_000}, kind="idle", figures=("memory per connection",)
    ),
    *direct("always"),
    *direct("everysec"),
    Gateway(
        "resume",
        "10,000 connections come back for one message each, beside 100 messages a second to 100 subscribers",
        fan_out(100, 4, 32, rate=100, connections=10_000, at_once=1_000),
        kind="resume",
        wants="kept",
        figures=("all are back", "live p99 by quiet"),
    ),
]
