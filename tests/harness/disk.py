"""Disks that fail: one that can be filled up, and one that cannot write what it took."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1 << 20
# Room for the two first segments of Naru's log and the reserve, and for two segments more.
DISK_BYTES = 290 * MIB


@contextmanager
def small_disk(folder):
    """A file system of its own in `folder`."""
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class FailingSync:
    """What has one sync of a program fail, which is started with this environment."""

    def __init__(self, folder):
        library, self.wish = folder / "failing_sync.so", folder / "fail-sync"
        source = Path(__file__).with_name("failing_sync.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(library), "FAIL_SYNC": str(self.wish)}

    def fail_next(self):
        self.wish.touch()

    def has_failed(self):
        return not self.wish.exists()
