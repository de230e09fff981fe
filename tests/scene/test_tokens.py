"""Who may come in: tokens, and the protocol's codes for those that are none."""

import base64
import json
import time

import pytest

from harness import jwt
from harness.naru import SECRET, log_lines
from harness.sdks import token_of
from harness.waiting import eventually


@pytest.fixture
def server(naru, broker):
    return naru.joined_server(broker)


def in_an_hour():
    return int(time.time()) + 3600


BAD = {
    "no token at all": lambda: "nonsense",
    "three parts of nonsense": lambda: "a.b.c",
    "another secret": lambda: jwt.signed({"sub": "alice", "exp": in_an_hour()}, "another secret that is long enough"),
    "no signature": lambda: jwt.unsigned({"sub": "alice", "exp": in_an_hour()}),
    "a subscription token": lambda: jwt.signed(
        {"sub": "alice", "exp": in_an_hour(), "channel": "public:news"}, SECRET
    ),
    "a name that is none": lambda: jwt.signed({"sub": "a\nb", "exp": in_an_hour()}, SECRET),
    "nobody": lambda: jwt.signed({"sub": "", "exp": in_an_hour()}, SECRET),
    "a changed claim": lambda: changed(jwt.signed({"sub": "alice", "exp": in_an_hour()}, SECRET)),
}


def changed(token):
    head, _, signature = token.split(".")
    claims = json.dumps({"sub": "bob", "exp": in_an_hour()}).encode()
    return f"{head}.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize("why", BAD)
def test_a_bad_token_is_closed_for_good(server, sdk, why):
    client = sdk.client(server.url, token=BAD[why]())
    assert client.wait("disconnected")["code"] == 3500
    assert not client.seen("connected")


def test_without_a_token_nobody_comes_in(server, sdk):
    client = sdk.client(server.url)
    assert client.wait("disconnected")["code"] == 3501


def test_an_expired_token_is_said_to_be_so_and_a_new_one_lets_in(naru, server, sdk):
    expired = jwt.signed({"sub": "alice", "exp": int(time.time()) - 3600}, SECRET)
    client = sdk.client(server.url, token=expired, next_tokens=[naru.token("alice")])
    client.wait("connected")
    assert client.seen("error")[0]["code"] == 109
    assert len(client.seen("token asked for")) == 1


def test_a_client_whose_token_connects_once_comes_back_with_a_new_one(naru, broker, sdk, tmp_path):
    path = tmp_path / "naru.toml"
    path.write_text(f'[token]\nhmac_secret_key = "{SECRET}"\nconnect_once = true\nlifetime_limit = "2h"\n')
    path.chmod(0o600)
    one, two = (naru.joined_server(broker, "--config", path) for _ in range(2))

    def token(name):
        return jwt.signed({"sub": "alice", "exp": in_an_hour(), "jti": name}, SECRET)

    alice = sdk.client(one.url, token=token("1"), next_tokens=[token("2"), token("3")])
    alice.wait("connected")
    assert not alice.seen("token asked for")
    # Who has taken it from her, on another server.
    thief = sdk.client(two.url, token=token("1"))
    eventually(lambda: thief.seen("error"), "a token counted twice")
    assert thief.seen("error")[0]["code"] == 109 and not thief.seen("connected")
    # She has a link that breaks: her SDK comes with the token it has, is told that it is over, and asks for another.
    one.program.kill()
    naru.server(broker.url, "--config", path, port=one.port)
    alice.wait("connected", 2)
    assert len(alice.seen("error", code=109)) == 1
    assert len(alice.seen("token asked for")) == 1
    too_long = jwt.signed({"sub": "alice", "exp": in_an_hour() + 2 * 3600, "jti": "4"}, SECRET)
    refused = sdk.client(two.url, token=too_long)
    assert refused.wait("disconnected")["code"] == 3500


def test_a_token_without_an_end_is_refused_and_the_log_says_what_to_do(naru, broker, server, sdk, tmp_path):
    endless = jwt.signed({"sub": "alice"}, SECRET)
    for _ in range(2):
        assert sdk.client(server.url, token=endless).wait("disconnected")["code"] == 3500
    said = [it for it in log_lines(server.program) if "token" in it["message"]]
    assert [(it["level"], it["command"]) for it in said] == [("WARN", "connect")], said
    assert "give tokens one" in said[0]["fault"] and "NARU__TOKEN__REQUIRE_EXP" in said[0]["fault"]
    # What it says helps.
    path = tmp_path / "naru.toml"
    path.write_text("[token]\nrequire_exp = false\n")
    lax = naru.joined_server(broker, "--config", path)
    sdk.client(lax.url, token=endless).wait("connected")


def test_a_connection_is_renewed_when_its_token_runs_out(naru, server, sdk):
    client = sdk.client(server.url, token=naru.token("alice", "--ttl", "2s"), next_tokens=[naru.token("alice")])
    client.wait("connected")
    client.wait("token asked for")
    client.rpc("send", {"to": "@bob", "id": "1", "body": {}})
    assert not client.seen("disconnected") and len(client.seen("connected")) == 1


def test_a_token_can_grant_channels(naru, broker, server, sdk, people):
    token = token_of("alice", channels=["private-room"])
    client = sdk.client(server.url, token=token)
    client.wait("connected")
    client.wait("server subscribed", channel="private-room")
    other = token_of("mallory", channels=["inbox:alice"])
    refused = sdk.client(server.url, token=other)
    eventually(lambda: refused.seen("error") or refused.seen("disconnected"), "an inbox was granted")
    assert not refused.seen("connected")


def test_nobody_gets_another_ones_inbox(server, people):
    alice, mallory = people("alice", server), people("mallory", server)
    mallory.wait("server subscribed")
    assert [it["channel"] for it in mallory.seen("server subscribed")] == ["inbox:mallory"]
    people("bob", server).send("alice", "id-1", {"text": "private"})
    alice.inbox("alice", 1)
    assert not mallory.seen("publication")


def test_the_token_command_says_what_is_wrong(naru):
    for arguments, word in (
        (["--user", "alice"], "--secret"),
        (["--secret", SECRET], "--user"),
        (["--secret", SECRET, "--user", "alice", "--claims", "{"], "--claims"),
        (["--secret", SECRET, "--user", "alice", "--claims", '{"sub":"bob"}'], "--user"),
        (["--secret", SECRET, "--user", "x" * 129], "--user"),
        (["--secret", SECRET, "--user", "alice", "--ttl", "soon"], "--ttl"),
        (["--secret", "", "--user", "alice"], "secret"),
    ):
        done = naru.run("token", *arguments)
        assert done.returncode != 0 and word in done.stderr and not done.stdout, (arguments, done)


def test_the_secret_may_come_from_the_environment(naru, server, sdk):
    done = naru.run("token", "--user", "alice", env={"NARU_TOKEN_SECRET": SECRET})
    sdk.client(server.url, token=done.stdout.strip()).wait("connected")
