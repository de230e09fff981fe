"""What differs from server to server, or came after Redis 7.0: held against what is written here."""

import re

import pytest

from harness import redis_peer
from harness.naru import HeldPort
from harness.resp import Error, Wire


@pytest.fixture
def wire(broker):
    with Wire(broker.port) as wire:
        yield wire


def test_hello_names_the_server_in_both_protocols(wire):
    for protocol, shape in (("2", list), ("3", dict)):
        said = wire.call("HELLO", protocol)
        assert isinstance(said, shape)
        said = said if shape is dict else dict(zip(said[::2], said[1::2], strict=True))
        assert said[b"server"] == b"naru" and said[b"proto"] == int(protocol)
        assert re.fullmatch(rb"\d+\.\d+\.\d+", said[b"version"])
        assert (said[b"mode"], said[b"role"], said[b"modules"]) == (b"standalone", b"master", [])
        assert said[b"id"] == wire.call("CLIENT", "ID")


def test_hello_names_the_connection(wire):
    wire.call("HELLO", "3", "SETNAME", "alice")
    assert wire.call("CLIENT", "GETNAME") == b"alice"


def test_a_client_library_names_itself(wire):
    assert wire.call("CLIENT", "SETINFO", "LIB-NAME", "some-library") == b"OK"
    assert wire.call("CLIENT", "SETINFO", "lib-ver", "1.2.3") == b"OK"
    info = wire.call("CLIENT", "INFO")
    assert b" lib-name=some-library " in info and b" lib-ver=1.2.3" in info
    for words in (("LIB-NAME", "with space"), ("LIB-NAME", "line\n"), ("NONSENSE", "x"), ("LIB-NAME",), ()):
        assert isinstance(wire.call("CLIENT", "SETINFO", *words), Error), words
    assert b" lib-name=some-library " in wire.call("CLIENT", "INFO")


def test_the_list_shows_everyone_and_what_they_do(broker, wire):
    with Wire(broker.port) as other:
        other.call("CLIENT", "SETNAME", "listener")
        other.send("SUBSCRIBE", "one", "two")
        other.reply(), other.reply()
        lines = wire.call("CLIENT", "LIST").decode().splitlines()
        assert len(lines) == 2
        fields = dict(
            field.split("=", 1) for field in next(line for line in lines if "name=listener" in line).split()
        )
        assert (fields["sub"], fields["psub"], fields["flags"], fields["cmd"]) == ("2", "0", "P", "subscribe")
        assert len(wire.call("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 1
        assert wire.call("CLIENT", "LIST", "ID", fields["id"]).decode().split()[0] == f"id={fields['id']}"


def test_info_has_what_tools_look_for(wire):
    text = wire.call("INFO").decode()
    for name in (
        "redis_version",
        "redis_mode",
        "tcp_port",
        "connected_clients",
        "used_memory",
        "role",
        "uptime_in_seconds",
    ):
        assert re.search(rf"^{name}:\S", text, re.MULTILINE), name
    assert wire.call("INFO", "replication").decode().startswith("# Replication\r\n")
    assert wire.call("INFO", "nonsense") == b""


def test_every_command_describes_itself(wire):
    commands = wire.call("COMMAND")
    names = {command[0] for command in commands}
    assert {b"subscribe", b"xadd", b"naru.send"} <= names and wire.call("COMMAND", "COUNT") == len(names)
    listed = set(wire.call("COMMAND", "LIST"))
    assert {name for name in listed if b"|" not in name} == names and b"client|id" in listed
    described = wire.call("COMMAND", "INFO", "xadd", "PUBLISH")
    assert [command[:2] for command in described] == [[b"xadd", -5], [b"publish", 3]]
    assert b"xadd" in wire.call("COMMAND", "DOCS", "xadd")
    assert wire.call("COMMAND", "DOCS", "Client|Kill", "nonsense", "xadd|x", "client|x")[::2] == [b"client|kill"]


def arguments(docs):
    """What COMMAND DOCS says of arguments, without their names and what only explains."""
    plain = lambda one: {
        key: sorted(value) if key == "flags" else arguments(value) if key == "arguments" else value
        for key, value in ((key.decode(), value) for key, value in one.items())
        if key in ("type", "token", "flags", "arguments")
    }
    return [plain(one) for one in docs]


# Some words of Redis's are not here, or are grouped in another way; hints read the same.
SAID_OTHERWISE = {
    "client|kill", "client|list", "cluster|keyslot", "command|getkeys", "command|getkeysandflags", "config|get", "hello", "psubscribe",
    "xinfo|stream", "xpending", "xread", "xreadgroup", "xtrim",
    # Of numbers, those with a fraction and those that count elements are said to be strings, or whole.
    "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "getrange", "incrbyfloat", "lrange", "ltrim", "substr",
}  # fmt: skip


def test_docs_tell_prompts_of_arguments_as_redis_does(wire, programs):
    with Wire(redis_peer.start(programs, HeldPort())) as redis:
        said = []
        for peer in (redis, wire):
            peer.call("HELLO", "3")
            docs = peer.call("COMMAND", "DOCS")
            for name, one in list(docs.items()):
                docs |= one.get(b"subcommands", {})
            said.append(docs)
        theirs, ours = said
    assert set(ours) - set(theirs) == {name for name in ours if name.startswith(b"naru.")} | {b"client|setinfo", b"client|no-touch"}
    different = {}
    for name in sorted(set(ours) & set(theirs)):
        assert ours[name][b"since"] == theirs[name][b"since"] and ours[name][b"summary"], name
        our, their = (arguments(it[name].get(b"arguments", [])) for it in (ours, theirs))
        if our != their:
            different[name.decode()] = (our, their)
    assert set(different) == SAID_OTHERWISE, different


def test_every_command_counts_its_arguments(wire):
    for name, arity, *_ in wire.call("COMMAND"):
        if arity in (1, -1):
            continue
        said = wire.call(name)
        assert said == f"ERR wrong number of arguments for '{name.decode()}' command", name


def test_the_histogram_of_times_has_redis_shape_and_counts_every_call(wire, programs):
    with Wire(redis_peer.start(programs, HeldPort())) as theirs:
        for protocol in ("2", "3"):
            said = []
            for each in (wire, theirs):
                each.call("HELLO", protocol)
                each.call("CONFIG", "RESETSTAT")
                for _ in range(7):
                    each.call("PING")
                each.call("CONFIG", "GET", "port")
                said.append(each.call("LATENCY", "HISTOGRAM", "ping", "nonsense", "CONFIG", "config|get", "xlen"))
            pairs = [it if isinstance(it, dict) else dict(zip(it[::2], it[1::2])) for it in said]
            assert [sorted(it) for it in pairs] == [[b"config|get", b"config|resetstat", b"ping"]] * 2
            for histograms in pairs:
                ping = histograms[b"ping"]
                ping = ping if isinstance(ping, dict) else dict(zip(ping[::2], ping[1::2]))
                assert list(ping) == [b"calls", b"histogram_usec"] and ping[b"calls"] == 7
                times = ping[b"histogram_usec"]
                times = times if isinstance(times, dict) else dict(zip(times[::2], times[1::2]))
                assert list(times.values())[-1] == 7 and sorted(times) == list(times)
                assert set(times) <= {
                    *(1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633, 135266),
                    *(270532, 541065, 1082130),
                }
