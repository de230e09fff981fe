"""A back end that is asked over HTTPS: whom a chat server believes, and what it signs."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.certificates import Certificates

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class BackEnd:
    """Lets everybody in, and keeps what it was asked."""

    def __init__(self, certificate, key):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                asked.append((self.headers, body))
                answer = json.dumps({"result": {"user": "ada"}}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_port}/connect"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def back_end(certificates):
    back_end = BackEnd(*certificates.signed("back-end"))
    yield back_end
    back_end.stop()


@pytest.fixture
def server(naru, tmp_path, back_end):
    """Starts a server that asks the back end, with more in its configuration."""

    def start(more):
        config = tmp_path / "naru.toml"
        config.write_text(
            f"""
            [client.proxy.connect]
            enabled = true
            endpoint = "{back_end.url}"
            timeout = "5s"
            http = {{ signing_secret = "{SECRET}" }}
            {more}
            """
        )
        config.chmod(0o600)
        return naru.serve_alone("server", "--config", config, "--data", tmp_path / "data", "--resp-port", 0)

    return start


def test_an_authority_of_ones_own_is_believed_beside_the_machines(server, back_end, certificates, sdk):
    one = server(f'[outbound]\ntls_ca_cert_file = "{certificates.authority}"')
    sdk.client(one.url).wait("connected")
    headers, body = back_end.asked[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mine = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == mine
    assert SECRET not in one.program.log() and str(KEY) not in one.program.log()


def test_a_certificate_of_an_authority_that_nobody_knows_lets_nobody_in(server, back_end, sdk):
    one = server("")
    client = sdk.client(one.url)
    assert client.wait("error")["code"] == 100
    assert back_end.asked == []
