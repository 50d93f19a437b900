"""Proxies that are not ours: squid and tinyproxy as the bench starts them, TLS in front of any
proxy, and a middlebox that terminates the TLS within a tunnel."""

import contextlib
import os
import select
import socket
import ssl
import sys
import threading
from pathlib import Path

from wire import DEADLINE, read_to_end

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))

import peers  # noqa: E402


class Rival(peers.Running):
    """`name` as in bench/peers.py. tinyproxy opens tunnels to `origin_port` only."""

    def __init__(self, name, origin_port):
        peer = next(peer for peer in peers.RIVALS if peer.name == name)
        super().__init__(peer, min(os.sched_getaffinity(0)), origin_port)
        self.url = f"http://127.0.0.1:{self.port}"

    def check(self):
        """The tests find out."""

    close = peers.Running.end


class Front:
    """Accepts on loopback, does `serve(connection)` on a thread for each, and closes."""

    def __init__(self):
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self._sock.accept()
                conn.settimeout(DEADLINE)
                threading.Thread(target=self._serve_one, args=(conn,), daemon=True).start()

    def _serve_one(self, conn):
        # A client that gives up on us, as it should, is no error of the test.
        with conn, contextlib.suppress(OSError):
            self.serve(conn)

    def serve(self, conn):
        raise NotImplementedError

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class TlsFront(Front):
    """TLS before a proxy that speaks plain HTTP: together an HTTPS proxy."""

    def __init__(self, proxy_address, certificate, key):
        self._proxy = proxy_address
        self._context = server_context(certificate, key)
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"

    def serve(self, conn):
        with self._context.wrap_socket(conn, server_side=True) as secure, \
                socket.create_connection(self._proxy, DEADLINE) as proxy:
            shuttle(secure, proxy)


def shuttle(secure, plain):
    """Carries bytes both ways between a TLS socket and a plain one, on one thread."""
    while True:
        if not secure.pending():
            select.select([secure, plain], [], [], DEADLINE)
        for source, sink in ((secure, plain), (plain, secure)):
            source.settimeout(0)
            try:
                piece = source.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            if not piece:
                return
            sink.settimeout(DEADLINE)
            sink.sendall(piece)


class Middlebox(Front):
    """Opens tunnels, and answers in them with a certificate of its own."""

    def __init__(self, certificate, key):
        self._context = server_context(certificate, key)
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, conn):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += conn.recv(1)
        conn.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        with self._context.wrap_socket(conn, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread")
            read_to_end(secure)
