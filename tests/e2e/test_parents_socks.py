"""Parents that speak SOCKS5: `via: [socks5h://…]`."""

import contextlib
import random
import struct

import pytest

from credentials import users
from programs import free_port
from proxies import Front
from test_parents import rules
from wire import read_exactly, read_to_end

YES = b"\x05\x00\x00\x01" + bytes(6)
SOCKS = [{"address": "127.0.0.1:0", "protocols": ["http", "socks5"]}]


class Scripted(Front):
    """A SOCKS server that takes `method`, and answers each message as it is told."""

    def __init__(self, choice=b"\x05\x00", verdict=b"\x01\x00", answer=YES, then=b""):
        self._choice, self._verdict, self._answer, self._then = choice, verdict, answer, then
        self.heard = []
        super().__init__()
        self.url = f"socks5h://127.0.0.1:{self.port}"

    def serve(self, conn):
        version, count = read_exactly(conn, 2)
        assert version == 5
        self.heard.append(read_exactly(conn, count))
        conn.sendall(self._choice)
        if self._choice == b"\x05\x02":
            version, size = read_exactly(conn, 2)
            user = read_exactly(conn, size)
            self.heard.append((version, user, read_exactly(conn, read_exactly(conn, 1)[0])))
            conn.sendall(self._verdict)
        if len(self._choice) == 2 and self._choice[1] != 0xff:
            start = read_exactly(conn, 4)
            size = {1: 4, 4: 16}.get(start[3]) or read_exactly(conn, 1)[0]
            where = read_exactly(conn, size)
            self.heard.append((start, where, struct.unpack(">H", read_exactly(conn, 2))[0]))
            conn.sendall(self._answer + self._then)
        read_to_end(conn)


@pytest.fixture
def parent():
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(Scripted(**options)))


def test_a_name_is_the_parents_to_look_up(penstock, parent):
    above = parent()
    proxy = penstock({**rules(above.url), "dns": {"servers": ["127.0.0.1:1"]}})
    proxy.tunnel("only.the.parent.knows.test:443")
    assert above.heard == [b"\x00", (b"\x05\x01\x00\x03", b"only.the.parent.knows.test", 443)]


