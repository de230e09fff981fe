"""Users and their rules, where a transcript cannot follow: the file, the log, what is hidden, what others notice."""

import os
import re

import pytest
import redis

from harness import redis_peer
from harness.naru import HeldPort, Naru
from harness.resp import Wire, encode

SECRET = "correct horse"


@pytest.fixture
def redis_port(programs):
    return redis_peer.start(programs, HeldPort())


@pytest.fixture
def admin(broker):
    with Wire(broker.port) as wire:
        yield wire


def signed_in(port, user, password="x"):
    wire = Wire(port)
    assert wire.call("AUTH", user, password) == b"OK"
    return wire


def log_of(port):
    """What ACL LOG shows after some refusals, without what varies."""
    with Wire(port) as admin, Wire(port) as other:
        admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all", "-@dangerous", "~k", "&c")
        for words in [
            ["AUTH", "nobody", "x"],
            ["HELLO", "3", "AUTH", "nobody", "x"],
            ["auth", "nobody", "x"],
            ["AUTH", "alice", "x"],
            ["CONFIG", "SET", "timeout", "0"],
            ["XLEN", "other"],
            ["XLEN", "other"],
            ["PUBLISH", "d", "m"],
            ["XLEN", "other"],
            ["MULTI"],
            ["XLEN", "other"],
            ["DISCARD"],
            ["MULTI"],
            ["XLEN", "k"],
        ]:
            other.call(*words)
        admin.call("ACL", "SETUSER", "alice", "resetkeys")
        other.call("EXEC")
        entries = admin.call("ACL", "LOG")
        assert len(admin.call("ACL", "LOG", "2")) == 2
        assert admin.call("ACL", "LOG", "RESET") == b"OK" and admin.call("ACL", "LOG") == []
        return [plain(entry) for entry in entries]


def plain(entry):
    fields = dict(zip(entry[::2], entry[1::2]))
    assert re.fullmatch(rb"\d+(\.\d+)?", fields.pop(b"age-seconds"))
    info = fields.pop(b"client-info")
    return list(fields.items()), re.search(rb" cmd=\S+ user=\S+ ", info)[0]


def test_the_log_reads_as_in_redis(broker, redis_port):
    assert log_of(broker.port) == log_of(redis_port)


def test_the_log_holds_as_many_as_it_may(admin):
    admin.call("CONFIG", "SET", "acllog-max-len", "3")
    with Wire(admin.socket.getpeername()[1]) as other:
        for number in range(4):
            other.call("AUTH", f"nobody{number}", "x")
    assert [entry[9] for entry in admin.call("ACL", "LOG")] == [b"nobody3", b"nobody2", b"nobody1"]


def exec_after_a_change(port):
    """The answers of a transaction whose commands were allowed when they were queued."""
    with Wire(port) as admin:
        admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all", "~k", "~l", "&c")
        with signed_in(port, "alice") as alice:
            queued = [["MULTI"], ["PING"], ["XADD", "k", "1-1", "f", "v"], ["XLEN", "l"], ["PUBLISH", "c", "m"], ["ECHO", "x"]]
            answers = [alice.call(*words) for words in queued]
            admin.call("ACL", "SETUSER", "alice", "-ping", "resetkeys", "~l", "resetchannels")
            alice.send("EXEC")
            answers.append(alice.frame())
            answers.append(admin.call("XLEN", "k"))
            answers.append(alice.call("ECHO", "after"))
        admin.call("DEL", "k")
        return answers


def test_exec_asks_again_what_is_allowed(broker, redis_port):
    assert exec_after_a_change(broker.port) == exec_after_a_change(redis_port)


def test_a_changed_rule_holds_for_the_next_command_on_every_core(naru):
    broker = naru.broker("--cores", "4")
    with Wire(broker.port) as admin:
        admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+ping", "+echo")
        clients = [signed_in(broker.port, "alice") for _ in range(12)]
        for _ in range(20):
            admin.call("ACL", "SETUSER", "alice", "-echo")
            assert all("NOPERM" in str(client.call("ECHO", "x")) for client in clients)
            admin.call("ACL", "SETUSER", "alice", "+echo")
            assert all(client.call("ECHO", "x") == b"x" for client in clients)


