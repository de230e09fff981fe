"""What the API says of itself, against what it does."""

import html.parser
import json
import urllib.error
import urllib.request

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from harness.naru import API_KEY as KEY


def ask(server, path, body=None, key=KEY, **headers):
    """The status, headers and body of an answer; a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-API-Key": key, **headers} if key else headers
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def document(servers):
    status, headers, body = ask(servers[0], "/openapi.json", key=None)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    return json.loads(body)


# A body that each method takes.
GOOD = {
    "publish": {"channel": "kept:a", "data": 1},
    "broadcast": {"channels": ["kept:a", "nowhere:a"], "data": {"a": [1]}},
    "subscribe": {"channel": "kept:a", "user": "alice", "override": {"presence": {"value": True}}},
    "unsubscribe": {"channel": "kept:a", "user": "alice"},
    "disconnect": {"user": "alice", "disconnect": {"code": 4000, "reason": "x"}},
    "refresh": {"user": "alice", "expire_at": 1},
    "presence": {"channel": "kept:a"},
    "presence_stats": {"channel": "kept:a"},
    "history": {"channel": "kept:a", "limit": -1},
    "history_remove": {"channel": "kept:a"},
    "channels": {},
    "info": {},
    "batch": {"commands": [{"info": {}}, {"publish": {"channel": "nowhere:a", "data": 1}}]},
    "rpc": {"method": "unread", "params": {"user": "alice"}},
    "revoke_token": {"uid": "nobodys", "expire_at": 4102444800},
    "invalidate_user_tokens": {"user": "nobody"},
}


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    assert set(document["paths"]) == {f"/api/{method}" for method in GOOD}


@pytest.mark.parametrize("method", GOOD)
def test_every_documented_path_takes_and_answers_what_is_documented(servers, document, method):
    operation = document["paths"][f"/api/{method}"]["post"]

    def check(schema, value):
        Draft202012Validator({**schema, "components": document["components"]}).validate(value)

    check(operation["requestBody"]["content"]["application/json"]["schema"], GOOD[method])
    ask(servers[0], "/api/publish", GOOD["publish"])
    status, _, body = ask(servers[0], f"/api/{method}", GOOD[method])
    assert status == 200
    answer = json.loads(body)
    assert "error" not in answer, answer
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
    check(answered, answer)
    # And a refusal, in both modes.
    assert ask(servers[0], f"/api/{method}", [])[0] == 400
    assert ask(servers[0], f"/api/{method}", GOOD[method], key="wrong")[::2] == (401, b"")
    assert ask(servers[0], f"/api/{method}", GOOD[method], key=None)[::2] == (401, b"")
    if "channel" in GOOD[method]:
        wrong = {**GOOD[method], "channel": "nowhere:a"}
        status, _, body = ask(servers[0], f"/api/{method}", wrong)
        check(answered, json.loads(body))
        assert (status, json.loads(body)["error"]["code"]) == (200, 102)
        status, _, body = ask(servers[0], f"/api/{method}", wrong, **{"X-Centrifugo-Error-Mode": "transport"})
        assert (status, json.loads(body)["code"]) == (404, 102)


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src")]


def test_the_page_is_whole_in_itself(servers, document):
    status, headers, body = ask(servers[0], "/docs", key=None)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    page = body.decode()
    for path in document["paths"]:
        assert f"<code>POST {path}</code>" in page
    links = Links()
    links.feed(page)
    assert all(link.startswith("#") or link == "openapi.json" for link in links.found)
