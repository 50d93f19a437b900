"""Who asks: passwords, tokens and addresses, with real clients; and what is kept of them."""

import os
import re
import subprocess
import threading
import time

import pytest

from credentials import BCRYPT, SHA512, SLOW_BCRYPT, YESCRYPT, Issuer, basic, hashed, users
from proxy import run_command
from wire import Tunnel, connect_head, eventually, is_open, read_exactly, read_reply

PASSWORD = "correct-horse-battery"
ISSUER = "https://login.example"


def policy(**asker):
    return {"rules": [{"name": "known", "allow": ["127.0.0.0/8:1-65535", "localhost:1-65535"],
                       "addresses": ["127.0.0.0/8"], **asker}]}


@pytest.fixture
def user_file(tmp_path):
    path = tmp_path / "users"
    path.write_text(users(ann=PASSWORD, bob="open"))
    return path


@pytest.fixture
def proxy(penstock, user_file, tmp_path):
    """Ann is in ops and staff, and only ops may go anywhere."""
    groups = tmp_path / "groups"
    groups.write_text("ops: ann\n")
    return penstock({
        "identity": [{"basic": str(user_file), "groups_file": str(groups), "groups": ["staff"]}],
        "policy": policy(groups=["ops"])})


def ask_as(proxy, target, user, password, **options):
    head = connect_head(target, basic(user, password), "Connection: close")
    return proxy.ask(target, head=head, **options)


def run(*command, env=None):
    # What the machine that runs the tests says about proxies and authorities is not for here.
    clean = {key: value for key, value in os.environ.items()
             if not re.search("proxy|ssl|ca_bundle|extra_ca", key.lower())}
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=120,
                          check=False, env={**clean, **(env or {})})


def curl(proxy, url, *options):
    return run("curl", "-sS", "--proxytunnel", "--proxy", "http://%s:%d" % proxy.address, *options,
               url)


@pytest.mark.parametrize("setting", [BCRYPT, YESCRYPT, SHA512])
def test_curl_logs_in_with_a_password(penstock, tls_origin, user_file, setting):
    user_file.write_text(f"ann:{hashed(PASSWORD, setting)}\n")
    proxy = penstock({"identity": [{"basic": str(user_file), "groups": ["staff"]}],
                      "policy": policy(identities=["ann"])})
    url = f"https://127.0.0.1:{tls_origin.port}/"
    options = ["--cacert", tls_origin.ca, "--proxy-user", f"ann:{PASSWORD}"]
    for _ in range(2):
        done = curl(proxy, url, *options)
        assert done.returncode == 0, done.stderr
    entry = proxy.wait_log(2, status=200)[0]
    assert (entry["identity"], entry["groups"]) == ("ann", ["staff"])
    logins = {result: proxy.metrics().total("penstock_authentications_total", provider="basic",
                                            result=result) for result in ("accepted", "cached")}
    assert logins == {"accepted": 1, "cached": 1}
    wrong = curl(proxy, url, *options[:2], "--proxy-user", "ann:wrong")
    assert wrong.returncode == 56 and b"407" in wrong.stderr
    assert proxy.wait_log(error="credentials_rejected")[0]["identity"] == ""


def test_curl_asks_which_scheme_is_wanted_by_one_connection(proxy, tls_origin):
    done = curl(proxy, f"https://127.0.0.1:{tls_origin.port}/", "--cacert", tls_origin.ca,
                "--proxy-anyauth", "--proxy-user", f"ann:{PASSWORD}")
    assert done.returncode == 0, done.stderr
    assert len(proxy.wait_log(status=200)) == 1
    assert proxy.metrics().total("penstock_accepted_total") == 1


