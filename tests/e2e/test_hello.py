"""The first bytes of the client: a TLS ClientHello must name the server that was asked for."""

import contextlib
import subprocess

import pytest

import hello
from hello import client_hello
from names import Names, table
from origins import Listener
from wire import read_to_end

HOSTS = [f"a.{kind}.example" for kind in ("checked", "required", "ignored", "ech")]


@pytest.fixture(scope="module")
def names():
    with contextlib.closing(Names(table({host: ["127.0.0.1"] for host in HOSTS}))) as server:
        yield server


def configuration(names, mode="enforce", timeout="20s"):
    def rule(kind, **options):
        return {"name": kind, "allow": [f"*.{kind}.example:1-65535"],
                "addresses": ["127.0.0.0/8"], **options}
    return {
        "policy": {"mode": mode, "rules": [
            rule("checked"),
            rule("required", tls="required"),
            rule("ignored", tls="ignored"),
            rule("ech", ech="allow"),
            {"name": "literals", "allow": ["127.0.0.0/8:1-65535"]},
        ]},
        "timeouts": {"hello": timeout},
        "dns": {"servers": [names.address]},
    }


@pytest.fixture(scope="module")
def proxy(shared_penstock, names):
    return shared_penstock(configuration(names))


@pytest.fixture(scope="module")
def origin():
    with contextlib.closing(Listener()) as listener:
        yield listener


def passes(proxy, origin, host, data):
    """Whether `data` reaches the origin; if not, the client must get an alert and nothing else."""
    tunnel = proxy.tunnel(f"{host}:{origin.port}")
    conn = origin.accept()
    tunnel.send(data)
    conn.settimeout(0.05)
    got = b""
    while len(got) < len(data):
        try:
            piece = conn.recv(65536)
        except TimeoutError:
            # Neither delivered nor closed yet.
            continue
        except ConnectionResetError:
            piece = b""
        if not piece:
            break
        got += piece
    if got:
        assert got == data
        tunnel.reset()
        conn.close()
        return True
    answer, _ = tunnel.receive_to_end()
    if data.startswith(b"\x16"):
        assert hello.is_fatal_alert(answer), answer
    conn.close()
    tunnel.close()
    return False


A = "a.checked.example"
WRONG = client_hello("b.checked.example")

