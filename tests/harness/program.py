"""Child processes with their output kept, ended by their own process ids."""

import os
import signal
import subprocess
from pathlib import Path

from .waiting import PATIENCE, eventually


class Program:
    """A running program. Its standard output and error go into one file each."""

    def __init__(self, name, command, folder, env=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.output_path = Path(folder) / f"{name}.out"
        self.log_path = Path(folder) / f"{name}.log"
        with open(self.output_path, "wb") as output, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=stdin,
                stdout=output,
                stderr=log,
            )

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.output_path.read_text(errors="replace")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_for(self, find, what, within=PATIENCE):
        """What `find` makes of the program; fails at once if the program ends before there is something."""

        def found():
            running = self.is_running()
            value = find(self)
            assert value or running, f"{self.name} ended with {self.process.returncode}: {self.log()}"
            return value

        return eventually(found, lambda: f"{self.name}: {what}\n{self.log()}", within)

    def exit_code(self, within=PATIENCE):
        """Waits for its end."""
        return self.process.wait(within)

    def terminate(self, within=PATIENCE):
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.exit_code(within)

    def kill(self):
        """SIGKILL: no last words."""
        self.process.kill()
        self.process.wait()

    def memory_bytes(self):
        """Resident memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def cpu_seconds(self):
        """Processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Programs:
    """Everything a test has started, so that nothing is left behind."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # For those that would leave something elsewhere when they are killed.
        self.temporary = {"TMPDIR": str(folder)}
        self.all = []

    def start(self, name, command, **options):
        count = sum(program.name.split(".")[0] == name for program in self.all)
        program = Program(f"{name}.{count + 1}" if count else name, command, self.folder, **options)
        self.all.append(program)
        return program

    def end(self):
        for program in self.all:
            if program.is_running():
                program.kill()

    def report(self):
        """What they said, for a test that failed."""
        for program in self.all:
            for stream, text in (("output", program.output()), ("log", program.log())):
                if text:
                    yield f"{program.name}: {stream}", text[-4000:]