def test_curl_logs_in_by_socks5(penstock, tls_origin, user_file):
    proxy = penstock({"listeners": [{"address": "127.0.0.1:0", "protocols": ["http", "socks5"]}],
                      "identity": [{"basic": str(user_file)}], "policy": policy(identities=["ann"])})
    address = "%s:%d" % proxy.address

    def fetch(*options):
        return run("curl", "-sS", *options, "--cacert", tls_origin.ca,
                   f"https://127.0.0.1:{tls_origin.port}/").returncode
    assert fetch("--proxy", f"socks5h://ann:{PASSWORD}@{address}") == 0
    assert fetch("--proxy", f"socks5h://ann:wrong@{address}") == 97
    assert fetch("--proxy", f"socks5h://{address}") == 97
    assert proxy.wait_log(status=200)[0]["identity"] == "ann"
    assert {line["error"] for line in proxy.wait_log(3)} == {"", "credentials_rejected",
                                                             "credentials_missing"}


def test_git_logs_in(proxy, tls_origin):
    url = "http://ann:%s@%s:%d" % (PASSWORD, *proxy.address)
    done = run("git", "-c", f"http.proxy={url}", "-c", f"http.sslCAInfo={tls_origin.ca}",
               "ls-remote", f"https://127.0.0.1:{tls_origin.port}/none.git")
    assert done.returncode != 0, "there is no repository"
    assert proxy.wait_log(status=200)[0]["identity"] == "ann"


def test_a_group_that_may_not_is_403_and_not_407(proxy, echo):
    reply = ask_as(proxy, echo.authority, "bob", "open")
    assert (reply.status, reply.word) == (403, "name_denied")
    entry = proxy.wait_log(error="name_denied")[0]
    assert (entry["identity"], entry["groups"]) == ("bob", ["staff"])


def test_a_challenge_keeps_the_connection_only_if_nothing_came_behind(proxy, echo):
    sock = proxy.socket()
    sock.sendall(connect_head(echo.authority))
    reply = read_reply(sock)
    assert (reply.status, reply.word) == (407, "credentials_missing")
    assert reply.fields["proxy-authenticate"] == 'Basic realm="penstock", charset="UTF-8"'
    assert "connection" not in reply.fields
    sock.settimeout(30)
    while len(reply.rest) < int(reply.fields["content-length"]):
        reply.rest += sock.recv(4096)
    assert is_open(sock)
    sock.sendall(connect_head(echo.authority, basic("ann", PASSWORD)))
    assert Tunnel(sock, read_reply(sock)).echoes()

    refused = proxy.ask(echo.authority, early=b"\x16\x03\x01")
    assert (refused.status, refused.fields["connection"]) == (407, "close")


def test_a_token_says_who_asks(penstock, echo, tls_origin, tmp_path):
    issuer, keys = Issuer(tmp_path, "first"), tmp_path / "jwks.json"
    keys.write_text(issuer.jwks())
    proxy = penstock({"identity": [{"jwt": str(keys), "issuer": ISSUER, "audience": ["penstock"]}],
                      "policy": policy(groups=["dev*"])})
    claims = {"iss": ISSUER, "aud": "penstock", "sub": "job-7", "groups": ["devs"],
              "exp": time.time() + 600}
    token = issuer.token(**claims)
    done = curl(proxy, f"https://127.0.0.1:{tls_origin.port}/", "--cacert", tls_origin.ca,
                "--proxy-header", f"Proxy-Authorization: Bearer {token}")
    assert done.returncode == 0, done.stderr
    assert proxy.wait_log(status=200)[0]["identity"] == "job-7"

    def ask_with(token):
        field = f"Proxy-Authorization: Bearer {token}"
        return proxy.ask(echo.authority, head=connect_head(echo.authority, field, "Connection: close"))

    expired = ask_with(issuer.token(**{**claims, "exp": time.time() - 3600}))
    assert (expired.status, expired.word) == (407, "token_expired")
    assert expired.fields["proxy-authenticate"] == 'Bearer realm="penstock", error="invalid_token"'
    assert ask_with(issuer.token(**{**claims, "aud": "mail"})).word == "credentials_rejected"
    assert "is for another audience" in proxy.stderr()

    # The issuer has a new key: the old one's tokens end with it, cached or not.
    second = Issuer(tmp_path, "second")
    assert ask_with(second.token(**claims)).word == "credentials_rejected"
    keys.write_text(second.jwks())
    eventually(lambda: "jwks.json was read again" in proxy.stderr(), "the new key")
    tunnel = ask_with(second.token(**claims))
    assert isinstance(tunnel, Tunnel) and tunnel.echoes()
    assert ask_with(token).word == "credentials_rejected"


