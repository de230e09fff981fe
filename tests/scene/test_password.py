"""Chat servers at a broker with a password."""

import time

from harness import jwt
from harness.naru import SECRET, logged
from harness.retrying import Sending
from harness.resp import Wire

PASSWORD = "correct-horse"


def test_a_server_that_knows_it_is_let_in(naru, people):
    broker = naru.broker("--requirepass", PASSWORD)
    server = naru.server(f"redis://:{PASSWORD}@127.0.0.1:{broker.port}")
    server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it was not let in")
    alice, bob = people("alice", server), people("bob", server)
    Sending(alice, "bob", 3).finish()
    assert bob.texts("bob", 3) == ["id 0", "id 1", "id 2"]
    assert PASSWORD not in server.program.log()


def test_one_that_does_not_says_so_without_saying_it(naru):
    broker = naru.broker("--requirepass", PASSWORD)
    for address in (f"127.0.0.1:{broker.port}", f":wrong-horse@127.0.0.1:{broker.port}"):
        server = naru.server(f"redis://{address}")
        said = server.program.wait_for(lambda it: logged(it, "password"), "it does not say what is wrong")
        assert "trying again" in said["message"]
        assert "wrong-horse" not in server.program.log()


# What docs/operating.md gives a chat server.
RULES = (
    "resetchannels &naru:server:* &naru:room:* &naru:control &naru:node:* &naru:revoked &naru:used:* "
    "&public:* "
    "+@naru -@admin +publish +subscribe +unsubscribe +ping +client|setinfo"
).split()


def test_a_server_needs_no_more_than_the_rules_of_a_chat_server(naru, people):
    broker = naru.broker()
    with Wire(broker.port) as admin:
        assert admin.call("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", *RULES) == b"OK"
        assert admin.call("ACL", "SETUSER", "default", "off") == b"OK"
        url = f"redis://gateway:{PASSWORD}@127.0.0.1:{broker.port}"
        servers = [naru.server(url, name=name) for name in ("one", "two")]
        for server in servers:
            server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it was not let in")
        alice, bob = people("alice", servers[0]), people("bob", servers[1])
        Sending(alice, "bob", 3).finish()
        assert bob.texts("bob", 3) == ["id 0", "id 1", "id 2"]
        assert bob.call("subscribe", channel="public:news") == {}
        alice.call("publish", channel="public:news", data={"n": 1})
        assert bob.heard("public:news", 1) == [{"n": 1}]
        bob.call("unsubscribe", channel="public:news")
        assert admin.call("ACL", "LOG") == []


def test_nor_does_one_whose_tokens_connect_once(naru, sdk, tmp_path):
    broker = naru.broker()
    path = tmp_path / "naru.toml"
    path.write_text(f'[token]\nhmac_secret_key = "{SECRET}"\nconnect_once = true\n')
    path.chmod(0o600)
    with Wire(broker.port) as admin:
        assert admin.call("ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", *RULES) == b"OK"
        server = naru.server(f"redis://gateway:{PASSWORD}@127.0.0.1:{broker.port}", "--config", path)
        server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it was not let in")
        token = jwt.signed({"sub": "alice", "jti": "1", "exp": int(time.time()) + 600}, SECRET)
        sdk.client(server.url, token=token).wait("connected")
        assert sdk.client(server.url, token=token).wait("error", code=109)
        assert admin.call("ACL", "LOG") == []
