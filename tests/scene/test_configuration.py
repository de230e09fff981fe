"""`naru serve --config`: a good file, and what is said about bad ones."""

import os
import signal

import pytest

from harness.naru import SECRET, Server, logged
from harness.resp import Wire
from harness.sdk import Refused

GOOD = f"""
[server]
name = "from-the-file"
port = 0
[token]
hmac_secret_key = "{SECRET}"
[rooms]
new = ["team-*"]
[[channel.namespaces]]
name = "open"
allow_subscribe_for_client = true
allow_publish_for_subscriber = true
[[channel.namespaces]]
name = "quiet"
allow_subscribe_for_client = true
channel_regex = "^[a-z]+$"
[channel.without_namespace]
allow_user_limited_channels = true
"""


@pytest.fixture
def written(tmp_path):
    """Writes a configuration, for its owner alone unless it says otherwise."""

    def write(text, mode=0o600):
        path = tmp_path / "naru.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def serve(naru, broker):
    """A chat server with a configuration."""

    def start(path, *arguments, **options):
        at = ["--config", path, "--broker", broker.url, "--cores", "2"]
        program = naru.start("server", "serve", *at, *arguments, **options)
        ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "not ready")
        program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
        return Server(program, ready["address"], ready["server"])

    return start


def code(answer):
    return answer.get("code", 0)


def test_a_file_says_what_the_server_is_like(serve, written, people):
    server = serve(written(GOOD))
    assert server.name == "from-the-file"
    alice = people("alice", server)
    for channel, expected in {
        "open:x": 0,
        "quiet:abc": 0,
        "quiet:ABC": 107,
        "public:news": 102,
        "news": 103,
        "talk#alice,bob": 0,
        "talk#bob": 103,
        "open:서울": 107,
        "$open:x": 103,
        "open:a{b}": 107,
        "inbox:bob": 103,
    }.items():
        assert code(alice.call("subscribe", channel=channel)) == expected, channel
    assert code(alice.call("publish", channel="open:x", data={"n": 1})) == 0
    assert alice.heard("open:x", 1) == [{"n": 1}]
    for client, channel in ((alice, "quiet:abc"), (people("bob", server), "open:x")):
        with pytest.raises(Refused) as error:
            client.call("publish", channel=channel, data={})
        assert error.value.code == 103
    alice.rpc("room.join", {"conversation": "room:team-1"})


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(serve, written):
    path = written(GOOD)
    env = {**os.environ, "NARU__SERVER__NAME": "from-the-environment"}
    assert serve(path, env=env).name == "from-the-environment"
    assert serve(path, "--name", "from-the-line", env=env).name == "from-the-line"


