"""What tests of inspection are made of: an owner's CA, and origins in TLS that a test scripts."""

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from proxy import BINARY
from secure import SecureSocket
from test_forward import read_head
from wire import DEADLINE


class Owner:
    """The CA of whoever runs the proxy, made as the documentation says."""

    def __init__(self, directory):
        self.ca, self.key = Path(directory) / "owner.pem", Path(directory) / "owner.key"
        subprocess.run([BINARY, "ca", "init", "--ca", self.ca, "--key", self.key,
                        "--name", "Tests' egress"], check=True, capture_output=True)

    def settings(self, authority, **more):
        """`inspection:` of a proxy whose origins are signed for by `authority`."""
        return {"ca": str(self.ca), "key": str(self.key), "origin_ca": str(authority.ca), **more}

    def context(self, *alpn, **options):
        context = ssl.create_default_context(cafile=str(self.ca))
        if alpn:
            context.set_alpn_protocols(alpn)
        for option, value in options.items():
            setattr(context, option, value)
        return context


class SecureOrigin:
    """Each connection is `serve(tls_socket)`'s, on a thread of its own."""

    def __init__(self, certificate, key, serve, alpn=("http/1.1",), **options):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        if alpn:
            self.context.set_alpn_protocols(alpn)
        for option, value in options.items():
            setattr(self.context, option, value)
        self.serve, self.connections, self.heads, self.failures = serve, 0, [], []
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self._sock.accept()
                conn.settimeout(DEADLINE)
                threading.Thread(target=self._one, args=[conn], daemon=True).start()

    def _one(self, conn):
        with conn:
            try:
                tls = self.context.wrap_socket(conn, server_side=True)
            except (OSError, ssl.SSLError) as why:
                self.failures.append(why)
                return
            self.connections += 1
            with contextlib.suppress(OSError, AssertionError, ssl.SSLError), tls:
                self.serve(self, tls)

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def answers(script):
    """For SecureOrigin: HTTP/1.1, each request's answer is what `script(head)` returns."""
    def serve(origin, tls):
        while True:
            head, _rest = read_head(tls)
            origin.heads.append(head)
            tls.sendall(script(head))
    return serve


def inside(proxy, name, port, context, **options):
    """TLS with whoever is there, through a tunnel to name:port."""
    tunnel = proxy.tunnel(f"{name}:{port}", **options)
    return SecureSocket(tunnel.sock, context, name)


def ask(tls, text):
    """(status, fields, body) of one request of HTTP/1.1."""
    tls.sendall(text.replace("\n", "\r\n").encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = tls.recv(65536)
        assert piece, f"it ended behind {reply!r}"
        reply += piece
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in
              (line.partition(":") for line in lines[1:])}
    length = int(fields.get("content-length", 0))
    while len(body) < length:
        body += tls.recv(65536)
    return int(lines[0].split(" ")[1]), fields, body
