"""Conversations and inboxes: what each command promises, by the bytes that come; and over a restart."""

import json
import time

import pytest
import redis

from harness.resp import Error, Wire
from harness.waiting import eventually

ROOM = "room:general"


@pytest.fixture
def wire(broker):
    with Wire(broker.port) as wire:
        yield wire


def join(wire, *users, room=ROOM):
    """Members by one step each: join, deliver to all there are then, done."""
    for user in users:
        version, seq, changed, _, _, count, mode, _ = wire.call("NARU.JOIN", room, user, "member")
        if changed:
            members = [member[0] for member in wire.call("NARU.MEMBERS", room, "", 1000)[3]]
            command = ["NARU.DELIVER", room, seq, count, user, "USERS", len(members), *members, "KIND", "join"]
            wire.call(*command, "MODE", mode)
            wire.call("NARU.DONE", room, seq)


def say(wire, sender, id_, conversation=ROOM, *more):
    return wire.call("NARU.SEND", conversation, sender, id_, json.dumps({"text": id_}), *more)


def entries(wire, conversation=ROOM):
    return [json.loads(entry) for entry in wire.call("NARU.HISTORY", conversation, "", "AFTER", 0, 1000)[3]]


def refused(wire, code, *command):
    reply = wire.call(*command)
    assert isinstance(reply, Error) and reply.startswith(f"{code} "), reply
    return reply


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_message_is_stored_once_whatever_becomes_of_the_answer(broker, protocol):
    with redis.Redis(port=broker.port, protocol=protocol) as client:
        client.execute_command("NARU.JOIN", ROOM, "alice", "owner")
        first = client.execute_command("NARU.APPEND", ROOM, "alice", "c1", '{"text":"hi"}')
        seq, at, prev, count, repeat, version, mode, level = first
        assert (seq, prev, count, repeat, version, mode, level) == (2, 1, 1, 0, 1, b"fanout", b"fsync")
        again = client.execute_command("NARU.APPEND", ROOM, "alice", "c1", '{"text":"something else"}')
        assert again == [seq, at, prev, count, 1, version, mode, level]
        _, head, more, [_, entry] = client.execute_command("NARU.HISTORY", ROOM, "", "BEFORE", 0, 10)
        assert (head, more) == (2, 0)
        assert entry == (
            b'{"conversation":"room:general","seq":2,"prev":1,"count":1,"kind":"message","from":"alice","id":"c1",'
            b'"at":%d,"body":{"text":"hi"}}' % at
        )


