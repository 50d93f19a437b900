"""Parents that are spoken to in TLS: `via: [https://…]`."""

import contextlib
import errno
import random
import socket
import ssl
import threading

import pytest

from credentials import users
from programs import both, free_port
from proxies import Front, server_context
from proxy import run_command
from test_https import listening
from test_parents import rules, url
from tls import Authority
from wire import DEADLINE, eventually, read_exactly, read_to_end

NAME = "parent.localhost"


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue(NAME, "127.0.0.1")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Who signs for nobody that we trust; and for us, where a parent wants to know us."""
    return Authority(tmp_path_factory.mktemp("strangers"), "strangers")


def through(authority, *parents, more=None, **options):
    """A configuration whose parents are signed for by `authority`."""
    return {"parents": {"ca": str(authority.ca), **(more or {})}, **rules(*parents, **options)}


def secure_url(proxy, name="127.0.0.1"):
    return f"https://{name}:{proxy.address[1]}"


@pytest.fixture
def above(penstock, certificate):
    return penstock(listening(certificate))


@pytest.fixture
def front():
    """Starts parents of the test's own: a class made of Front, and what it is made with."""
    with contextlib.ExitStack() as stack:
        yield lambda kind, *args: stack.enter_context(contextlib.closing(kind(*args)))


class Accepting(Front):
    """Says yes to a CONNECT within TLS, then hands the TLS socket to `then`."""

    def __init__(self, certificate, then):
        self._context, self._then = server_context(*certificate), then
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"

    def serve(self, conn):
        with self._context.wrap_socket(conn, server_side=True) as secure:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            self._then(secure)


# --- bytes

def test_a_mebibyte_goes_each_way_and_half_closes_are_carried(penstock, above, authority, listener):
    origin = listener()
    below = penstock(through(authority, secure_url(above, NAME)))
    up, down = (random.Random(seed).randbytes(1 << 20) for seed in (1, 2))
    tunnel = below.tunnel(origin.authority)
    far = origin.accept()
    received = []
    reader = threading.Thread(target=lambda: received.append(read_to_end(far)))
    reader.start()
    tunnel.send(up)
    tunnel.end()
    reader.join(DEADLINE)
    assert received == [(up, False)]
    sender = threading.Thread(target=lambda: (far.sendall(down), far.close()))
    sender.start()
    assert tunnel.receive_to_end() == (down, False)
    sender.join(DEADLINE)
    line = below.wait_log(authority=origin.authority)[0]
    assert (line["outcome"], line["parent_tls"]) == ("closed", "TLSv1.3")
    assert line["bytes_up"] == line["bytes_down"] == 1 << 20
    assert line["parent"] == f"{NAME}:{above.address[1]}"
    seen = above.wait_log(authority=origin.authority)[0]
    assert (seen["outcome"], seen["tls"]["sni"], seen["tls"]["alpn"]) == ("closed", NAME, "http/1.1")


def test_a_session_is_taken_up_again(penstock, above, authority, echo):
    below = penstock({**through(authority, secure_url(above)), "workers": 1})
    for _ in range(3):
        tunnel = below.tunnel(echo.authority)
        assert tunnel.echoes()
        tunnel.reset()  # a tunnel that is cut leaves the session as good as one that ends
    resumed = [line["tls"]["resumed"] for line in above.wait_log(3, authority=echo.authority)]
    assert sorted(resumed) == [False, True, True]
    name = "penstock_parent_tls_handshakes_total"
    assert below.metrics().total(name, result="done", resumed="false") == 1
    assert below.metrics().total(name, result="done", resumed="true") == 2


def test_a_client_that_sends_early_and_a_parent_that_speaks_first(penstock, authority, certificate,
                                                                  front):
    heard = []

    def greet(conn):
        conn.sendall(b"SSH-2.0-server\r\n")
        heard.append(read_exactly(conn, 5))
        conn.unwrap()

    above = front(Accepting, certificate, greet)
    below = penstock(through(authority, above.url, tls="ignored"))
    tunnel = below.tunnel("git.test:22", early=b"early")
    assert tunnel.receive(16) == b"SSH-2.0-server\r\n"
    assert tunnel.receive_to_end() == (b"", False)
    assert heard == [b"early"]


def test_a_parent_that_ends_without_close_notify_has_cut_the_tunnel(penstock, authority,
                                                                    certificate, front):
    def cut(conn):
        conn.sendall(b"half of it")
        conn.shutdown(socket.SHUT_WR)  # of the socket: TLS is not asked
        read_to_end(conn)

    above = front(Accepting, certificate, cut)
    below = penstock(through(authority, above.url))
    tunnel = below.tunnel("a.test:443")
    assert tunnel.receive_to_end() == (b"half of it", True)
    line = below.wait_log(authority="a.test:443")[0]
    assert (line["outcome"], line["error"], line["errno"]) == ("cut", "origin_reset", errno.ENODATA)


