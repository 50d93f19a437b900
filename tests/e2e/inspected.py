"""What tests of inspection are made of: an owner's CA, and origins in TLS that a test scripts."""

import contextlib
import ssl
import subprocess
from pathlib import Path

import pytest

from proxies import Front, server_context
from proxy import BINARY
from secure import SecureSocket
from test_forward import answer, read_head

NAMES = {"app.test": ["127.0.0.1"], "static.test": ["127.0.0.1"], "private.test": ["127.0.0.1"],
         "other.test": ["127.0.0.1"], **{f"n{i}.many.test": ["127.0.0.1"] for i in range(100)}}


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


class SecureOrigin(Front):
    """Each connection is `script(origin, tls_socket)`'s."""

    def __init__(self, certificate, key, script, alpn=("http/1.1",)):
        self.context = server_context(certificate, key)
        if alpn:
            self.context.set_alpn_protocols(alpn)
        self.script, self.connections, self.heads, self.resumed = script, 0, [], []
        super().__init__()

    def serve(self, conn):
        with self.context.wrap_socket(conn, server_side=True) as tls:
            self.connections += 1
            self.resumed.append(tls.session_reused)
            with contextlib.suppress(AssertionError):
                self.script(self, tls)


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


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    return Owner(tmp_path_factory.mktemp("owner"))


@pytest.fixture(scope="module")
def setting(owner, authority, names):
    """A configuration that inspects *.test in the way that is given."""
    def make(inspect=None, more=None, **inspection):
        rule = {"name": "read", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"],
                "inspect": {"except": ["private.test"], **(inspect or {})}}
        return {"policy": {"rules": [rule]}, "dns": {"servers": [names.address]},
                "inspection": owner.settings(authority, **inspection), **(more or {})}
    return make


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("app.test", "other.test", "private.test")


@pytest.fixture
def origin(certificate):
    with contextlib.ExitStack() as stack:
        def start(script=None, files=None, **options):
            script = script or answers(lambda _head: answer())
            one = SecureOrigin(*(files or certificate), script, **options)
            return stack.enter_context(contextlib.closing(one))
        yield start


def get(name="app.test", path="/", *fields):
    return "\n".join([f"GET {path} HTTP/1.1", f"Host: {name}", *fields, "", ""])


def get_at(origin, path="/", *fields, name="app.test"):
    return get(f"{name}:{origin.port}", path, *fields)
