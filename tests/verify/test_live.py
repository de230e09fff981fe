"""Live load through chat servers, while they and their broker are killed: nobody loses anything."""

import os
import re
from pathlib import Path

import pytest

from harness.naru import BINARY, SECRET
from harness.stores import EVERY, binary_of
from harness.waiting import eventually

# With what comes before and after, well under a minute for all on a busy machine; `naru verify --live` runs as long as wanted.
SECONDS = int(os.environ.get("NARU_LIVE_SECONDS", "6"))
# It connects, calms down, and waits for what is missing. All that takes ten seconds; on a machine that does much else, longer.
PATIENCE = 60
WITHIN = SECONDS + 2 * PATIENCE

RAN = re.compile(
    r"^seed (?P<seed>\d+): 24 people with (?P<devices>\d+) devices in \d+ conversations, \d+ of them rooms, [\d.]+ s: (?P<sends>\d+) sends, "
    r"(?P<acknowledged>\d+) acknowledged and \d+ as repeats, (?P<pushes>\d+) pushes, (?P<connections>\d+) connections, "
    r"\d+ answers lost, (?P<kills>\d+) kills, \d+ stops$",
    re.M,
)


def live(programs, *options):
    command = [BINARY, "verify", "--live", "--patience", f"{PATIENCE}s", *options]
    verify = programs.start("verify", command, env=programs.temporary)
    code = verify.exit_code(within=WITHIN)
    return code, verify.output()


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.timeout(2 * WITHIN)
def test_nobody_loses_anything_whatever_is_killed(programs, tmp_path, kind):
    start = kind if kind in ("naru", "embedded") else binary_of(kind)
    history = tmp_path / "history"
    code, said = live(programs, "--start", start, "--time", f"{SECONDS}s", "--history", history)
    assert code == 0, said
    ran = RAN.search(said)
    assert ran, said
    assert int(ran["kills"]) > 0 and int(ran["connections"]) > int(ran["devices"]), said
    assert int(ran["acknowledged"]) > 5 * SECONDS, "hardly anything was sent"
    assert "every device has everything" in said and "do not say what is unread" not in said

    # What was written can be checked again, without anything that runs, and a hole in it is found.
    assert checked(programs, history) == (0, said)
    lines = history.read_text().splitlines()
    pushes = [line for line in lines if '"event":"pushed"' in line and '"conversation":"dm:' in line and '"kind"' not in line]
    device, entry = re.search(r'"device":(\d+).*("entry":.*)', pushes[0]).groups()
    # It may have come to the device again.
    lost = {line for line in pushes if f'"device":{device},' in line and entry in line}
    history.write_text("".join(f"{line}\n" for line in lines if line not in lost))
    code, said = checked(programs, history)
    assert code == 1 and re.search(r"^(hole|not delivered|pushed out of order): ", said, re.M), said
    assert f"again: naru verify --live --start {start} --seed {ran['seed']}" in said


def checked(programs, history):
    check = programs.start("check", [BINARY, "verify", "--check", history])
    return check.exit_code(), check.output()


@pytest.mark.timeout(2 * WITHIN)
def test_servers_that_run_are_left_alone_and_take_ready_tokens(naru, programs, broker, tmp_path):
    servers = [naru.joined_server(broker, name=f"server-{number}") for number in (1, 2)]
    urls = ",".join(server.url for server in servers)
    code, said = live(programs, "--servers", urls, "--token-secret", SECRET, "--time", "2s", "--users", "5")
    assert code == 0 and "0 kills" in said, said

    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{user} {naru.token(user)}\n" for user in ("alice", "bob", "carol")))
    # The second run finds what the first has left.
    for _ in range(2):
        code, said = live(programs, "--servers", urls, "--tokens", tokens, "--time", "2s")
        assert code == 0 and "3 people" in said, said
    assert all(server.program.is_running() for server in servers)


def test_what_is_wrong_with_the_options_is_said(naru):
    for options, advice in [
        (["--live", "--servers", "ws://127.0.0.1:1"], "--token-secret"),
        (["--live", "--servers", "127.0.0.1:1", "--token-secret", "x"], "ws://host:port"),
        (["--live", "--start", "no-such-program"], "embedded, naru, or the path"),
        (["--check", "no-such-file"], "--check no-such-file: No such file"),
        (["--start", "embedded"], "goes with --live"),
    ]:
        done = naru.run("verify", *options)
        assert done.returncode == 1 and advice in done.stderr, done.stderr


def test_what_it_has_started_ends_with_it(programs):
    command = [BINARY, "verify", "--live", "--start", "naru", "--kill-every", "0s"]
    verify = programs.start("verify", command, env=programs.temporary)
    children = Path(f"/proc/{verify.pid}/task/{verify.pid}/children")
    eventually(lambda: len(children.read_text().split()) == 4, "there are a broker and three servers")
    started = [Path("/proc", child) for child in children.read_text().split()]
    verify.kill()
    eventually(lambda: not any(child.exists() for child in started), "they are still there")
