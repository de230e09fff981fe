"""What nobody is to read is in no log and in no metric, whatever is logged."""

import http.client
import json

from harness.naru import SECRET, logged
from harness.resp import Wire

PASSWORD = "canary-password-of-the-broker"
API_KEY = "canary-key-of-the-server-api"
METRICS_TOKEN = "canary-token-of-the-metrics"
BODY = "canary-body-of-a-message"
PAYLOAD = "canary-payload-of-a-channel"

CONFIG = f"""
[metrics]
address = "127.0.0.1:0"
token = "{METRICS_TOKEN}"

[http_api]
key = "{API_KEY}"
"""


def get(port, path, headers=None, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_secrets_and_bodies_are_in_no_log_and_no_metric(naru, broker, sdk, tmp_path):
    with Wire(broker.port) as wire:
        assert wire.call("CONFIG", "SET", "requirepass", PASSWORD) == b"OK"
    path = tmp_path / "naru.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    program = naru.start(
        "server", "--log", "trace", "serve", "--port", "0", "--config", path, "--token-secret", SECRET,
        "--broker", f"redis://:{PASSWORD}@127.0.0.1:{broker.port}",
    )  # fmt: skip
    ready = program.wait_for(lambda it: logged(it, "the chat server is ready"), "not ready")
    metrics = int(logged(program, "metrics are served")["address"].rsplit(":", 1)[1])
    program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
    port = int(ready["address"].rsplit(":", 1)[1])
    url = f"ws://127.0.0.1:{port}/connection/websocket"

    tokens = {user: naru.token(user) for user in ("alice-canary", "bob-canary")}
    alice, bob = (sdk.client(url, token=token) for token in tokens.values())
    for client in (alice, bob):
        client.wait("connected")
    bob.call("subscribe", channel="public:canary-channel")
    alice.send("bob-canary", "id-1", {"text": BODY})
    assert bob.texts("bob-canary", 1) == [BODY]
    alice.call("publish", channel="public:canary-channel", data={"text": PAYLOAD})
    bob.heard("public:canary-channel", 1)
    published = {"channel": "public:canary-channel", "data": {"text": PAYLOAD}}
    key = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    assert get(port, "/api/publish", key, "POST", json.dumps(published))[0] == 200
    # A token that is refused, and one that was changed.
    spoiled = tokens["alice-canary"][:-3] + "abc"
    refused = sdk.client(url, token=spoiled)
    refused.wait("disconnected", code=3500)

    assert get(metrics, "/metrics")[0] == 401
    status, page = get(metrics, "/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert status == 200 and page.endswith("# EOF\n")
    assert "naru_sessions_opened_total" in page
    assert program.terminate() == 0

    log = program.log()
    assert "a session ended" in log, "it logs too little to show anything"
    secrets = [PASSWORD, API_KEY, METRICS_TOKEN, BODY, PAYLOAD, SECRET, spoiled, *tokens.values()]
    for secret in secrets:
        assert secret not in log, f"{secret} is in the log"
        assert secret not in page
    # The shape of every token; and who is whom is no metric's business.
    assert "eyJ" not in log
    for name in ("eyJ", "alice", "bob", "canary"):
        assert name not in page, f"{name} is in the metrics"
