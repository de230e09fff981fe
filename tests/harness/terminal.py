"""A program at a pseudo-terminal, typed to and read like by a person."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from .waiting import PATIENCE


class Terminal:
    """A program that believes to speak with a person."""

    def __init__(self, command):
        command = [str(word) for word in command]
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(command[0], command)
        # Without a size, programs ask the terminal where its cursor is, and wait for the answer.
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.screen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)

    def enter(self, line):
        """Types a line and presses Enter."""
        os.write(self.descriptor, line.encode() + b"\r")

    def shows(self, pattern):
        """Waits until the screen, without its control sequences, matches; forgets what it showed up to there."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.screen)):
            assert time.monotonic() < deadline, f"{pattern!r} is not in {self.screen!r}"
            if select.select([self.descriptor], [], [], 0.2)[0]:
                text = os.read(self.descriptor, 65536).decode(errors="replace")
                self.screen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
        shown, self.screen = self.screen[: match.end()], self.screen[match.end() :]
        return shown