@pytest.mark.parametrize(
    "text, said",
    [
        ("[server]\nprot = 1", ":2: server.prot is no setting: did you mean port?"),
        ("[sever]", ":1: sever is no setting: did you mean server?"),
        (
            '\n[[channel.namespaces]]\nname = "chat"\nhistroy_size = 5',
            ":4: channel.namespaces[1].histroy_size is no setting: did you mean history_size?",
        ),
        ('[server]\nport = "8000"', ":2: server.port: it takes a whole number from 0 to 65535, not a text"),
        ("[channel]\nhistory_meta_ttl = 60", ":2: channel.history_meta_ttl: it takes a text in quotes, not a number"),
        ('[channel.without_namespace]\nchannel_regex = "("', ":2: channel.without_namespace.channel_regex: it is no regular"),
        (
            '[[channel.namespaces]]\nname = "chat"\nforce_recovery = true',
            "force_recovery without history: set history_size and history_ttl as well",
        ),
        ("[server", ":1: "),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_what_to_write(naru, written, text, said):
    path = written(text)
    for arguments in ([], ["--check-config"]):
        done = naru.run("serve", "--config", path, "--port", "0", *arguments)
        assert done.returncode == 1
        assert str(path) in done.stderr and said in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 5


def test_a_file_that_cannot_be_read(naru, tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name, what_to_do in (("missing.toml", "naru serve --print-config"), ("", "name the file"), ("binary.toml", "TOML")):
        path = tmp_path / name
        done = naru.run("serve", "--config", path)
        assert done.returncode == 1 and f"{path} cannot be read: " in done.stderr and what_to_do in done.stderr


@pytest.mark.parametrize(
    "text, said",
    [
        ('[broker]\nurl = "http://:hush@broker"', "--broker, or broker.url: a broker's address has the form redis://"),
        ('[broker]\nurl = "rediss://broker"\ntls_ca_cert_file = "no.pem"', "no.pem: it cannot be read; name a file in PEM"),
        (
            '[token]\njwks_public_endpoint = "https://keys"\n[outbound]\ntls_ca_cert_file = "no.pem"',
            "[outbound]: no.pem: it cannot be read; name a file in PEM",
        ),
    ],
)
def test_a_check_finds_what_would_end_a_start(naru, written, text, said):
    done = naru.run("serve", "--config", written(text), "--check-config")
    assert done.returncode == 1 and said in done.stderr and "hush" not in done.stderr


def test_a_file_that_others_may_write_is_refused(naru, written):
    for mode in (0o620, 0o602):
        done = naru.run("serve", "--config", written(GOOD, mode), "--check-config")
        assert done.returncode == 1 and "chmod go-w" in done.stderr


def test_secrets_that_others_may_read_are_warned_of(naru, written):
    done = naru.run("serve", "--config", written(GOOD, 0o644), "--check-config")
    assert done.returncode == 0 and "chmod go-r" in done.stderr and SECRET not in done.stderr
    done = naru.run("serve", "--config", written("[server]\nport = 0", 0o644), "--check-config")
    assert done.returncode == 0 and done.stderr == ""


def test_a_check_starts_nothing(naru, written, tmp_path):
    done = naru.run("serve", "--config", written(GOOD), "--check-config")
    assert (done.returncode, done.stdout, done.stderr) == (0, "The configuration is good.\n", "")
    assert not (tmp_path / "naru-data").exists()


def test_the_example_is_a_good_configuration(naru, written):
    example = naru.run("serve", "--print-config").stdout
    done = naru.run("serve", "--config", written(example), "--check-config")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("said", ["", "[limits]\nwaiting_size_limit = 0\n", "[limits]\nwaiting_size_limit = 5000000\n"])
def test_what_waits_for_all_clients_has_a_bound_unless_none_is_wanted(serve, written, said):
    server = serve(written(GOOD + said))
    bounded = logged(server.program, "what waits for clients that do not read is bounded")
    match said:
        case "":
            machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            assert 4 << 20 <= bounded["bytes"] <= machine // 4
        case _ if "= 0" in said:
            assert bounded is None
        case _:
            assert bounded["bytes"] == 5_000_000


def test_sighup_reads_the_channels_again_unless_they_are_bad(broker, serve, written, people):
    path = written(GOOD)
    server = serve(path)
    alice = people("alice", server)
    assert code(alice.call("subscribe", channel="open:x")) == 0
    assert code(alice.call("subscribe", channel="later:x")) == 102

    def hang_up(text, word):
        written(text)
        server.program.process.send_signal(signal.SIGHUP)
        server.program.wait_for(lambda it: logged(it, word), "SIGHUP is not heeded")

    hang_up(GOOD + '[[channel.namespaces]]\nname = "x"', "SIGHUP: the configuration stays as it was")
    assert code(alice.call("subscribe", channel="open:y")) == 0
    hang_up(GOOD.replace('"open"', '"later"'), "SIGHUP: the channels' configuration was read again")
    bob = people("bob", server)
    assert code(bob.call("subscribe", channel="later:x")) == 0
    assert code(bob.call("subscribe", channel="open:x")) == 102
    # Who was subscribed stays so.
    with Wire(broker.port) as wire:
        assert wire.call("PUBLISH", "open:x", '{"n":1}') == 1
    assert alice.heard("open:x", 1) == [{"n": 1}]
