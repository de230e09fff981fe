"""redis-py's own tests of its pub/sub, and of what there is of its commands, sync and asyncio, in both protocols."""

import pytest

from clients.own_tests import Run, unpacked
from harness.naru import Naru
from harness.program import Programs

# How the tests begin that are about commands that are there.
OF_COMMANDS = """
    append blmove blmpop blpop brpop copy dbsize decr delete delitem echo empty_response exists expire get incr interrupted keys
    lindex linsert lists llen lmove lmpop lpop lpos lpush lrange lrem lset ltrim mget mset never_decode object pexpire psetex
    pttl randomkey rename rpop rpush scan set strlen substr ttl type unlink x
""".split()
# Tests that fail, and why. One that passes fails the run.
NOT_PASSING = {
    "pubsub": {},
    "commands": {
        "TestRedisCommands::test_get_set_bit": "there are no bitmaps",
        "TestRedisCommands::test_scan_type": "there are no sets",
        "TestRedisCommands::test_type": "there are no sets",
    },
}
# Only of the sync client.
NOT_PASSING_SYNC = {
    "TestRedisCommands::test_copy_to_another_database": "there is one data base",
    "TestRedisCommands::test_lists_with_byte_keys": "there is no LCS",
    "TestRedisCommands::test_lists_with_memoryview_keys": "there is no LCS",
}
FORMS = {"sync": "tests", "asyncio": "tests/test_asyncio"}
# In an order in which those that wait are beside those that work.
RUNS = [(subject, form, protocol) for form in FORMS for subject in NOT_PASSING for protocol in (2, 3)]
AT_ONCE = 4


def not_passing(subject, form):
    return NOT_PASSING[subject] | (NOT_PASSING_SYNC if (subject, form) == ("commands", "sync") else {})


def selected(subject):
    return ["-k", " or ".join(f"test_{word}" for word in OF_COMMANDS)] if subject == "commands" else []


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tell_listed):
    """Starts runs, each with a broker of its own: the one asked for, and those after it."""
    tell_listed("redis-py", {**NOT_PASSING["commands"], **NOT_PASSING_SYNC})
    programs = Programs(tmp_path_factory.mktemp("redis-py"))
    source = unpacked("redis", programs.folder)
    started = {}

    def start(subject, form, protocol):
        return Run(
            programs,
            broker := Naru(programs).broker(),
            source,
            f"{FORMS[form]}/test_{subject}.py",
            # Without those for a cluster, and those that need no server.
            *("-m", "not onlycluster and not fixed_client"),
            *("--protocol", protocol, "--redis-url", f"redis://localhost:{broker.port}/0"),
            # Where a test of theirs takes too long it would end the whole run.
            *("-p", "no:timeout"),
            *selected(subject),
            settings="pyproject.toml",
            not_passing=not_passing(subject, form),
        )

    def run(*wanted):
        at = RUNS.index(wanted)
        for it in RUNS[at : at + AT_ONCE]:
            if it not in started:
                started[it] = start(*it)
        return started[wanted]

    yield run
    programs.end()


@pytest.mark.parametrize("subject, form, protocol", RUNS, ids=[f"{it[0]}, {it[1]}, RESP{it[2]}" for it in RUNS])
def test_its_own_tests_pass(runs, subject, form, protocol):
    assert runs(subject, form, protocol).passes()