def test_a_client_that_resets_resets_the_parent(penstock, above, authority, listener):
    origin = listener()
    below = penstock(through(authority, secure_url(above)))
    tunnel = below.tunnel(origin.authority)
    far = origin.accept()
    tunnel.reset()
    assert read_to_end(far) == (b"", True)


def test_a_request_is_forwarded_through_it(penstock, above, authority, tls_origin):
    (tls_origin.root / "page").write_bytes(b"a page")
    below = penstock(through(authority, secure_url(above)))
    target = f"127.0.0.1:{tls_origin.plain_port}"
    reply = below.exchange(f"GET http://{target}/page HTTP/1.1\r\nHost: {target}\r\n"
                           "Connection: close\r\n\r\n".encode())
    assert reply.status == 200 and reply.rest == b"a page"
    assert above.wait_log(authority=target, method="CONNECT")


@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_an_idle_tunnel_takes_what_the_documents_say(penstock, above, authority, echo):
    below = penstock({**through(authority, secure_url(above)), "workers": 1})
    tunnels = [below.tunnel(echo.authority) for _ in range(500)]  # what start-up left over is used
    before = below.rss_anon_kib()
    tunnels += [below.tunnel(echo.authority) for _ in range(1000)]
    each = (below.rss_anon_kib() - before) / 1000
    print(f"{each:.1f} KiB for each idle tunnel through an HTTPS parent")
    assert each < 28


# --- whom it may be

@pytest.mark.parametrize("case, reason", [
    ("another authority", "unable to get local issuer certificate"),
    ("another name", "hostname mismatch"),
    ("another address", "IP address mismatch"),
    ("expired", "certificate has expired"),
    ("for clients", "unsuitable certificate purpose")])
def test_a_certificate_that_is_not_good_is_refused(penstock, authority, strangers, case, reason):
    signer = strangers if case == "another authority" else authority
    names = {"another name": ["other.localhost"], "another address": ["127.0.0.9"]}
    files = signer.issue(*names.get(case, [NAME, "127.0.0.1"]),
                         days=-1 if case == "expired" else 2,
                         usage="clientAuth" if case == "for clients" else "serverAuth")
    above = penstock(listening(files))
    below = penstock(through(authority,
                             secure_url(above, NAME if case == "another name" else "127.0.0.1")))
    refused = below.refusal("a.test:443")
    assert (refused.status, refused.error, refused.word) == (502, "tls_certificate_error",
                                                             "parent_certificate")
    line = below.wait_log(error="parent_certificate")[0]
    assert (line["side"], line["parent_reason"]) == ("parent", reason)
    assert f"parent {line['parent']}: parent_certificate: {reason}" in below.stderr()
    assert not [line for line in above.log() if line["authority"]], "it was asked for something"
    assert below.metrics().total("penstock_parent_tls_handshakes_total", result="failed") == 1


def test_without_a_ca_the_systems_roots_decide(penstock, above, authority, echo):
    config = rules(secure_url(above))
    assert penstock(config).refusal(echo.authority).word == "parent_certificate"
    trusting = penstock(config, env={"SSL_CERT_FILE": str(authority.ca)})
    assert trusting.tunnel(echo.authority).echoes()


def test_a_certificate_is_shown_to_a_parent_that_asks(penstock, authority, certificate, strangers,
                                                      echo):
    above = penstock(listening(certificate, client_certificates="required",
                               client_ca=str(strangers.ca)))
    files, key = strangers.issue("child.test", usage="clientAuth")
    ours = {"certificate": str(files), "key": str(key)}
    below = penstock(through(authority, secure_url(above), more=ours))
    assert below.tunnel(echo.authority).echoes()
    below.close_clients()
    subject = above.wait_log(authority=echo.authority)[0]["tls"]["client_subject"]
    assert subject == "CN=child.test"

    # TLS 1.3 says no behind the handshake, TLS 1.2 within it.
    unknown = penstock(through(authority, secure_url(above)))
    refused = unknown.refusal(echo.authority)
    assert (refused.status, refused.error, refused.word) == (502, "tls_alert_received",
                                                             "parent_alert")
    assert "certificate required" in unknown.wait_log(error="parent_alert")[0]["parent_reason"]


class Closing(Front):
    """Hears the beginning of a handshake, says `words` and closes."""

    def __init__(self, words):
        self._words = words
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"

    def serve(self, conn):
        conn.recv(65536)
        conn.sendall(self._words)


