"""A client's end of TLS to the proxy, as a socket: half-closes can be told from cuts."""

import socket
import ssl


class Truncated(ConnectionError):
    """The peer's FIN came without a close_notify."""


class SecureSocket:
    """Blocking, over `sock`; shutdown(SHUT_WR) says close_notify, and nothing else does."""

    def __init__(self, sock, context, name=None):
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._do(self.tls.do_handshake)

    def _do(self, action, *arguments):
        while True:
            try:
                result = action(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                self._flush()  # an alert
                raise

    def _flush(self):
        if data := self._out.read():
            self.sock.sendall(data)

    def _fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Truncated
        self._in.write(data)

    def sendall(self, data):
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view):]
            self._flush()

    def recv(self, size):
        try:
            return self._do(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            return b""

    def pending(self):
        """Bytes that are here already, so that no descriptor will speak of them."""
        return self.tls.pending() + self._in.pending

    def shutdown(self, how):
        assert how == socket.SHUT_WR
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # the other half is still open
        self._flush()

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()
