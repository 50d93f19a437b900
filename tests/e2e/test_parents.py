"""A rule's `via`: the destination is reached through another proxy, the first that can be had."""

import base64
import contextlib

import pytest

from origins import closed_port
from proxies import Front, Rival
from wire import read_to_end


def rules(*parents, allow=("*:1-65535", "127.0.0.0/8:1-65535"), **options):
    return {"policy": {"rules": [{"name": "out", "allow": list(allow), "via": list(parents),
                                  **options}]}}


def url(proxy):
    return "http://%s:%d" % proxy.address


class Scripted(Front):
    """A parent that answers every CONNECT with the same bytes and remembers what it was asked."""

    def __init__(self, answer):
        self._answer = answer
        self.asked = []
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, conn):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += conn.recv(65536)
        self.asked.append(head)
        if self._answer:
            conn.sendall(self._answer)
        read_to_end(conn)


@pytest.fixture
def parent():
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(contextlib.closing(Scripted(answer)))


@pytest.mark.parametrize("name", ["squid", "tinyproxy"])
def test_other_proxies_carry_the_tunnel(penstock, echo, name):
    with contextlib.closing(Rival(name, echo.port)) as rival:
        proxy = penstock(rules(rival.url))
        tunnel = proxy.tunnel(echo.authority)
        assert tunnel.echoes(b"x" * 50_000)
        tunnel.end()
        tunnel.receive_to_end()
        line = proxy.wait_log(authority=echo.authority, outcome="closed")[-1]
        assert line["parent"] == line["route"] == f"127.0.0.1:{rival.port}"


def test_a_penstock_may_stand_behind_another(penstock, echo):
    above = penstock()
    below = penstock(rules(url(above)))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes()
    tunnel.close()
    assert above.wait_log(authority=echo.authority)


def test_a_name_is_the_parents_to_look_up(penstock, parent):
    above = parent(b"HTTP/1.1 200 OK\r\n\r\n")
    proxy = penstock({**rules(above.url), "dns": {"servers": ["127.0.0.1:1"]}})
    proxy.tunnel("only.the.parent.knows.test:443")
    assert above.asked[0].startswith(b"CONNECT only.the.parent.knows.test:443 HTTP/1.1\r\n")


def test_what_the_rule_denies_is_not_asked_of_the_parent(penstock, quarantine):
    # Nobody is at the parent's place: what gets so far is told so, and not that it is denied.
    proxy = penstock(rules("http://127.0.0.1:1", allow=["*:443"]), ns=quarantine)
    assert proxy.refusal("a.test:443").word == "refused"
    assert proxy.refusal("a.test:22").word == "name_denied"
    # A wildcard opens public addresses only, whoever dials them.
    for literal in ("127.0.0.1:443", "10.0.0.5:443", "[::ffff:169.254.169.254]:443"):
        assert proxy.refusal(literal).word == "address_denied", literal


