"""A chat server as a program: how it ends, what it serves, what it refuses."""

import http.client
import json
import socket

import pytest

from harness.naru import SECRET, logged
from harness.resp import Wire
from harness.retrying import Sending
from harness.waiting import takes

# As docs/operating.md has it; what is about something else gives it longer.
ENDS_SECONDS, TERM_SECONDS = 5, 15
COUNT = 200


@pytest.fixture
def bounds():
    """A ring that has all that is sent: who acknowledges nothing, and is away for longer than it goes back, gets things twice."""
    return {"ring-max": COUNT}


def request(server, method, path, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


def test_sigterm_tells_clients_to_go_elsewhere_and_ends_in_time(servers, people):
    alice = people("alice", servers[0])
    bob = people("bob", servers[1], servers[0])
    sending = Sending(alice, "bob", COUNT)
    sending.reach(50)
    assert servers[1].program.terminate(TERM_SECONDS) == 0
    assert bob.wait("connecting", 2)["code"] == 3001
    bob.wait("connected", 2)
    sending.finish()
    assert bob.texts("bob", COUNT) == sending.texts()


def test_sigterm_with_sends_in_hand_answers_them_or_lets_them_be_repeated(servers, people):
    alice, bob = people("alice", servers[0], servers[1]), people("bob", servers[1])
    sending = Sending(alice, "bob", COUNT)
    sending.reach(50)
    assert servers[0].program.terminate(TERM_SECONDS) == 0
    assert [answer["seq"] for answer in sending.finish()] == list(range(1, COUNT + 1))
    assert bob.texts("bob", COUNT) == sending.texts()


def test_sigterm_with_clients_that_say_nothing(naru, broker):
    servers = [naru.joined_server(broker) for _ in range(3)]
    silent = [[socket.create_connection(("127.0.0.1", it.port)) for _ in range(20)] for it in servers]
    for connections in silent:
        connections[0].sendall(b"GET / HTTP/1.1\r\nHos")

    def end():
        assert servers.pop().program.terminate(TERM_SECONDS) == 0

    takes(ENDS_SECONDS, end)


def test_everything_in_one_process_ends_in_time_and_keeps_what_was_stored(naru, sdk, tmp_path):
    def start():
        program = naru.start(
            "serve", "serve", "--port", "0", "--resp-port", "0", "--data", tmp_path / "data", "--token-secret", SECRET
        )
        ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "not ready")
        resp = logged(program, "the embedded broker is ready")
        return program, int(ready["address"].rsplit(":", 1)[1]), int(resp["address"].rsplit(":", 1)[1])

    program, port, resp_port = start()
    url = f"ws://127.0.0.1:{port}/connection/websocket"
    alice, bob = (sdk.client(url, token=naru.token(user)) for user in ("alice", "bob"))
    alice.wait("connected")
    alice.send("bob", "id-1", {"text": "one"})
    assert bob.texts("bob", 1) == ["one"]
    with Wire(resp_port) as wire:
        assert wire.call("NARU.STANDING", "bob", "dm:alice:bob")[1] == 1
        wire.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        assert program.terminate(TERM_SECONDS) == 0
    program, port, resp_port = start()
    bob = sdk.client(f"ws://127.0.0.1:{port}/connection/websocket", token=naru.token("bob"))
    assert bob.texts("bob", 1) == ["one"]


def test_without_a_secret_one_is_made_and_shown_but_not_logged(naru, sdk, broker):
    program = naru.start("serve", "serve", "--port", "0", "--broker", broker.url)
    ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "not ready")
    said = program.wait_for(lambda it: "--user alice" in it.log() and it.log(), "no secret is shown")
    secret = said.split("--secret ", 1)[1].split()[0]
    assert all(secret not in line for line in said.splitlines() if line.startswith("{"))
    token = naru.run("token", "--secret", secret, "--user", "alice").stdout.strip()
    sdk.client(f"ws://{ready['address']}/connection/websocket", token=token).wait("connected")


def test_the_page_is_served_with_a_strict_policy(naru, broker):
    server = naru.joined_server(broker, name="server-7")
    status, headers, body = request(server, "GET", "/")
    assert status == 200 and b"<html" in body and headers["content-type"].startswith("text/html")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert request(server, "GET", "/app.js")[1]["content-type"].startswith("text/javascript")
    status, _, body = request(server, "GET", "/server.json")
    assert status == 200 and json.loads(body) == {"server": "server-7", "demo": False, "peers": []}


def test_what_is_not_there_is_not_found(naru, broker):
    server = naru.joined_server(broker)
    for path in ("/nonsense", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/README.md", "/package.json"):
        assert request(server, "GET", path)[0] == 404, path
    sign_in = request(server, "POST", "/demo/sign-in", {"content-type": "application/json"}, '{"user":"alice"}')
    assert sign_in[0] in (404, 405), "only the demo lets anyone in"


def test_a_plain_request_for_the_websocket_gets_a_plain_answer(naru, broker):
    status, _, _ = request(naru.joined_server(broker), "GET", "/connection/websocket")
    assert 400 <= status < 500


def test_pages_of_other_sites_may_not_connect(naru, broker):
    server = naru.joined_server(broker, "--origin", "https://app.example.com")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for origin, status in (
        ("https://evil.example.com", 403),
        ("null", 403),
        ("https://app.example.com", 101),
        (f"http://127.0.0.1:{server.port}", 101),
    ):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            lines = {**upgrade, "Host": f"127.0.0.1:{server.port}", "Origin": origin}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            connection.sendall(f"GET /connection/websocket HTTP/1.1\r\n{head}\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 %d" % status), origin


def test_a_port_that_is_taken(naru, broker):
    server = naru.joined_server(broker)
    done = naru.run("serve", "--port", server.port, "--broker", broker.url, "--token-secret", SECRET)
    assert done.returncode != 0 and str(server.port) in done.stderr and "--port" in done.stderr


def test_logs_name_no_message_and_no_token(broker, servers, people):
    alice, bob = people("alice", servers[0]), people("bob", servers[1])
    alice.send("bob", "id-1", {"text": "a very private text"})
    bob.texts("bob", 1)
    for program in (servers[0].program, servers[1].program, broker.program):
        assert program.terminate(TERM_SECONDS) == 0
        assert "private text" not in program.log() and "eyJ" not in program.log()
