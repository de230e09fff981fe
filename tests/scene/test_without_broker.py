"""A chat server whose broker is not there (yet)."""

import pytest

from harness.naru import HeldPort, logged
from harness.redis_peer import start as start_redis
from harness.resp import Wire
from harness.retrying import Sending
from harness.sdk import Refused
from harness.stores import EVERY
from harness.waiting import eventually


@pytest.fixture
def broker(durable_broker):
    return durable_broker


@pytest.fixture
def servers(servers_apart):
    return servers_apart


@pytest.mark.brokers(*EVERY)
def test_it_starts_says_so_refuses_for_now_and_works_when_the_broker_comes(naru, brokers, sdk, tmp_path):
    held = HeldPort()
    server = naru.server(f"redis://127.0.0.1:{held.number}")
    said = server.program.wait_for(lambda it: logged(it, "no broker"), "nothing is said of the missing broker")
    assert f"127.0.0.1:{held.number}" in said["message"] and "naru broker" in said["message"]
    alice = sdk.client(server.url, token=naru.token("alice"))
    error = alice.wait("error")
    assert error["code"] == 100 and not alice.seen("connected")
    held.release()
    brokers.start(tmp_path, port=held.number)
    alice.wait("connected")
    bob = sdk.client(server.url, token=naru.token("bob"))
    bob.wait("connected")
    Sending(alice, "bob", 3).finish()
    assert bob.texts("bob", 3) == ["id 0", "id 1", "id 2"]


@pytest.mark.brokers(*EVERY)
def test_sends_are_refused_with_a_temporary_error_while_it_is_away(naru, broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    alice.send("bob", "id-0", {"text": "before"})
    assert bob.texts("bob", 1) == ["before"]
    broker.program.kill()

    def refusal():
        try:
            alice.send("bob", "id-1", {"text": "after"})
        except Refused as refused:
            return refused if refused.code == 100 else None

    refused = eventually(refusal, "the send was not refused")
    assert refused.temporary and "broker" in refused.message
    for method, data in (("ack", {"offset": 0}), ("history", {"conversation": "dm:alice:bob"})):
        with pytest.raises(Refused) as other:
            alice.rpc(method, data)
        assert other.value.code == 100 and other.value.temporary
    naru.restarted(broker)
    eventually(lambda: _answered(alice), "sends are still refused")
    assert bob.texts("bob", 2) == ["before", "after"]
    assert all(len(client.seen("connecting")) == 1 for client in (alice, bob)), "clients stay connected"


def _answered(alice):
    try:
        return alice.send("bob", "id-1", {"text": "after"})["count"] == 2
    except Refused:
        return False


def test_a_server_can_end_while_its_broker_is_away(naru):
    held = HeldPort()
    server = naru.server(f"redis://127.0.0.1:{held.number}")
    assert server.program.terminate() == 0


def test_a_redis_is_joined_and_what_it_keeps_is_said(naru, programs):
    port = start_redis(programs, HeldPort())
    server = naru.server(f"redis://127.0.0.1:{port}")
    said = server.program.wait_for(lambda it: logged(it, "the ledger is kept on"), "it does not say what it has found")
    assert "a restart loses what came after the last snapshot" in said["message"] and said["level"] == "WARN", said
    server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it has not joined it")
    assert server.program.terminate() == 0


def test_a_redis_that_may_throw_messages_away_is_refused_with_what_to_do(naru, programs):
    port = start_redis(programs, HeldPort(), "--maxmemory-policy", "allkeys-lru")
    server = naru.server(f"redis://127.0.0.1:{port}")
    said = server.program.wait_for(lambda it: logged(it, "maxmemory-policy allkeys-lru"), "it is not refused")
    assert "set it to noeviction; trying again" in said["message"], said
    with Wire(port) as wire:
        assert wire.call("CONFIG", "SET", "maxmemory-policy", "noeviction") == b"OK"
    server.program.wait_for(lambda it: logged(it, "connected to the broker"), "it does not try again")


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1", "redis://", ""])
def test_an_address_that_is_none_is_refused(naru, url):
    done = naru.run("serve", "--port", "0", "--broker", url, "--token-secret", "x" * 32)
    assert done.returncode != 0 and "--broker" in done.stderr and "redis://" in done.stderr, done.stderr
