"""Random histories with faults: every answer, and the state at the end, is the model's, on Naru, Redis and Valkey."""

import os
import re

import pytest

from harness.naru import BINARY, HeldPort
from harness.redis_peer import start as start_redis
from harness.resp import Wire
from harness.stores import binary_of
from harness.waiting import eventually

# Well under a minute for both on a busy machine; `naru verify` runs any number by hand.
HISTORIES = int(os.environ.get("NARU_HISTORIES", "1000"))
SECONDS_MAX = 60 + HISTORIES


KINDS = [("naru", "Naru"), ("redis", "Redis 7"), ("valkey", "Valkey 9")]


def verified(programs, name, *options, histories=HISTORIES):
    verify = programs.start("verify", [BINARY, "verify", *options, "--histories", histories], env=programs.temporary)
    assert verify.exit_code(within=SECONDS_MAX) == 0, "a history fails"
    said = verify.output()
    assert said.startswith(name), said
    assert re.search(rf"^{histories} histories from seed \d+ on, \d+ operations: every answer", said, re.M), said


def program_of(kind):
    return "naru" if kind == "naru" else binary_of(kind)


@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.timeout(2 * SECONDS_MAX)
def test_every_answer_and_every_end_is_the_models(programs, kind, name):
    verified(programs, name, "--start", program_of(kind))


@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.timeout(2 * SECONDS_MAX)
def test_so_it_is_of_channels_that_keep_their_publications(programs, kind, name):
    verified(programs, name, "--start", program_of(kind), "--channels", histories=1 + HISTORIES // 10)


@pytest.mark.timeout(2 * SECONDS_MAX)
def test_each_step_is_in_one_slot_and_nothing_is_left_behind(programs):
    # A cluster of one refuses a script that leaves its slot.
    port = start_redis(programs, HeldPort(), "--cluster-enabled", "yes")
    with Wire(port) as wire:
        assert wire.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == b"OK"
        eventually(lambda: b"cluster_state:ok" in wire.call("CLUSTER", "INFO"), "the cluster does not begin")
        for what in ([], ["--channels"]):
            broker = ["--broker", f"redis://127.0.0.1:{port}"]
            verified(programs, "Redis 7", *broker, *what, histories=1 + HISTORIES // 10)
        assert wire.call("DBSIZE") == 0


@pytest.mark.timeout(2 * SECONDS_MAX)
def test_a_broker_of_narus_that_runs_is_left_as_it_is(programs, broker):
    with Wire(broker.port) as wire:
        bounds = wire.call("CONFIG", "GET", "ledger-*")
        sent = wire.call("NARU.SEND", "dm:alice:bob", "alice", "c1", "{}")
        verified(programs, "Naru", "--broker", f"redis://127.0.0.1:{broker.port}", histories=1 + HISTORIES // 10)
        assert wire.call("CONFIG", "GET", "ledger-*") == bounds
        assert wire.call("NARU.SEND", "dm:alice:bob", "alice", "c1", "{}")[:5] == [*sent[:4], 1]
