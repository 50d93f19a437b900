"""Keys of tokens that are fetched from where their issuer publishes them."""

import contextlib
import json
import time

import pytest

from credentials import Issuer
from endpoint import Endpoint, says
from proxy import run_command
from tls import Authority
from wire import Tunnel, connect_head, eventually

ISSUER = "https://login.example"
POLICY = {"rules": [{"name": "known", "allow": ["127.0.0.0/8:1-65535"],
                     "addresses": ["127.0.0.0/8"], "identities": ["*"]}]}


@pytest.fixture(scope="module")
def issuers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("issuers")
    return [Issuer(directory, name) for name in ("first", "second")]


@pytest.fixture
def publish(authority):
    """Starts an endpoint under a certificate of the tests' authority."""
    with contextlib.ExitStack() as stack:
        def start(answer, certificate=None):
            chosen = certificate or authority.issue("127.0.0.1")
            return stack.enter_context(contextlib.closing(Endpoint(answer, chosen)))
        yield start


def provider(endpoint, ca, **more):
    return {"jwt": endpoint.url, "ca": str(ca), "issuer": ISSUER, "audience": ["penstock"], **more}


def ask_as(proxy, target, issuer, source=None):
    token = issuer.token(iss=ISSUER, aud="penstock", sub=issuer.name, exp=time.time() + 600)
    head = connect_head(target, f"Proxy-Authorization: Bearer {token}", "Connection: close")
    return proxy.ask(target, head=head, source=source)


def is_taken(answer):
    return isinstance(answer, Tunnel) and answer.echoes()