def test_the_example_works_in_redis_cli(broker, naru):
    def cli(*words):
        done = naru.run("cli", "-p", broker.port, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert cli("NARU.JOIN", ROOM, "alice", "owner")[:3] == ["1", "1", "1"]
    assert cli("NARU.APPEND", ROOM, "alice", "c1", '{"text":"hi"}')[0] == "2"


def test_nobody_writes_who_does_not_take_part(wire):
    refused(wire, "FORBIDDEN", "NARU.APPEND", ROOM, "alice", "c1", "{}")
    wire.call("NARU.JOIN", ROOM, "alice", "reader")
    refused(wire, "FORBIDDEN", "NARU.SEND", ROOM, "alice", "c1", "{}")
    wire.call("NARU.ROLE", ROOM, "alice", "member")
    assert say(wire, "alice", "c1")[0] == 3
    refused(wire, "FORBIDDEN", "NARU.APPEND", "dm:alice:bob", "eve", "c1", "{}")
    refused(wire, "FORBIDDEN", "NARU.HISTORY", ROOM, "eve", "BEFORE", 0, 10)
    refused(wire, "NOTFOUND", "NARU.ROLE", ROOM, "eve", "owner")


def test_words_that_are_wrong_say_what_to_do(wire):
    for command, says in [
        (("NARU.APPEND", "general", "alice", "c1", "{}"), "`dm:` or `room:`"),
        (("NARU.APPEND", ROOM, "alice", "c1", "{"), "the body is not JSON"),
        (("NARU.APPEND", ROOM, "alice", "c1", "{}", "LEVEL", "ram"), "memory, fsync, replica"),
        (("NARU.SEND", ROOM, "alice", "c1", "{}", "MENTION", 3, "bob"), "3 users, and 1 words follow"),
        (("NARU.JOIN", "dm:alice:bob", "alice", "owner"), "begins with `room:`"),
        (("NARU.DONE", ROOM, -1), "whole number"),
    ]:
        assert says in refused(wire, "INVALID", *command)
    refused(wire, "ERR", "NARU.APPEND", ROOM, "alice")
    large = json.dumps("x" * (64 << 10))
    refused(wire, "TOOBIG", "NARU.SEND", "dm:alice:bob", "alice", "c1", large)
    refused(wire, "TOOBIG", "NARU.SEND", "dm:alice:bob", "alice", "c1", "{}", "MENTION", 51, *map(str, range(51)))


def test_edits_deletions_and_reactions_are_entries(wire):
    join(wire, "alice", "bob")
    seq = say(wire, "alice", "c1")[0]
    refused(wire, "FORBIDDEN", "NARU.EDIT", ROOM, "bob", "c1", seq, '"mine"')
    edited = wire.call("NARU.EDIT", ROOM, "alice", "c2", seq, '"better"')[0]
    reaction = wire.call("NARU.APPEND", ROOM, "bob", "c1", '"+1"', "KIND", "reaction", "TARGET", seq)
    assert reaction[3] == 1, "a reaction does not count"
    _, _, message, edit, thumb = entries(wire)
    assert (message["body"], message["changed"], edit["target"], thumb["target"]) == ("better", edited, seq, seq)
    assert wire.call("NARU.DELETE", ROOM, "alice", "c3", seq)[4] == 0
    assert wire.call("NARU.DELETE", ROOM, "alice", "c3", seq)[4] == 1, "a repeat"
    message = entries(wire)[2]
    assert "body" not in message and message["changed"] > edited
    refused(wire, "NOTFOUND", "NARU.EDIT", ROOM, "alice", "c4", seq, "1")


def test_unread_is_what_was_not_read(wire):
    join(wire, "alice", "bob")
    say(wire, "alice", "c1")
    last = say(wire, "alice", "c2", ROOM, "MENTION", 1, "bob")
    more, [row] = wire.call("NARU.CONVERSATIONS", "bob", 0, 10)
    name, where, head, count, read, mentions, offset, follow = row
    assert (more, name, head, count, read, mentions, follow) == (0, ROOM.encode(), last[0], 2, 0, 1, b"inbox")
    assert wire.call("NARU.CONVERSATIONS", "alice", 0, 10)[1][0][3:6] == [2, 2, 0], "one's own are read"
    assert wire.call("NARU.READ", "bob", ROOM, last[0], 2) == [offset + 1, 2, 2, 0, b"inbox"]
    assert wire.call("NARU.READ", "bob", ROOM, last[0] - 1, 1) == [offset + 1, 2, 2, 0, b"inbox"], "never back"
    refused(wire, "NOTFOUND", "NARU.READ", "bob", ROOM, last[0], 9)
    assert wire.call("NARU.MARK", ROOM, "bob", last[0]) == last[0]
    members = wire.call("NARU.MEMBERS", ROOM, "", 10)[3]
    assert members == [[b"alice", b"member", 1, 0], [b"bob", b"member", 2, last[0]]]


def test_a_device_that_comes_back_goes_on_where_it_stood(wire):
    for number in range(1, 6):
        say(wire, "alice", f"c{number}", "dm:alice:bob")
    epoch, cursor, head, start, how, more, changes, channels = wire.call("NARU.RESUME", "bob", "phone", "", 0, 3)
    assert (cursor, head, start, how, more, channels) == (0, 5, 0, b"ring", 1, [])
    assert changes == [[n, b"dm:alice:bob", n - 1, n, b"message"] for n in (1, 2, 3)]
    assert wire.call("NARU.RESUME", "bob", "phone", epoch, 3, 9)[5:7] == [
        0,
        [[n, b"dm:alice:bob", n - 1, n, b"message"] for n in (4, 5)],
    ]
    assert wire.call("NARU.ACK", "bob", "phone", 4) == 4
    assert wire.call("NARU.ACK", "bob", "phone", 1) == 4, "never back"
    assert wire.call("NARU.ACK", "bob", "phone", 99) == 5, "at most the head"
    assert wire.call("NARU.RESUME", "bob", "phone", "another", 3, 9)[4] == b"reset"
    # Further behind than the ring goes.
    for number in range(6, 206):
        say(wire, "alice", f"c{number}", "dm:alice:bob")
    assert wire.call("NARU.RESUME", "bob", "phone", "", 0, 9)[4] == b"index"
    assert wire.call("NARU.CHANGED", "bob", "phone", 5, 9)[1][0][:3] == [b"dm:alice:bob", 5, 205]
    assert wire.call("NARU.ACK", "bob", "phone", 5, "WITHIN", "dm:alice:bob", 100) == 5
    assert wire.call("NARU.CHANGED", "bob", "phone", 5, 9)[1][0][:3] == [b"dm:alice:bob", 100, 205]


def test_what_is_left_open_is_found_and_leased(wire):
    wire.call("NARU.APPEND", "dm:alice:bob", "alice", "c1", "{}")
    assert wire.call("NARU.SWEEP", "s1", 60_000, 10, 1000) == []
    assert wire.call("NARU.SWEEP", "s1", 0, 10, 60_000) == [[b"dm:alice:bob", 0, 1, 0]]
    assert wire.call("NARU.SWEEP", "s2", 0, 10, 60_000) == [], "it is left to the first"
    assert wire.call("NARU.SWEEP", "s1", 0, 10, 60_000) == [[b"dm:alice:bob", 0, 1, 0]]
    assert wire.call("NARU.SEND", "dm:alice:bob", "alice", "c1", "{}")[4] == 1, "a repeat finishes it"
    assert wire.call("NARU.SWEEP", "s1", 0, 10, 60_000) == []
    refused(wire, "NOTFOUND", "NARU.DONE", "dm:alice:bob", 2)


def test_each_server_is_told_once_whomever_it_holds(broker, wire):
    with Wire(broker.port) as one, Wire(broker.port) as listener:
        join(wire, "alice", "bob", "carol")
        for channel in ("naru:server:s1", "naru:server:s2"):
            listener.call("SUBSCRIBE", channel)
        assert one.call("NARU.SERVER", "s1", "e1", "") == b"OK"
        assert wire.call("NARU.SERVER", "s2", "e1", 60_000) == b"OK"
        assert wire.call("NARU.ROUTE", "s1", "e1", "alice", "bob") == b"OK"
        assert wire.call("NARU.ROUTE", "s2", "e1", "bob") == b"OK"
        assert wire.call("NARU.PRESENCE", "carol", "bob", "alice") == [[b"bob", [b"s1", b"s2"]], [b"alice", [b"s1"]]]
        seq, at, *_ = say(wire, "alice", "c1")
        told = dict(listener.reply()[1:] for _ in range(2))
        to = {"s1": '["alice",4,3],["bob",3,3]', "s2": '["bob",3,3]'}
        for server, text in to.items():
            assert told[f"naru:server:{server}".encode()].decode() == (
                f'{{"conversation":"room:general","seq":{seq},"kind":"message","to":[{text}],"entry":'
                f'{{"conversation":"room:general","seq":{seq},"prev":3,"count":1,"kind":"message","from":"alice",'
                f'"id":"c1","at":{at},"body":{{"text": "c1"}}}}}}'
            )
        wire.call("NARU.READ", "bob", ROOM, seq, 1)
        read = [json.loads(listener.reply()[2]) for _ in range(2)]
        assert read[0] == read[1] == {"conversation": ROOM, "seq": seq, "kind": "read", "to": [["bob", 4, seq]]}
        assert wire.call("NARU.UNROUTE", "s2", "e1", "bob") == b"OK"
    # The connection of s1 has ended, and with it its run.
    eventually(lambda: wire.call("NARU.PRESENCE", "alice", "bob") == [], "routes outlive their server")


def test_a_room_of_very_many_goes_over_to_its_channel(broker, wire):
    wire.call("CONFIG", "SET", "ledger-members-max", "3")
    join(wire, "a", "b", "c")
    version, seq, changed, _, _, _, mode, switched = wire.call("NARU.JOIN", ROOM, "d", "member")
    assert (version, changed, mode, switched) == (4, 1, b"broadcast", seq + 1)
    with Wire(broker.port) as listener:
        listener.call("SUBSCRIBE", f"naru:room:{ROOM}")
        assert say(wire, "a", "c1", ROOM, "MENTION", 1, "b")[6] == b"broadcast"
        told = json.loads(listener.reply()[2])
        assert (told["kind"], told["to"], told["entry"]["body"]) == ("message", [], {"text": "c1"})
    assert wire.call("NARU.CONVERSATIONS", "b", 0, 9)[1][0][5] == 1, "who is mentioned has it in their inbox"


def test_where_a_message_is_can_be_asked(wire):
    join(wire, "alice", "bob")
    seq = say(wire, "alice", "c 1")[0]
    by_number = wire.call("NARU.TRACE", ROOM, seq)
    assert by_number == wire.call("NARU.TRACE", ROOM, "alice", "c 1")
    assert by_number[:6] == [seq, seq, 0, 2, b"fanout", 1] and json.loads(by_number[6])["seq"] == seq
    assert wire.call("NARU.TRACE", ROOM, seq + 1)[6] is None
    wire.call("NARU.RESUME", "bob", "phone", "", 0, 9)
    wire.call("NARU.ACK", "bob", "phone", 2)
    _, head, ring, row, [[device, cursor, seen, where]], servers = wire.call("NARU.STANDING", "bob", ROOM)
    assert (head, row[2], device, cursor, where, servers) == (2, seq, b"phone", 2, seq, [])
    assert wire.call("NARU.STANDING", "eve", ROOM)[3] is None


def test_bounds_are_parameters_and_seen_with_what_there_is(wire):
    def info():
        lines = wire.call("INFO", "ledger").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    assert info()["ledger_log_entries_max"] == "10000"
    for name, value in [("ledger-log-entries-max", "4"), ("ledger-body-bytes-max", "20"), ("ledger-devices-max", "1")]:
        assert wire.call("CONFIG", "SET", name, value) == b"OK"
        assert wire.call("CONFIG", "GET", name) == [name.encode(), value.encode()]
    refused(wire, "TOOBIG", "NARU.SEND", "dm:alice:bob", "alice", "c0", json.dumps("x" * 20))
    for number in range(1, 8):
        say(wire, "alice", f"c{number}", "dm:alice:bob")
    assert [entry["seq"] for entry in entries(wire, "dm:alice:bob")] == [4, 5, 6, 7]
    assert wire.call("NARU.HISTORY", "dm:alice:bob", "", "AFTER", 1, 9)[0] == 3, "where retention stands"
    wire.call("NARU.APPEND", "dm:alice:carol", "alice", "c1", "1")
    for device in ("phone", "desk"):
        wire.call("NARU.RESUME", "bob", device, "", 0, 1)
    now = info()
    counted = [now[f"ledger_{name}"] for name in ("conversations", "people", "devices", "entries", "open_entries")]
    assert counted == ["2", "2", "1", "5", "1"], now
    assert now["ledger_devices_max"] == "1" and 4 * len('{"text": "c1"}') < int(now["ledger_bytes"]) < 500
    reply = wire.call("CONFIG", "SET", "ledger-dedupe-window", "3600")
    assert "between 86400 and" in reply


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_levels_are_promised_for_each_message(naru, tmp_path, fsync):
    broker = naru.broker("--fsync", fsync, data=tmp_path / "data")
    with Wire(broker.port) as wire:
        reached = {"memory": b"fsync" if fsync == "always" else b"memory", "fsync": b"fsync", "replica": b"fsync"}
        # Until it is on disk that the broker may forget, it does not.
        eventually(lambda: say(wire, "bob", "first", "dm:bob:bob", "LEVEL", "memory")[7] == reached["memory"], "not yet")
        for level, name in reached.items():
            assert say(wire, "alice", level, "dm:alice:bob", "LEVEL", level)[7] == name
        assert say(wire, "alice", "none", "dm:alice:bob")[7] == b"fsync"
        # Replies come in the order of the commands, whichever could leave first.
        for number in range(200):
            level = ("memory", "fsync", "replica")[number % 3]
            wire.send("NARU.SEND", "dm:alice:bob", "alice", f"c{number}", "{}", "LEVEL", level)
            wire.send("ECHO", str(number))
            wire.send("NARU.ACK", "bob", "phone", number)
        for number in range(200):
            assert wire.reply()[3] == number + 5
            assert wire.reply() == str(number).encode()
            assert wire.reply() == number
        wire.send("MULTI")
        for level in ("fsync", "memory"):
            wire.send("NARU.SEND", "dm:alice:bob", "alice", f"t {level}", "{}", "LEVEL", level)
        wire.send("EXEC")
        assert [wire.reply() for _ in range(3)] == [b"OK", b"QUEUED", b"QUEUED"]
        assert [reply[7] for reply in wire.reply()] == [b"fsync", reached["memory"]]


def test_numbers_jump_ahead_in_another_generation(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    with Wire(broker.port) as wire:
        assert say(wire, "alice", "c1", "dm:alice:bob")[0] == 1
        generation = wire.call("NARU.GENERATION")
        # Minutes, so that a backup that is put to use twice is not twice in the same.
        assert 0 <= (time.time() - 1_735_689_600) // 60 - generation <= 1
        jump = (generation - 1) << 20
        seq, _, prev, count, *_ = say(wire, "alice", "c2", "dm:alice:bob")
        assert (seq, prev, count) == (2 + jump, 1, 2)
        assert wire.call("NARU.RESUME", "bob", "phone", "", 0, 9)[2] == 2 + jump
        wire.call("ACL", "SETUSER", "app", "on", "nopass", "+@naru", "-@admin", "allkeys")
        wire.call("AUTH", "app", "x")
        refused(wire, "NOPERM", "NARU.GENERATION")


def test_all_of_it_outlives_a_kill(naru, tmp_path):
    broker = naru.broker(data=tmp_path / "data")
    asked = [
        ("NARU.HISTORY", ROOM, "", "AFTER", 0, 100),
        ("NARU.MEMBERS", ROOM, "", 100),
        ("NARU.CONVERSATIONS", "bob", 0, 100),
        ("NARU.CHANGED", "bob", "phone", 0, 100),
        ("NARU.RESUME", "bob", "phone", "", 0, 100),
        ("NARU.STANDING", "bob", ROOM),
        ("NARU.TRACE", ROOM, "alice", "c1"),
        ("NARU.SWEEP", "s", 0, 10, 0),
        ("NARU.APPEND", ROOM, "alice", "c2", "{}"),
    ]
    with Wire(broker.port) as wire:
        join(wire, "alice", "bob")
        seq = say(wire, "alice", "c1", ROOM, "MENTION", 1, "bob")[0]
        wire.call("NARU.RESUME", "bob", "phone", "", 0, 1)
        wire.call("NARU.ACK", "bob", "phone", 1)
        wire.call("NARU.APPEND", ROOM, "alice", "c2", "{}")
        wire.call("NARU.EDIT", ROOM, "alice", "c3", seq, '"other"')
        wire.call("NARU.MARK", ROOM, "bob", seq)
        before = [wire.call(*command) for command in asked]
    broker.program.kill()
    broker = naru.restarted(broker)
    with Wire(broker.port) as wire:
        assert [wire.call(*command) for command in asked] == before
        assert b"ledger_entries:5\r\n" in wire.call("INFO", "ledger")
