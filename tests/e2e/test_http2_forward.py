"""Requests that are forwarded and come by HTTP/2: what is the stream's, and what the origin reads."""

import base64
import random
import socket

import pytest

from credentials import users
from http2 import Connection
from test_forward import RULE, Scripted, answer, read_head, say
from wire import eventually, reset

CANCEL = 8


@pytest.fixture(scope="module")
def proxy(shared_penstock):
    return shared_penstock({"policy": {"rules": [RULE]}, "workers": 1})


@pytest.fixture
def client(proxy):
    return Connection(proxy.socket())


@pytest.fixture
def origin():
    started = []

    def start(script):
        started.append(Scripted(script))
        return started[-1]
    yield start
    for one in started:
        one.close()


def head(origin, method="GET", path="/", *fields):
    return [(":method", method), (":scheme", "http"), (":authority", origin.authority),
            (":path", path), *fields]


def whole(client, fields, body=None):
    stream = client.request(fields, end=body is None)
    if body is not None:
        stream.send(body, end=True)
    content, was_reset = stream.receive_to_end()
    assert not was_reset, stream.reset
    return stream, content


def read_body(sock, rest, size):
    while len(rest) < size:
        rest += sock.recv(65536)
    return rest


def test_an_answer_of_each_framing_is_the_streams(client, origin):
    body = random.Random(7).randbytes(300_000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\nA: b\r\n\r\n"
    answers = {"/counted": answer(body),
               "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
               "/end": b"HTTP/1.1 200 OK\r\nKeep-Alive: 9\r\nX-A: 1\r\nConnection: x-a\r\n\r\n" + body}

    def script(text, sock, _rest):
        path = text.split(" ")[1]
        sock.sendall(answers[path])
        return path != "/end"
    server = origin(script)
    for path in answers:
        stream, content = whole(client, head(server, "GET", path))
        assert (stream.status, content) == (200, body), path
        assert stream.fields["via"].startswith("1.1 ")
        assert not {"connection", "transfer-encoding", "keep-alive", "x-a"} & set(stream.fields)
    assert server.connections == 1, "they are pooled as those of HTTP/1.1 are"


def test_the_origin_reads_one_request_of_http1(client, origin, proxy):
    server = origin(say(answer()))
    fields = [("user-agent", "x"), ("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2"),
              ("accept", "*/*")]
    whole(client, head(server, "GET", "/p?q=1", *fields))
    lines = server.heads[0].split("\r\n")
    assert lines[0] == "GET /p?q=1 HTTP/1.1" and lines[1] == f"Host: {server.authority}"
    assert "cookie: a=1; b=2" in [line.lower() for line in lines]
    assert any(line.startswith("Via: 2 ") for line in lines)
    assert not [line for line in lines if line.lower().startswith(("te:", "transfer-encoding:"))]
    line = proxy.wait_log(authority=server.authority)[0]
    assert line["trunk"] and line["protocol"] == "h2" and line["outcome"] == "closed"
    assert (line["method"], line["status"]) == ("GET", 200)


@pytest.mark.parametrize("counted", [True, False])
def test_a_body_goes_up_as_it_is_announced(client, origin, counted):
    body = random.Random(3).randbytes(200_000)
    seen = {}

    def script(text, sock, rest):
        seen["head"] = text.lower()
        if counted:
            seen["body"] = read_body(sock, rest, len(body))
        else:
            while not rest.endswith(b"0\r\n\r\n"):
                rest += sock.recv(65536)
            pieces = b""
            while rest:
                size, _, rest = rest.partition(b"\r\n")
                pieces += rest[:int(size, 16)]
                rest = rest[int(size, 16) + 2:]
            seen["body"] = pieces
        sock.sendall(answer(b"thanks"))
    server = origin(script)
    length = [("content-length", str(len(body)))] if counted else []
    stream, content = whole(client, head(server, "POST", "/", *length), body)
    assert (stream.status, content, seen["body"]) == (200, b"thanks", body)
    assert ("transfer-encoding: chunked" in seen["head"]) is not counted


def test_interim_answers_come_through(client, origin):
    def script(_text, sock, rest):
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        read_body(sock, rest, 4)
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"done"))
    server = origin(script)
    stream = client.request(head(server, "POST", "/", ("expect", "100-continue"),
                                 ("content-length", "4")))
    client.until(lambda: client.events["InformationalResponseReceived"] == 1)
    stream.send(b"body", end=True)
    assert stream.receive_to_end() == (b"done", False) and stream.status == 200
    assert client.events["InformationalResponseReceived"] == 2


