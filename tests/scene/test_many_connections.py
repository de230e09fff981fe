"""A chat server that has as many connections as it may: unless it is said otherwise what the process may have open (`ulimit -n`), less
what else it has to open."""

import http.client
import socket

import pytest

from harness.naru import BINARY, SECRET, Server, logged
from harness.raw_client import RawClient
from harness.resp import Error, Wire
from harness.waiting import eventually

FILES = 512
# Half of so few files are for others.
SESSIONS = 256

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def program(programs, tmp_path):
    command = ["prlimit", f"--nofile={FILES}:{FILES}", BINARY, "--log-format", "json", "serve", "--cores", "2"]
    command += ["--port", "0", "--resp-port", "0", "--data", tmp_path / "data", "--token-secret", SECRET]
    return programs.start("server", command)


@pytest.fixture
def server(program):
    ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "not ready")
    program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
    return Server(program, ready["address"], ready["server"])


class Person:
    def __init__(self, naru, server, name):
        self.client = RawClient(server.port, naru.token(name))
        self.messages = self.client.messages()
        assert "connect" in next(self.messages)

    def ask(self, name, request):
        self.client.command(name, request)
        return next(it for it in self.messages if it.get("id") == self.client.last_id)


def ask_for_a_session(server):
    """The status and text it is answered with, and the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/connection/websocket", headers=UPGRADE)
    answer = connection.getresponse()
    return answer.status, answer.read().decode() if answer.status != 101 else "", connection


def test_who_comes_to_a_full_server_is_told_so_and_all_others_are_served(naru, server):
    resp_port = int(logged(server.program, "the embedded broker is ready")["address"].rsplit(":", 1)[1])
    people = [Person(naru, server, f"user-{n}") for n in range(SESSIONS - 1)]
    status, _, stranger = ask_for_a_session(server)
    assert status == 101
    # Whoever has not signed in makes room.
    people.append(Person(naru, server, "last"))
    assert b"too many requests" in stranger.sock.recv(1000)
    status, text, _ = ask_for_a_session(server)
    assert status == 503 and "as many connections as there may be" in text
    assert logged(server.program, "who comes is answered 503")

    # More come that ask nothing than there are files for: they wait, and the broker has its files.
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2 * FILES)]
    for number, person in enumerate(people):
        sent = person.ask("rpc", {"method": "send", "data": {"to": "@user-0", "id": f"{number}", "body": {"text": "hello"}}})
        assert "error" not in sent, sent
    with Wire(resp_port) as wire:
        # Enough for another file of the log.
        for _ in range(200):
            assert not isinstance(reply := wire.call("XADD", "queue", "*", "body", b"x" * 500_000), Error), reply
    assert not logged(server.program, "a connection could not be accepted")
    for connection in silent:
        connection.close()
    people.pop().client.socket.close()
    eventually(lambda: ask_for_a_session(server)[0] == 101, "there is no room again")
