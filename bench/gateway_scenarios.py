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
            people = {"naru": ["--to", "people"], "centrifugo": channels}
            words += people[server.name]
        if self.wants == "kept" and server.name == "centrifugo":
            words += ["--of", "channels", "--kept-namespace", KEPT]
        return words

    def fits(self, server):
        return self.wants in server.can and (not self.protobuf or server.name in ("naru", "centrifugo"))


def direct(name, title, **load):
    return Gateway(name, title, fan_out(**load), wants="two", figures=("deliveries", "latency p99"))


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
    direct(
        "direct",
        "messages to 100 people, stored, from another server: 16 senders, 8 in flight each",
        subscribers=100,
        publishers=16,
        in_flight=8,
    ),
    direct(
        "direct-steady",
        "the same, 2,000 messages a second, latency from when each was due",
        subscribers=100,
        publishers=16,
        in_flight=8,
        rate=2000,
    ),
    Gateway(
        "resume",
        "10,000 connections come back for one message each, beside 100 messages a second to 100 subscribers",
        fan_out(100, 4, 32, rate=100, connections=10_000, at_once=1_000),
        kind="resume",
        wants="kept",
        figures=("all are back", "live p99 by quiet"),
    ),
]