ROWS = [
    ("the right name", A, client_hello(A), True),
    ("the right name in capitals", A, client_hello(A.upper()), True),
    ("the right name with GREASE for ECH", A, client_hello(A, with_ech=True), True),
    ("the right name in records of one byte", A, client_hello(A, record_size=1), True),
    ("another name", A, WRONG, False),
    ("another name in records of one byte", A, client_hello("b.checked.example", record_size=1),
     False),
    ("the name of a parent", A, client_hello("checked.example"), False),
    ("the name with something behind a NUL", A, client_hello(A + "\0.evil.example"), False),
    ("no name", A, client_hello(None), False),
    ("two names", A, hello.records(hello.handshake(hello.server_name(A, "evil.example"))), False),
    ("two name extensions", A,
     hello.records(hello.handshake(hello.server_name(A), hello.server_name("evil.example"))),
     False),
    ("ECH under another outer name", A, client_hello("front.example", with_ech=True), False),
    ("ECH without an outer name", A, client_hello(None, with_ech=True), False),
    ("ECH where the rule allows it", "a.ech.example",
     client_hello("front.example", with_ech=True), True),
    ("another name where the rule allows ECH", "a.ech.example", client_hello("front.example"),
     False),
    ("no TLS where it is checked", A, b"SSH-2.0-x\r\n", True),
    ("no TLS where it is required", "a.required.example", b"SSH-2.0-x\r\n", False),
    ("the right name where TLS is required", "a.required.example",
     client_hello("a.required.example"), True),
    ("another name where it is ignored", "a.ignored.example", WRONG, True),
    ("no name towards an address", "127.0.0.1", client_hello(None), True),
    ("a name towards an address", "127.0.0.1", client_hello("front.example"), False),
    ("a record that is none", A, b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff" + bytes(600), False),
    ("an empty record", A, b"\x16\x03\x01\x00\x00" + client_hello(A), False),
    ("a ServerHello", A, b"\x16\x03\x03\x00\x06\x02\x00\x00\x02\x03\x03", False),
]


@pytest.mark.parametrize("host,data,verdict", [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_client_that_says(proxy, origin, host, data, verdict):
    assert passes(proxy, origin, host, data) is verdict


def test_the_log_says_what_the_hello_said(proxy, origin):
    data = client_hello(A, protocols=["h2", "http/1.1"], with_ech=True)
    assert passes(proxy, origin, A, data)
    (entry,) = proxy.wait_log(alpn="h2")
    assert (entry["sni"], entry["ech"], entry["bytes_up"]) == (A, True, len(data))


def test_a_refused_hello_is_logged_with_its_reason(proxy, origin):
    for data, error in ((WRONG, "sni_mismatch"), (client_hello(None), "sni_missing"),
                        (client_hello("f.example", with_ech=True), "ech_denied")):
        assert not passes(proxy, origin, A, data)
        entry = proxy.wait_log(error=error)[-1]
        assert (entry["side"], entry["status"], entry["bytes_up"]) == ("policy", 200, 0)


def test_a_hello_byte_by_byte_has_the_same_verdict(proxy, origin):
    for name, verdict in ((A, True), ("evil.example", False)):
        tunnel = proxy.tunnel(f"{A}:{origin.port}")
        conn = origin.accept()
        data = client_hello(name)
        with contextlib.suppress(ConnectionError):
            for byte in data:
                tunnel.send(bytes([byte]))
        if verdict:
            tunnel.end()
            assert read_to_end(conn)[0] == data
        else:
            assert read_to_end(conn)[0] == b""
        conn.close()
        tunnel.close()


def test_a_hello_behind_the_head_has_the_same_verdict(proxy, origin):
    for name, verdict in ((A, True), ("evil.example", False)):
        data = client_hello(name)
        tunnel = proxy.tunnel(f"{A}:{origin.port}", early=data)
        conn = origin.accept()
        if verdict:
            assert conn.recv(65536) == data
        else:
            assert read_to_end(conn)[0] == b""
            assert hello.is_fatal_alert(tunnel.receive_to_end()[0])
        conn.close()
        tunnel.close()


def test_bytes_behind_a_hello_are_not_lost(proxy, origin):
    data = client_hello(A) + b"\x14\x03\x03\x00\x01\x01" + bytes(range(256)) * 400
    tunnel = proxy.tunnel(f"{A}:{origin.port}", early=data[:90_000])
    tunnel.send(data[90_000:])
    tunnel.end()
    conn = origin.accept()
    assert read_to_end(conn) == (data, False)
    conn.close()


def test_a_server_may_speak_first(proxy, origin):
    for host in (A, "a.ignored.example"):
        tunnel = proxy.tunnel(f"{host}:{origin.port}")
        conn = origin.accept()
        conn.sendall(b"220 mail.example ready\r\n")
        assert tunnel.receive(24) == b"220 mail.example ready\r\n"
        tunnel.send(b"QUIT\r\n")
        assert conn.recv(64) == b"QUIT\r\n"
        conn.close()
        tunnel.close()


def test_a_half_hello_is_not_waited_for_longer_than_the_deadline(penstock, names, origin):
    proxy = penstock(configuration(names, timeout="300ms"))
    tunnel = proxy.tunnel(f"{A}:{origin.port}")
    conn = origin.accept()
    tunnel.send(client_hello(A)[:40])
    assert read_to_end(conn)[0] == b""
    tunnel.receive_to_end()
    proxy.wait_log(error="hello_timeout")
    conn.close()


def test_a_client_that_leaves_within_its_hello_leaves_nothing_behind(proxy, origin):
    tunnel = proxy.tunnel(f"{A}:{origin.port}")
    conn = origin.accept()
    tunnel.send(client_hello(A)[:40])
    tunnel.close()
    assert read_to_end(conn)[0] == b""
    conn.close()


def test_report_mode_lets_a_wrong_name_pass_and_says_so(penstock, names, origin):
    proxy = penstock(configuration(names, mode="report"))
    assert passes(proxy, origin, A, WRONG)
    (entry,) = proxy.wait_log(sni="b.checked.example")
    assert entry["would_deny"]


def test_openssl_gets_through_with_the_right_name_only(proxy, tls_origin, names):
    host, port = A, tls_origin.port
    for name, through in ((A, True), ("evil.example", False)):
        done = subprocess.run(
            ["openssl", "s_client", "-proxy", "%s:%d" % proxy.address, "-connect", f"{host}:{port}",
             "-servername", name, "-CAfile", tls_origin.ca, "-brief"],
            input=b"", capture_output=True, timeout=30, check=False)
        assert (b"CONNECTION ESTABLISHED" in done.stderr) is through, done.stderr