def test_both_kinds_are_asked_for_and_each_may_be_sent(penstock, user_file, echo, tmp_path):
    keys = tmp_path / "jwks.json"
    keys.write_text(Issuer(tmp_path).jwks())
    proxy = penstock({"identity": [{"basic": str(user_file)},
                                   {"jwt": str(keys), "issuer": ISSUER, "audience": ["a"]},
                                   {"clients": ["127.0.0.9/32"], "identity": "guest"}],
                      "policy": policy(identities=["*"])})
    refused = proxy.ask(echo.authority, head=connect_head(echo.authority, "Connection: close"))
    assert re.findall(r"(\w+) realm", refused.fields["proxy-authenticate"]) == ["Basic", "Bearer"]
    # Whoever is last in the list is for those who say nothing of themselves.
    assert proxy.tunnel(echo.authority, source="127.0.0.9").echoes()
    assert ask_as(proxy, echo.authority, "ann", "wrong", source="127.0.0.9").status == 407
    proxy.close_clients()
    assert proxy.wait_log(identity="guest")[0]["status"] == 200


def test_guessing_passwords_is_slowed_down_by_address(penstock, user_file, echo):
    proxy = penstock({"identity": [{"basic": str(user_file)}], "policy": policy(identities=["*"]),
                      "limits": {"failed_logins": "5/h"}})
    tunnel = ask_as(proxy, echo.authority, "ann", PASSWORD, source="127.0.0.5")
    assert tunnel.echoes()
    replies = [ask_as(proxy, echo.authority, "ann", f"guess-{i}", source="127.0.0.5")
               for i in range(8)]
    assert [reply.status for reply in replies] == [407] * 5 + [429] * 3
    assert replies[-1].word == "login_rate"
    assert 600 <= int(replies[-1].fields["retry-after"]) <= 720
    assert ask_as(proxy, echo.authority, "ann", PASSWORD, source="127.0.0.5").echoes(), "known"
    assert ask_as(proxy, echo.authority, "bob", "open", source="127.0.0.6").echoes(), "elsewhere"
    assert proxy.metrics().total("penstock_authentications_total", result="limited") == 3


def test_a_changed_file_of_users_is_followed_and_a_broken_one_changes_nothing(proxy, user_file,
                                                                             echo):
    tunnel = ask_as(proxy, echo.authority, "ann", PASSWORD)
    assert tunnel.echoes()
    user_file.write_text(users(ann="another"))
    eventually(lambda: "users was read again: 1 users" in proxy.stderr(), "the new users")
    assert ask_as(proxy, echo.authority, "ann", PASSWORD).status == 407, "no longer known"
    assert ask_as(proxy, echo.authority, "ann", "another").echoes()
    assert tunnel.echoes(), "what is open goes on"

    user_file.write_text("ann:hunter2\n")
    eventually(lambda: "users in force stay" in proxy.stderr(), "a complaint")
    assert ask_as(proxy, echo.authority, "ann", "another").echoes()
    proxy.reload(proxy.config, accepted=False)
    assert "plain or DES password" in proxy.stderr() and "hunter2" not in proxy.stderr()


def test_a_reload_judges_open_tunnels_by_who_they_are(penstock, user_file, echo):
    config = {"identity": [{"basic": str(user_file)}], "policy": policy(identities=["ann", "bob"])}
    proxy = penstock(config)
    ann = ask_as(proxy, echo.authority, "ann", PASSWORD)
    bob = ask_as(proxy, echo.authority, "bob", "open")
    assert ann.echoes() and bob.echoes()
    proxy.reload({**config, "policy": policy(identities=["ann"])})
    assert bob.receive_to_end() == (b"", True)
    assert ann.echoes()
    assert proxy.wait_log(error="policy_changed")[0]["identity"] == "bob"


