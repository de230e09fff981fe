"""Runs tests that a client library ships in its source distribution, unmodified, against a broker.

scripts/install-test-tools fetches the distribution in the version of tests/requirements.txt. The tests run in a pytest of
their own, with own_tests_plugin.py, since they bring their own options, fixtures and plugins.
"""

import json
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from harness.naru import ROOT

SOURCES = ROOT / "target/test-env/sources"
# Most of it is spent waiting, in the tests themselves.
RUN_SECONDS_MAX = 240.0


def unpacked(package, folder, library=None):
    """The tests of the installed version of a package, and what configures them, unpacked into a folder of their own.
    `library` is the folder of the library itself, if it is not called as the package is."""
    archive = SOURCES / f"{package}-{version(package)}.tar.gz"
    assert archive.exists(), f"{archive} is missing: run scripts/install-test-tools"
    with tarfile.open(archive) as tar:
        # Not the library: it is the installed one that is tested.
        wanted = [it for it in tar.getmembers() if not it.name.split("/", 1)[-1].startswith(f"{library or package}/")]
        tar.extractall(folder, wanted, filter="data")
    return next(Path(folder).glob(f"{package}-*"))


class Run:
    """A run under way."""

    def __init__(self, programs, broker, source, tests, *options, settings, not_passing):
        told = {"url": f"redis://localhost:{broker.port}/0", "not passing": not_passing}
        self.program = programs.start(
            "own-tests",
            [sys.executable, "-m", "pytest", source / tests, "-c", source / settings, "--rootdir", source]
            + ["-p", "own_tests_plugin", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings="]
            + ["-q", "--tb=short", "-rfExX", *options],
            env={"PYTHONPATH": str(Path(__file__).parent), "NARU_OWN_TESTS": json.dumps(told)},
        )

    def passes(self):
        """Waits for the end; fails unless all passed that should, and none that should not."""
        code = self.program.exit_code(RUN_SECONDS_MAX)
        said = self.program.output() + self.program.log()
        unlisted = "\nA test that is listed as not passing passes: remove it from the list.\n" * ("[XPASS(strict)]" in said)
        assert code == 0, f"{unlisted}{said[-20_000:]}{unlisted}"
        print(said)
        return next(line for line in reversed(said.splitlines()) if " passed" in line)