def test_a_rule_holds_for_the_next_command_of_who_changed_it(broker, admin):
    admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+acl|setuser", "+ping")
    with signed_in(broker.port, "alice") as alice:
        alice.send_raw(b"ACL SETUSER alice -ping\r\nPING\r\n")
        assert alice.reply() == b"OK"
        assert str(alice.reply()) == "NOPERM this user has no permissions to run the 'ping' command"


def test_a_transaction_goes_on_as_nobody_once_it_has_deleted_its_user(broker, admin):
    """Redis does so too, but its reply then ends in the middle."""
    admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all", "~*")
    with signed_in(broker.port, "alice") as alice:
        admin.call("ACL", "SETUSER", "default", "-xlen")
        queued = [["XLEN", "s"], ["ACL", "DELUSER", "alice"], ["ACL", "WHOAMI"], ["XLEN", "s"], ["DEL", "s"]]
        alice.send_raw(b"".join(encode(*words) for words in [["MULTI"], *queued, ["EXEC"], ["DEL", "s"]]))
        replies = [alice.reply() for _ in range(len(queued) + 2)][-1]
        assert "no longer allowed" in replies.pop(3)
        assert replies == [0, 1, b"default", 0]
        assert alice.is_at_end()


def test_a_transaction_that_may_no_longer_listen_goes_on_to_its_end(broker, admin):
    """Redis 7.0.15 crashes."""
    admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all", "allchannels", "~*")
    with signed_in(broker.port, "alice") as alice:
        for words in [["MULTI"], ["SUBSCRIBE", "c"], ["ACL", "SETUSER", "alice", "resetchannels"], ["XLEN", "s"]]:
            alice.call(*words)
        assert alice.call("EXEC")[1:] == [b"OK", 0]
        assert alice.is_at_end()


def test_on_every_core_deleted_users_and_subscribers_that_may_no_longer_be_are_closed(naru):
    broker = naru.broker("--cores", "4")
    with Wire(broker.port) as admin:
        admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all", "&a", "&b")
        admin.call("ACL", "SETUSER", "bob", "on", "nopass", "+@all")
        at_a = [signed_in(broker.port, "alice") for _ in range(6)]
        at_b = [signed_in(broker.port, "alice") for _ in range(6)]
        bobs = [signed_in(broker.port, "bob") for _ in range(6)]
        for wires, channel in [(at_a, "a"), (at_b, "b")]:
            assert all(wire.call("SUBSCRIBE", channel) for wire in wires)
        admin.call("ACL", "SETUSER", "alice", "resetchannels", "&b")
        assert all(wire.is_at_end() for wire in at_a)
        admin.call("ACL", "DELUSER", "bob")
        assert all(wire.is_at_end() for wire in bobs)
        assert admin.call("PUBLISH", "b", "still here") == 6
        assert [wire.reply()[2] for wire in at_b] == [b"still here"] * 6


def test_client_list_and_kill_know_users(broker, admin):
    admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+ping")
    with signed_in(broker.port, "alice") as alice, Wire(broker.port) as other:
        assert other.call("PING") == b"PONG"
        users = sorted(re.findall(rb" user=(\S+) ", admin.call("CLIENT", "LIST")))
        assert users == [b"alice", b"default", b"default"]
        assert admin.call("CLIENT", "KILL", "USER", "alice") == 1
        assert alice.is_at_end()
        assert other.call("PING") == b"PONG"


