"""Between a chat server and its broker: passes everything on, until it is told what to keep."""

import socket
import threading

from .naru import Listening
from .waiting import PATIENCE


class Between(Listening):
    """Listens as the broker does. After `keep`, the first request that holds those bytes reaches the broker,
    and nothing that the broker says after it reaches the server."""

    def __init__(self, broker):
        self.broker, self.wanted, self.reached, self.answered = broker, None, threading.Event(), threading.Event()
        self.kept, self.sockets = b"", []
        self.listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(broker.program, f"127.0.0.1:{self.listener.getsockname()[1]}")
        self._thread(self._accept)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def keep(self, wanted):
        self.wanted = wanted

    def wait(self):
        """Until the broker has answered what was waited for; nobody but us has heard."""
        assert self.answered.wait(PATIENCE), "nothing was kept"

    def close(self):
        for one in [self.listener, *self.sockets]:
            one.close()

    def _thread(self, target, *arguments):
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self):
        while True:
            try:
                server, _ = self.listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.broker.port))
            self.sockets += [server, broker]
            self._thread(self._requests, server, broker)
            self._thread(self._answers, broker, server)

    def _requests(self, server, broker):
        before = b""
        while data := _received(server):
            if self.reached.is_set():
                # Nothing that the server does next is to be of use.
                continue
            before = before[-1024:] + data
            if self.wanted and self.wanted in before:
                self.reached.set()
            _pass_on(broker, data)
        broker.close()

    def _answers(self, broker, server):
        while data := _received(broker):
            if self.reached.is_set():
                self.kept += data
                self.answered.set()
            else:
                _pass_on(server, data)
        server.close()


def _received(one):
    try:
        return one.recv(1 << 16)
    except OSError:
        return b""


def _pass_on(to, data):
    try:
        to.sendall(data)
    except OSError:
        pass