def test_credentials_go_to_the_parent_and_nowhere_else(penstock, parent):
    above = parent(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    proxy = penstock(rules(above.url.replace("://", "://me:s%40cret@")))
    refused = proxy.refusal("a.test:443")
    assert (refused.status, refused.word) == (502, "parent_auth")
    expected = base64.b64encode(b"me:s@cret")
    assert b"\r\nProxy-Authorization: Basic " + expected + b"\r\n" in above.asked[0]
    everything = proxy.stderr() + str(proxy.log())
    assert "cret" not in everything and expected.decode() not in everything


@pytest.mark.parametrize("status, told, word", [
    (403, 403, "parent_denied"), (404, 502, "parent_failed"), (502, 502, "parent_failed"),
    (503, 503, "parent_busy"), (429, 503, "parent_busy"), (504, 504, "parent_timeout")])
def test_a_parents_refusal_is_passed_on_with_what_it_said_of_itself(penstock, parent, status, told,
                                                                    word):
    above = parent(b"HTTP/1.1 %d No\r\nProxy-Status: far; error=connection_refused, "
                   b"near; error=dns_error; details=\"no \\\"a\\\"\"\r\nRetry-After: 7\r\n"
                   b"X-Evil: 1\r\nContent-Length: 0\r\n\r\n" % status)
    refused = penstock(rules(above.url)).refusal("a.test:443")
    assert refused.status == told
    said = refused.fields["proxy-status"]
    assert said.endswith(f'; details="{word}"')
    assert said.startswith('"far"; error=connection_refused, "near"; error=dns_error; '
                           'details="no \\"a\\"", penstock; error=')
    assert "x-evil" not in refused.fields
    assert refused.fields.get("retry-after") == ("7" if told == 503 else None)


@pytest.mark.parametrize("answer, word", [
    (b"SSH-2.0-nonsense\r\n", "parent_protocol"),
    (b"HTTP/1.1 101 Switching\r\n\r\n", "parent_protocol"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000, "parent_protocol")])
def test_an_answer_that_is_none_is_named(penstock, parent, answer, word):
    refused = penstock(rules(parent(answer).url)).refusal("a.test:443")
    assert (refused.status, refused.word) == (502, word)


def test_a_parent_that_says_nothing_is_given_up(penstock, parent):
    proxy = penstock({**rules(parent(b"").url), "timeouts": {"dial": "300ms"}})
    refused = proxy.refusal("a.test:443")
    assert (refused.status, refused.word) == (504, "parent_timeout")


def test_the_next_parent_is_taken_where_one_cannot_be_had(penstock, parent, echo):
    above = penstock()
    kept, port = closed_port()
    gone = f"http://127.0.0.1:{port}"
    full = parent(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")
    below = penstock(rules(gone, full.url, url(above)))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes()
    tunnel.close()
    kept.close()
    assert len(full.asked) == 1
    assert below.wait_log(authority=echo.authority)[-1]["parent"] == "%s:%d" % above.address


def test_a_no_to_the_destination_stands(penstock, parent):
    no, other = parent(b"HTTP/1.1 403 No\r\n\r\n"), parent(b"HTTP/1.1 200 OK\r\n\r\n")
    assert penstock(rules(no.url, other.url)).refusal("a.test:443").word == "parent_denied"
    assert not other.asked


def test_what_a_server_says_first_comes_through_even_with_the_parents_answer(penstock, parent):
    above = parent(b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-server\r\n")
    tunnel = penstock(rules(above.url, tls="ignored")).tunnel("git.test:22")
    assert tunnel.receive(16) == b"SSH-2.0-server\r\n"
    tunnel.end()
    tunnel.receive_to_end()


def test_a_reload_leaves_tunnels_whose_parent_is_still_there(penstock, parent):
    # The parent is at an internal address, which the rule does not open to anybody's names.
    above, other = (parent(b"HTTP/1.1 200 OK\r\n\r\n") for _ in range(2))
    proxy = penstock(rules(above.url, allow=["*:443"]))
    tunnel = proxy.tunnel("a.test:443")
    proxy.reload(rules(other.url, above.url, allow=["*:443"]))
    assert not [line for line in proxy.log() if line["error"] == "policy_changed"]
    # One that goes by another way than the rule has now is one that the rule would refuse.
    proxy.reload(rules(other.url, allow=["*:443"]))
    proxy.wait_log(error="policy_changed", parent=above.url.removeprefix("http://"))
    tunnel.close()


def test_a_reload_that_has_no_parents_any_more_ends_their_tunnels(penstock, parent):
    proxy = penstock(rules(parent(b"HTTP/1.1 200 OK\r\n\r\n").url))
    tunnel = proxy.tunnel("a.test:443")
    proxy.reload({})
    proxy.wait_log(error="policy_changed")
    tunnel.close()


def test_a_reload_that_has_parents_now_ends_tunnels_that_go_straight(penstock, parent, echo):
    proxy = penstock()
    tunnel = proxy.tunnel(echo.authority)
    proxy.reload(rules(parent(b"HTTP/1.1 200 OK\r\n\r\n").url))
    proxy.wait_log(error="policy_changed", authority=echo.authority)
    tunnel.close()


def test_a_destination_that_keeps_a_parent_waiting_does_not_close_the_way_to_it(penstock, parent):
    silent = parent(b"")
    proxy = penstock({**rules(silent.url), "timeouts": {"dial": "100ms", "attempt": "100ms"},
                      "breaker": {"minimum": 2, "pause": "1m", "pause_max": "1m"}})
    for _ in range(5):
        assert proxy.refusal("a.test:443").word == "parent_timeout"
    assert len(silent.asked) == 5


def test_a_proxy_is_not_its_own_parent(penstock):
    proxy = penstock(rules("http://127.0.0.1:1"))
    proxy.reload(rules(url(proxy)))
    refused = proxy.refusal("a.test:443")
    assert (refused.status, refused.word) == (502, "loop")
