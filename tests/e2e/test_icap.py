"""Services of ICAP that are shown what is inspected: scripted ones, and c-icap with ClamAV."""

import base64
import contextlib
import json
import re
import threading

import pytest

from icap import Ended, Service
# Fixtures among them, which pytest finds by their names.
from inspected import SecureOrigin, answers, ask, certificate, inside, owner
from origins import closed_port
from programs import free_port
from proxy import run_command
from test_clients import run
from test_forward import answer, read_head
from wire import eventually

NAMES = {"app.test": ["127.0.0.1"], "other.test": ["127.0.0.1"], "scan.test": ["127.0.0.1"]}


@pytest.fixture
def origin(certificate):
    """Starts an origin; without a script it answers each request, and keeps the bodies."""
    with contextlib.ExitStack() as stack:
        def start(script=None, **options):
            one = SecureOrigin(*certificate, script or keeps_bodies, **options)
            one.bodies = []
            return stack.enter_context(contextlib.closing(one))
        yield start


def keeps_bodies(origin, tls):
    while True:
        head, rest = read_head(tls)
        body = read_body(tls, head, rest)
        origin.bodies.append(body)
        origin.heads.append(head)
        tls.sendall(answer(b"hello"))


def read_body(tls, head, rest):
    if "transfer-encoding: chunked" in head.lower():
        while not rest.endswith(b"0\r\n\r\n"):
            piece = tls.recv(1 << 16)
            assert piece
            rest += piece
        return unchunked(rest)
    length = int((re.findall(r"(?i)\r\ncontent-length: (\d+)", head) or [0])[0])
    while len(rest) < length:
        piece = tls.recv(1 << 16)
        assert piece, "the body was cut"
        rest += piece
    return rest


def unchunked(data):
    out = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            return out
        out += data[:int(size, 16)]
        data = data[int(size, 16) + 2:]


@pytest.fixture
def service():
    with contextlib.ExitStack() as stack:
        def start(script, **options):
            return stack.enter_context(contextlib.closing(Service(script, **options)))
        yield start


@pytest.fixture
def proxied(penstock, owner, authority, names):
    """Starts a proxy whose rule shows requests, answers or both to the service."""
    def start(url, shows=("request", "response"), inspect=None, more=None, **settings):
        url = getattr(url, "url", url)
        rule = {"name": "read", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"],
                "inspect": {"icap": {one: "check" for one in shows}, **(inspect or {})}}
        config = {"policy": {"rules": [rule]}, "dns": {"servers": [names.address]}, "workers": 1,
                  "icap": {"services": [{"name": "check", "url": url, **settings}]},
                  "inspection": owner.settings(authority), **(more or {})}
        return penstock(config)
    return start


def unmodified(message):
    message.read()
    message.unmodified()


