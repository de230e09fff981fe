"""Random histories with faults: every answer, and the state at the end, is the model's, on Redis and on Valkey."""

import os
import re

import pytest

from harness.naru import BINARY, HeldPort
from harness.redis_peer import start as start_redis
from harness.resp import Wire
from harness.stores import binary_of
from harness.waiting import eventually

# Well under a minute for both on a busy machine; `naru verify` runs any number by hand.
HISTORIES = int(os.environ.get("NARU_HISTORIES", "300"))
SECONDS_MAX = 60 + HISTORIES


def verified(programs, name, *options, histories=HISTORIES):
    verify = programs.start("verify", [BINARY, "verify", *options, "--histories", histories])
    assert verify.exit_code(within=SECONDS_MAX) == 0, "a history fails"
    said = verify.output()
    assert said.startswith(name), said
    assert re.search(rf"^{histories} histories from seed \d+ on, \d+ operations: every answer", said, re.M), said


@pytest.mark.parametrize(("kind", "name"), [("redis", "Redis 7"), ("valkey", "Valkey 9")])
@pytest.mark.timeout(2 * SECONDS_MAX)
def test_every_answer_and_every_end_is_the_models(programs, kind, name):
    verified(programs, name, "--start", binary_of(kind))


@pytest.mark.timeout(2 * SECONDS_MAX)
def test_each_step_is_in_one_slot_and_nothing_is_left_behind(programs):
    # A cluster of one refuses a script that leaves its slot.
    port = start_redis(programs, HeldPort(), "--cluster-enabled", "yes")
    with Wire(port) as wire:
        assert wire.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == b"OK"
        eventually(lambda: b"cluster_state:ok" in wire.call("CLUSTER", "INFO"), "the cluster does not begin")
        verified(programs, "Redis 7", "--broker", f"redis://127.0.0.1:{port}", histories=1 + HISTORIES // 10)
        assert wire.call("DBSIZE") == 0
