"""Fixtures of all suites: a place for each test's programs, and Naru."""

import signal

import pytest

from harness.naru import BINARY, Naru
from harness.program import Programs


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: cargo build --release, or name another with NARU_BIN", returncode=2)
    # What is started heeds it, also where this itself was started by `nohup`.
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    for programs in getattr(item, "programs", []):
        if report.failed:
            for name, text in programs.report():
                report.sections.append((name, text))
    return report


@pytest.fixture
def programs(request, tmp_path):
    """Starts programs, and ends them after the test."""
    programs = Programs(tmp_path)
    request.node.programs = [*getattr(request.node, "programs", []), programs]
    yield programs
    programs.end()


@pytest.fixture
def naru(programs):
    return Naru(programs)


@pytest.fixture
def broker(naru):
    """A broker that keeps everything in memory."""
    return naru.broker()


@pytest.fixture
def durable_broker(naru, tmp_path):
    """A broker that stores on disk."""
    return naru.broker(data=tmp_path / "data")
