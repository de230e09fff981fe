"""Clients of the unmodified JavaScript SDK, in one Node process (node/clients.mjs)."""

import json
import subprocess
import threading

from .naru import ROOT
from .waiting import PATIENCE, eventually

NODE_FOLDER = ROOT / "tests/node"


class Refused(Exception):
    """A call that was answered with an error."""

    def __init__(self, code, message, temporary):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.temporary = code, message, temporary


class Sdk:
    """The Node process. Calls may come from several threads."""

    def __init__(self, programs):
        assert (NODE_FOLDER / "node_modules/centrifuge").is_dir(), "run scripts/install-test-tools"
        self.program = programs.start("sdk", ["node", NODE_FOLDER / "clients.mjs"], stdin=subprocess.PIPE)
        self.changed = threading.Condition()
        self.read_bytes, self.calls, self.clients = 0, 0, {}
        self.answers = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(self.program.output_path, "rb") as output:
            partial = b""
            while True:
                piece = output.read(1 << 16)
                if not piece:
                    if not self.program.is_running():
                        return
                    eventually(lambda: output.peek(1) or not self.program.is_running(), "silence", within=3600)
                    continue
                *lines, partial = (partial + piece).split(b"\n")
                with self.changed:
                    for line in lines:
                        self._note(json.loads(line))
                    self.changed.notify_all()

    def _note(self, line):
        if "call" in line:
            self.answers[line["call"]] = line
        else:
            self.clients[line["client"]].events.append(line)

    def order(self, do, client, **what):
        """Gives an order; its number."""
        with self.changed:
            self.calls += 1
            line = {"call": self.calls, "do": do, "client": client, **what}
            self.program.process.stdin.write(json.dumps(line).encode() + b"\n")
            self.program.process.stdin.flush()
            return self.calls

    def answer(self, call, within=PATIENCE):
        """Waits for what became of an order."""
        with self.changed:
            assert self.changed.wait_for(lambda: call in self.answers, within), f"no answer to order {call}"
            line = self.answers.pop(call)
        if "error" in line:
            raise Refused(**line["error"])
        return line["result"]

    def client(self, *addresses, token=None, data=None, next_tokens=None):
        """Opens a client, which connects; to the next address if it cannot be reached."""
        client = Client(self, f"client-{len(self.clients) + 1}")
        self.clients[client.name] = client
        what = {"token": token, "data": data, "nextTokens": next_tokens}
        what = {key: value for key, value in what.items() if value is not None}
        self.answer(self.order("open", client.name, addresses=addresses, **what))
        return client


class Client:
    """One client of the SDK and all that has happened to it."""

    def __init__(self, sdk, name):
        self.sdk, self.name, self.events = sdk, name, []

    def call(self, do, **what):
        return self.sdk.answer(self.sdk.order(do, self.name, **what))

    def rpc(self, method, data):
        return self.call("rpc", method=method, data=data)

    def send(self, to, id_, body):
        """A message to a user."""
        return self.rpc("send", {"to": f"@{to}", "id": id_, "body": body})

    def seen(self, event, **fields):
        """The events of that name whose fields are so."""
        return [
            it for it in list(self.events) if it["event"] == event and all(it.get(key) == fields[key] for key in fields)
        ]

    def wait(self, event, count=1, **fields):
        """Waits for `count` of these events; the last."""
        with self.sdk.changed:
            found = self.sdk.changed.wait_for(lambda: len(self.seen(event, **fields)) >= count, PATIENCE)
        assert found, f"{self.name}: not {count} of {event} {fields} in {self.events}"
        return self.seen(event, **fields)[-1]

    def inbox(self, user, count=None):
        """What has come into the inbox; waits until it is `count`, and fails if it is more."""
        channel = f"inbox:{user}"
        if count:
            self.wait("publication", count, channel=channel)
        publications = self.seen("publication", channel=channel)
        assert count is None or len(publications) == count, publications
        return publications

    def texts(self, user, count=None):
        """The texts that have come into the inbox from others, with the same care."""
        return [it["data"]["body"]["text"] for it in self.inbox(user, count)]

    def heard(self, channel, count):
        """What has come in a channel."""
        self.wait("publication", count, channel=channel)
        return [it["data"] for it in self.seen("publication", channel=channel)]

    def disconnect(self):
        count = len(self.seen("disconnected"))
        self.call("disconnect")
        self.wait("disconnected", count + 1)

    def connect(self):
        count = len(self.seen("connected"))
        self.call("connect")
        self.wait("connected", count + 1)
