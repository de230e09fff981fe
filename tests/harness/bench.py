"""Runs the programs of bench/."""

import subprocess
import sys

from .naru import ROOT
from .waiting import PATIENCE

BENCH = ROOT / "bench"
SMALL = ["--small", "--rounds", "1", "--seconds", "0.15", "--warm-up", "0.05"]


def run(program, *arguments, within=PATIENCE):
    return subprocess.run(
        [sys.executable, BENCH / program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
    )
