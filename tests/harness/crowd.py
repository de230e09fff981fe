"""Thousands of people, in one process of their own (crowd_program.py): no SDK, but the words it says."""

import json
import resource
import sys
from pathlib import Path

from .naru import SECRET
from .node import Ordered
from .waiting import PATIENCE

PROGRAM = Path(__file__).with_name("crowd_program.py")


def with_files_for(count):
    """So many, for whom this process and those it starts may have as many files as they can be given."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    assert most > count + 500, f"{count} people take more files than {most}: see ulimit -Hn, or set NARU_CROWD"
    return count


class Crowd(Ordered):
    """People who do the same at the same time. With `channels` they follow these instead of their inboxes: each one of so many
    (`PREFIX:0` and on), and one that nobody else does (`PREFIX:of-0`)."""

    def __init__(self, programs, prefix, count, channels=0):
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self.channels = [f"{prefix}:{number}" for number in range(channels)]
        if channels:
            self.channels += [f"{prefix}:of-{number}" for number in range(count)]
        start = json.dumps({"secret": SECRET, "prefix": prefix, "count": count, "channels": channels})
        super().__init__(programs, "crowd", [sys.executable, PROGRAM, start])

    def come(self, servers, within=PATIENCE):
        """All at once, in turns to these servers, with the position they have. The order; `all_in` waits for them."""
        return self.order("come", ports=[server.port for server in servers], within=within)

    def all_in(self, order, within=PATIENCE):
        """How many seconds it took until the last was in, and how many attempts."""
        came = self._answer(order, within)
        assert came["in"] == len(self.names), f"{came['in']} of {len(self.names)} are in: {came}"
        return came["seconds"], came["attempts"]

    def lose(self, within=PATIENCE):
        """Until everybody's connection is gone."""
        lost = self._answer(self.order("lose", within=within), within)
        assert not lost["in"], lost

    def get(self, texts, within=PATIENCE):
        """Until everybody has had these texts; not one twice, or in another order."""
        got = self._answer(self.order("get", texts=texts, within=within), within)
        assert not got["count"], f"{got['count']} have had something else, such as {got['wrong']}"

    def _answer(self, order, within):
        answer = self.answer(order, within + PATIENCE)
        assert not answer["failures"], answer["failures"]
        return answer
