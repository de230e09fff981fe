"""What is listed as not passing is told at the end of every run, with its reason."""

import pytest

LISTED = pytest.StashKey()


@pytest.fixture(scope="session")
def tell_listed(request):
    """Notes what a client's test lacks."""
    listed = request.config.stash.setdefault(LISTED, {})
    return lambda client, reasons: listed.setdefault(client, reasons)


def pytest_terminal_summary(terminalreporter, config):
    for client, reasons in config.stash.get(LISTED, {}).items():
        for name, reason in reasons.items():
            terminalreporter.line(f"not passing: {client}: {name}: {reason}")
