"""Chat servers behind nginx, which compresses what comes back, and so keeps it until there is more, unless it is told not to."""

import http.client
import shutil

import pytest

from harness.naru import HeldPort, Listening
from harness.waiting import eventually

WAYS = {
    "websocket": {},
    "websocket in Protobuf": {"protobuf": True},
    "http_stream": {"transport": "http_stream"},
    "http_stream in Protobuf": {"transport": "http_stream", "protobuf": True},
    "sse": {"transport": "sse"},
}

NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    gzip on;
    gzip_types *;
    client_body_temp_path bodies;
    proxy_temp_path answers;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      '';
    }}
    upstream chat {{ {upstream} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://chat;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

LIMITS = """
[limits]
address_connection_limit = 2
trusted_proxies = ["127.0.0.1"]
"""


class Nginx(Listening):
    """In front of chat servers, in turns."""

    def __init__(self, programs, servers):
        held = HeldPort()
        held.release()
        folder = programs.folder / "nginx"
        folder.mkdir(exist_ok=True)
        upstream = " ".join(f"server 127.0.0.1:{server.port};" for server in servers)
        (folder / "nginx.conf").write_text(NGINX.format(port=held.number, upstream=upstream))
        binary = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        assert binary, "nginx is missing: scripts/install-test-tools installs it"
        program = programs.start("nginx", [binary, "-p", folder, "-e", "stderr", "-c", "nginx.conf"])
        super().__init__(program, f"127.0.0.1:{held.number}")
        program.wait_for(lambda _: self.status("/health") == 200, "nobody is there")

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def request(self, path, headers):
        """A connection, and what it is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers=headers)
        return connection, connection.getresponse()

    def status(self, path):
        try:
            connection, answer = self.request(path, {})
        except OSError:
            return None
        connection.close()
        return answer.status


@pytest.mark.parametrize("way", WAYS)
def test_everything_comes_through_at_once(programs, servers, people, way):
    # What is posted comes to another server than the stream is at, half the time.
    nginx = Nginx(programs, servers)
    alice, bob = people("alice", nginx, **WAYS[way]), people("bob", servers[1])
    for client in (alice, bob):
        assert client.call("subscribe", channel="public:news") == {}
    for number in range(20):
        # One after the other: what is kept until there is more would be kept for ever.
        (alice, bob)[number % 2].call("publish", channel="public:news", data={"n": number})
        for client in (alice, bob):
            client.wait("publication", number + 1, channel="public:news")
    bob.send_all("alice", range(100))
    assert alice.texts("alice", 100) == [f"{number}" for number in range(100)]
    assert len(alice.seen("connecting")) == 1 and not alice.seen("disconnected")


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_connections_are_counted_by_whom_it_passes_on(naru, programs, broker, tmp_path):
    config = tmp_path / "naru.toml"
    config.write_text(LIMITS)
    config.chmod(0o600)
    nginx = Nginx(programs, [naru.joined_server(broker, "--config", config)])

    def come(address):
        return nginx.request("/connection/websocket", {**UPGRADE, "X-Forwarded-For": address})

    here = [come("203.0.113.7"), come("203.0.113.7"), come("203.0.113.8")]
    assert [answer.status for _, answer in here] == [101, 101, 101]
    assert come("203.0.113.7")[1].status == 503
    # What a client says of itself stands before what a proxy says of it.
    assert come("203.0.113.9, 203.0.113.7")[1].status == 503
    here[0][1].close()
    here[0][0].close()

    def is_room():
        connection, answer = come("203.0.113.7")
        here.append((connection, answer))
        return answer.status == 101

    eventually(is_room, "whoever has gone is still counted")
    for connection, answer in here:
        answer.close()
        connection.close()
