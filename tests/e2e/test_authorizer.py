"""Who asks, by an external authorizer: an HTTPS endpoint of the tests' own."""

import base64
import contextlib
import json
import threading

import pytest

from credentials import basic, users
from endpoint import Endpoint, says
from proxy import run_command
from test_identity import memory_of, run
from tls import Authority
from wire import Tunnel, connect_head, eventually, read_reply

PASSWORD = "correct-horse-battery"
POLICY = {"rules": [{"name": "known", "allow": ["127.0.0.0/8:1-65535"],
                     "addresses": ["127.0.0.0/8"], "identities": ["*"]}]}


def knows_ann(request):
    if request.headers.get("Authorization") != basic("ann", PASSWORD).partition(": ")[2]:
        return 401, [("WWW-Authenticate", 'Basic realm="elsewhere"')], b""
    return 200, [], json.dumps({"identity": "ann", "groups": ["staff"]}).encode()


@pytest.fixture
def endpoint(authority):
    with contextlib.closing(Endpoint(knows_ann, authority.issue("127.0.0.1"))) as server:
        yield server


@pytest.fixture
def start(penstock, endpoint, authority):
    def start(config=None, **more):
        provider = {"authorizer": endpoint.url, "ca": str(authority.ca), **more}
        return penstock({"identity": [provider], "policy": POLICY, **(config or {})},
                        env={"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    return start


def ask_as(proxy, target, user="ann", password=PASSWORD, **options):
    return proxy.ask(target, head=connect_head(target, basic(user, password), "Connection: close"),
                     **options)


def is_taken(answer):
    return isinstance(answer, Tunnel) and answer.echoes()


def test_curl_logs_in_and_the_endpoint_is_told_of_what(start, endpoint, tls_origin):
    proxy = start(groups=["all"])
    for _ in range(2):
        done = run("curl", "-sS", "--proxytunnel", "--proxy", "http://%s:%d" % proxy.address,
                   "--proxy-user", f"ann:{PASSWORD}", "--cacert", tls_origin.ca,
                   f"https://127.0.0.1:{tls_origin.port}/")
        assert done.returncode == 0, done.stderr
    entry = proxy.wait_log(2, status=200)[0]
    assert (entry["identity"], entry["groups"]) == ("ann", ["staff", "all"])
    assert len(endpoint.requests) == 1, "the answer is believed for a while"
    asked = endpoint.requests[0]
    fields = {name: asked.headers.get(name) for name in (
        "X-Forwarded-For", "X-Forwarded-Method", "X-Forwarded-Host", "Penstock-Listener",
        "Proxy-Authorization")}
    assert fields == {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Method": "CONNECT",
                      "X-Forwarded-Host": f"127.0.0.1:{tls_origin.port}",
                      "Penstock-Listener": "127.0.0.1:0", "Proxy-Authorization": None}
    assert (asked.command, asked.path) == ("GET", "/")
    metrics = proxy.metrics()
    for result in ("accepted", "cached"):
        assert metrics.total("penstock_authentications_total", provider="authorizer",
                             result=result) == 1


def test_an_answer_is_for_what_was_told(start, endpoint, listener, echo):
    other = listener()
    proxy = start()
    assert is_taken(ask_as(proxy, echo.authority))
    assert isinstance(ask_as(proxy, other.authority), Tunnel)
    assert is_taken(ask_as(proxy, echo.authority, source="127.0.0.7"))
    assert len(endpoint.requests) == 3
    assert is_taken(ask_as(proxy, echo.authority))
    assert len(endpoint.requests) == 3

    narrow = start(tells=["method"])
    for source in ("127.0.0.7", "127.0.0.8"):
        assert is_taken(ask_as(narrow, echo.authority, source=source))
        assert isinstance(ask_as(narrow, other.authority, source=source), Tunnel)
    assert len(endpoint.requests) == 4
    assert endpoint.requests[-1].headers.get("X-Forwarded-For") is None


def test_the_endpoint_may_say_how_long_it_is_good(start, endpoint, echo):
    endpoint.answer = says('{"identity": "ann"}', 200, ("Cache-Control", "no-store"))
    proxy = start()
    for count in (1, 2):
        assert is_taken(ask_as(proxy, echo.authority))
        assert len(endpoint.requests) == count


@pytest.mark.parametrize("status, told, word", [
    (401, 407, "credentials_rejected"), (407, 407, "credentials_rejected"),
    (403, 403, "authorizer_denied")])
def test_it_may_say_no(start, endpoint, echo, status, told, word):
    endpoint.answer = says("", status)
    proxy = start()
    refused = ask_as(proxy, echo.authority)
    assert (refused.status, refused.word) == (told, word)
    assert ("proxy-authenticate" in refused.fields) == (told == 407)
    assert proxy.metrics().total("penstock_authentications_total", provider="authorizer",
                                 result="rejected") == 1


def test_tokens_and_fields_of_the_answer(start, endpoint, echo):
    endpoint.answer = lambda request: (
        200, [("Remote-User", request.headers["Authorization"]), ("Remote-Groups", "a, b")], b"ok")
    proxy = start(credentials=["bearer"], identity_field="remote-user", groups_field="Remote-Groups")
    head = connect_head(echo.authority, "Proxy-Authorization: Bearer abc.def", "Connection: close")
    assert is_taken(proxy.ask(echo.authority, head=head))
    proxy.close_clients()
    entry = proxy.wait_log(status=200)[0]
    assert (entry["identity"], entry["groups"]) == ("Bearer abc.def", ["a", "b"])
    refused = ask_as(proxy, echo.authority)
    assert (refused.status, refused.word) == (407, "scheme_unsupported")
    assert refused.fields["proxy-authenticate"] == 'Bearer realm="penstock"'


def test_clients_without_credentials_may_be_asked_about(start, endpoint, echo):
    def by_address(request):
        if request.headers.get("Authorization"):
            return knows_ann(request)
        if request.headers["X-Forwarded-For"] == "127.0.0.7":
            return says('{"identity": "printer"}')(request)
        return 403 if request.headers["X-Forwarded-For"] == "127.0.0.9" else 401, [], b""

    endpoint.answer = by_address
    proxy = start(credentials=["none", "basic"])
    assert proxy.tunnel(echo.authority, source="127.0.0.7").echoes()
    for _ in range(2):
        head = connect_head(echo.authority, "Connection: close")
        refused = proxy.ask(echo.authority, head=head)
        assert (refused.status, refused.word) == (407, "credentials_missing")
        assert refused.fields["proxy-authenticate"].startswith("Basic ")
    assert is_taken(ask_as(proxy, echo.authority))
    assert proxy.refusal(echo.authority, source="127.0.0.9").word == "authorizer_denied"
    proxy.close_clients()
    assert proxy.wait_log(identity="printer")[0]["status"] == 200

    # Where no credentials are taken, none can help, and those that are sent are not looked at.
    alone = start(credentials=["none"])
    assert ask_as(alone, echo.authority, source="127.0.0.7").echoes()
    refused = alone.refusal(echo.authority)
    assert (refused.status, refused.word) == (403, "authorizer_denied")
    assert "proxy-authenticate" not in refused.fields


def failing(fault, endpoint, authority, tmp_path):
    """What makes the endpoint fail so; the authority to believe."""
    good = says('{"identity": "ann"}')
    answers = {
        "error": says("", 500), "empty": says("", 204), "redirect": says("", 302, ("Location", "/")),
        "text": says("ann"), "twice": says('{"identity": "ann", "identity": "bob"}'),
        "unknown": says('{"identity": "ann", "group": ["staff"]}'),
        "huge": says('{"identity": "ann"}' + " " * (70 << 10)), "slow": endpoint.hang}
    endpoint.answer = answers.get(fault, good)
    if fault == "stranger":
        return Authority(tmp_path, "somebody else").ca
    if fault == "down":
        endpoint.close()
    return authority.ca


@pytest.mark.parametrize("fault, words", [
    ("error", "it answers 500"), ("empty", "it answers 204"), ("redirect", "which is not followed"),
    ("text", "is no JSON object"), ("twice", "with a name twice"),
    ("unknown", "neither identity nor groups"), ("huge", "larger than 64 KiB"),
    ("slow", "timed out"), ("stranger", "unable to get local issuer certificate"),
    ("down", "Failed to connect")])
def test_whatever_goes_wrong_lets_nobody_in(start, endpoint, authority, echo, tmp_path, fault, words):
    ca = failing(fault, endpoint, authority, tmp_path)
    proxy = start(ca=str(ca), timeout="500ms")
    for _ in range(2):
        refused = ask_as(proxy, echo.authority)
        assert (refused.status, refused.word) == (503, "authorizer_failed")
        assert "retry-after" in refused.fields
    said = eventually(lambda: words in proxy.stderr() and proxy.stderr(), words)
    assert PASSWORD not in said and basic("ann", PASSWORD).split()[-1] not in said
    assert proxy.metrics().total("penstock_authentications_total", result="failed") == 2


def test_guessing_is_slowed_down_and_one_guess_for_many_places_is_one(start, endpoint, echo):
    proxy = start({"limits": {"failed_logins": "5/h"}})
    # A browser opens many tunnels at once, each of which the endpoint is asked about.
    gate = threading.Event()

    def slowly(request):
        gate.wait(60)
        return knows_ann(request)
    endpoint.answer = slowly
    socks = [proxy.socket(source="127.0.0.5") for _ in range(12)]
    for number, sock in enumerate(socks):
        sock.sendall(connect_head(f"127.0.0.1:{1 + number}", basic("ann", PASSWORD)))
    eventually(lambda: len(endpoint.requests) == 12, "all of them")
    gate.set()
    assert 429 not in [read_reply(sock).status for sock in socks]

    endpoint.answer = knows_ann
    replies = [ask_as(proxy, echo.authority, password=f"guess-{i}", source="127.0.0.5")
               for i in range(8)]
    assert [reply.status for reply in replies] == [407] * 5 + [429] * 3
    assert is_taken(ask_as(proxy, echo.authority, source="127.0.0.6")), "elsewhere"


def test_a_silent_endpoint_holds_up_nobody_else(penstock, endpoint, authority, echo, tmp_path):
    user_file = tmp_path / "users"
    user_file.write_text(users(bob="open"))
    endpoint.answer = endpoint.hang
    proxy = penstock({"workers": 1, "policy": POLICY, "timeouts": {"identify": "30s"}, "identity": [
        {"authorizer": endpoint.url, "ca": str(authority.ca), "timeout": "30s",
         "credentials": ["bearer"]}, {"basic": str(user_file)}]})
    socks = [proxy.socket() for _ in range(100)]
    for number, sock in enumerate(socks):
        sock.sendall(connect_head(echo.authority, f"Proxy-Authorization: Bearer t{number % 25}"))
    # The same token waits for the same answer.
    eventually(lambda: len(endpoint.requests) == 25, "its questions")
    assert is_taken(ask_as(proxy, echo.authority, "bob", "open"))
    assert len(endpoint.requests) == 25
    assert proxy.metrics().total("penstock_loop_stalls_total") == 0
    proxy.close_clients()
    proxy.end()


@pytest.mark.release_only  # a sanitizer has terabytes of address space to look through
def test_no_secret_is_left(start, endpoint, echo):
    proxy = start()
    tunnel = ask_as(proxy, echo.authority)
    assert tunnel.echoes()
    assert ask_as(proxy, echo.authority, password=PASSWORD + "x").status == 407
    said = proxy.stderr() + proxy.log_file.read_text() + proxy.get("/metrics")[2]
    memory = b"".join(memory_of(proxy.process))
    for secret in (PASSWORD, base64.b64encode(f"ann:{PASSWORD}".encode()).decode()[:30]):
        assert secret not in said
        assert secret.encode() not in memory, "nor in a core file"


def test_check_knows_what_may_leave_this_machine(tmp_path):
    config = tmp_path / "penstock.yaml"

    def check(url, more="", address="127.0.0.1"):
        config.write_text(f"""
listeners: [{{address: "{address}:3128"}}]
identity: [{{authorizer: "{url}"{more}}}]
policy: {{rules: [{{allow: ["*:443"], identities: [ann]}}]}}
""")
        done = run_command("check", "--config", str(config))
        return done.returncode, done.stdout + done.stderr

    assert check("https://auth.example/check")[0] == 0
    assert check("http://127.0.0.1:9000/check")[0] == 0
    status, said = check("http://auth.example/check")
    assert status == 2 and "use https://" in said
    assert "authorizer credentials cross it in the clear" in check("https://a/", "", "0.0.0.0")[1]
    assert "in the clear" not in check("https://a/", ", credentials: [none]", "0.0.0.0")[1]
    status, said = check("https://a/", ", credentials: [none], tells: [method]")
    assert status == 2 and "none needs client among tells" in said
