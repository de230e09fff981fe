"""The client that both READMEs print: it works as it stands there."""

import re

import pytest

from harness.naru import ROOT
from harness.node import NODE_FOLDER


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_client_that_is_printed_sends_and_is_sent_to(naru, programs, servers, tmp_path, name):
    [text] = re.findall(r"^```js\n(.*?)^```", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "chat.mjs").write_text(text)
    (tmp_path / "node_modules").symlink_to(NODE_FOLDER / "node_modules")

    def chat(server, user, *to):
        return programs.start(f"chat-{user}", ["node", tmp_path / "chat.mjs", server.url, naru.token(user), *to])

    alice = chat(servers[0], "alice", "bob")
    alice.wait_for(lambda it: "conversation: 'dm:alice:bob'" in it.output(), "it is not answered")
    bob = chat(servers[1], "bob")
    bob.wait_for(lambda it: "#1 alice → bob: hello" in it.output(), "nothing has come")
