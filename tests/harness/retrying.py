"""Sends as a careful client does: again, with the same id, until it is answered."""

import threading

from .sdk import Refused
from .waiting import PATIENCE, eventually


class Sending(threading.Thread):
    """Sends numbered messages one after the other; what is refused for now is sent again under the same id."""

    def __init__(self, client, to, count, prefix="id"):
        super().__init__(daemon=True)
        self.client, self.to, self.count, self.prefix = client, to, count, prefix
        self.answers, self.refusals, self.failure = [], [], None
        self.start()

    def run(self):
        try:
            for number in range(self.count):
                self.answers.append(eventually(lambda: self._try(number), f"message {number} was never answered", 60))
        except Exception as failure:  # told to the thread that waits
            self.failure = failure

    def _try(self, number):
        try:
            return self.client.send(self.to, f"{self.prefix}-{number}", {"text": f"{self.prefix} {number}"})
        except Refused as refused:
            # Below 100: the SDK's own, such as a timeout or a connection that was lost.
            if not refused.temporary and (refused.code or 0) >= 100:
                raise
            self.refusals.append(refused)
            return None

    def texts(self):
        return [f"{self.prefix} {number}" for number in range(self.count)]

    def reach(self, count):
        """Waits until so many are answered."""
        eventually(lambda: self.failure or len(self.answers) >= count, lambda: f"only {len(self.answers)} answered", 3 * PATIENCE)
        assert not self.failure, self.failure

    def finish(self):
        """Waits until all are answered; their answers."""
        self.join(6 * PATIENCE)
        assert not self.failure, self.failure
        assert not self.is_alive(), f"only {len(self.answers)} of {self.count} answered"
        return self.answers