def test_passwords_show_nowhere(naru, tmp_path):
    config = tmp_path / "naru.conf"
    config.write_text(f'user alice on ">{SECRET}" +@all ~* &*\n')
    broker = naru.broker("--config", config)
    with Wire(broker.port) as admin, Wire(broker.port) as monitor:
        assert monitor.call("MONITOR") == b"OK"
        admin.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        said = [
            ["ACL", "SETUSER", "bob", "on", f">{SECRET}"],
            ["ACL", "SETUSER", "bob", f"<{SECRET}x"],
            ["ACL", "SETUSER", "bob", f"#{SECRET}"],
            ["ACL", "SETUSER", "bob", f"(>{SECRET})"],
            ["ACL", "DRYRUN", "bob", "auth", "bob", SECRET],
            ["AUTH", "bob", SECRET + "x"],
            ["AUTH", "alice", SECRET],
        ]
        answers = [admin.call(*words) for words in said]
        answers += [admin.call(*words) for words in [["ACL", "LIST"], ["ACL", "GETUSER", "bob"], ["ACL", "LOG"], ["SLOWLOG", "GET", "-1"]]]
        admin.call("ECHO", "the end")
        while b"the end" not in (line := monitor.frame()):
            answers.append(line)
    assert SECRET not in str(answers)
    assert broker.program.terminate() == 0
    assert SECRET not in broker.program.log()


ACL_FILE = f"""user alice on >{SECRET.replace(" ", "-")} ~a* &c -@all +@pubsub (+xlen ~x)
user bob on nopass +ping

"""


def test_a_file_of_users_is_read_changed_saved_and_read_again(naru, tmp_path):
    file = tmp_path / "users.acl"
    file.write_text(ACL_FILE)
    broker = naru.broker("--aclfile", file, "--requirepass", "sesame")
    with signed_in(broker.port, "default", "sesame") as admin, signed_in(broker.port, "bob") as bob:
        assert admin.call("CONFIG", "GET", "aclfile") == [b"aclfile", str(file).encode()]
        admin.call("ACL", "SETUSER", "carol", "on", "nopass", "+@all", "-config")
        admin.call("ACL", "SETUSER", "bob", "+echo")
        assert admin.call("ACL", "SAVE") == b"OK"
        users = admin.call("ACL", "LIST")
        assert [f"{line}\n" for line in map(bytes.decode, users)] == file.read_text().splitlines(keepends=True)
        assert SECRET.replace(" ", "-") not in file.read_text()

        admin.call("ACL", "SETUSER", "bob", "-echo")
        admin.call("ACL", "SETUSER", "mallory", "on", "nopass", "+@all")
        with signed_in(broker.port, "mallory") as mallory:
            assert admin.call("ACL", "LOAD") == b"OK"
            assert mallory.is_at_end()
        # Who is in the file stays, by its rules.
        assert bob.call("ECHO", "x") == b"x"
        assert admin.call("ACL", "LIST") == users
    broker.program.terminate()
    again = naru.restarted(broker)
    with signed_in(again.port, "default", "sesame") as admin:
        assert admin.call("ACL", "LIST") == users
        with Wire(again.port) as stranger:
            assert str(stranger.call("PING")).startswith("NOAUTH")


