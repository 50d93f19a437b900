"""Services of ICAP between a client and an origin that both speak HTTP/2."""

import contextlib
import re

import pytest

from http2 import Connection
from icap import Service
# Fixtures among them, which pytest finds by their names.
from inspected import certificate, inside, owner
from origin_http2 import REFUSED_STREAM, Http2Origin
from test_icap import echo_streaming, icap_of, unmodified
from test_inspection_http2 import fetch, head, word

NAMES = {"app.test": ["127.0.0.1"]}


@pytest.fixture
def between(penstock, owner, authority, names, certificate):
    """Starts all three: (client, origin, proxy)."""
    with contextlib.ExitStack() as stack:
        def start(service, script, shows=("request", "response")):
            check = stack.enter_context(contextlib.closing(Service(service)))
            origin = stack.enter_context(contextlib.closing(Http2Origin(*certificate, script)))
            rule = {"name": "read", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"],
                    "inspect": {"icap": {one: "check" for one in shows}}}
            proxy = penstock({
                "policy": {"rules": [rule]}, "dns": {"servers": [names.address]}, "workers": 1,
                "icap": {"services": [{"name": "check", "url": check.url}]},
                "inspection": owner.settings(authority)})
            tunnel = inside(proxy, "app.test", origin.port, owner.context("h2", "http/1.1"))
            return Connection(tunnel), origin, proxy
        yield start


def with_trailers(request):
    body = request.read()
    request.answer(200)
    request.send(b"answer to " + body)
    request.trail(("grpc-status", "0"))


def ask_with_trailers(client, origin, body=b"words"):
    stream = client.request(head(origin, "/grpc", ("te", "trailers"), method="POST"))
    stream.send(body)
    client.h2.send_headers(stream.number, [("checksum", "7")], end_stream=True)
    client.flush()
    return stream, *stream.receive_to_end()


def test_what_is_left_as_it_was_keeps_its_trailers(between):
    client, origin, proxy = between(unmodified, with_trailers)
    stream, body, was_reset = ask_with_trailers(client, origin)
    assert (stream.status, body, was_reset) == (200, b"answer to words", False)
    assert stream.trailers == {"grpc-status": "0"}
    assert origin.requests[0].trailers == [("checksum", "7")]
    assert icap_of(proxy, method="POST")["response"] == "unmodified"


def test_what_is_changed_ends_with_its_body(between):
    def service(message):
        message.whole()
        kind = message.answer or message.request
        message.say(200, head=re.sub(r"(?i)Content-Length: \d+\r\n", "", kind), body=b"other words")
    client, origin, proxy = between(service, with_trailers)
    stream, body, was_reset = ask_with_trailers(client, origin)
    assert (stream.status, body, was_reset) == (200, b"other words", False)
    assert bytes(origin.requests[0].data) == b"other words"
    assert not stream.trailers and not origin.requests[0].trailers
    said = icap_of(proxy, method="POST")
    assert said["request"] == said["response"] == "modified"


def test_a_body_may_be_taken_away(between):
    def service(message):
        message.whole()
        message.say(200, head=re.sub(r"(?i)(Content-Length|Transfer-Encoding): .+\r\n", "",
                                     message.request))
    client, origin, _proxy = between(service, with_trailers, ["request"])
    stream, body, was_reset = ask_with_trailers(client, origin)
    assert (stream.status, body, was_reset) == (200, b"answer to ", False)
    assert not origin.requests[0].data


def test_a_service_may_answer_itself(between):
    def service(message):
        message.read()
        message.say(200, head="HTTP/1.1 403 Forbidden\nContent-Type: text/plain\n\n", body=b"not that")
    client, origin, _proxy = between(service, with_trailers, ["request"])
    for _ in range(2):  # the connection goes on
        stream, body, was_reset = fetch(client, origin, body=b"words")
        assert (stream.status, body, was_reset) == (403, b"not that", False)
        assert word(stream) == "icap_blocked"
    assert not origin.requests


def test_bodies_stream_through_a_service_both_ways(between):
    def script(request):
        body = request.read()
        request.answer(200)
        request.send(body, end=True)
    client, origin, _proxy = between(echo_streaming, script)
    sent = b"0123456789abcdef" * (1 << 18)
    stream = client.request(head(origin, method="POST"))
    stream.send(sent, end=True)
    assert stream.receive_to_end() == (sent, False)
    assert bytes(origin.requests[0].data) == sent


def test_a_body_that_a_service_has_given_is_not_sent_again(between):
    """It is gone, and the client's own is none for it."""
    client, origin, _proxy = between(echo_streaming, lambda request: request.cancel(REFUSED_STREAM),
                                     ["request"])
    stream, *_ = fetch(client, origin, body=b"words")
    assert stream.status == 503 and word(stream) == "stream_refused"
    assert len(origin.requests) == 1
