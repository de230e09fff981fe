"""A running `naru demo`."""

import re

from .naru import BINARY
from .resp import Wire
from .waiting import eventually


class Demo:
    """The demo, its addresses read from what it prints."""

    def __init__(self, programs, *arguments, env=None, by=()):
        self.program = programs.start("demo", [*by, BINARY, "demo", *arguments], env={**programs.temporary, **(env or {})})
        self.urls = self.program.wait_for(lambda it: self._addresses(it.output()), "no addresses are shown")
        self.broker_port = int(re.search(r"redis://127\.0\.0\.1:(\d+)", self.program.output())[1])

    @staticmethod
    def _addresses(output):
        urls = re.findall(r"server-[12] +(http://127\.0\.0\.1:\d+/)", output)
        return urls if len(urls) == 2 and "What crosses" in output else None

    def follows(self, user, servers):
        """Waits until so many servers follow what is said to a user by plain publish and subscribe."""
        channel = f"public:to:{user}"
        with Wire(self.broker_port) as wire:
            eventually(lambda: wire.call("PUBSUB", "NUMSUB", channel)[1] == servers, f"not {servers} follow {channel}")

    def shows(self, pattern):
        """Waits until the terminal shows a line like that."""
        return self.program.wait_for(lambda it: re.search(pattern, it.output()), f"no {pattern!r}")