def test_many_logins_stall_no_loop(penstock, user_file, echo):
    names = [f"user-{i}" for i in range(24)]
    slow = hashed("open", SLOW_BCRYPT)
    user_file.write_text("".join(f"{name}:{slow}\n" for name in names))
    proxy = penstock({"workers": 1, "identity": [{"basic": str(user_file)}, {
        "clients": ["127.0.0.9/32"], "identity": "calm"}], "policy": policy(identities=["*"]),
        "timeouts": {"identify": "30s"}})
    calm = proxy.tunnel(echo.authority, source="127.0.0.9")
    results = []

    def log_in(name):
        results.append(isinstance(ask_as(proxy, echo.authority, name, "open"), Tunnel))

    threads = [threading.Thread(target=log_in, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert calm.echoes()
    assert results == [True] * len(names)
    metrics = proxy.metrics()
    # On a busy machine a loop may be kept from its core now and then; each hash on it would be a stall.
    assert metrics.total("penstock_loop_stalls_total") < len(names) / 4
    assert metrics.total("penstock_authentications_total", result="accepted", provider="basic") == 24


def memory_of(process):
    """Everything that a process could write into a core file."""
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            mem.seek(start)
            try:
                yield mem.read(end - start)
            except OSError:
                pass


@pytest.mark.release_only  # a sanitizer has terabytes of address space to look through
def test_no_secret_is_anywhere(proxy, echo):
    tunnel = ask_as(proxy, echo.authority, "ann", PASSWORD)
    assert tunnel.echoes()
    wrong = ask_as(proxy, echo.authority, "ann", PASSWORD + "x")
    assert wrong.status == 407
    proxy.wait_log(error="credentials_rejected")
    # The same with a request to be forwarded. The origin says its words back, and that is no answer.
    sock = proxy.socket()
    for password, status in ((PASSWORD + "x", 407), (PASSWORD, 502)):
        sock.sendall(f"GET http://{echo.authority}/ HTTP/1.1\r\nHost: {echo.authority}\r\n"
                     f"{basic('ann', password)}\r\n\r\n".encode())
        reply = read_reply(sock)
        assert reply.status == status
        read_exactly(sock, int(reply.fields["content-length"]) - len(reply.rest))
    token = basic("ann", PASSWORD).split()[-1].rstrip("=")[:20]
    said = (proxy.stderr() + proxy.log_file.read_text() + proxy.get("/metrics")[2] + str(wrong))
    memory = b"".join(memory_of(proxy.process))
    for secret in (PASSWORD, token):
        assert secret not in said
        assert secret.encode() not in memory, "nor in a core file"


def test_check_warns_of_passwords_that_cross_an_open_network(user_file, tmp_path):
    config = tmp_path / "penstock.yaml"
    config.write_text(f"""
listeners: [{{address: 0.0.0.0:3128}}]
identity: [{{basic: {user_file}}}]
policy: {{rules: [{{allow: ["*:443"], identities: [ann]}}]}}
""")
    done = run_command("check", "--config", str(config))
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert "0.0.0.0:3128 is not encrypted, and basic credentials cross it in the clear" in said
    assert "matches nobody" not in said
    user_file.write_text("ann:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n")
    done = run_command("check", "--config", str(config))
    assert done.returncode == 2
    assert "users:1: user \"ann\" has an MD5 hash" in done.stdout + done.stderr


def test_explain_knows_groups_and_addresses(tmp_path):
    config = tmp_path / "penstock.yaml"
    config.write_text("""
listeners: [{address: 127.0.0.1:3128}]
identity: [{clients: [10.1.0.0/16], identity: ci, groups: [builders]}]
policy: {rules: [{name: builders, allow: ["127.0.0.1:9"], groups: [builders]}]}
""")
    def explain(*who):
        return run_command("explain", "--config", str(config), *who, "127.0.0.1:9").returncode
    assert explain("--client", "10.1.2.3") == 0
    assert explain("--client", "10.2.2.3") == 1
    assert explain("--identity", "ann", "--group", "builders") == 0
