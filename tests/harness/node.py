"""A process that is given orders, one JSON line each, and tells what happens, one JSON line each; mostly one of Node."""

import json
import subprocess
import threading
import time

from .naru import ROOT
from .waiting import PATIENCE

NODE_FOLDER = ROOT / "tests/node"


class Refused(Exception):
    """An order that ended in an error."""

    def __init__(self, code, message, temporary=False):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.temporary = code, message, temporary


class Ordered:
    """Orders may come from several threads."""

    def __init__(self, programs, name, command, env=None):
        self.program = programs.start(name, command, env=env, stdin=subprocess.PIPE)
        # Guards what has happened, and rings when more has.
        self.changed = threading.Condition()
        self.orders, self.answers = 0, {}
        threading.Thread(target=self._read, daemon=True).start()

    def happened(self, event):
        """Notes something that is no answer."""

    def _read(self):
        partial = b""
        with open(self.program.output_path, "rb") as output:
            while piece := self._more(output):
                *lines, partial = (partial + piece).split(b"\n")
                with self.changed:
                    for line in map(json.loads, lines):
                        if "order" in line:
                            self.answers[line["order"]] = line
                        else:
                            self.happened(line)
                    self.changed.notify_all()

    def _more(self, output):
        """What is there, as soon as there is something; nothing at the program's end."""
        while not (piece := output.read(1 << 16)) and self.program.is_running():
            time.sleep(0.002)
        return piece

    def order(self, do, **what):
        """Gives an order; its number."""
        with self.changed:
            self.orders += 1
            line = {"order": self.orders, "do": do, **what}
            self.program.process.stdin.write(json.dumps(line).encode() + b"\n")
            self.program.process.stdin.flush()
            return self.orders

    def answer(self, order, within=PATIENCE):
        """Waits for what became of an order."""
        with self.changed:
            assert self.changed.wait_for(lambda: order in self.answers, within), f"no answer to order {order}"
            line = self.answers.pop(order)
        if "error" in line:
            raise Refused(**line["error"])
        return line["result"]


class NodeProgram(Ordered):
    """A script of tests/node."""

    def __init__(self, programs, script, env=None):
        assert (NODE_FOLDER / "node_modules").is_dir(), "run scripts/install-test-tools"
        super().__init__(programs, script.removesuffix(".mjs"), ["node", NODE_FOLDER / script], env)
