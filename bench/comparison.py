"""What pubsub.py kept, read back as medians and as ratios to Redis."""

import json
import statistics

import figures

# Scenarios that are compared by rates, in the order of the picture.
COMPARED = ["bulk", "wide", "single", "funnel", "channels", "large"]

# Scenario, figure, the unit it is shown in, and how many of the figure's unit that is.
ABSOLUTE = [
    ("large", "memory grown", "MiB", 1),
    ("idle", "memory per connection", "KiB", 1024),
    ("patterns-10000", "CPU per publish", "µs", 1),
]


class Comparison:
    def __init__(self, path):
        self.reports = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            kept = json.loads(line)
            if "servers" in kept:
                self.setting = kept
            else:
                at = self.reports.setdefault((kept["scenario"], kept["server"]), {})
                at[kept["round"]] = kept["report"]
        self.servers = {server for _, server in self.reports}

    def versions(self, names):
        versions = self.setting["servers"]
        return ", ".join(f"{name} {versions[server]}" for server, name in names.items() if server in self.servers)

    def has(self, scenario):
        return (scenario, "naru") in self.reports

    def median(self, scenario, figure, server):
        reports = self.reports.get((scenario, server))
        return figures.median(named(figure), reports.values()) if reports else None

    def ratio(self, scenario, figure, server):
        """The median over the rounds of a server's figure by Redis's; None if one of them is not there."""
        mine, redis = (self.reports.get((scenario, it), {}) for it in (server, "redis"))
        of = named(figure).of
        ratios = [of(mine[number]) / of(redis[number]) for number in mine if number in redis and of(redis[number])]
        return statistics.median(ratios) if ratios else None

    def ratio_max(self, figure, bound):
        """Where the scale of a figure ends: at the longest bar, and at `bound` at most."""
        ratios = [self.ratio(scenario, figure, server) for scenario in COMPARED for server in self.servers]
        return min(bound, max([1.0, *(it for it in ratios if it is not None)]))


def named(name):
    return next(it for it in figures.PUBSUB + figures.IDLE if it.name == name)