@pytest.mark.parametrize("method, reply", [
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n")])
def test_answers_without_a_body_end(client, origin, method, reply):
    stream, content = whole(client, head(origin(say(reply)), method))
    assert content == b"" and stream.status == int(reply[9:12])


def test_trailers_of_a_request_are_dropped(client, origin):
    def script(text, sock, rest):
        while not rest.endswith(b"0\r\n\r\n"):
            rest += sock.recv(65536)
        sock.sendall(answer(rest))
    stream = client.request(head(origin(script), "POST"))
    stream.send(b"abc")
    client.h2.send_headers(stream.number, [("x-sum", "1")], end_stream=True)
    content, was_reset = stream.receive_to_end()
    assert not was_reset and b"abc" in content and b"x-sum" not in content.lower()


@pytest.mark.parametrize("change, word", [
    ({":scheme": "https"}, "scheme"),
    ({":path": ".evil.test/"}, "target_form"),
    ({":path": "/a b"}, "bad_request_line"),
    ({":authority": "user@127.0.0.1:80"}, "userinfo"),
    ({":authority": "127.0.0.1:80/x"}, "target_form"),
    ({"host": "other.test"}, "host_mismatch"),
    ({"content-length": "3, 3"}, "body_framing"),
    ({":method": "TRACE"}, "method_unsupported"),
    ({":method": "GET /x HTTP/1.1\tGET"}, "bad_pseudo_field"),
    ({"transfer-encoding": "chunked"}, "http1_field"),
    ({"upgrade": "websocket"}, "http1_field")])
def test_a_request_that_could_be_read_in_two_ways_is_none(proxy, origin, change, word):
    server = origin(say(answer()))
    fields = dict(head(server))
    fields.update(change)
    stream = Connection(proxy.socket()).request(list(fields.items()), end=True)
    stream.receive_to_end()
    assert stream.status in (400, 501), (stream.status, stream.reset)
    assert f'details="{word}"' in stream.fields["proxy-status"], stream.fields
    assert not server.heads


def test_a_length_that_is_not_kept_reaches_no_other_request(client, origin):
    seen = []

    def script(_text, sock, rest):
        seen.append(read_body(sock, rest, 3))
        sock.sendall(answer())
    server = origin(script)
    stream = client.request(head(server, "POST", "/", ("content-length", "3")))
    stream.send(b"abcGET /smuggled HTTP/1.1\r\n\r\n", end=True)
    stream.receive_to_end()
    whole(client, head(server, "POST", "/", ("content-length", "3")), b"def")
    assert all("smuggled" not in text for text in server.heads)
    assert seen[-1] == b"def"


def test_refusals_and_credentials_are_the_streams(penstock, origin, tmp_path):
    user_file = tmp_path / "users"
    user_file.write_text(users(ann="right"))
    proxy = penstock({"identity": [{"basic": str(user_file)}],
                      "policy": {"rules": [{**RULE, "identities": ["ann"], "methods": ["GET", "HEAD"]}]}})
    server = origin(say(answer()))
    client = Connection(proxy.socket())
    stream, text = whole(client, head(server))
    assert stream.status == 407 and "Basic" in stream.fields["proxy-authenticate"] and text
    stream, text = whole(client, head(server, "HEAD"))
    assert stream.status == 407 and text == b""
    token = ("proxy-authorization", "Basic " + base64.b64encode(b"ann:right").decode())
    stream, text = whole(client, head(server, "GET", "/", token))
    assert (stream.status, text) == (200, b"ok")
    stream, text = whole(client, head(server, "POST", "/", token), b"")
    assert stream.status == 403 and text
    assert all("authorization" not in text.lower() for text in server.heads)


def test_a_cut_answer_is_a_reset_and_a_reset_is_a_cut(client, origin, proxy):
    def script(_text, sock, _rest):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        reset(sock)
        return False
    server = origin(script)
    stream = client.request(head(server), end=True)
    assert stream.receive_to_end()[1] and stream.status in (200, None)
    proxy.wait_log(error="response_cut", authority=server.authority)

    gone = []

    def silent(_text, sock, _rest):
        gone.append(sock.recv(1))
        return False
    server = origin(silent)
    stream = client.request(head(server), end=True)
    eventually(lambda: server.heads)
    stream.cancel(CANCEL)
    proxy.wait_log(error="client_gone", authority=server.authority)


def test_a_slow_reader_holds_its_origin_back_and_nobody_else(client, origin):
    big = bytes(8 << 20)
    served = {"/big": answer(big), "/small": answer(b"small")}

    def script(text, sock, _rest):
        sock.sendall(served[text.split(" ")[1]])
    server = origin(script)
    slow = client.request(head(server, "GET", "/big"), end=True)
    client.slow.add(slow.number)
    client.until(lambda: slow.taken >= 65535)
    for _ in range(5):
        assert whole(client, head(server, "GET", "/small"))[1] == b"small"
    assert slow.taken < 1 << 20
    client.slow.discard(slow.number)
    client.h2.increment_flow_control_window(slow.held, slow.number)
    assert len(slow.receive_to_end()[0]) == len(big)


def test_an_origin_that_answers_before_the_end_of_a_body(client, origin):
    def script(_text, sock, _rest):
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        sock.shutdown(socket.SHUT_WR)
        read_head(sock)
    stream = client.request(head(origin(script), "POST", "/", ("content-length", "999999")))
    stream.send(b"x" * 1000)
    content, was_reset = stream.receive_to_end()
    assert (stream.status, content, was_reset) == (413, b"no", False)
