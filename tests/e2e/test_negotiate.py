"""Who asks, by Kerberos: a real realm, and curl with a ticket of it."""

import base64
import contextlib
import re
import socket
import threading
import time

import pytest

from kerberos import REALM, Realm, ntlm
from proxy import run_command
from test_identity import run
from wire import Tunnel, connect_head, eventually, read_reply

SERVICE = "HTTP/localhost"
POLICY = {"rules": [{"name": "known", "allow": ["127.0.0.0/8:1-65535", "localhost:1-65535"],
                     "addresses": ["127.0.0.0/8"], "identities": ["*"]}]}


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    with contextlib.closing(Realm(tmp_path_factory.mktemp("realm"))) as realm:
        realm.add_user("ann", "sesame")
        realm.keytab = realm.add_service(SERVICE, "host/localhost")
        realm.other_keytab = realm.add_service("HTTP/other.example")
        yield realm


@pytest.fixture(scope="module")
def ann(realm):
    return realm.log_in("ann", "sesame")


@pytest.fixture
def proxy(penstock, realm):
    return penstock({"identity": [{"negotiate": str(realm.keytab), "service": "HTTP@localhost"}],
                     "policy": POLICY}, env=realm.environment)


def curl(proxy, env, url, *options):
    return run("curl", "-sS", "--proxytunnel", "--proxy", f"http://localhost:{proxy.address[1]}",
               "--proxy-negotiate", "--proxy-user", ":", *options, url, env=env)