@pytest.mark.parametrize("words, word", [
    (b"", "parent_tls"),
    (b"\x16\x03\x03\x00\x40\x02", "parent_tls"),
    (b"\x16\x03\x03\x00\x04nope", "parent_tls"),
    (b"\x15\x03\x03\x00\x02\x02\x28", "parent_alert"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "parent_plain"),
    (b"SSH-2.0-server\r\n", "parent_plain")])
def test_a_handshake_that_fails_is_named(penstock, authority, front, words, word):
    below = penstock(through(authority, front(Closing, words).url))
    refused = below.refusal("a.test:443")
    assert (refused.status, refused.word) == (502, word)
    assert below.wait_log(error=word)[0]["side"] == "parent"


def test_a_plain_proxy_that_is_addressed_as_https_is_named(penstock, authority):
    above = penstock()
    below = penstock(through(authority, secure_url(above)))
    refused = below.refusal("a.test:443")
    assert refused.word == "parent_plain" and b"http://" in refused.rest


def test_a_tls_proxy_that_is_addressed_as_http_is_named(penstock, above):
    refused = penstock(rules(url(above))).refusal("a.test:443")
    assert refused.error == "destination_unavailable" and refused.word == "parent_failed"
    assert "plain_http_on_tls_port" in refused.fields["proxy-status"]


class Handshaking(Front):
    """Takes the handshake as far as it goes."""

    def __init__(self, context):
        self._context = context
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"

    def serve(self, conn):
        with self._context.wrap_socket(conn, server_side=True) as secure:
            read_to_end(secure)


class Silent(Front):
    def serve(self, conn):
        read_to_end(conn)


def test_a_handshake_has_the_time_of_a_dial(penstock, authority, front):
    above = front(Silent)
    below = penstock({**through(authority, f"https://127.0.0.1:{above.port}"),
                      "timeouts": {"dial": "300ms"}})
    refused = below.refusal("a.test:443")
    assert (refused.status, refused.word) == (504, "parent_timeout")


def test_the_next_parent_is_taken_and_the_bad_one_left_alone(penstock, above, authority, strangers,
                                                             echo):
    bad = penstock(listening(strangers.issue(NAME, "127.0.0.1")))
    below = penstock({**through(authority, secure_url(bad), secure_url(above)),
                      "breaker": {"minimum": 3, "pause": "1m", "pause_max": "1m"}})
    for _ in range(4):
        tunnel = below.tunnel(echo.authority)
        assert tunnel.echoes()
        tunnel.close()
    lines = below.wait_log(4, authority=echo.authority)
    assert {line["parent"] for line in lines} == {"127.0.0.1:%d" % above.address[1]}
    # The first three attempts were failures of the handshake, though the connection was made.
    assert len(bad.wait_log(3, error="certificate_distrusted")) == 3
    assert below.metrics().total("penstock_routes_open") == 1


# --- files

def test_new_files_hold_for_new_tunnels(penstock, above, authority, strangers, echo):
    below = penstock(through(strangers, secure_url(above)))
    assert below.refusal(echo.authority).word == "parent_certificate"
    below.reload(through(authority, secure_url(above)))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes()
    # What was trusted once is not trusted by a session that was kept.
    below.reload(through(strangers, secure_url(above)))
    assert below.refusal(echo.authority).word == "parent_certificate"
    assert tunnel.echoes()


def test_a_reload_with_a_bad_file_changes_nothing(penstock, above, authority, echo, tmp_path):
    below = penstock(through(authority, secure_url(above)))
    (tmp_path / "bad.pem").write_text("nothing\n")
    below.reload({**through(authority, secure_url(above)),
                  "parents": {"ca": str(tmp_path / "bad.pem")}}, accepted=False)
    assert "parents.ca: " + str(tmp_path / "bad.pem") + " has no certificate" in below.stderr()
    assert below.tunnel(echo.authority).echoes()


def checked(tmp_path, config):
    path = tmp_path / "penstock.yaml"
    path.write_text("listeners: [{address: 127.0.0.1:3128}]\n" + config)
    done = run_command("check", "--config", str(path))
    return done.returncode, done.stdout + done.stderr


HTTPS = "policy: {rules: [{allow: ['*:443'], via: ['https://me:pw@p.test']}]}\n"


@pytest.mark.parametrize("config, fault", [
    ("parents: {ca: /nowhere/ca.pem}\n" + HTTPS,
     ":2:15: parents.ca: /nowhere/ca.pem cannot be read: No such file"),
    ("parents: {certificate: /a.pem}\n" + HTTPS, "parents.certificate: needs key"),
    ("parents: {key: /a.key}\n" + HTTPS, "parents.key: needs certificate"),
    ("parents: {certificate: /a.pem, key: /a.key}\n" + HTTPS, "parents.key: /a.key cannot be read"),
    ("parents: {roots: /a.pem}\n" + HTTPS, 'parents: unknown key "roots"')])
