"""What a request head may look like. Every row is a known way to make two readers disagree."""

import socket

import pytest

from origins import Listener, closed_port
from wire import (Tunnel, connect_head, eventually, read_reply, read_to_end, reset,
                  send_quietly)

A400 = {400}


def line(target, version="HTTP/1.1", method="CONNECT", host="127.0.0.1:@PORT@"):
    return f"{method} {target} {version}\r\nHost: {host}\r\n\r\n".encode("latin-1")


def field(text):
    return f"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\r\nHost: 127.0.0.1:@PORT@\r\n{text}\r\n\r\n".encode(
        "latin-1")


# (what it is, bytes, statuses that are right). @PORT@ is the port of an origin that is listening
# and allowed, so that a wrong reading becomes a connection.
REFUSED = [
    # The authority.
    ("no port", line("127.0.0.1"), A400),
    ("an empty port", line("127.0.0.1:"), A400),
    ("port zero", line("127.0.0.1:0"), A400),
    ("port 65536", line("127.0.0.1:65536"), A400),
    ("a port plus 2^16", line("127.0.0.1:@PORT+16@"), A400),
    ("a port plus 2^32", line("127.0.0.1:@PORT+32@"), A400),
    ("a port plus 2^64", line("127.0.0.1:@PORT+64@"), A400),
    ("a port with a sign", line("127.0.0.1:+@PORT@"), A400),
    ("a negative port", line("127.0.0.1:-@PORT@"), A400),
    ("a port with a leading zero", line("127.0.0.1:0@PORT@"), A400),
    ("a port with an exponent", line("127.0.0.1:@PORT@e0"), A400),
    ("a list of ports", line("127.0.0.1:@PORT@,22"), A400),
    ("a port and a path", line("127.0.0.1:@PORT@/x"), A400),
    ("a port and a slash", line("127.0.0.1:@PORT@/"), A400),
    ("a port and a query", line("127.0.0.1:@PORT@?x"), A400),
    ("a port and a fragment", line("127.0.0.1:@PORT@#x"), A400),
    ("two ports", line("127.0.0.1:@PORT@:@PORT@"), A400),
    ("a hexadecimal port", line("127.0.0.1:0x50"), A400),
    ("a named port", line("127.0.0.1:https"), A400),
    ("a port behind a dollar sign", line("127.0.0.1:$@PORT@"), A400),
    ("no host", line(":@PORT@"), A400),
    ("a colon alone", line(":"), A400),
    ("an asterisk", line("*"), A400),
    ("origin-form", line("/"), A400),
    ("absolute-form", line("http://127.0.0.1:@PORT@/"), A400),
    ("absolute-form with https", line("https://127.0.0.1:@PORT@"), A400),
    ("a unix scheme", line("unix:/run/x.sock|http://127.0.0.1:@PORT@/"), A400),
    ("a urn", line("urn:127.0.0.1:@PORT@"), A400),
    ("user information", line("user:secret@127.0.0.1:@PORT@"), A400),
    ("an allowed name as user information", line("localhost@127.0.0.1:@PORT@"), A400),
    ("a backslash", line("localhost\\@127.0.0.1:@PORT@"), A400),
    ("a fragment before the at sign", line("127.0.0.1#@localhost:@PORT@"), A400),
    ("a name in brackets", line("[localhost]:@PORT@"), A400),
    ("an IPv4 address in brackets", line("[127.0.0.1]:@PORT@"), A400),
    ("double brackets", line("[[::1]]:@PORT@"), A400),
    ("an open bracket", line("[::1:@PORT@"), A400),
    ("IPv6 without brackets", line("::1:@PORT@"), A400),
    ("text between bracket and port", line("[::1]x:@PORT@"), A400),
    ("an IPv6 zone", line("[::1%25lo]:@PORT@"), A400),
    ("a bare IPv6 zone", line("[fe80::1%eth0]:@PORT@"), A400),
    ("a host in double quotes", line('"localhost":@PORT@'), A400),
    ("a percent-encoded dot", line("127%2e0.0.1:@PORT@"), A400),
    ("a percent-encoded letter", line("loc%61lhost:@PORT@"), A400),
    ("an address as one number", line("2130706433:@PORT@"), A400),
    ("an address in hexadecimal", line("0x7f000001:@PORT@"), A400),
    ("an address with an octal part", line("0177.0.0.1:@PORT@"), A400),
    ("a short address", line("127.1:@PORT@"), A400),
    ("a short hexadecimal address", line("0x7f.1:@PORT@"), A400),
    ("an address with a leading zero", line("127.0.0.01:@PORT@"), A400),
    ("the host 0", line("0:@PORT@"), A400),
    ("an address of five parts", line("127.0.0.0.1:@PORT@"), A400),
    ("a part above 255", line("127.0.0.257:@PORT@"), A400),
    ("an address with a trailing dot", line("127.0.0.1.:@PORT@"), A400),
    ("an empty label", line("local..host:@PORT@"), A400),
    ("a leading dot", line(".localhost:@PORT@"), A400),
    ("two trailing dots", line("localhost..:@PORT@"), A400),
    ("a label of 64 bytes", line("a" * 64 + ".localhost:@PORT@"), A400),
    ("a name of 254 bytes", line("a." * 122 + "localhost1:@PORT@"), A400),
    ("ideographic full stops", line("127\u3002" .encode().decode("latin-1") + "0:@PORT@"), A400),
    ("full-width digits", line("\uff11\uff12\uff17.0.0.1:@PORT@".encode().decode("latin-1")), A400),
    ("a circled letter", line("\u24db\u24de".encode().decode("latin-1") + "calhost:@PORT@"), A400),
    ("bytes that are no text", line("\x80\xff.localhost:@PORT@"), A400),
    ("a script in place of a host", line("<script>alert(1)</script>:@PORT@"), A400),
    # The request line.
    ("a space in the target", line("127.0.0.1 :@PORT@"), A400),
    ("a space before the colon of the port", line("127.0.0.1: @PORT@"), A400),
    ("two spaces", line(" 127.0.0.1:@PORT@"), A400),
    ("a tab for a space", b"CONNECT\t127.0.0.1:@PORT@ HTTP/1.1\r\nHost: x\r\n\r\n", A400),
    ("a leading space", b" " + line("127.0.0.1:@PORT@"), A400),
    ("a word behind the version", line("127.0.0.1:@PORT@", version="HTTP/1.1 x"), A400),
    ("a space behind the version", line("127.0.0.1:@PORT@", version="HTTP/1.1 "), A400),
    ("no method", b" 127.0.0.1:@PORT@ HTTP/1.1\r\nHost: x\r\n\r\n", A400),
    ("no target", b"CONNECT  HTTP/1.1\r\nHost: x\r\n\r\n", A400),
    ("no version", b"CONNECT 127.0.0.1:@PORT@\r\n\r\n", {400, 505}),
    ("HTTP/2.0", line("127.0.0.1:@PORT@", version="HTTP/2.0"), {400, 505}),
    ("HTTP/0.9", line("127.0.0.1:@PORT@", version="HTTP/0.9"), {400, 505}),
    ("HTTP/1.2", line("127.0.0.1:@PORT@", version="HTTP/1.2"), {400, 505}),
    ("an unfinished version", line("127.0.0.1:@PORT@", version="HTTP/1."), {400, 505}),
    ("a version in lower case", line("127.0.0.1:@PORT@", version="http/1.1"), {400, 505}),
    ("a long version", line("127.0.0.1:@PORT@", version="HTTP/1.10"), {400, 505}),
    ("connect in lower case", line("127.0.0.1:@PORT@", method="connect"), {400, 405, 501}),
    ("CONNECTX", line("127.0.0.1:@PORT@", method="CONNECTX"), {400, 405, 501}),
    ("GET with authority-form", line("127.0.0.1:@PORT@", method="GET"), {400, 405, 501}),
    ("GET with https", line("https://127.0.0.1:@PORT@/", method="GET"), A400),
    ("TRACE", line("127.0.0.1:@PORT@", method="TRACE"), {400, 405, 501}),
    ("a bare CR for a line end", b"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\rHost: x\r\r", A400),
    ("a bare LF for a line end", b"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\nHost: 127.0.0.1\n\n", A400),
    ("LF CR for a line end", b"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\n\rHost: x\n\r\n\r", A400),
    ("a NUL in the target", line("127.0.0.1\0:@PORT@"), A400),
    ("a NUL alone", b"\0", A400),
    ("two empty lines before the request", b"\r\n\r\n" + line("127.0.0.1:@PORT@"), A400),
    ("endless empty lines", b"\r\n" * 100_000, {400, 431}),
    ("an endless request line", b"CONNECT " + b"a" * 1_000_000, {400, 414, 431}),
    # Other protocols.
    ("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("a TLS ClientHello", bytes.fromhex("16030100a5010000a10303") + bytes(64), A400),
    ("an SSH banner", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", {400, 505}),
    # Fields.
    ("no Host", b"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\r\n\r\n", A400),
    ("two Hosts", field("Host: 127.0.0.1:@PORT@"), A400),
    ("two Hosts in different letters", field("HOST: 127.0.0.1:@PORT@"), A400),
    ("an invalid Host", line("127.0.0.1:@PORT@", host="a b"), A400),
    ("an empty Host", line("127.0.0.1:@PORT@", host=""), A400),
    ("another Host", line("127.0.0.1:@PORT@", host="localhost:@PORT@"), A400),
    ("a Host with another port", line("127.0.0.1:@PORT@", host="127.0.0.1:1"), A400),
    ("a NUL in Host", line("127.0.0.1:@PORT@", host="127.0.0.1:@PORT@\0.x"), A400),
    ("a NUL in a value", field("X: a\0b"), A400),
    ("a bare CR in a value", field("X: a\rb"), A400),
    ("a control byte in a value", field("X: a\x01b"), A400),
    ("DEL in a value", field("X: a\x7fb"), A400),
    ("a space before the colon", field("X : a"), A400),
    ("Content-Length with a space before the colon", field("Content-Length : 1"), A400),
    ("no colon", field("X"), A400),
    ("an empty name", field(": a"), A400),
    ("a name that is no token", field("X@Y: a"), A400),
    ("a name with obs-text", field("X\xe9: a"), A400),
    ("a folded field", field("X: a\r\n b"), A400),
    ("white space before the first field",
     b"CONNECT 127.0.0.1:@PORT@ HTTP/1.1\r\n Host: 127.0.0.1:@PORT@\r\n\r\n", A400),
    ("Content-Length", field("Content-Length: 5") + b"hello", A400),
    ("an invalid Content-Length", field("Content-Length: +5"), A400),
    ("an empty Content-Length", field("Content-Length:"), A400),
    ("conflicting Content-Lengths", field("Content-Length: 0\r\nContent-Length: 5"), A400),
    ("Transfer-Encoding", field("Transfer-Encoding: chunked") + b"0\r\n\r\n", A400),
    ("Transfer-Encoding with a comma", field("Transfer-Encoding: chunked,"), A400),
    ("101 fields", field("\r\n".join(f"X{i}: a" for i in range(100))), {431}),
    ("20,000 fields", field("\r\n".join(f"X{i}: a" for i in range(20_000))), {431}),
    ("a value of 256 KiB", field("X: " + "a" * 262_144), {431}),
    ("an endless field name", field("a" * 100_000), {431}),
]

ACCEPTED = [
    ("a plain request", line("127.0.0.1:@PORT@")),
    ("a name", line("localhost:@PORT@", host="localhost:@PORT@")),
    ("a name in capitals with a trailing dot", line("LocalHost.:@PORT@", host="localhost:@PORT@")),
    ("HTTP/1.0 without Host", b"CONNECT 127.0.0.1:@PORT@ HTTP/1.0\r\n\r\n"),
    ("HTTP/1.0 with Host", line("127.0.0.1:@PORT@", version="HTTP/1.0")),
    ("one empty line before the request", b"\r\n" + line("127.0.0.1:@PORT@")),
    ("a Host without its port", line("127.0.0.1:@PORT@", host="127.0.0.1")),
    ("Connection: close", field("Connection: close")),
    ("Connection naming itself", field("Connection: Connection")),
    ("Connection naming what the proxy adds", field("Connection: Proxy-Status, Host")),
    ("Expect", field("Expect: 100-continue")),
    ("Upgrade", field("Connection: upgrade\r\nUpgrade: websocket")),
    ("TE and Keep-Alive", field("TE: trailers\r\nKeep-Alive: timeout=5")),
    ("Proxy-Connection", field("Proxy-Connection: keep-alive")),
    ("credentials that nobody asked for", field("Proxy-Authorization: Basic eDp5")),
    ("an empty value", field("X:")),
    ("obs-text in a value", field("X: caf\xe9")),
    ("100 fields", field("\r\n".join(f"X{i}: a" for i in range(99)))),
    ("a head of almost 16 KiB", field("X: " + "a" * 16_000)),
]


# An HTTP/2 preface is refused where it is not spoken; test_http2.py is about where it is.
HTTP1 = {"listeners": [{"address": "127.0.0.1:0", "protocols": ["http/1.1"]}]}


@pytest.fixture(scope="module")
def origin(quarantine):
    listener = Listener(ns=quarantine)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def proxy(shared_penstock, quarantine):
    return shared_penstock({"timeouts": {"head": "20s"}, **HTTP1}, ns=quarantine)


def fill(data, port):
    for power in (16, 32, 64):
        data = data.replace(b"@PORT+%d@" % power, b"%d" % (port + 2**power))
    return data.replace(b"@PORT@", b"%d" % port)


@pytest.mark.parametrize("data,statuses", [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses(proxy, origin, data, statuses):
    before = origin.accepts()
    reply = proxy.exchange(fill(data, origin.port))
    assert reply.status in statuses
    assert reply.error == "http_request_error"
    assert reply.fields["connection"] == "close"
    assert int(reply.fields["content-length"]) == len(reply.rest)
    assert reply.rest.startswith(b"penstock: ") and reply.rest.count(b"\n") == 1
    assert origin.accepts() == before


@pytest.mark.parametrize("data", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_accepts(proxy, origin, data):
    with proxy.socket() as client:
        client.sendall(fill(data, origin.port))
        reply = read_reply(client)
        assert (reply.status, reply.rest) == (200, b"")
        assert reply.fields["proxy-status"].startswith("penstock")
        assert not {"content-length", "transfer-encoding"} & set(reply.fields)
        conn = origin.accept()
        client.sendall(b"ping")
        assert conn.recv(16) == b"ping"
        conn.close()


def test_every_connection_has_exactly_one_log_line(penstock, quarantine, origin):
    proxy = penstock(HTTP1, ns=quarantine)
    for _, data, _ in REFUSED:
        proxy.exchange(fill(data, origin.port))
    lines = proxy.wait_log(len(REFUSED))
    proxy.end()
    assert len(proxy.log()) == len(REFUSED)
    assert len({entry["id"] for entry in lines}) == len(REFUSED)
    assert all(entry["side"] == "client" for entry in lines)


def test_nothing_that_was_sent_comes_back_in_a_refusal(proxy):
    marks = [b"Basic c2VjcmV0", b"cookie-value", b"<script>x1</script>"]
    for method in (b"TRACE", b"CONNECT", b"GET"):
        sent = (method + b" " + marks[2] + b":1 HTTP/1.1\r\nHost: " + marks[2] +
                b"\r\nProxy-Authorization: " + marks[0] + b"\r\nCookie: " + marks[1] + b"\r\n\r\n")
        with proxy.socket() as client:
            send_quietly(client, sent)
            answer, _ = read_to_end(client)
        assert answer and not any(mark in answer for mark in marks)


def test_credentials_in_a_target_are_not_logged(penstock, quarantine):
    proxy = penstock(ns=quarantine)
    proxy.exchange(line("user:hunter2@127.0.0.1:1"))
    proxy.wait_log(status=400)
    assert "hunter2" not in proxy.log_file.read_text() + proxy.stderr()


def test_a_refused_connect_executes_nothing_behind_it(proxy, origin):
    before = origin.accepts()
    good = fill(line("127.0.0.1:@PORT@"), origin.port)
    refused = [connect_head("192.0.2.1:443"), line("127.0.0.1"), line("127.0.0.1:0")]
    for head in refused:
        for pause in (False, True):
            with proxy.socket() as client:
                client.sendall(head if pause else head + good)
                reply = read_reply(client)
                if pause:
                    send_quietly(client, good)
                body, _ = read_to_end(client)
            assert reply.status in (400, 403)
            assert b"HTTP/1.1" not in reply.rest + body
    assert origin.accepts() == before


def test_a_failed_connect_executes_nothing_behind_it(proxy, origin, quarantine):
    before = origin.accepts()
    holder, port = closed_port(ns=quarantine)
    with holder, proxy.socket() as client:
        client.sendall(connect_head(f"127.0.0.1:{port}") + connect_head(origin.authority))
        reply = read_reply(client)
        body, _ = read_to_end(client)
    assert reply.status == 502
    assert b"HTTP/1.1" not in reply.rest + body
    assert origin.accepts() == before


def test_a_refusal_reaches_a_client_that_is_still_sending(proxy):
    for _ in range(20):
        with proxy.socket() as client:
            send_quietly(client, connect_head("192.0.2.1:443") + b"x" * 300_000)
            assert read_reply(client).status == 403


@pytest.mark.parametrize("size", [1, 517, 20_000, 96 * 1024])
def test_bytes_behind_the_head_reach_the_origin_first_and_in_order(proxy, origin, size):
    early = bytes(range(32, 232)) * (size // 200 + 1)
    with proxy.socket() as client:
        client.sendall(connect_head(origin.authority) + early[:size])
        conn = origin.accept()
        assert read_reply(client).status == 200
        client.sendall(b"later")
        client.shutdown(socket.SHUT_WR)
        got, was_reset = read_to_end(conn)
        conn.close()
    assert not was_reset and got == early[:size] + b"later"


def test_a_head_may_arrive_byte_by_byte(proxy, origin):
    with proxy.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in connect_head(origin.authority)[:-1]:
            client.send(bytes([byte]))
        client.send(b"\nfirst bytes of the tunnel")
        assert read_reply(client).status == 200
        conn = origin.accept()
        assert conn.recv(100) == b"first bytes of the tunnel"
        conn.close()


def test_a_bad_head_is_refused_before_it_is_complete(proxy):
    for start in (b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n", b"GET \0", b"SSH-2.0-x\r\n"):
        with proxy.socket() as client:
            client.sendall(start)
            assert read_reply(client).status in (400, 505)


def test_the_head_deadline_is_absolute(penstock):
    proxy = penstock({"timeouts": {"head": "1s"}})
    with proxy.socket() as dripping, proxy.socket() as silent:
        dripping.settimeout(0.1)
        dripping.sendall(b"CONNECT ")
        raw = b""

        def drip():
            nonlocal raw
            send_quietly(dripping, b"a")
            try:
                piece = dripping.recv(4096)
            except TimeoutError:
                return False
            except ConnectionResetError:
                return True
            raw += piece
            return not piece

        eventually(drip, "the end of a head that drips")
        assert raw.startswith(b"HTTP/1.1 408 ")
        answer, _ = read_to_end(silent)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
    proxy.wait_log(error="head_timeout", status=408)


def test_a_client_that_leaves_within_its_head_is_logged_and_forgotten(penstock):
    proxy = penstock()
    for leave in (lambda sock: sock.close(), reset):
        sock = proxy.socket()
        sock.sendall(b"CONNECT 127.0.0.1:1 HT")
        leave(sock)
    proxy.wait_log(2, side="client", bytes_up=0)


def test_a_client_that_half_closes_behind_its_head_still_gets_the_answer(proxy, origin):
    with proxy.socket() as client:
        client.sendall(connect_head(origin.authority) + b"question")
        client.shutdown(socket.SHUT_WR)
        conn = origin.accept()
        assert read_to_end(conn)[0] == b"question"
        conn.sendall(b"answer")
        conn.close()
        tunnel = Tunnel(client, read_reply(client))
        assert tunnel.receive_to_end() == (b"answer", False)


def test_the_size_of_a_head_can_be_configured(penstock):
    proxy = penstock({"limits": {"head_bytes": "1KiB"}})
    assert proxy.exchange(fill(field("X: " + "a" * 2000), 1)).status == 431
    assert proxy.exchange(fill(field("X: a"), 1)).status == 502
