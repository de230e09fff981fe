"""A disk that can be filled up."""

import os
import subprocess
from contextlib import contextmanager

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