def test_check_names_what_is_wrong(tmp_path, config, fault):
    status, said = checked(tmp_path, config)
    assert status == 2 and fault in said, said


def test_check_says_that_files_are_of_no_use(tmp_path, authority):
    status, said = checked(tmp_path, f"parents: {{ca: {authority.ca}}}\n")
    assert status == 0 and "no rule has a parent that is spoken to in TLS" in said


def test_check_does_not_blame_our_certificate_for_naming_no_host(tmp_path, authority, strangers):
    files, key = strangers.issue("child.test", usage="clientAuth")
    status, said = checked(
        tmp_path, f"parents: {{ca: {authority.ca}, certificate: {files}, key: {key}}}\n" + HTTPS)
    assert status == 0 and "subjectAltName" not in said


def test_explain_shows_the_parent_without_its_password(tmp_path):
    path = tmp_path / "penstock.yaml"
    path.write_text("listeners: [{address: 127.0.0.1:3128}]\n" + HTTPS)
    said = run_command("explain", "--config", str(path), "--client", "10.0.0.1", "a.test:443").stdout
    assert "via       https://p.test:443\n" in said and "pw" not in said


# --- by programs that people use

def test_squid_as_an_https_parent(penstock, programs, authority, certificate, echo):
    pair = programs.write("pair.pem", both(certificate))
    port = programs.squid(f"https_port 127.0.0.1:@PORT@ tls-cert={pair}")
    below = penstock(through(authority, f"https://127.0.0.1:{port}"))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes(random.Random(3).randbytes(300_000))
    tunnel.end()
    tunnel.receive_to_end()
    assert below.wait_log(authority=echo.authority)[0]["parent_tls"] == "TLSv1.3"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_haproxy_in_front_of_the_parent(penstock, programs, authority, certificate, echo, version):
    above = penstock()
    pair = programs.write("pair.pem", both(certificate))
    port = programs.haproxy(f"""
listen gate
  bind 127.0.0.1:@PORT@ ssl crt {pair} ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}
  server penstock {above.address[0]}:{above.address[1]}
""")
    below = penstock(through(authority, f"https://127.0.0.1:{port}"))
    tunnel = below.tunnel(echo.authority)
    assert tunnel.echoes(random.Random(4).randbytes(300_000))
    tunnel.end()
    tunnel.receive_to_end()
    line = below.wait_log(authority=echo.authority)[0]
    assert (line["outcome"], line["parent_tls"]) == ("closed", f"TLSv{version}")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_an_old_tls_is_not_spoken(penstock, authority, certificate, front):
    context = server_context(*certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    below = penstock(through(authority, front(Handshaking, context).url))
    assert below.refusal("a.test:443").word == "parent_alert"


def test_squid_as_a_child(penstock, programs, certificate, authority, echo, tmp_path):
    """cache_peer, plain and in TLS, with a login that the parent asks for."""
    (tmp_path / "users").write_text(users(squid="s3cret"))
    files, key = certificate
    above = penstock({
        "listeners": [{"address": "127.0.0.1:0"},
                      {"address": f"127.0.0.1:{free_port()}",
                       # Debian's squid (5.7, GnuTLS) takes a ticket of TLS 1.3 for a read error.
                       "tls": {"certificates": [{"certificate": str(files), "key": str(key)}],
                               "tickets": False}}],
        "identity": [{"basic": str(tmp_path / "users")}],
        "policy": {"rules": [{"name": "known", "allow": ["127.0.0.1:1-65535"],
                              "identities": ["squid"]}]}})
    plain, secure = (port for _, port in above.addresses("listening on"))
    for port, tls in ((plain, ""), (secure, f"tls tls-cafile={authority.ca}")):
        below = programs.squid(f"""
http_port 127.0.0.1:@PORT@
cache_peer 127.0.0.1 parent {port} 0 no-query no-digest default login=squid:s3cret {tls}
never_direct allow all
""")
        with socket.create_connection(("127.0.0.1", below), DEADLINE) as sock:
            sock.sendall(f"CONNECT {echo.authority} HTTP/1.1\r\nHost: {echo.authority}\r\n\r\n"
                         .encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += read_exactly(sock, 1)
            assert head.startswith(b"HTTP/1.1 200 "), head
            sock.sendall(b"through both")
            assert read_exactly(sock, 12) == b"through both"
        line = eventually(lambda tls=tls: [line for line in above.log()
                                           if line["authority"] == echo.authority
                                           and ("tls" in line) == bool(tls)], "its line")[0]
        assert line["identity"] == "squid"
