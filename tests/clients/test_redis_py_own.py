"""redis-py's own tests of its pub/sub and its stream commands, sync and asyncio, in both protocols."""

import itertools

import pytest

from clients.own_tests import Run, unpacked
from harness.naru import Naru
from harness.program import Programs

# Tests that fail, and why. One that passes fails the run.
NOT_PASSING: dict[str, str] = {}
# What the tests need around them, and get a stand-in for.
LACKING = {
    "FLUSHDB": "there is no FLUSHDB yet; the tests empty the database after each",
}
FORMS = {
    "sync": "tests/test_pubsub.py",
    "asyncio": "tests/test_asyncio/test_pubsub.py",
    "streams, sync": "tests/test_commands.py",
    "streams, asyncio": "tests/test_asyncio/test_commands.py",
}
# Which tests of a file, in the words of pytest -k.
CHOSEN = {it: "test_x" for it in FORMS if it.startswith("streams")}
RUNS = list(itertools.product(FORMS, (2, 3)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tell_listed):
    """All runs at once, each with a broker of its own: they wait more than they work."""
    tell_listed("redis-py", {**NOT_PASSING, **LACKING})
    programs = Programs(tmp_path_factory.mktemp("redis-py"))
    source = unpacked("redis", programs.folder)
    yield {
        (form, protocol): Run(
            programs,
            broker := Naru(programs).broker(),
            source,
            FORMS[form],
            # Without those for a cluster, and those that need no server.
            *("-m", "not onlycluster and not fixed_client"),
            *("-k", CHOSEN.get(form, "")),
            *("--protocol", protocol, "--redis-url", f"redis://localhost:{broker.port}/0"),
            settings="pyproject.toml",
            not_passing=NOT_PASSING,
            lacking=LACKING,
        )
        for form, protocol in RUNS
    }
    programs.end()


@pytest.mark.parametrize("form, protocol", RUNS, ids=[f"{form}, RESP{protocol}" for form, protocol in RUNS])
def test_its_own_tests_pass(runs, form, protocol):
    assert runs[form, protocol].passes()