def token_of(env):
    """What curl sends to a proxy that asks for a ticket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        heard = []

        def listen():
            server.settimeout(60)
            sock, _ = server.accept()
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(65536)
                heard.append(head.decode())
                sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        thread = threading.Thread(target=listen)
        thread.start()
        run("curl", "-sS", "--proxytunnel", "--proxy", f"http://localhost:{port}", "--proxy-negotiate",
            "--proxy-user", ":", "https://example.test/", env=env)
        thread.join()
    return re.search("Proxy-Authorization: Negotiate (.*)\r\n", heard[0])[1]


def ask_with(proxy, target, token):
    head = connect_head(target, f"Proxy-Authorization: Negotiate {token}", "Connection: close")
    return proxy.ask(target, head=head)


def test_curl_logs_in_with_a_ticket(proxy, ann, tls_origin):
    url = f"https://127.0.0.1:{tls_origin.port}/"
    for _ in range(2):
        done = curl(proxy, ann, url, "--cacert", tls_origin.ca)
        assert done.returncode == 0, done.stderr
    assert [line["identity"] for line in proxy.wait_log(2, status=200)] == [f"ann@{REALM}"] * 2
    metrics = proxy.metrics()
    assert metrics.total("penstock_authentications_total", provider="negotiate", result="accepted") == 2
    assert metrics.total("penstock_credentials_known") == 0, "a token is for one login"


def test_curl_without_a_ticket_is_asked_for_one(proxy, realm, echo, tmp_path, tls_origin):
    refused = proxy.ask(echo.authority, head=connect_head(echo.authority, "Connection: close"))
    assert (refused.status, refused.word) == (407, "credentials_missing")
    assert refused.fields["proxy-authenticate"] == "Negotiate"
    nobody = {**realm.environment, "KRB5CCNAME": f"FILE:{tmp_path}/none"}
    done = curl(proxy, nobody, f"https://127.0.0.1:{tls_origin.port}/", "--cacert", tls_origin.ca)
    assert done.returncode != 0 and b"407" in done.stderr


def test_realms_are_stripped_by_name_and_groups_come_from_a_file(penstock, realm, ann, echo, tmp_path):
    groups = tmp_path / "groups"
    groups.write_text(f"staff: ann\nwhole: ann@{REALM}\n")

    def entry(**more):
        proxy = penstock({"identity": [{"negotiate": str(realm.keytab), "groups_file": str(groups),
                                        "groups": ["people"], **more}],
                          "policy": POLICY}, env=realm.environment)
        tunnel = ask_with(proxy, echo.authority, token_of(ann))
        assert isinstance(tunnel, Tunnel) and tunnel.echoes()
        proxy.close_clients()
        line = proxy.wait_log(status=200)[0]
        return line["identity"], line["groups"]

    assert entry(strip_realm=REALM) == ("ann", ["people", "staff"])
    assert entry(strip_realm="OTHER.TEST") == (f"ann@{REALM}", ["people", "whole"])


def test_a_token_is_good_once(proxy, ann, echo):
    token = token_of(ann)
    tunnel = ask_with(proxy, echo.authority, token)
    assert isinstance(tunnel, Tunnel) and tunnel.echoes()
    again = ask_with(proxy, echo.authority, token)
    assert (again.status, again.word) == (407, "credentials_rejected")
    eventually(lambda: "replay" in proxy.stderr().lower(), "its reason")
    assert token not in proxy.stderr()


def test_of_a_token_that_is_sent_many_times_at_once_one_is_good(proxy, ann, echo):
    token = token_of(ann)
    head = connect_head(echo.authority, f"Proxy-Authorization: Negotiate {token}", "Connection: close")
    socks = [proxy.socket() for _ in range(8)]
    for sock in socks:
        sock.sendall(head)
    assert sorted(read_reply(sock).status for sock in socks) == [200] + [407] * 7


def test_a_ticket_for_another_service_is_refused(penstock, realm, ann, echo):
    proxy = penstock({"identity": [{"negotiate": str(realm.other_keytab)}], "policy": POLICY},
                     env=realm.environment)
    refused = ask_with(proxy, echo.authority, token_of(ann))
    assert (refused.status, refused.word) == (407, "credentials_rejected")
    eventually(lambda: "negotiate: 127.0.0.1: " in proxy.stderr(), "its reason")


def test_an_expired_ticket_is_called_so(penstock, realm, echo):
    # Clocks may differ by minutes unless the library's configuration says otherwise.
    strict = realm.directory / "strict.conf"
    strict.write_text(realm.config.read_text().replace("[libdefaults]", "[libdefaults]\n  clockskew = 2"))
    token = token_of(realm.log_in("ann", "sesame", "-l", "8s"))
    got = time.monotonic()
    proxy = penstock({"identity": [{"negotiate": str(realm.keytab)}], "policy": POLICY},
                     env={**realm.environment, "KRB5_CONFIG": str(strict)})
    eventually(lambda: time.monotonic() - got > 11, "the end of the ticket")
    refused = ask_with(proxy, echo.authority, token)
    assert (refused.status, refused.word) == (407, "token_expired")


@pytest.mark.parametrize("token, word", [
    (ntlm(), "ntlm"),
    ("YA==", "credentials_rejected"),
    (base64.b64encode(bytes(40_000)).decode(), "credentials_rejected"),
])
def test_other_tokens_are_refused(penstock, realm, echo, token, word):
    proxy = penstock({"identity": [{"negotiate": str(realm.keytab)}], "policy": POLICY,
                      "limits": {"head_bytes": "128KiB"}}, env=realm.environment)
    refused = ask_with(proxy, echo.authority, token)
    assert (refused.status, refused.word) == (407, word)


def test_too_many_wrong_tokens_must_wait_and_right_ones_are_not_counted(penstock, realm, ann, echo):
    proxy = penstock({"identity": [{"negotiate": str(realm.keytab)}], "policy": POLICY,
                      "limits": {"failed_logins": "3/h"}}, env=realm.environment)
    for _ in range(5):
        tunnel = ask_with(proxy, echo.authority, token_of(ann))
        assert isinstance(tunnel, Tunnel) and tunnel.echoes()
    statuses = [ask_with(proxy, echo.authority, "YA==").status for _ in range(5)]
    assert statuses == [407] * 3 + [429] * 2


def test_a_keytab_that_cannot_be_used_is_a_fault(realm, proxy, tmp_path, ann, echo):
    config = tmp_path / "penstock.yaml"

    def check(keytab, more=""):
        config.write_text(f"""
listeners: [{{address: 0.0.0.0:3128}}]
identity: [{{negotiate: {keytab}{more}}}]
policy: {{rules: [{{allow: ["*:443"], identities: [ann]}}]}}
""")
        done = run_command("check", "--config", str(config))
        return done.returncode, done.stdout + done.stderr

    assert check(realm.keytab)[0] == 0
    assert "in the clear" not in check(realm.keytab)[1], "a token is no use to whoever reads it"
    status, said = check(tmp_path / "none")
    assert status == 2 and "none: cannot be read: No such file or directory" in said
    bad = tmp_path / "bad"
    bad.write_text("no keytab")
    status, said = check(bad)
    assert status == 2 and "is no keytab" in said
    status, said = check(realm.keytab, ", service: HTTP@proxy.example")
    assert status == 2
    assert f"has no key of HTTP/proxy.example; its keys are of {SERVICE}@{REALM}" in said

    # A running proxy goes on with the keys that it has.
    saved = realm.keytab.read_bytes()
    try:
        realm.keytab.write_bytes(b"no keytab")
        eventually(lambda: "the keys in force stay as they were" in proxy.stderr(), "a complaint")
        tunnel = ask_with(proxy, echo.authority, token_of(ann))
        assert isinstance(tunnel, Tunnel) and tunnel.echoes()
    finally:
        realm.keytab.write_bytes(saved)
    eventually(lambda: "was read again: " in proxy.stderr(), "the keys again")