@pytest.mark.parametrize("target, start, where", [
    ("127.0.0.1:443", b"\x05\x01\x00\x01", b"\x7f\0\0\x01"),
    ("[2001:db8::1]:443", b"\x05\x01\x00\x04", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01")])
def test_an_address_goes_as_one_and_is_judged_here(penstock, parent, target, start, where):
    above = parent()
    allow = ["*:443", "127.0.0.1:443", "[2001:db8::1]:443"]
    proxy = penstock(rules(above.url, allow=allow))
    proxy.tunnel(target)
    assert above.heard[1] == (start, where, 443)
    assert proxy.refusal("10.0.0.5:443").word == "address_denied"
    assert len(above.heard) == 2


def test_what_comes_behind_the_answer_is_the_tunnels(penstock, parent):
    above = parent(then=b"SSH-2.0-server\r\n")
    tunnel = penstock(rules(above.url, tls="ignored")).tunnel("git.test:22")
    assert tunnel.receive(16) == b"SSH-2.0-server\r\n"


def test_a_bound_name_or_address_is_read_over(penstock, parent):
    for bound in (b"\x03\x04name\x00\x50", b"\x04" + bytes(18)):
        above = parent(answer=b"\x05\x00\x00" + bound, then=b"first")
        tunnel = penstock(rules(above.url, tls="ignored")).tunnel("git.test:22")
        assert tunnel.receive(5) == b"first"


def test_a_password_goes_to_the_parent_and_nowhere_else(penstock, parent):
    above = parent(choice=b"\x05\x02")
    proxy = penstock(rules(above.url.replace("://", "://me:s%40cret@")))
    proxy.tunnel("a.test:443")
    assert above.heard[:2] == [b"\x00\x02", (1, b"me", b"s@cret")]
    assert "cret" not in proxy.stderr() + str(proxy.log())


@pytest.mark.parametrize("script, credentials", [
    ({"choice": b"\x05\xff"}, ""),
    ({"choice": b"\x05\xff"}, "me:pw@"),
    ({"choice": b"\x05\x02", "verdict": b"\x01\x01"}, "me:pw@")])
def test_a_parent_that_knows_us_not_is_named(penstock, parent, script, credentials):
    above = parent(**script)
    refused = penstock(rules(above.url.replace("://", "://" + credentials))).refusal("a.test:443")
    assert (refused.status, refused.word) == (502, "parent_auth")


@pytest.mark.parametrize("reply, status, word, said", [
    (1, 502, "parent_socks", "destination_unavailable"),
    (2, 403, "parent_denied", "http_request_denied"),
    (3, 502, "parent_failed", "destination_ip_unroutable"),
    (4, 502, "parent_failed", "destination_unavailable"),
    (5, 502, "parent_failed", "connection_refused"),
    (6, 504, "parent_timeout", "connection_timeout"),
    (7, 502, "parent_socks", "destination_unavailable"),
    (8, 502, "parent_socks", "destination_unavailable"),
    (99, 502, "parent_socks", "destination_unavailable")])
def test_a_refusal_is_passed_on(penstock, parent, reply, status, word, said):
    above, next_one = parent(answer=bytes([5, reply]) + YES[2:]), parent()
    refused = penstock(rules(above.url)).refusal("a.test:443")
    assert (refused.status, refused.word) == (status, word)
    assert refused.fields["proxy-status"].startswith(
        f'"parent"; error={said}; details="SOCKS reply {reply}", penstock; error=')
    # Its no to the destination stands; what another parent may do, it is asked for.
    proxy = penstock(rules(above.url, next_one.url))
    if word in ("parent_denied", "parent_failed"):
        assert proxy.refusal("a.test:443").word == word and not next_one.heard
    else:
        proxy.tunnel("a.test:443")
        assert next_one.heard


@pytest.mark.parametrize("script", [
    {"choice": b"\x05\x01"},  # GSSAPI
    {"choice": b"\x05\x02"},  # a password, which was not offered
    {"choice": b"\x04\x5a"}, {"choice": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    {"choice": b"\x05\x00\x05"},  # more than was asked
    {"answer": b"\x05\x00\x01\x01" + bytes(6)}, {"answer": b"\x05\x00\x00\x02" + bytes(6)},
    {"answer": b"\x04\x00\x00\x01" + bytes(6)}])
def test_an_answer_that_is_none_is_named(penstock, parent, script):
    refused = penstock(rules(parent(**script).url)).refusal("a.test:443")
    assert (refused.status, refused.word) == (502, "parent_protocol")


def test_a_parent_that_says_nothing_is_given_up(penstock, parent):
    proxy = penstock({**rules(parent(choice=b"").url), "timeouts": {"dial": "300ms"}})
    refused = proxy.refusal("a.test:443")
    assert (refused.status, refused.word) == (504, "parent_timeout")


def test_another_penstock_is_the_parent(penstock, echo, tmp_path):
    (tmp_path / "users").write_text(users(child="s3cret"))
    above = penstock({"listeners": SOCKS, "identity": [{"basic": str(tmp_path / "users")}]})
    place = "%s:%d" % above.address
    below = penstock(rules(f"socks5h://child:s3cret@{place}"))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes(random.Random(5).randbytes(300_000))
    tunnel.end()
    tunnel.receive_to_end()
    assert below.wait_log(authority=echo.authority)[0]["outcome"] == "closed"
    line = above.wait_log(authority=echo.authority)[0]
    assert (line["protocol"], line["identity"], line["outcome"]) == ("socks5", "child", "closed")
    denied = below.refusal("a.test:443")  # the lab's rules do not have it
    assert (denied.status, denied.word) == (403, "parent_denied")
    # It looks at a password when it has heard the request, and says no to that.
    wrong = penstock(rules(f"socks5h://child:wrong@{place}"))
    assert wrong.refusal(echo.authority).word == "parent_denied"


def test_a_request_is_forwarded_through_it(penstock, tls_origin):
    (tls_origin.root / "page").write_bytes(b"a page")
    above = penstock({"listeners": SOCKS})
    below = penstock(rules("socks5h://%s:%d" % above.address))
    target = f"127.0.0.1:{tls_origin.plain_port}"
    reply = below.exchange(f"GET http://{target}/page HTTP/1.1\r\nHost: {target}\r\n"
                           "Connection: close\r\n\r\n".encode())
    assert reply.status == 200 and reply.rest == b"a page"


@pytest.mark.parametrize("login", [[], ["-u", "me", "-P", "s3cret"]])
def test_microsocks_is_the_parent(penstock, programs, echo, login):
    port = free_port()
    programs.start(["microsocks", "-i", "127.0.0.1", "-p", port, *login], port)
    proxy = penstock(rules(f"socks5h://{'me:s3cret@' if login else ''}127.0.0.1:{port}"))
    tunnel = proxy.tunnel(f"localhost:{echo.port}")
    assert tunnel.echoes(random.Random(6).randbytes(300_000))
    tunnel.end()
    tunnel.receive_to_end()
    assert proxy.wait_log(outcome="closed")[0]["parent"] == f"127.0.0.1:{port}"
    refused = proxy.refusal("127.0.0.1:1")
    assert refused.word == "parent_failed" and "connection_refused" in refused.fields["proxy-status"]
    if login:
        for other in ("", "me:wrong@"):
            stranger = penstock(rules(f"socks5h://{other}127.0.0.1:{port}"))
            assert stranger.refusal(echo.authority).word == "parent_auth"