def test_a_file_that_takes_its_time_holds_up_nobody_but_who_waits_for_it(naru, tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("user default on nopass ~* &* +@all\n")
    broker = naru.broker("--aclfile", file, "--cores", "1")
    with Wire(broker.port) as admin, Wire(broker.port) as other:
        admin.call("ACL", "SETUSER", "alice", "on", "nopass", "+@all")
        file.unlink()
        os.mkfifo(file)
        admin.send_raw(encode("ACL", "LOAD") + encode("ACL", "USERS") + encode("MULTI") + encode("ACL", "SAVE"))
        with signed_in(broker.port, "alice") as alice:
            assert other.call("PING") == b"PONG"
            with file.open("w") as writing:
                writing.write("user bob on\n")
            assert alice.is_at_end()
        # In the order in which it was said, and what comes behind sees what was read.
        assert [admin.reply() for _ in range(3)] == [b"OK", [b"bob", b"default"], b"OK"]
        assert str(admin.reply()) == "ERR Command not allowed inside a transaction"


def test_who_has_its_own_user_taken_away_by_a_file_gets_its_answer(naru, tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("user alice on nopass +@all\n")
    broker = naru.broker("--aclfile", file)
    with signed_in(broker.port, "alice") as alice:
        file.write_text("user bob on\n")
        alice.send_raw(encode("ACL", "LOAD") + encode("PING"))
        assert alice.reply() == b"OK"
        assert alice.is_at_end()


def test_a_broken_file_is_refused_line_by_line_and_changes_nothing(naru, tmp_path, programs):
    file = tmp_path / "users.acl"
    good = "user default on nopass ~* &* +@all\nuser alice on nopass +ping\n"
    broken = "user default on nopass ~* &* +@all\n# no comments\nuser bob +nonsense -nonsense2 ~* ~x &* &y\nuser bob\nuser c >p <q\n"
    answers = []
    for start in (aclfile_redis, lambda programs, file: Naru(programs).broker("--aclfile", file).port):
        file.write_text(good)
        port = start(programs, file)
        with Wire(port) as admin:
            before = admin.call("ACL", "LIST")
            file.write_text(broken)
            admin.send("ACL", "LOAD")
            answers.append(admin.frame())
            file.unlink()
            admin.send("ACL", "LOAD")
            answers.append(admin.frame())
            assert admin.call("ACL", "LIST") == before
    assert answers[2:] == answers[:2]

    file.write_text(broken)
    done = naru.run("broker", "--memory", "--port", "0", "--aclfile", file)
    assert done.returncode == 1 and f"{file}:2 should start with user" in done.stderr
    assert f"{file}:3: Error in applying operation '+nonsense'" in done.stderr
    assert naru.run("broker", "--memory", "--port", "0", "--aclfile", tmp_path / "none").returncode == 1


def aclfile_redis(programs, file):
    held = HeldPort()
    port = held.number
    held.release()
    program = programs.start("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--aclfile", file])
    program.wait_for(lambda it: "Ready to accept connections" in it.output(), "not ready")
    return port


def test_users_of_a_configuration_are_there_and_a_wrong_one_is_refused(naru, tmp_path):
    config = tmp_path / "naru.conf"
    config.write_text("user default off\nuser alice on >secret +@all ( +xlen ~x )\nacllog-max-len 7\n")
    broker = naru.broker("--config", config)
    with Wire(broker.port) as stranger:
        assert str(stranger.call("PING")).startswith("NOAUTH")
    with signed_in(broker.port, "alice", "secret") as alice:
        assert alice.call("CONFIG", "GET", "acllog-max-len") == [b"acllog-max-len", b"7"]
        assert len(alice.call("ACL", "LIST")) == 2
    for text, said in [
        ("user alice on >secret +nope", "naru.conf:1: user: '+nope': Unknown command"),
        ("user alice on #secret", "naru.conf:1: user: '#(redacted)'"),
        ("user alice on >secret\nuser alice on", "naru.conf:2: user: alice is in the configuration already"),
        ("user alice on >secret\naclfile users.acl", "there are users in the configuration"),
    ]:
        config.write_text(text)
        done = naru.run("broker", "--memory", "--port", "0", "--config", config)
        assert done.returncode == 1 and said in done.stderr and "secret" not in done.stderr, done.stderr


def test_save_that_fails_says_so_and_leaves_the_file(naru, tmp_path):
    folder = tmp_path / "acl"
    folder.mkdir()
    file = folder / "users.acl"
    file.write_text("user default on nopass ~* &* +@all\n")
    broker = naru.broker("--aclfile", file)
    with Wire(broker.port) as admin:
        file.unlink()
        folder.rmdir()
        said = str(admin.call("ACL", "SAVE"))
        assert said.startswith("ERR There was an error trying to save the ACLs")
        assert admin.call("PING") == b"PONG"


def test_requirepass_is_a_password_of_the_default_user(broker, redis_port):
    answers = []
    for port in (broker.port, redis_port):
        with Wire(port) as admin, Wire(port) as late:
            # From here on it is let in, though it is late.
            said = [late.call("PING")]
            for words in [
                ["AUTH", "x"],
                ["AUTH", "default", "x"],
                ["CONFIG", "SET", "requirepass", "sesame"],
                ["ACL", "LIST"],
                ["ACL", "SETUSER", "default", ">other"],
                ["CONFIG", "GET", "requirepass"],
                ["AUTH", "other"],
                ["AUTH", "sesame"],
                ["AUTH", "neither"],
            ]:
                said.append(admin.call(*words))
            with Wire(port) as third:
                said.append(third.call("PING"))
                said.append(admin.call("ACL", "SETUSER", "default", "nopass"))
                said.append(third.call("PING"))
                said.append(admin.call("CONFIG", "SET", "requirepass", ""))
                said.append(admin.call("ACL", "LIST"))
                said.append(admin.call("ACL", "SETUSER", "default", "off"))
                said.append(late.call("PING"))
            with Wire(port) as fourth:
                said += [fourth.call("PING"), fourth.call("AUTH", "x"), fourth.call("AUTH", "default", "x")]
            answers.append(said)
    assert answers[0] == answers[1]


def test_who_may_use_the_broker_otherwise_is_kept_from_inboxes(broker, admin):
    admin.call("ACL", "SETUSER", "app", "on", "nopass", "+@all", "-@dangerous", "~*", "&public:*")
    admin.call("ACL", "SETUSER", "writer", "on", "nopass", "+@read", "+@write", "+@fast", "+@slow", "-@admin", "~*")
    for user in ("app", "writer"):
        with signed_in(broker.port, user) as wire:
            chat = "dm:alice:bob"
            for words in [["NARU.HISTORY", chat, "bob", "BEFORE", "0", "9"], ["NARU.SEND", chat, "alice", "m", "{}"]]:
                assert str(wire.call(*words)).startswith("NOPERM this user has no permissions to run the 'naru.")
            for words in [["SUBSCRIBE", "naru:server:one"], ["PSUBSCRIBE", "*"], ["PUBLISH", "naru:server:one", "{}"]]:
                assert str(wire.call(*words)).endswith("one of the channels used as arguments")
            assert wire.call("XADD", user, "1-1", "f", "v") == b"1-1"


def test_the_prompt_signs_in_as_a_user(naru, broker, admin):
    admin.call("ACL", "SETUSER", "alice", "on", ">secret", "+acl|whoami")
    done = naru.run("cli", "-p", broker.port, "--user", "alice", "-a", "secret", "ACL", "WHOAMI")
    assert (done.returncode, done.stdout.strip()) == (0, "alice")


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_has_its_way(broker, protocol):
    with redis.Redis(port=broker.port, protocol=protocol, decode_responses=True) as client:
        assert client.acl_setuser("alice", enabled=True, passwords=["+secret"], categories=["+@pubsub"], commands=["+ping"], channels=["c"])
        user = client.acl_getuser("alice")
        assert user["flags"] == ["on"] and user["enabled"] and len(user["passwords"]) == 1
        assert "naru" in client.acl_cat() and "publish" in client.acl_cat("pubsub")
        assert client.acl_whoami() == "default" and client.acl_users() == ["alice", "default"]
        assert len(client.acl_genpass()) == 64 and len(client.acl_genpass(5)) == 2
        assert client.acl_dryrun("alice", "publish", "c", "x") in (b"OK", "OK", True)
        with redis.Redis(port=broker.port, protocol=protocol, username="alice", password="secret") as alice:
            assert alice.publish("c", "x") == 0
            with pytest.raises(redis.exceptions.NoPermissionError):
                alice.publish("d", "x")
        assert client.acl_log()[0]["reason"] == "channel"
        assert client.acl_deluser("alice") == 1