def test_keys_are_fetched_and_a_new_one_is_found_when_a_token_names_it(penstock, publish, authority,
                                                                     issuers, echo):
    first, second = issuers
    endpoint = publish(says(first.jwks()))
    # What the environment says of proxies is not for this.
    proxy = penstock({"identity": [provider(endpoint, authority.ca)], "policy": POLICY},
                     env={"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    assert is_taken(ask_as(proxy, echo.authority, first)), "the first waits for the first fetch"
    assert len(endpoint.requests) == 1
    assert f"{endpoint.url} was read: 1 keys" in eventually(
        lambda: "was read" in proxy.stderr() and proxy.stderr(), "a line")

    # The issuer signs with a new key: who has such a token waits for it, and notices nothing.
    endpoint.answer = says(second.jwks())
    assert is_taken(ask_as(proxy, echo.authority, second))
    assert ask_as(proxy, echo.authority, first).word == "credentials_rejected", "the old one is gone"
    assert len(endpoint.requests) == 2

    # Made-up names make nobody fetch again so soon.
    for _ in range(5):
        assert ask_as(proxy, echo.authority, first).status == 407
    assert len(endpoint.requests) == 2
    metrics = proxy.metrics()
    assert metrics.total("penstock_identity_keys", url=endpoint.url) == 1
    assert metrics.total("penstock_identity_keys_age_seconds", url=endpoint.url) < 300
    assert metrics.total("penstock_identity_key_fetches_total", result="fetched") == 2


def test_without_keys_it_starts_and_takes_no_token_until_they_come(penstock, publish, authority,
                                                                   issuers, echo):
    endpoint = publish(says("", 500))
    proxy = penstock({"identity": [{"clients": ["127.0.0.9/32"], "identity": "calm"},
                                   provider(endpoint, authority.ca)], "policy": POLICY})
    eventually(lambda: "it answers 500; there are no keys yet" in proxy.stderr(), "a complaint")

    def refused():
        answer = ask_as(proxy, echo.authority, issuers[0])
        assert (answer.status, answer.word) == (503, "keys_missing")
        return "retry-after" in answer.fields
    assert refused()
    assert proxy.tunnel(echo.authority, source="127.0.0.9").echoes(), "others are not concerned"
    assert proxy.metrics().total("penstock_identity_keys", url=endpoint.url) == 0
    assert proxy.metrics().total("penstock_authentications_total", provider="jwt", result="failed") >= 1
    endpoint.answer = says(issuers[0].jwks())
    eventually(lambda: is_taken(ask_as(proxy, echo.authority, issuers[0])), "keys")


def test_what_was_read_stands_over_failures_and_reloads(penstock, publish, authority, issuers, echo):
    endpoint = publish(says(issuers[0].jwks()))
    config = {"identity": [provider(endpoint, authority.ca)], "policy": POLICY}
    proxy = penstock(config)
    assert is_taken(ask_as(proxy, echo.authority, issuers[0]))
    endpoint.answer = says("", 404)
    assert ask_as(proxy, echo.authority, issuers[1]).status == 407
    eventually(lambda: "it answers 404; the keys in force stay" in proxy.stderr(), "a complaint")
    assert is_taken(ask_as(proxy, echo.authority, issuers[0]))
    fetches = len(endpoint.requests)
    proxy.reload({**config, "identity": [provider(endpoint, authority.ca, leeway="1s")]})
    assert is_taken(ask_as(proxy, echo.authority, issuers[0])), "checked anew, by the same keys"
    assert proxy.metrics().total("penstock_identity_key_fetches_total", result="fetched") == 1
    assert len(endpoint.requests) >= fetches


def far_too_large(issuer):
    return json.dumps({"keys": [], "padding": "x" * (300 << 10), **json.loads(issuer.jwks())})


@pytest.mark.parametrize("fault, words", [
    ("redirect", "it redirects (302), which is not followed"),
    ("huge", "the answer is larger than 256 KiB"),
    ("private", "is symmetric (oct)"),
    ("slow", "timed out"),
    ("name", "SSL: no alternative certificate subject name matches"),
    ("expired", "certificate has expired"),
    ("stranger", "unable to get local issuer certificate"),
])
def test_an_answer_that_is_not_good_gives_no_keys(penstock, publish, authority, issuers, echo,
                                                  tmp_path, fault, words):
    good = says(issuers[0].jwks())
    honest = publish(good)
    certificate, answer, ca = None, good, authority.ca
    if fault == "redirect":
        answer = says("", 302, ("Location", honest.url))
    elif fault == "huge":
        answer = says(far_too_large(issuers[0]))
    elif fault == "private":
        answer = says('{"keys": [{"kty": "oct", "k": "AA"}]}')
    elif fault == "name":
        certificate = authority.issue("login.example")
    elif fault == "expired":
        certificate = authority.issue("127.0.0.1", days=-1)
    elif fault == "stranger":
        ca = Authority(tmp_path, "somebody else").ca
    endpoint = publish(answer, certificate)
    if fault == "slow":
        endpoint.answer = endpoint.hang
    proxy = penstock({"identity": [provider(endpoint, ca, timeout="500ms")], "policy": POLICY})
    assert ask_as(proxy, echo.authority, issuers[0]).word == "keys_missing"
    eventually(lambda: words in proxy.stderr() or None, words)
    assert honest.requests == []


def test_a_silent_issuer_holds_up_no_password_and_no_end(penstock, publish, authority, issuers, echo,
                                                         tmp_path):
    from credentials import basic, users
    user_file = tmp_path / "users"
    user_file.write_text(users(ann="open"))
    endpoint = publish(None)
    endpoint.answer = endpoint.hang
    proxy = penstock({"workers": 1, "policy": POLICY, "timeouts": {"identify": "30s"},
                      "identity": [provider(endpoint, authority.ca, timeout="30s"),
                                   {"basic": str(user_file)}]})
    waiting = proxy.socket()
    token = issuers[0].token(iss=ISSUER, aud="penstock", sub="a", exp=time.time() + 600)
    waiting.sendall(connect_head(echo.authority, f"Proxy-Authorization: Bearer {token}"))
    eventually(lambda: endpoint.requests, "the fetch")
    proxy.wait_metric("penstock_credentials_waiting", 1)
    head = connect_head(echo.authority, basic("ann", "open"), "Connection: close")
    assert is_taken(proxy.ask(echo.authority, head=head))
    proxy.end()


def test_check_says_what_is_wrong_with_a_url(tmp_path):
    config = tmp_path / "penstock.yaml"

    def check(jwt, more=""):
        config.write_text(f"""
listeners: [{{address: 127.0.0.1:3128}}]
identity: [{{jwt: "{jwt}", issuer: a, audience: [b]{more}}}]
policy: {{rules: [{{allow: ["*:443"], identities: [ann]}}]}}
""")
        done = run_command("check", "--config", str(config))
        return done.returncode, done.stdout + done.stderr

    assert check("https://login.example/keys")[0] == 0, "nothing is fetched to check"
    status, said = check("http://login.example/keys")
    assert status == 2 and "use https://" in said
    status, said = check("https://ann:sesame@login.example/keys")
    assert status == 2 and "has a user in it" in said and "sesame" not in said
    status, said = check("https://login.example/keys", ", ca: /nowhere")
    assert status == 2 and "/nowhere: cannot be read" in said
