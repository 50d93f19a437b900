"""Origins: what the proxy dials."""

import selectors
import socket
import threading

from wire import DEADLINE


class Listener:
    """A listening socket that the test accepts from by hand. The kernel completes handshakes, so
    a connection that was never meant to be shows up in accepts()."""

    def __init__(self, host="127.0.0.1", port=0, ns=None, backlog=4096, receive_buffer=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = (ns.socket if ns else socket.socket)(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.sock.bind((host, port))
        self.sock.listen(backlog)
        self.sock.settimeout(DEADLINE)
        self.host, self.port = self.sock.getsockname()[:2]
        self.accepted = []

    @property
    def authority(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def accept(self):
        conn, _ = self.sock.accept()
        conn.settimeout(DEADLINE)
        self.accepted.append(conn)
        return conn

    def accepts(self):
        """How many connections have arrived by now, those accepted before among them."""
        self.sock.setblocking(False)
        try:
            while True:
                try:
                    self.accepted.append(self.sock.accept()[0])
                except BlockingIOError:
                    return len(self.accepted)
        finally:
            self.sock.settimeout(DEADLINE)

    def close(self):
        self.sock.close()
        for conn in self.accepted:
            conn.close()


class Echo:
    """Sends back what it gets and closes when the peer has ended; any number of connections."""

    def __init__(self, host="127.0.0.1", port=0, ns=None):
        self.listener = Listener(host, port, ns)
        self.listener.sock.setblocking(False)
        self.host, self.port = self.listener.host, self.listener.port
        self.authority = self.listener.authority
        self.accepted = 0
        self._wake, self._stop = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        selector = self._selector
        selector.register(self.listener.sock, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._wake:
                    return
                if key.fileobj is self.listener.sock:
                    self._accept()
                else:
                    self._echo(key.fileobj)

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.sock.accept()
            except BlockingIOError:
                return
            self.accepted += 1
            conn.settimeout(DEADLINE)
            self._selector.register(conn, selectors.EVENT_READ)

    def _echo(self, conn):
        try:
            data = conn.recv(65536)
            if data:
                conn.sendall(data)
                return
        except OSError:
            pass
        self._selector.unregister(conn)
        conn.close()

    def close(self):
        self._stop.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if key.fileobj is not self._wake:
                key.fileobj.close()
        self._selector.close()
        self._wake.close()
        self._stop.close()


def closed_port(host="127.0.0.1", ns=None):
    """A port that refuses: bound, so that nobody else gets it, and not listening."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = (ns.socket if ns else socket.socket)(family, socket.SOCK_STREAM)
    sock.bind((host, 0))
    return sock, sock.getsockname()[1]
