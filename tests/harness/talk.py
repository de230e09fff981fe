"""Two who talk while something else happens."""

import statistics
import threading
import time


class Talk(threading.Thread):
    """One says something, the other hears it, and so on; how long each is under way."""

    def __init__(self, sender, reader, name):
        super().__init__(daemon=True)
        self.sender, self.reader, self.name_of_reader = sender, reader, name
        self.delays, self.failure, self.ended = [], None, threading.Event()
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                self._say()
        except Exception as failure:  # told to the thread that waits
            self.failure = failure

    def _say(self):
        began = time.monotonic()
        self.sender.send(self.name_of_reader, f"id-{began}", {"text": "."})
        self.reader.wait("publication")
        self.delays.append(time.monotonic() - began)
        self.reader.events.clear()
        self.sender.events.clear()

    def finish(self, within):
        """The median, the 99th percentile and the longest, in milliseconds."""
        self.ended.set()
        self.join(within)
        assert not self.failure, self.failure
        cuts = statistics.quantiles(self.delays, n=100, method="inclusive")
        return [round(1000 * it, 1) for it in (cuts[49], cuts[98], max(self.delays))]
