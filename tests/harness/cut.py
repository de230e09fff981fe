"""A way between a client and a server, or a server and its broker, that can be cut and mended."""

import socket
import threading

from .naru import Listening


class Way(Listening):
    """Listens, and passes everything on to a port of loopback."""

    def __init__(self, port):
        self.to, self.is_cut, self.sockets = port, False, []
        # Guards `sockets` and `is_cut`, so that a link that begins while it is cut is cut too.
        self.guard = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(None, f"127.0.0.1:{self.listener.getsockname()[1]}")
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        """For a client of a server."""
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def cut(self):
        """Ends all links, and every new one as soon as it begins."""
        with self.guard:
            self.is_cut = True
            self._end()

    def break_off(self):
        """Ends all links; new ones get through."""
        with self.guard:
            self._end()

    def mend(self):
        with self.guard:
            self.is_cut = False

    def close(self):
        self.listener.close()
        self.cut()

    def _end(self):
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        self.sockets = []

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with self.guard:
                self.sockets.append(near)
                try:
                    far = socket.create_connection(("127.0.0.1", self.to))
                    self.sockets.append(far)
                except OSError:
                    near.close()
                    continue
                if self.is_cut:
                    self._end()
                    continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one, other):
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