def fetch(proxy, origin, owner, method="GET", path="/", fields=(), body=None, name="app.test",
          tls=None):
    """One request by a tunnel of its own, or by `tls`."""
    tls = tls or inside(proxy, name, origin.port, owner.context())
    lines = [f"{method} {path} HTTP/1.1", f"Host: {name}:{origin.port}", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    tls.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
    return read_answer(tls, method)


def read_answer(tls, method="GET"):
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = tls.recv(65536)
        assert piece, f"it ended behind {reply!r}"
        reply += piece
    head, _, body = reply.partition(b"\r\n\r\n")
    head = head.decode()
    if head.startswith("HTTP/1.1 1"):
        return 100, {}, body
    status = int(head.split(" ")[1])
    fields = {name.lower(): value.strip() for name, _, value in
              (line.partition(":") for line in head.split("\r\n")[1:])}
    if method == "HEAD" or status in (204, 304):
        return status, fields, body
    return status, fields, read_body(tls, head, body)


def icap_of(proxy, **fields):
    return proxy.wait_log(inspected=True, **fields)[-1].get("icap")


# --- what the service is shown, and what its words do ---


def test_an_unmodified_request_and_answer_go_on_as_they_were(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check)
    status, fields, body = fetch(proxy, server, owner, "POST", "/a?b", ["X-Mine: 1"], b"secret")
    assert (status, body) == (200, b"hello")
    assert server.bodies == [b"secret"] and server.heads[0].startswith("POST /a?b HTTP/1.1\r\n")
    assert "content-length: 6" in server.heads[0].lower()
    asked, told = check.messages
    assert (asked.method, told.method) == ("REQMOD", "RESPMOD")
    assert asked.uri == f"icap://127.0.0.1:{check.port}/check"
    assert asked.request.startswith(f"POST https://app.test:{server.port}/a?b HTTP/1.1\r\n")
    assert "X-Mine: 1\r\n" in asked.request and asked.shown == b"secret"
    assert "penstock" not in asked.request and "chunked" not in asked.request
    assert told.request.startswith("POST https://") and told.answer.startswith("HTTP/1.1 200 ")
    assert told.shown == b"hello"
    assert not any(name.startswith("x-") for name in asked.fields)
    noted = icap_of(proxy, method="POST")
    assert (noted["request"], noted["response"]) == ("unmodified", "unmodified")
    assert noted["request_us"] >= 0 and noted["response_us"] >= 0
    labels = {"service": "check", "result": "unmodified"}
    proxy.wait_metric("penstock_icap_messages_total", 1, message="request", **labels)
    proxy.wait_metric("penstock_icap_messages_total", 1, message="response", **labels)
    assert proxy.metrics().total("penstock_icap_seconds_count") == 2


def test_lines_are_kept_and_options_asked_once(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check)
    tls = inside(proxy, "app.test", server.port, owner.context())
    for _ in range(5):
        assert fetch(proxy, server, owner, tls=tls)[0] == 200
    assert len(check.messages) == 10
    assert (check.connections, check.asked_options) == (1, 1)
    assert proxy.metrics().total("penstock_icap_idle_connections") == 1
    assert server.connections <= 2  # origins' connections are kept as ever


def test_options_are_asked_again_when_their_time_is_over(proxied, service, origin, owner):
    check, server = service(unmodified, Options_TTL="0"), origin()
    proxy = proxied(check, ["request"])
    for _ in range(3):
        assert fetch(proxy, server, owner)[0] == 200
    assert check.asked_options == 3


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_sends_and_fetches_through_both(proxied, service, origin, owner, site, version):
    check = service(lambda message: (message.whole(), message.say(
        200, head=message.answer or message.request, body=message.shown or None)))
    proxy = proxied(check)
    url = "http://%s:%d" % proxy.address
    done = run("curl", "-sSf", version, "--proxy", url, "--cacert", owner.ca, f"{site.url}/blob")
    assert done.stdout == site.blob, done.stderr
    noted = icap_of(proxy, path="/blob")
    assert (noted["request"], noted["response"]) == ("modified", "modified")


@pytest.mark.parametrize("size,continues", [(0, False), (1, False), (1023, False), (1024, False),
                                            (1025, True), (5000, True), (200_000, True)])
def test_a_preview_says_whether_there_is_more(proxied, service, origin, owner, size, continues):
    shown = []

    def script(message):
        first = message.read()
        shown.append((len(first), message.ended))
        if not message.ended:
            message.go_on()
        if size > 32 * 1024:
            message.say(200, head=message.request, body=message.shown)
        else:
            message.unmodified()
    check, server = service(script), origin()
    proxy = proxied(check, ["request"])
    body = bytes(i % 251 for i in range(size))
    assert fetch(proxy, server, owner, "POST", body=body)[0] == 200
    assert server.bodies == [body]
    assert shown == [(min(size, 1024), not continues)]
    assert check.messages[0].fields.get("allow") == ("204" if size <= 32 * 1024 else None)
    assert ("preview" in check.messages[0].fields) is (size > 0)


@pytest.mark.parametrize("preview,options,expected", [
    ("off", {}, None), ("10B", {}, 10), ("auto", {"Preview": None}, None),
    ("auto", {"Preview": "0"}, 0), ("auto", {"Preview": "999999"}, 32768),
    ("auto", {"Transfer_Complete": "bin", "Transfer_Preview": "*"}, None)])
def test_how_much_is_shown_first(proxied, service, origin, owner, preview, options, expected):
    seen = []

    def script(message):
        seen.append(message.preview)
        message.whole()
        message.say(200, head=message.request, body=message.shown)
    check, server = service(script, **options), origin()
    proxy = proxied(check, ["request"], preview=preview)
    body = b"x" * 100_000
    assert fetch(proxy, server, owner, "POST", "/a.bin", body=body)[0] == 200
    assert server.bodies == [body] and seen == [expected]


def test_what_the_service_wants_nothing_of_is_not_shown(proxied, service, origin, owner):
    check, server = service(unmodified, Transfer_Ignore="jpg", Transfer_Preview="*"), origin()
    proxy = proxied(check)
    assert fetch(proxy, server, owner, path="/a/photo.JPG?x")[0] == 200
    assert icap_of(proxy, method="GET") == {
        **icap_of(proxy, method="GET"), "request": "ignored", "response": "ignored"}
    assert not check.messages


def test_a_changed_request_is_what_the_origin_gets(proxied, service, origin, owner):
    def script(message):
        message.whole()
        head = message.request.replace("/old", "/new").replace("X-Mine: 1", "X-Its: 2")
        message.say(200, head=re.sub(r"Content-Length: \d+\r\n", "", head), body=b"other words")
    check, server = service(script), origin()
    proxy = proxied(check, ["request"])
    assert fetch(proxy, server, owner, "POST", "/old", ["X-Mine: 1"], b"words")[0] == 200
    assert server.bodies == [b"other words"]
    assert server.heads[0].startswith(f"POST /new HTTP/1.1\r\nHost: app.test:{server.port}\r\n")
    assert "X-Its: 2" in server.heads[0] and "X-Mine" not in server.heads[0]
    assert server.heads[0].count("Via: ") == 1
    assert icap_of(proxy, method="POST")["request"] == "modified"


def test_a_body_may_go_and_the_connection_goes_on(proxied, service, origin, owner):
    def script(message):
        message.whole()
        if message.has_body:
            message.say(200, head=re.sub(r"Content-Length: \d+", "Content-Length: 0",
                                         message.request))
        else:
            message.unmodified()
    check, server = service(script), origin()
    proxy = proxied(check, ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert fetch(proxy, server, owner, "POST", body=b"x" * 2000, tls=tls)[0] == 200
    assert fetch(proxy, server, owner, "GET", tls=tls)[0] == 200
    assert server.bodies == [b"", b""] and check.connections == 1


PAGE = "HTTP/1.0 403 Forbidden\nConnection: close\nContent-Type: text/html\n\n"


def test_a_service_may_answer_a_request_itself(proxied, service, origin, owner):
    check, server = service(lambda message: (message.read(), message.say(
        200, head=PAGE, body=b"<h1>no</h1>"))), origin()
    proxy = proxied(check)
    tls = inside(proxy, "app.test", server.port, owner.context())
    for _ in range(2):  # and its client may go on
        status, fields, body = fetch(proxy, server, owner, "POST", body=b"words", tls=tls)
        assert (status, body) == (403, b"<h1>no</h1>")
        assert 'error=http_request_denied; details="icap_blocked"' in fields["proxy-status"]
    assert not server.heads
    assert [message.method for message in check.messages] == ["REQMOD"] * 2
    line = proxy.wait_log(method="POST", count=2)[0]
    assert line["icap"]["request"] == "answered" and line["status"] == 403
    assert line["route"] == ""


def test_curl_h2_sees_the_page(proxied, service, origin, owner, site):
    check = service(lambda message: (message.read(), message.say(200, head=PAGE, body=b"no")))
    proxy = proxied(check)
    done = run("curl", "-sS", "--http2", "--proxy", "http://%s:%d" % proxy.address, "--cacert",
               owner.ca, "-w", "%{http_code} %{http_version}", f"{site.url}/blob")
    assert done.stdout == b"no403 2", done.stderr


def test_a_page_in_the_middle_of_an_upload(proxied, service, origin, owner):
    check, server = service(lambda message: (message.read(), message.say(
        200, head=PAGE, body=b"enough"))), origin()
    proxy = proxied(check)
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(f"POST / HTTP/1.1\r\nHost: app.test:{server.port}\r\n"
                "Content-Length: 1000000\r\n\r\n".encode() + b"x" * 50_000)
    status, fields, body = read_answer(tls)
    assert (status, body) == (403, b"enough")
    assert not server.heads


def test_a_changed_answer_is_what_the_client_gets(proxied, service, origin, owner):
    def script(message):
        message.whole()
        message.say(200, head=re.sub(r"Content-Length: \d+", "X-Scanned: yes", message.answer),
                    body=b"longer than before")
    check, server = service(script), origin()
    proxy = proxied(check, ["response"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    for _ in range(3):
        status, fields, body = fetch(proxy, server, owner, tls=tls)
        assert (status, body) == (200, b"longer than before")
        assert fields["x-scanned"] == "yes" and fields["via"].count(",") == 0
    assert server.connections == 1  # the handshake's, which was given to the first request
    assert check.connections == 1


def test_an_answer_without_a_body_is_shown_too(proxied, service, origin, owner):
    check = service(lambda message: message.say(
        200, head=message.answer.replace("\r\n\r\n", "\r\nX-Scanned: yes\r\n\r\n")))
    server = origin(answers(lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
                            if head.startswith("HEAD") else b"HTTP/1.1 304 Same\r\n\r\n"))
    proxy = proxied(check, ["response"])
    for method, expected in (("HEAD", 200), ("GET", 304)):
        status, fields, rest = fetch(proxy, server, owner, method)
        assert (status, fields["x-scanned"], rest) == (expected, "yes", b"")


def test_what_the_service_is_told_besides(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check, tells=["client", "identity", "origin"],
                    more={"identity": [{"clients": ["127.0.0.0/8"], "identity": "böb"}]})
    assert fetch(proxy, server, owner)[0] == 200
    asked, told = check.messages
    assert asked.fields["x-client-ip"] == told.fields["x-client-ip"] == "127.0.0.1"
    assert base64.b64decode(asked.fields["x-authenticated-user"]).decode() == "Local://böb"
    assert "x-server-ip" not in asked.fields and told.fields["x-server-ip"] == "127.0.0.1"


# --- rules, secrets, destinations ---


def test_the_service_sees_no_secret_that_the_rule_adds(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check, inspect={"set_headers": {"Authorization": "Bearer s3cret"}})
    assert fetch(proxy, server, owner, fields=["Authorization: mine"])[0] == 200
    assert "Authorization: Bearer s3cret" in server.heads[0]
    for message in check.messages:
        assert "s3cret" not in message.head + message.request + message.answer
        assert "Authorization: mine" in message.request


def test_a_service_cannot_take_the_rules_edits_away(proxied, service, origin, owner):
    check, server = service(lambda message: message.say(200, head=message.request.replace(
        "\r\n\r\n", "\r\nAuthorization: its\r\n\r\n"))), origin()
    proxy = proxied(check, ["request"], inspect={"set_headers": {"Authorization": "Bearer s3cret"}})
    assert fetch(proxy, server, owner)[0] == 200
    assert "Authorization: Bearer s3cret" in server.heads[0] and "its" not in server.heads[0]


def test_what_the_rule_denies_is_not_shown_and_not_brought_back(proxied, service, origin, owner):
    check, server = service(lambda message: message.say(
        200, head=message.request.replace("/ok", "/admin"))), origin()
    proxy = proxied(check, ["request"], inspect={"http": {"deny": [{"paths": ["/admin"]}]}})
    assert fetch(proxy, server, owner, path="/admin")[0] == 403
    assert not check.messages
    assert fetch(proxy, server, owner, path="/ok")[0] == 403
    assert len(check.messages) == 1 and not server.heads
    line = proxy.wait_log(error="request_denied", count=2)[-1]
    assert line["verdict"] == "denied" and line["icap"]["request"] == "modified"


@pytest.mark.parametrize("change", [
    lambda head: head.replace("app.test", "other.test"),
    lambda head: re.sub(r"\r\nHost: .*", "\r\nHost: other.test", head),
    lambda head: head.replace("https://", "http://")])
def test_a_service_may_not_send_a_request_elsewhere(proxied, service, origin, owner, change):
    check, server = service(lambda message: message.say(200, head=change(message.request))), origin()
    proxy = proxied(check, ["request"], on_failure="bypass")
    status, fields, body = fetch(proxy, server, owner)
    assert status == 502 and b"another destination" in body
    assert not server.heads
    assert proxy.wait_log(error="icap_destination")[0]["side"] == "proxy"


@pytest.mark.parametrize("head,body", [
    ("GET / HTTP/1.1\nHost: {host}\nContent-Length: 5\n\n", None),
    ("POST / HTTP/1.1\nHost: {host}\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", b"hello"),
    ("GET / HTTP/1.1\nHost: {host}\n\nGET /2 HTTP/1.1\nHost: {host}\n\n", None),
    ("GET / HTTP/1.1\nHost: {host}\nA : b\n\n", None)])
def test_what_two_readers_could_understand_differently_goes_nowhere(proxied, service, origin, owner,
                                                                    head, body):
    server = origin()
    check = service(lambda message: message.say(
        200, head=head.format(host=f"app.test:{server.port}"), body=body))
    proxy = proxied(check, ["request"])
    assert fetch(proxy, server, owner)[0] == 502
    assert not server.heads
    assert proxy.wait_log(error="icap_answer")


@pytest.mark.parametrize("promised", [4, 6])
def test_a_body_of_another_length_than_promised_is_cut(proxied, service, origin, owner, promised):
    server = origin()
    check = service(lambda message: (message.whole(), message.say(
        200, head=re.sub(r"Content-Length: \d+", f"Content-Length: {promised}", message.request),
        body=b"hello")))
    proxy = proxied(check, ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    with contextlib.suppress(AssertionError, OSError):
        assert fetch(proxy, server, owner, "POST", body=b"words", tls=tls)[0] == 502
    assert proxy.wait_log(error="icap_answer")
    assert b"hello" not in server.bodies


# --- failures ---


def says(text):
    def script(message):
        message.read()
        message.line.say(text.replace("\n", "\r\n"))
        raise Ended
    return script


def silent(message):
    message.read()
    message.line.until(b"never")


FAILURES = {
    "garbage": (says("SMTP ready\n\n"), "icap_answer", 502),
    "half a head": (says("ICAP/1.0 200 OK\nISTag"), "icap_failed", 503),
    "nothing": (says(""), "icap_failed", 503),
    "half of what is inside": (says("ICAP/1.0 200 OK\nEncapsulated: res-hdr=0, res-body=99\n\nHTTP"),
                               "icap_failed", 503),
    "no Encapsulated": (says("ICAP/1.0 200 OK\n\n"), "icap_answer", 502),
    "a 500": (says("ICAP/1.0 500 Sorry\n\n"), "icap_failed", 503),
    "a 206": (says("ICAP/1.0 206 Part\nEncapsulated: null-body=0\n\n"), "icap_answer", 502),
    "a 100 for all of it": (says("ICAP/1.0 100 Continue\n\n"), "icap_answer", 502),
    "a large head": (says("ICAP/1.0 200 OK\nX: " + "x" * 20_000 + "\n\n"), "icap_answer", 502),
    "silence": (silent, "icap_timeout", 503),
}


@pytest.mark.parametrize("shows", ["request", "response"])
@pytest.mark.parametrize("what", FAILURES)
def test_a_service_that_fails_refuses_or_is_passed_by(proxied, service, origin, owner, what, shows):
    script, error, status = FAILURES[what]
    check, server = service(script), origin()
    refusing = proxied(check, [shows], timeout="300ms")
    said, fields, body = fetch(refusing, server, owner, "POST", body=b"words")
    assert said == status and b"checks messages" in body
    assert "penstock; error=" in fields["proxy-status"]
    assert refusing.wait_log(error=error)[0]["icap"][shows] == "failed"
    refusing.wait_metric("penstock_icap_messages_total", 1, result="failed", message=shows)
    passing = proxied(check, [shows], timeout="300ms", on_failure="bypass")
    assert fetch(passing, server, owner, "POST", body=b"words")[::2] == (200, b"hello")
    assert server.bodies[-1] == b"words"
    assert icap_of(passing, method="POST")[shows] == "bypassed"


def test_a_service_that_is_not_there(proxied, origin, owner):
    server, (_bound, port) = origin(), closed_port()
    url = f"icap://127.0.0.1:{port}/x"
    proxy = proxied(url)
    assert fetch(proxy, server, owner)[0] == 503
    assert proxy.wait_log(error="icap_failed")
    assert "icap service check: refused" in proxy.stderr()
    assert fetch(proxied(url, on_failure="bypass"), server, owner)[0] == 200


def test_a_dead_service_is_left_alone_for_a_while(proxied, service, origin, owner):
    check, server = service(silent), origin()
    proxy = proxied(check, ["request"], timeout="200ms", more={"breaker": {"pause": "60s",
                                                                           "pause_max": "60s"}})
    for _ in range(6):
        assert fetch(proxy, server, owner)[0] == 503
    errors = [line["error"] for line in proxy.wait_log(method="GET", count=6)]
    assert errors == ["icap_timeout"] * 3 + ["icap_failed"] * 3
    assert len(check.messages) == 3


def test_a_service_says_no_without_a_page(proxied, service, origin, owner):
    check, server = service(says("ICAP/1.0 403 No\n\n")), origin()
    proxy = proxied(check, ["request"], on_failure="bypass")
    assert fetch(proxy, server, owner)[0] == 403
    assert proxy.wait_log(error="icap_blocked")[0]["verdict"] == "denied"
    assert not server.heads


def test_nothing_is_passed_by_once_it_is_gone(proxied, service, origin, owner):
    def script(message):
        message.read()
        message.line.say("ICAP/1.0 100 Continue\r\n\r\n")
        message.preview = None
        message.chunk()
        raise Ended
    check, server = service(script), origin()
    proxy = proxied(check, ["request"], on_failure="bypass")
    with contextlib.suppress(OSError):
        assert fetch(proxy, server, owner, "POST", body=b"x" * 500_000)[0] == 503
    assert proxy.wait_log(error="icap_failed")
    assert not server.heads


def test_an_idle_line_that_is_dead_costs_nothing(proxied, service, origin, owner):
    """The service takes the second message of a line and closes without a word."""
    lines = set()

    def script(message):
        message.read()
        if message.line.number in lines:
            raise Ended
        lines.add(message.line.number)
        message.unmodified()
    check, server = service(script), origin()
    proxy = proxied(check, ["request"])
    for _ in range(4):
        assert fetch(proxy, server, owner, "POST", body=b"words")[0] == 200
    assert server.bodies == [b"words"] * 4
    assert check.connections == 4


def test_a_line_whose_service_closes_it_is_not_used_again(proxied, service, origin, owner):
    check, server = service(lambda message: (message.read(), message.say(204, close=True))), origin()
    proxy = proxied(check, ["request"])
    for _ in range(3):
        assert fetch(proxy, server, owner)[0] == 200
    assert check.connections == 3
    assert proxy.metrics().total("penstock_icap_idle_connections") == 0


@pytest.mark.parametrize("settings,options", [({"connections": 1}, {}),
                                              ({}, {"Max_Connections": "1"})])
def test_lines_are_bounded_and_waited_for(proxied, service, origin, owner, settings, options):
    most, now, lock = [0], [0], threading.Lock()
    go = threading.Event()

    def script(message):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        go.wait(10)
        with lock:
            now[0] -= 1
        message.read()
        message.unmodified()
    check, server = service(script, **options), origin()
    proxy = proxied(check, ["request"], **settings)
    # What the service says of it is known once it was asked.
    go.set()
    assert fetch(proxy, server, owner)[0] == 200
    go.clear()
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(fetch(proxy, server, owner)[0]))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(check.messages) == 2)
    go.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4 and most[0] == 1


def test_who_waits_too_long_is_told_so(proxied, service, origin, owner):
    go = threading.Event()
    check, server = service(lambda message: (go.wait(10), message.read(), message.unmodified())), \
        origin()
    proxy = proxied(check, ["request"], connections=1, timeout="700ms")
    first = []
    thread = threading.Thread(target=lambda: first.append(fetch(proxy, server, owner)[0]))
    thread.start()
    eventually(lambda: check.messages)
    # The first is given up by then, so that who waited behind it finds an unanswering service.
    assert fetch(proxy, server, owner)[0] == 503
    go.set()
    thread.join()
    assert first == [503]


def test_a_name_is_looked_up(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check.url.replace("127.0.0.1", "scan.test"))
    assert fetch(proxy, server, owner)[0] == 200
    assert len(check.messages) == 2


def test_the_proxy_itself_is_no_service(proxied, origin, owner):
    server, port = origin(), free_port()
    proxy = proxied(f"icap://127.0.0.1:{port}/x",
                    more={"listeners": [{"address": f"127.0.0.1:{port}"}]})
    assert fetch(proxy, server, owner)[0] == 503
    assert "this proxy's own" in proxy.stderr()


# --- streaming ---


def test_a_client_that_leaves_meanwhile_frees_the_line(proxied, service, origin, owner):
    go = threading.Event()
    check, server = service(lambda message: (message.read(), go.wait(10), message.unmodified())), \
        origin()
    proxy = proxied(check, ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(f"GET / HTTP/1.1\r\nHost: app.test:{server.port}\r\n\r\n".encode())
    eventually(lambda: check.messages)
    tls.close()
    assert proxy.wait_log(method="GET", error="client_gone")
    go.set()
    assert not server.heads


def test_an_upload_that_waits_to_be_told(proxied, service, origin, owner):
    check, server = service(unmodified), origin()
    proxy = proxied(check, ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(f"POST / HTTP/1.1\r\nHost: app.test:{server.port}\r\nContent-Length: 5\r\n"
                "Expect: 100-continue\r\n\r\n".encode())
    assert read_answer(tls)[0] == 100
    tls.sendall(b"words")
    assert read_answer(tls)[0] == 200
    assert server.bodies == [b"words"] and "Expect" not in server.heads[0]


def test_an_answer_by_and_by_is_not_kept_back(proxied, service, origin, owner):
    """The origin says a little, and the rest only when the client has that."""
    go = threading.Event()

    def script(origin, tls):
        read_head(tls)
        tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go.wait(20)
        tls.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
    check, server = service(unmodified), origin(script)
    proxy = proxied(check, ["response"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(f"GET / HTTP/1.1\r\nHost: app.test:{server.port}\r\n\r\n".encode())
    got = b""
    while b"first" not in got:
        got += tls.recv(65536)
    go.set()
    while not got.endswith(b"0\r\n\r\n"):
        got += tls.recv(65536)
    assert b"second" in got
    assert check.messages[0].shown == b"first" and check.messages[0].preview == 5


BIG = 256 << 20


def echo_streaming(message):
    """Gives back chunk by chunk, behind its preview."""
    first = message.read()
    if not message.ended:
        message.line.say("ICAP/1.0 100 Continue\r\n\r\n")
        message.preview = None
    head = (message.answer or message.request).encode("latin-1")
    kind = "res" if message.answer else "req"
    message.line.say(f"ICAP/1.0 200 OK\r\nEncapsulated: {kind}-hdr=0, {kind}-body={len(head)}\r\n\r\n")
    message.line.send(head)
    piece = first
    while piece:
        message.line.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        message.shown = b""
        piece = message.chunk() if not message.ended else b""
    message.line.send(b"0\r\n\r\n")


def big_answer(origin, tls):
    read_head(tls)
    tls.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n".encode())
    piece = b"0123456789abcdef" * 4096
    for _ in range(BIG // len(piece)):
        tls.sendall(piece)


@pytest.mark.release_only
def test_a_body_larger_than_memory_streams_down(proxied, service, origin, owner):
    check, server = service(echo_streaming), origin(big_answer)
    proxy = proxied(check, ["response"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    before = proxy.rss_anon_kib()
    tls.sendall(f"GET / HTTP/1.1\r\nHost: app.test:{server.port}\r\n\r\n".encode())
    got, most = 0, before
    head = b""
    while b"\r\n\r\n" not in head:
        head += tls.recv(65536)
    got = len(head.partition(b"\r\n\r\n")[2])
    while got < BIG:
        piece = tls.recv(1 << 18)
        assert piece
        if (got >> 24) != ((got + len(piece)) >> 24):
            most = max(most, proxy.rss_anon_kib())
        got += len(piece)
    assert got == BIG
    assert most - before < 4096, "KiB that it has grown by"


@pytest.mark.release_only
def test_a_body_larger_than_memory_streams_up(proxied, service, origin, owner):
    def script(origin, tls):
        head, rest = read_head(tls)
        got = len(rest)
        while got < BIG:
            piece = tls.recv(1 << 18)
            assert piece
            got += len(piece)
        origin.bodies.append(got)
        tls.sendall(answer(b"hello"))
    check, server = service(echo_streaming), origin(script)
    proxy = proxied(check, ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    before = most = proxy.rss_anon_kib()
    tls.sendall(f"POST / HTTP/1.1\r\nHost: app.test:{server.port}\r\n"
                f"Content-Length: {BIG}\r\n\r\n".encode())
    piece = b"0123456789abcdef" * 16384
    for i in range(BIG // len(piece)):
        tls.sendall(piece)
        if i % 64 == 0:
            most = max(most, proxy.rss_anon_kib())
    assert read_answer(tls)[0] == 200
    assert server.bodies == [BIG]
    assert most - before < 4096, "KiB that it has grown by"


def test_a_client_that_does_not_read_holds_the_origin_back(proxied, service, origin, owner):
    sent = [0]

    def script(origin, tls):
        read_head(tls)
        tls.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n".encode())
        tls.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(BIG >> 16):
                tls.sendall(b"x" * (1 << 16))
                sent[0] += 1 << 16
        origin.heads.append("stuck")
    check, server = service(echo_streaming), origin(script)
    proxy = proxied(check, ["response"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(f"GET / HTTP/1.1\r\nHost: app.test:{server.port}\r\n\r\n".encode())
    eventually(lambda: server.heads)
    assert sent[0] < BIG // 2
    tls.close()


# --- c-icap ---


class CIcap:
    """c-icap with its echo, and with virus_scan by ClamAV and one signature of ours."""

    # Two halves, so that no file of the repository is taken for what it tests.
    EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

    def __init__(self, programs):
        folder, self.port, clamd = programs.folder, free_port(), free_port()
        (folder / "signatures").mkdir()
        (folder / "signatures" / "test.ndb").write_text(
            f"Test-Signature:0:*:{self.EICAR.hex()}\n")
        config = programs.write("clamd.conf", f"DatabaseDirectory {folder}/signatures\n"
                                f"TCPAddr 127.0.0.1\nTCPSocket {clamd}\nForeground yes\n"
                                f"TemporaryDirectory {folder}\nUser root\n")
        programs.start(["clamd", "-c", config], clamd)
        config = programs.write("c-icap.conf", f"""PidFile {folder}/c-icap.pid
CommandsSocket {folder}/c-icap.ctl
StartServers 1
MaxServers 2
MinSpareThreads 2
MaxSpareThreads 10
ThreadsPerChild 10
Port 127.0.0.1:{self.port}
TmpDir {folder}
ModulesDir /usr/lib/x86_64-linux-gnu/c_icap
ServicesDir /usr/lib/x86_64-linux-gnu/c_icap
TemplateDir /usr/share/c_icap/templates/
TemplateDefaultLanguage en
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog {folder}/c-icap.log
AccessLog {folder}/c-icap-access.log
Service echo srv_echo.so
Module common clamd_mod.so
clamd_mod.ClamdHost 127.0.0.1
clamd_mod.ClamdPort {clamd}
Service antivirus_module virus_scan.so
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE
virus_scan.SendPercentData 5
virus_scan.StartSendPercentDataAfter 2M
virus_scan.MaxObjectSize 5M
virus_scan.DefaultEngine clamd
""")
        programs.start(["c-icap", "-N", "-D", "-f", config], self.port)

    def url(self, service):
        return f"icap://127.0.0.1:{self.port}/{service}"


@pytest.fixture(scope="module")
def c_icap():
    from programs import Programs
    with contextlib.closing(Programs()) as programs:
        yield CIcap(programs)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("which", ["echo", "avscan"])
def test_c_icap_lets_pass_what_is_good(proxied, c_icap, owner, site, tmp_path, which, version):
    proxy = proxied(c_icap.url(which), tells=["client", "identity", "origin"])
    url = "http://%s:%d" % proxy.address
    done = run("curl", "-sSf", version, "--proxy", url, "--cacert", owner.ca, f"{site.url}/blob")
    assert done.stdout == site.blob, done.stderr
    small = run("curl", "-sS", version, "--proxy", url, "--cacert", owner.ca, f"{site.url}/none")
    assert b"404" in small.stdout, small.stderr
    noted = icap_of(proxy, path="/blob")
    assert noted["request"] in ("unmodified", "modified")
    assert noted["response"] in ("unmodified", "modified")


def test_c_icap_takes_uploads_of_any_size(proxied, c_icap, origin, owner):
    server = origin()
    proxy = proxied(c_icap.url("echo"), ["request"])
    tls = inside(proxy, "app.test", server.port, owner.context())
    for size in (0, 10, 1024, 1025, 40_000, 1_000_000):
        body = bytes(i % 253 for i in range(size))
        assert fetch(proxy, server, owner, "PUT", body=body, tls=tls)[0] == 200
        assert server.bodies[-1] == body


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_clamav_stops_a_virus_either_way(proxied, c_icap, owner, site, tmp_path, version):
    (site.root / "eicar").write_bytes(c_icap.EICAR)
    proxy = proxied(c_icap.url("avscan"))
    url = "http://%s:%d" % proxy.address
    down = run("curl", "-sS", version, "--proxy", url, "--cacert", owner.ca, "-w", "%{http_code}",
               f"{site.url}/eicar")
    assert b"VIRUS FOUND" in down.stdout and down.stdout.endswith(b"403"), down.stderr
    line = proxy.wait_log(path="/eicar", method="GET")[0]
    assert line["icap"]["response"] == "modified" and line["status"] == 403
    assert "Threat=Test-Signature" in line["icap"]["threat"]
    file = tmp_path / "eicar"
    file.write_bytes(c_icap.EICAR)
    up = run("curl", "-sS", version, "--proxy", url, "--cacert", owner.ca, "-w", "%{http_code}",
             "-T", file, f"{site.url}/upload")
    assert b"VIRUS FOUND" in up.stdout and up.stdout.endswith(b"403"), up.stderr
    assert proxy.wait_log(path="/upload", method="PUT")[0]["icap"]["request"] == "answered"


# --- configuration ---


CONFIG = """
listeners: [{{address: 127.0.0.1:3128}}]
inspection: {{ca: /etc/penstock/ca.pem, key: /etc/penstock/ca.key}}
icap:
  services:
    - {service}
policy:
  rules:
    - name: api
      allow: ["127.0.0.1:443"]
      inspect:
        icap: {use}
"""


def check_of(tmp_path, service="{name: scan, url: \"icap://127.0.0.1/avscan\"}",
             use="{request: scan, response: scan}"):
    path = tmp_path / "penstock.yaml"
    path.write_text(CONFIG.format(service=service, use=use))
    return path


def test_explain_says_who_is_shown_what(tmp_path):
    path = check_of(tmp_path)
    done = run_command("explain", "--config", str(path), "127.0.0.1:443", "--json")
    assert json.loads(done.stdout)["inspect"]["icap"] == {"request": "scan", "response": "scan"}
    text = run_command("explain", "--config", str(path), "127.0.0.1:443").stdout
    assert "icap      requests go to scan (icap://127.0.0.1:1344/avscan); on_failure: refuse" in text


@pytest.mark.parametrize("service,use,said", [
    ("{name: scan}", "{request: scan}", 'key "url" is missing'),
    ("{name: scan, url: \"icaps://h/x\"}", "{request: scan}", "icaps:// would be ICAP in TLS"),
    ("{name: scan, url: \"icap://h\"}", "{request: scan}", "names no service"),
    ("{name: scan, url: \"icap://h/x\", preview: 64KiB}", "{request: scan}", "32KiB"),
    ("{name: scan, url: \"icap://h/x\", on_failure: pass}", "{request: scan}", "refuse or bypass"),
    ("{name: scan, url: \"icap://h/x\", tells: [user]}", "{request: scan}", "client, identity"),
    ("{name: scan, url: \"icap://h/x\", connections: 0}", "{request: scan}", "connections"),
    ("{name: scan, url: \"icap://h/x\", timeout: 1ms}", "{request: scan}", "timeout"),
    ("{name: scan, url: \"icap://h/x\"}", "{request: scam}", '"scam" is no service; there are: scan'),
    ("{name: scan, url: \"icap://h/x\"}", "{}", "needs request or response"),
    ("{name: a, url: \"icap://h/x\"}\n    - {name: a, url: \"icap://h/y\"}", "{request: a}",
     '"a" is listed twice'),
])
def test_check_says_what_is_wrong(tmp_path, service, use, said):
    done = run_command("check", "--config", str(check_of(tmp_path, service, use)))
    assert done.returncode == 2 and said in done.stdout + done.stderr


def test_the_start_warns_of_what_is_not_used(proxied, service):
    check = service(unmodified)
    proxy = proxied(check, ["request"], more={"icap": {"services": [
        {"name": "check", "url": check.url}, {"name": "idle", "url": "icap://10.0.0.1/x"}]}})
    assert 'no rule names "idle"' in proxy.stderr() and "in the clear" in proxy.stderr()
