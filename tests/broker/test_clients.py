"""Looking at connections, and closing them: CLIENT LIST, INFO, KILL, PAUSE."""

import contextlib

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Wire, encode
from harness.waiting import eventually

# Of the fields, those that tell of memory.
SIZES = ["qbuf", "qbuf-free", "multi-mem", "omem", "oll", "obl", "tot-mem"]

# What Redis has added to the line since 7.0.
NEWER = ["watch", "lib-name", "lib-ver"]


@pytest.fixture
def redis_port(programs):
    return redis_peer.start(programs, HeldPort())


def fields(line):
    """A line of CLIENT LIST, as pairs."""
    return [tuple(field.split("=", 1)) for field in line.decode().strip().split(" ")]


def clients(wire, *options):
    return [dict(fields(line)) for line in wire.call("CLIENT", "LIST", *options).splitlines()]


def test_client_info_has_the_fields_of_redis_in_its_order(broker, redis_port):
    names = []
    for port in (broker.port, redis_port):
        with Wire(port) as wire:
            names.append([name for name, _ in fields(wire.call("CLIENT", "INFO"))])
    assert [name for name in names[0] if name not in NEWER] == names[1]


def test_an_idle_client_looks_as_in_redis(broker, redis_port):
    seen = []
    for port in (broker.port, redis_port):
        with Wire(port) as wire, Wire(port) as other:
            name = f"{wire.socket.getsockname()[0]}:{wire.socket.getsockname()[1]}"
            wire.call("SUBSCRIBE", "news")
            wire.call("CLIENT", "HELP")
            [line] = [client for client in clients(other) if client["addr"] == name]
            for varying in ("id", "addr", "laddr", "fd", "age", "idle", "rbp", "qbuf-free", "tot-mem", "rbs", *NEWER):
                line.pop(varying, None)
            seen.append(line)
    assert seen[0] == seen[1]


def test_what_waits_for_a_client_is_shown_on_every_core(naru):
    broker = naru.broker("--cores", "4")
    with contextlib.ExitStack() as stack:
        open_wire = lambda **options: stack.enter_context(Wire(broker.port, **options))
        admin = open_wire()
        sorts = {"idle": [], "half": [], "queued": [], "stalled": [], "listening": []}
        for name, wires in sorts.items():
            for _ in range(4):
                wires.append(open_wire(receive_buffer_bytes=4096) if name == "stalled" else open_wire())
                wires[-1].call("CLIENT", "SETNAME", name)
        for wire in sorts["half"]:
            wire.send_raw(b"*2\r\n$4\r\nPING\r\n$200000\r\n" + b"x" * 100_000)
        for wire in sorts["queued"]:
            wire.call("MULTI")
            wire.call("ECHO", "x" * 50_000)
        for wire in sorts["stalled"]:
            wire.send("SUBSCRIBE", "news")
        for wire in sorts["listening"]:
            wire.call("PSUBSCRIBE", "p" * 1000)
        eventually(lambda: admin.call("PUBSUB", "NUMSUB", "news")[1] == 4, "they are not subscribed")
        for _ in range(10):
            admin.call("PUBLISH", "news", b"x" * 1_000_000)

        def seen():
            shown = {name: [] for name in sorts}
            for client in clients(admin):
                shown.get(client["name"], []).append({name: int(client[name]) for name in SIZES})
            return shown

        def is_so():
            shown = seen()
            base = shown["idle"][0]["tot-mem"]
            return (
                all(client == {**dict.fromkeys(SIZES, 0), "tot-mem": base} for client in shown["idle"])
                and all(client["qbuf"] > 100_000 for client in shown["half"])
                and all(50_000 < client["multi-mem"] < 60_000 for client in shown["queued"])
                and all(client["omem"] > 5_000_000 and client["oll"] == 1 for client in shown["stalled"])
                and all(1000 < client["tot-mem"] - base < 2000 for client in shown["listening"])
                and all(
                    client["tot-mem"] - base == sum(client[name] for name in ("qbuf", "qbuf-free", "multi-mem", "omem"))
                    for name in ("half", "queued")
                    for client in shown[name]
                )
            )

        eventually(is_so, "it is not shown")
        # In its place, and in a transaction as well.
        admin.send_raw(encode("CLIENT", "LIST") + encode("ECHO", "behind"))
        assert admin.reply().count(b"\n") == 21 and admin.reply() == b"behind"
        for words in (["MULTI"], ["CLIENT", "LIST"]):
            admin.call(*words)
        assert admin.call("EXEC")[0].count(b"\n") == 21


