"""Inside an inspected tunnel, HTTP/2 up to the origin: what is shared, what is carried, what is
told of an origin that breaks off."""

import contextlib
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from http2 import Connection
# Fixtures among them, which pytest finds by their names.
from inspected import SecureOrigin, answers, ask, certificate, get_at, inside, owner
from origin_http2 import (CANCEL, HTTP_1_1_REQUIRED, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
                          REFUSED_STREAM, Http2Origin)
from programs import free_port
from test_clients import digest, run
from test_forward import answer
from wire import DEADLINE, eventually

NAMES = {"app.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
MIB = 1 << 20


@pytest.fixture(scope="module")
def setting(owner, authority, names):
    def make(inspect=None, **more):
        rule = {"name": "read", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"],
                "inspect": inspect or {"http": {"allow": [{"methods": ["GET", "HEAD", "POST"]}]}}}
        return {"policy": {"rules": [rule]}, "dns": {"servers": [names.address]}, "workers": 1,
                "inspection": owner.settings(authority), **more}
    return make


@pytest.fixture(scope="module")
def proxy(shared_penstock, setting):
    return shared_penstock(setting())


@pytest.fixture(scope="module")
def url(proxy):
    return "http://%s:%d" % proxy.address


@pytest.fixture
def origin(certificate):
    with contextlib.ExitStack() as stack:
        def start(script=None, **options):
            script = script or (lambda request: request.say(b"ok"))
            one = Http2Origin(*certificate, script, **options)
            return stack.enter_context(contextlib.closing(one))
        yield start


@pytest.fixture
def connect(proxy, owner):
    """A client of HTTP/2 inside a tunnel."""
    def to(origin, through=None):
        context = owner.context("h2", "http/1.1")
        return Connection(inside(through or proxy, "app.test", origin.port, context))
    return to


def head(origin, path="/", *fields, method="GET"):
    return [(":method", method), (":scheme", "https"), (":path", path),
            (":authority", f"app.test:{origin.port}"), *fields]


def fetch(client, origin, path="/", *fields, body=None, method=None):
    stream = client.request(head(origin, path, *fields, method=method or
                                 ("GET" if body is None else "POST")), end=body is None)
    if body is not None:
        stream.send(body, end=True)
    return stream, *stream.receive_to_end()


def answered(client, stream):
    client.until(lambda: stream.fields or stream.reset is not None)
    return stream.status


def word(stream):
    return re.search(r'details="?([a-z0-9_]+)', stream.fields["proxy-status"])[1]


# --- what is shared ---


def test_requests_of_many_tunnels_go_by_one_connection(origin, connect, proxy):
    server = origin()
    for client in (connect(server), connect(server)):
        for path in ("/a", "/b", "/c"):
            stream, body, was_reset = fetch(client, server, path)
            assert (stream.status, body, was_reset) == (200, b"ok", False)
    # Each tunnel looks at the origin for itself; requests share what is there.
    used = [session for session in server.sessions if session.requests]
    assert len(used) == 1 and len(server.requests) == 6
    request = server.requests[0]
    assert request.fields[":authority"] == f"app.test:{server.port}"
    assert request.fields["via"].startswith("2 penstock") and "te" not in request.fields
    assert not {"connection", "transfer-encoding", "host"} & set(request.fields)
    line = proxy.wait_log(6, authority=f"app.test:{server.port}", method="GET")[-1]
    assert line["origin_protocol"] == "h2" and line["reused"] is True
    assert proxy.metrics().total("penstock_origin_http2_streams_total") >= 6


def test_a_client_of_http1_goes_by_the_connection_that_is_there(origin, connect, proxy, owner):
    server = origin()
    assert fetch(connect(server), server, "/first")[1] == b"ok"
    context = owner.context("http/1.1")
    # It offers no HTTP/2, and this origin speaks nothing else: the tunnel alone would be refused.
    tls = inside(proxy, "app.test", server.port, context)
    status, fields, body = ask(tls, get_at(server, "/second"))
    assert (status, body) == (200, b"ok") and fields["via"].startswith("2 penstock")
    assert [r.path for r in server.requests] == ["/first", "/second"]


def test_an_origin_of_http1_is_spoken_to_in_http1(certificate, connect, proxy):
    server = SecureOrigin(*certificate, answers(lambda _head: answer(b"old")))
    with contextlib.closing(server):
        stream, body, _ = fetch(connect(server), server)
        assert (stream.status, body) == (200, b"old")
    line = proxy.wait_log(authority=f"app.test:{server.port}", method="GET")[0]
    assert line["origin_protocol"] == "http/1.1"


def test_streams_do_not_share_a_connection_with_another_host(origin, connect, proxy, owner):
    server = origin()
    assert fetch(connect(server), server)[1] == b"ok"
    context = owner.context("h2")
    other = Connection(inside(proxy, "other.test", server.port, context))
    stream = other.request([(":method", "GET"), (":scheme", "https"), (":path", "/"),
                            (":authority", f"other.test:{server.port}")], end=True)
    assert stream.receive_to_end()[0] == b"ok"
    used = [session for session in server.sessions if session.requests]
    assert len(used) == 2


def test_a_low_limit_of_streams_makes_more_connections_and_no_refusal(origin, connect):
    together = threading.Barrier(10)

    def script(request):
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(DEADLINE)
        request.say(request.path.encode())
    server = origin(script, settings={MAX_CONCURRENT_STREAMS: 2})
    client = connect(server)
    streams = [client.request(head(server, f"/{n}"), end=True) for n in range(10)]
    for n, stream in enumerate(streams):
        assert stream.receive_to_end() == (b"/%d" % n, False)
        assert stream.status == 200
    used = [len(session.requests) for session in server.sessions if session.requests]
    assert sorted(used) == [2] * 5, used


def test_those_who_come_at_once_wait_for_one_connection(origin, connect, proxy):
    server = origin()
    client = connect(server)
    assert fetch(client, server)[1] == b"ok"
    for session in list(server.sessions):
        session.close()
    proxy.wait_metric("penstock_origin_http2_connections_open", 0)
    before = server.connections
    streams = [client.request(head(server, f"/{n}"), end=True) for n in range(20)]
    assert all(stream.receive_to_end() == (b"ok", False) for stream in streams)
    assert server.connections == before + 1


def test_a_session_that_ends_is_not_used_again(origin, connect, proxy):
    server = origin()
    client = connect(server)
    for round in range(3):
        stream, body, _ = fetch(client, server, f"/{round}")
        assert (stream.status, body) == (200, b"ok")
        for session in [one for one in server.sessions if not one.gone]:
            session.go_away(1 << 20)
            session.close()
        proxy.wait_metric("penstock_origin_http2_connections_open", 0)


# --- what is carried ---


def test_trailers_pass_both_ways(origin, connect):
    def script(request):
        body = request.read()
        request.answer(200, ("content-type", "application/grpc"))
        request.send(body)
        request.trail(("grpc-status", "0"), ("grpc-message", "fine"), ("set-cookie", "no=1"))
    server = origin(script)
    client = connect(server)
    stream = client.request(head(server, "/grpc", ("te", "trailers"), method="POST"))
    stream.send(b"\0\0\0\0\2hi")
    client.h2.send_headers(stream.number, [("checksum", "7"), ("authorization", "x")],
                           end_stream=True)
    client.flush()
    assert stream.receive_to_end() == (b"\0\0\0\0\2hi", False)
    assert stream.trailers == {"grpc-status": "0", "grpc-message": "fine"}
    request = server.requests[0]
    assert request.fields["te"] == "trailers" and request.trailers == [("checksum", "7")]


def test_an_answer_of_trailers_alone_stays_one_frame(origin, connect):
    server = origin(lambda request: request.answer(200, ("grpc-status", "12"), end=True))
    client = connect(server)
    stream = client.request(head(server, method="POST"))
    stream.send(b"x", end=True)
    client.until(lambda: stream.fields)
    assert stream.ended and stream.fields["grpc-status"] == "12"
    assert "content-length" not in stream.fields


def test_http1_clients_get_no_trailers_and_whole_answers(origin, connect, proxy, owner):
    def script(request):
        if request.path == "/none":
            return request.answer(200, end=True)
        request.answer(200)
        request.send(b"body")
        request.trail(("grpc-status", "0"))
    server = origin(script)
    fetch(connect(server), server)
    tls = inside(proxy, "app.test", server.port, owner.context("http/1.1"))
    tls.sendall(get_at(server).replace("\n", "\r\n").encode())
    got = b""
    while not got.endswith(b"0\r\n\r\n"):
        got += tls.recv(65536)
    assert b"\r\n4\r\nbody\r\n0\r\n\r\n" in got and b"grpc-status" not in got
    status, fields, body = ask(tls, get_at(server, "/none"))
    assert (status, fields["content-length"], body) == (200, "0", b"")


def test_both_sides_speak_before_either_has_ended(origin, connect):
    def script(request):
        request.answer(200)
        while data := request.receive(4):
            request.send(data.upper())
        request.trail(("done", "yes"))
    server = origin(script)
    client = connect(server)
    stream = client.request(head(server, "/chat", method="POST"))
    assert answered(client, stream) == 200  # before one byte of the request's body
    for word_ in (b"ping", b"pong", b"ding"):
        stream.send(word_)
        assert stream.receive(4) == word_.upper()
    stream.end()
    assert stream.receive_to_end() == (b"", False) and stream.trailers == {"done": "yes"}


def test_interim_answers_pass(origin, connect):
    def script(request):
        request.inform(103, ("link", "</style.css>"))
        request.inform(100)
        request.say(b"late")
    server = origin(script)
    client = connect(server)
    stream, body, _ = fetch(client, server)
    assert (stream.status, body) == (200, b"late")
    assert client.events["InformationalResponseReceived"] == 2


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(origin, connect, status):
    server = origin(lambda request: request.answer(status, end=True))
    stream, body, was_reset = fetch(connect(server), server)
    assert (stream.status, body, was_reset) == (status, b"", False)


def test_head_has_a_length_and_no_body(origin, connect):
    server = origin(lambda request: request.answer(200, ("content-length", "9"), end=True))
    stream, body, was_reset = fetch(connect(server), server, method="HEAD")
    assert (stream.fields["content-length"], body, was_reset) == ("9", b"", False)


def test_a_413_in_the_middle_of_an_upload_is_delivered(origin, connect):
    def script(request):
        request.receive(1)
        request.say(b"too much", 413)
        request.cancel(0)
    server = origin(script)
    client = connect(server)
    stream = client.request(head(server, method="POST"))
    stream.send(b"x" * 1000)
    assert stream.receive_to_end()[0] == b"too much" and stream.status == 413


def test_a_slow_client_holds_up_no_other_and_is_held_back(origin, connect):
    sent = []

    def script(request):
        if request.path == "/fast":
            return request.say(b"f" * MIB)
        request.answer(200)
        with contextlib.suppress(OSError):
            for _ in range(1024):
                request.send(b"s" * 65536)
                sent.append(65536)
    server = origin(script)
    client = connect(server)
    slow = client.request(head(server, "/slow"), end=True)
    client.slow.add(slow.number)
    client.until(lambda: slow.held >= 65535)
    for _ in range(3):
        assert fetch(client, server, "/fast")[1] == b"f" * MIB
    # Its window at the client, what lies in the proxy and the window at the proxy: no more.
    assert sum(sent) <= 65536 * 8
    slow.cancel()
    assert fetch(client, server, "/fast")[1] == b"f" * MIB


def test_a_stalled_upload_holds_up_no_other(origin, connect):
    def script(request):
        request.acknowledges = request.path != "/stalled"
        if request.acknowledges:
            return request.say(str(len(request.read())).encode())
        request.until_cut()
    server = origin(script, settings={INITIAL_WINDOW_SIZE: 16384})
    client = connect(server)
    stalled = client.request(head(server, "/stalled", method="POST"))
    stalled.send(b"x" * 60000)
    for _ in range(3):
        assert fetch(client, server, "/", body=b"y" * 200_000)[1] == b"200000"
    stalled.cancel()
    eventually(lambda: server.requests[0].reset == CANCEL, "the reset at the origin")


@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_64_mib_both_ways_and_memory_stays_flat(origin, connect, proxy):
    size = 64 * MIB

    def script(request):
        if request.path == "/down":
            request.answer(200, ("content-length", str(size)))
            for _ in range(size // MIB):
                request.send(bytes(MIB))
            return request.send(b"", end=True)
        got = 0
        while data := request.receive(MIB):
            got += len(data)
        request.say(str(got).encode())
    server = origin(script)
    client = connect(server)
    fetch(client, server, "/", body=b"")
    before = proxy.rss_anon_kib()
    stream = client.request(head(server, "/up", method="POST"))
    for _ in range(size // MIB):
        stream.send(bytes(MIB))
    stream.end()
    assert stream.receive_to_end()[0] == str(size).encode()
    down = client.request(head(server, "/down"), end=True)
    while not down.ended:
        client.pump()
        assert down.reset is None
        down.data.clear()
    assert down.taken == size
    assert proxy.rss_anon_kib() - before < 12 * 1024


# --- what is told of an origin that breaks off ---


@pytest.mark.parametrize("body", [None, b"a body"])
def test_a_refused_stream_is_sent_again_where_nothing_is_lost(origin, connect, body):
    seen = []

    def script(request):
        seen.append(request.path)
        if len(seen) == 1:
            request.receive(1)
            return request.cancel(REFUSED_STREAM)
        request.say(b"second")
    server = origin(script)
    stream, content, was_reset = fetch(connect(server), server, body=body)
    assert not was_reset
    if body is None:
        assert (stream.status, content) == (200, b"second")
        assert len({request.session for request in server.requests}) == 2
    else:
        assert stream.status == 503 and word(stream) == "stream_refused"
        assert len(seen) == 1


def test_what_is_refused_twice_is_told(origin, connect, proxy):
    server = origin(lambda request: request.cancel(REFUSED_STREAM))
    stream, _, _ = fetch(connect(server), server)
    assert stream.status == 503 and word(stream) == "stream_refused"
    assert len(server.requests) == 2
    proxy.wait_log(error="stream_refused", side="origin", status=503)


def test_a_request_above_goaways_last_id_is_sent_again(origin, connect):
    first = threading.Event()

    def script(request):
        if request.path == "/one":
            first.wait(DEADLINE)
            return request.say(b"one")
        if request.session is server.requests[0].session:
            request.session.go_away(server.requests[0].number)
            return first.set()
        request.say(b"two")
    server = origin(script)
    client = connect(server)
    one = client.request(head(server, "/one"), end=True)
    eventually(lambda: server.requests)
    two = client.request(head(server, "/two"), end=True)
    assert one.receive_to_end() == (b"one", False)
    assert two.receive_to_end() == (b"two", False)
    assert [r.path for r in server.requests] == ["/one", "/two", "/two"]


def test_an_origin_that_wants_http1_gets_it(certificate, connect):
    class Both(Http2Origin):
        def serve(self, conn):
            # What is asked in HTTP/1.1 offers nothing else.
            hello = conn.recv(16384, socket.MSG_PEEK)
            if b"\x02h2" in hello:
                return super().serve(conn)
            with self.context.wrap_socket(conn, server_side=True) as tls, \
                    contextlib.suppress(AssertionError):
                answers(lambda _head: answer(b"by http/1.1"))(self, tls)
    server = Both(*certificate, lambda request: request.cancel(HTTP_1_1_REQUIRED),
                  alpn=("h2", "http/1.1"))
    server.heads = []
    with contextlib.closing(server):
        stream, content, _ = fetch(connect(server), server)
        assert (stream.status, content) == (200, b"by http/1.1") and len(server.requests) == 1


def test_a_reset_in_front_of_the_answer_is_told(origin, connect, proxy):
    server = origin(lambda request: request.cancel(CANCEL))
    stream, _, _ = fetch(connect(server), server)
    assert stream.status == 502 and word(stream) == "stream_reset"
    assert "http_response_incomplete" in stream.fields["proxy-status"]
    assert len(server.requests) == 1, "it may have been looked at"


def test_a_reset_in_the_middle_is_a_reset(origin, connect, proxy):
    def script(request):
        request.answer(200)
        request.send(b"half")
        request.cancel(CANCEL)
    server = origin(script)
    stream, _, was_reset = fetch(connect(server), server)
    assert was_reset
    line = proxy.wait_log(error="response_cut", authority=f"app.test:{server.port}")[0]
    assert line["outcome"] == "cut"


@pytest.mark.parametrize("length", ["3", "9"])
def test_a_body_of_another_length_than_it_says_is_refused(origin, connect, length):
    def script(request):
        request.answer(200, ("content-length", length))
        request.send(b"a body", end=True)
    server = origin(script)
    stream, _, was_reset = fetch(connect(server), server)
    assert was_reset


@pytest.mark.parametrize("fields", [[("transfer-encoding", "chunked")], [("x", "a\rb")],
                                    [("content-length", "1"), ("content-length", "1")]])
def test_a_head_that_two_could_read_differently_is_refused(origin, connect, fields):
    server = origin(lambda request: request.answer(200, *fields, end=True))
    stream, _, _ = fetch(connect(server), server)
    assert stream.status == 502 and word(stream) == "bad_response"


def test_a_flood_ends_its_connection_and_no_other(origin, connect, proxy):
    def script(request):
        if request.path == "/flood":
            ping = (8).to_bytes(3, "big") + bytes([6, 0]) + bytes(4) + b"12345678"
            return request.session.raw(ping * 2000)
        request.say(b"ok")
    server = origin(script)
    client = connect(server)
    stream, _, _ = fetch(client, server, "/flood")
    assert stream.status == 502 and word(stream) == "origin_http2"
    assert fetch(client, server)[1] == b"ok"


def test_an_origin_that_closes_under_a_request_is_told_of(origin, connect):
    server = origin(lambda request: request.session.close())
    stream = connect(server).request(head(server, method="POST"))
    stream.send(b"x", end=True)
    stream.receive_to_end()
    assert stream.status == 502 and word(stream) == "response_incomplete"


def test_a_client_that_goes_cancels_at_the_origin(origin, connect):
    server = origin(lambda request: request.until_cut())
    client = connect(server)
    stream = client.request(head(server), end=True)
    eventually(lambda: server.requests)
    stream.cancel()
    eventually(lambda: server.requests[0].reset == CANCEL, "the reset at the origin")
    assert not server.sessions[0].gone


# --- when it goes ---


def test_idle_connections_go_at_reload_and_are_told(penstock, setting, origin, connect):
    server = origin()
    own = penstock(setting())
    client = connect(server, own)
    assert fetch(client, server)[1] == b"ok"
    assert own.metrics().total("penstock_origin_http2_connections_open") >= 1
    own.reload(setting({"except": ["private.test"]}))
    own.wait_metric("penstock_origin_http2_connections_open", 0)
    eventually(lambda: all(session.gone for session in server.sessions))


def test_a_drain_lets_streams_end(penstock, setting, origin, connect):
    goes_on = threading.Event()

    def script(request):
        request.answer(200)
        request.send(b"a")
        goes_on.wait(DEADLINE)
        request.send(b"b", end=True)
    server = origin(script)
    own = penstock(setting())
    client = connect(server, own)
    stream = client.request(head(server), end=True)
    assert stream.receive(1) == b"a"
    own.signal(15)
    client.until(lambda: client.gone is not None)
    goes_on.set()
    assert stream.receive_to_end() == (b"b", False)
    client.close()
    assert own.wait() == 0


# --- real programs ---


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_and_nghttpd(certificate, proxy, url, owner, version, tmp_path):
    (tmp_path / "blob").write_bytes(bytes(range(256)) * 4096)
    port = free_port()
    server = subprocess.Popen(["nghttpd", "-d", tmp_path, str(port), certificate[1], certificate[0]],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
        at = f"https://app.test:{port}/blob"
        if version == "--http1.1":  # nghttpd speaks nothing else than HTTP/2
            done = run("curl", "-sSf", "--http2", "--proxy", url, "--cacert", owner.ca, at)
            assert done.returncode == 0, done.stderr
        done = run("curl", "-sSf", version, "--proxy", url, "--cacert", owner.ca, at)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (tmp_path / "blob").read_bytes()
        done = run("curl", "-sSf", "--http2", "--proxy", url, "--cacert", owner.ca,
                   "--data-binary", f"@{tmp_path}/blob", "-o", tmp_path / "up", at)
        assert done.returncode == 0, done.stderr
    finally:
        server.kill()
        server.wait()
    proxy.wait_log(method="GET", path="/blob", origin_protocol="h2",
                   authority=f"app.test:{port}")


def test_curl_and_nginx(site, proxy, url, owner):
    done = run("curl", "-sSf", "--http2", "--proxy", url, "--cacert", owner.ca, f"{site.url}/blob")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)
    proxy.wait_log(authority=f"app.test:{site.port}", path="/blob", origin_protocol="h2")


def test_grpc(certificate, proxy, url, owner, authority):
    """grpcio at both ends: one call, streams of either kind and of both, an error, metadata."""
    pytest.importorskip("grpc")
    done = subprocess.run([sys.executable, Path(__file__).with_name("grpc_calls.py"), *certificate,
                           owner.ca, "%s:%d" % proxy.address], capture_output=True, timeout=120,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["unary", "error", "up", "down", "both", "many"]
    line = proxy.wait_log(method="POST", path="/penstock.Echo/Both")[0]
    assert line["origin_protocol"] == "h2" and line["status"] == 200
