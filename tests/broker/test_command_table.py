"""The table of commands says of each what Redis's says: categories, flags, keys, subcommands."""

import pytest

from harness import redis_peer
from harness.naru import HeldPort, Naru
from harness.program import Programs
from harness.resp import Wire

PARTS = ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications"]


@pytest.fixture(scope="module")
def wires(tmp_path_factory):
    """Connections to a Redis and to a Naru."""
    programs = Programs(tmp_path_factory.mktemp("pair"))
    with Wire(redis_peer.start(programs, HeldPort())) as redis, Wire(Naru(programs).broker().port) as naru:
        yield redis, naru
    programs.end()


def called_in_both(wires):
    theirs, ours = ({name for category in wire.call("ACL", "CAT") for name in wire.call("ACL", "CAT", category)} for wire in wires)
    return theirs & ours


def test_categories_hold_the_same_commands(wires):
    redis, naru = wires
    both = called_in_both(wires)
    assert len(both) > 100
    assert set(redis.call("ACL", "CAT")) <= set(naru.call("ACL", "CAT"))
    differences = []
    for category in redis.call("ACL", "CAT"):
        theirs, ours = (set(wire.call("ACL", "CAT", category)) & both for wire in wires)
        differences += [
            (category.decode(), "redis" if name in theirs else "naru", name.decode())
            for name in sorted(theirs ^ ours)
        ]
    assert differences == []


def flat(entry):
    """A command and its subcommands, as dictionaries by name, without order where there is none."""
    parts = dict(zip(PARTS, entry))
    parts |= {part: sorted(parts[part]) for part in ["flags", "categories"]}
    yield entry[0].decode(), parts
    for subcommand in entry[9]:
        yield from flat(subcommand)


def test_command_info_says_the_same(wires):
    theirs, ours = (dict(pair for entry in wire.call("COMMAND", "INFO") for pair in flat(entry)) for wire in wires)
    both = theirs.keys() & ours.keys()
    assert len(both) > 100
    differences = {
        (name, part): (theirs[name][part], ours[name][part])
        for name in sorted(both)
        for part in PARTS
        if theirs[name][part] != ours[name][part]
    }
    shown = [f"{name} {part}: redis {redis} naru {naru}" for (name, part), (redis, naru) in differences.items()]
    assert not shown, "\n".join(shown)


def test_subcommands_are_found_by_name(wires):
    theirs, ours = (wire.call("COMMAND", "INFO", "config|get", "config|none", "nonsense", "xread") for wire in wires)
    assert theirs == ours