def test_the_subcommand_is_named(broker):
    with Wire(broker.port) as wire:
        assert clients(wire)[0]["cmd"] == "client|list"


@pytest.mark.parametrize("option", ["ID", "ADDR", "LADDR"])
def test_client_kill_closes_who_fits_on_whichever_core_and_nobody_else(broker, option):
    victims = [Wire(broker.port) for _ in range(4)]
    # Who was answered has been let in.
    assert all(victim.call("PING") == b"PONG" for victim in victims)
    with Wire(broker.port) as wire:
        for victim in victims:
            mine = dict(fields(victim.call("CLIENT", "INFO")))
            if option == "LADDR":
                assert wire.call("CLIENT", "KILL", option, mine["laddr"], "SKIPME", "yes") == len(victims)
                break
            assert wire.call("CLIENT", "KILL", option, mine[option.lower()]) == 1
            # It is gone from the list at once.
            assert mine["id"] not in [client["id"] for client in clients(wire)]
            assert victim.is_at_end()
        assert all(victim.is_at_end() for victim in victims)
        assert len(clients(wire)) == 1


def test_client_kill_of_an_address_answers_ok(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as victim:
        assert wire.call("CLIENT", "KILL", dict(fields(victim.call("CLIENT", "INFO")))["addr"]) == b"OK"
        assert victim.is_at_end()


def test_client_kill_ends_a_blocked_command_and_subscriptions(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as victim:
        number = victim.call("CLIENT", "ID")
        victim.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        eventually(lambda: "b" in clients(wire, "ID", str(number))[0]["flags"], "it does not block")
        assert wire.call("CLIENT", "KILL", "ID", str(number)) == 1
        assert victim.is_at_end()


def test_what_a_killed_client_sent_and_was_held_back_is_not_executed(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as victim:
        number = victim.call("CLIENT", "ID")
        wire.call("CLIENT", "PAUSE", "600000", "WRITE")
        victim.send_raw(encode("XADD", "s", "1-1", "f", "v") * 10)
        eventually(lambda: "b" in clients(wire, "ID", str(number))[0]["flags"], "it is not held back")
        assert wire.call("CLIENT", "KILL", "ID", str(number)) == 1
        assert victim.is_at_end()
        wire.call("CLIENT", "UNPAUSE")
        assert wire.call("XLEN", "s") == 0


def test_a_pause_holds_back_whole_pipelines_and_keeps_their_order(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as held:
        wire.call("CLIENT", "PAUSE", "600000", "WRITE")
        held.send_raw(b"".join(encode("PUBLISH", "c", "m") + encode("ECHO", str(number)) for number in range(5000)))
        assert wire.call("PING") == b"PONG"
        wire.call("CLIENT", "UNPAUSE")
        for number in range(5000):
            assert held.reply() == 0
            assert held.reply() == b"%d" % number


def test_a_broker_whose_clients_are_paused_stops(broker):
    with Wire(broker.port) as wire, Wire(broker.port) as held:
        wire.call("CLIENT", "PAUSE", "600000", "ALL")
        held.send("PING")
        assert broker.program.terminate() == 0


def test_a_blocked_client_that_has_gone_is_let_go_whatever_it_had_sent(broker):
    with Wire(broker.port) as wire:
        for hold in (["XREAD", "BLOCK", "0", "STREAMS", "none", "$"], ["XADD", "s", "*", "f", "v"]):
            if hold[0] == "XADD":
                assert wire.call("CLIENT", "PAUSE", "600000", "WRITE") == b"OK"
            gone = Wire(broker.port)
            gone.call("CLIENT", "SETNAME", "gone")
            gone.send(*hold)
            # More than is read of a client whose command waits.
            gone.socket.sendall(b"PING\r\n" * 300_000)
            gone.socket.close()
            eventually(
                lambda: "gone" not in [client["name"] for client in clients(wire)], "the connection was not let go"
            )
        wire.call("CLIENT", "UNPAUSE")


def test_reset_has_everything_answered_again(broker):
    with Wire(broker.port) as wire:
        wire.send("CLIENT", "REPLY", "OFF")
        assert wire.call("RESET") == b"RESET"
        assert wire.call("PING") == b"PONG"
