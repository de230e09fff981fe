"""INFO: the fields that monitoring tools read, and that they count what happens."""

import re

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire
from harness.waiting import eventually


@pytest.fixture
def admin(broker):
    with Wire(broker.port) as wire:
        yield wire


def sections(text):
    """Names of sections, and their fields, in order."""
    found = []
    for line in text.decode().split("\r\n"):
        if line.startswith("# "):
            found.append((line[2:], []))
        elif line:
            found[-1][1].append(line.split(":", 1)[0])
    return found


def fields(wire, *names):
    lines = wire.call("INFO", *names).decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def command_stats(wire, name):
    stats = fields(wire, "commandstats").get(f"cmdstat_{name}")
    return stats and dict(part.split("=") for part in stats.split(","))


@pytest.mark.parametrize("names", [(), ("default",), ("all",), ("everything",), ("nonsense",), ("CPU", "server"), ("default", "commandstats")])
def test_sections_are_those_of_redis_in_its_order(admin, programs, names):
    with Wire(redis_peer.start(programs, HeldPort())) as redis:
        theirs, ours = (dict(sections(wire.call("INFO", *names))) for wire in (redis, admin))
    if names in (("all",), ("everything",)):
        # Redis has none unless there are modules, and counts them as everything's.
        ours.pop("Modules"), theirs.pop("Modules", None)
    # Naru's own.
    ours.pop("Ledger", None)
    ours.pop("Channels", None)
    assert list(ours) == list(theirs)
    for name in set(ours) - {"Commandstats", "Errorstats", "Latencystats"}:
        shared = [field for field in ours[name] if field in theirs[name]]
        assert shared == [field for field in theirs[name] if field in ours[name]], name


def test_commands_are_counted_by_name_and_how_they_ended(broker, admin):
    with Wire(broker.port) as wire:
        for _ in range(3):
            wire.call("PING")
        wire.call("CLIENT", "ID")
        for refused in (["ECHO"], ["SELECT", "99"], ["NONSENSE"], ["CLIENT", "NONSENSE"], ["XLEN"]):
            wire.send(*refused)
            assert wire.frame().startswith(b"-ERR")
    assert command_stats(admin, "ping")["calls"] == "3"
    assert command_stats(admin, "client|id")["calls"] == "1"
    assert command_stats(admin, "client") is None
    echo, select = command_stats(admin, "echo"), command_stats(admin, "select")
    assert (echo["calls"], echo["rejected_calls"], echo["failed_calls"]) == ("0", "1", "0")
    assert (select["calls"], select["rejected_calls"], select["failed_calls"]) == ("1", "0", "1")
    assert fields(admin, "errorstats") == {"errorstat_ERR": "count=5"}
    assert fields(admin, "stats")["total_error_replies"] == "5"


def test_percentiles_of_times_read_as_in_redis_and_rise(admin, programs):
    line = re.compile(r"p50=(\d+\.\d{3}),p99=(\d+\.\d{3}),p99.9=(\d+\.\d{3})")
    with Wire(redis_peer.start(programs, HeldPort())) as redis:
        for wire in (redis, admin):
            for _ in range(100):
                wire.call("PING")
            wire.call("CONFIG", "GET", "x")
            stats = fields(wire, "latencystats")
            assert {"latency_percentiles_usec_ping", "latency_percentiles_usec_config|get"} <= set(stats)
            for times in stats.values():
                half, most, nearly_all = map(float, line.fullmatch(times).groups())
                assert 0 < half <= most <= nearly_all < 10_000_000


def test_memory_of_a_stream_grows_with_it(admin):
    def usage(*words):
        return admin.call("MEMORY", "USAGE", *words)

    admin.call("XADD", "s", "1-1", "f", b"x" * 100_000)
    # What is on disk is not counted.
    assert 100 < usage("s") < 1000
    for number in range(2, 1002):
        admin.call("XADD", "s", f"{number}-1", "f", "x")
    assert 28_000 < usage("s") == usage("s", "SAMPLES", "0") < 40_000
    admin.call("RPUSH", "l", *["short"] * 1000)
    assert 16_000 < usage("l") < 24_000
    admin.call("SET", "t", "x" * 5000)
    assert 5000 < usage("t") < 5500
    admin.call("DEL", "l", "t")
    stats = admin.call("MEMORY", "STATS")
    stats = dict(zip(stats[::2], stats[1::2]))
    assert stats[b"keys.count"] == 1 and stats[b"peak.allocated"] >= stats[b"total.allocated"] > 1 << 20
    assert b"nothing to diagnose" in admin.call("MEMORY", "DOCTOR")


def test_errors_of_the_store_are_counted_by_their_first_word(admin):
    admin.send("XADD", "s", "0-0", "f", "v")
    assert admin.frame().startswith(b"-ERR")
    admin.send("NARU.SEND", "dm:alice", "alice", "m1", "{}")
    assert admin.frame().startswith(b"-INVALID")
    assert fields(admin, "errorstats") == {"errorstat_ERR": "count=1", "errorstat_INVALID": "count=1"}


def test_counts_start_again_after_config_resetstat(admin):
    for _ in range(5):
        admin.call("PING")
    admin.send("NONSENSE")
    admin.frame()
    assert admin.call("CONFIG", "RESETSTAT") == b"OK"
    assert command_stats(admin, "ping") is None
    assert fields(admin, "errorstats") == {}
    # The reset itself, and two INFOs.
    assert fields(admin, "stats")["total_commands_processed"] == "3"


def test_bytes_clients_channels_and_keys_are_counted(broker, admin):
    with Wire(broker.port) as subscriber, Wire(broker.port) as blocked:
        subscriber.call("SUBSCRIBE", "news")
        blocked.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        eventually(lambda: fields(admin, "clients")["blocked_clients"] == "1", "it does not block")
        before = fields(admin)
        assert (before["connected_clients"], before["pubsub_clients"], before["pubsub_channels"]) == ("3", "1", "1")
        admin.call("PUBLISH", "news", b"x" * 100_000)
        subscriber.reply()
        # What its core has written is counted before it reads on.
        subscriber.call("PING")
        admin.call("XADD", "t", "1-1", "f", "v")
        after = fields(admin)
        assert 100_000 < int(after["total_net_input_bytes"]) - int(before["total_net_input_bytes"]) < 101_000
        assert 100_000 < int(after["total_net_output_bytes"]) - int(before["total_net_output_bytes"]) < 110_000
        assert after["db0"] == "keys=1,expires=0,avg_ttl=0"
        assert int(after["used_memory_peak"]) >= int(after["used_memory"]) > 1 << 20
