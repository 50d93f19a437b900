"""`penstock probe` against real origins and proxies: every boundary is passed and told, trust is
explained, and what hangs or refuses is named with what came before it."""

import contextlib
import csv
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import xml.etree.ElementTree

import pytest

from origins import closed_port
from proxies import Middlebox, Rival, TlsFront
from proxy import BINARY
from tls import Authority, Nginx
from wire import DEADLINE, read_to_end

DIRECT = ["origin_lookup", "origin_tcp"]
PROXIED = ["proxy_lookup", "proxy_tcp"]
TUNNEL = ["connect_sent", "connect", "tunnel_established"]
CONVERSATION = ["client_hello", "server_hello", "handshake", "encrypted", "request", "first_byte",
                "download"]
INSIDE = ["proxy_resolve", "proxy_dial"]


def probe(*arguments, status=0, env=None, ns=None, stdout=subprocess.PIPE):
    """Runs it in an environment that says nothing about proxies and trust but what `env` does."""
    clean = {key: value for key, value in os.environ.items()
             if not re.search("proxy|ssl|^lc_|^lang", key.lower())}
    done = subprocess.run([*(ns.prefix() if ns else []), str(BINARY), "probe",
                           *map(str, arguments)],
                          stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env={**clean, **(env or {})}, timeout=4 * DEADLINE, check=False)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def report(*arguments, **options):
    return probe(*arguments, **options).stdout.decode()


def found(*arguments, **options):
    return json.loads(probe(*arguments, "--json", **options).stdout)


def words(run):
    return [phase["phase"] for phase in run["phases"]]


def phase(run, word):
    return next(phase for phase in run["phases"] if phase["phase"] == word)


def assert_no_gaps(run):
    at = 0.0
    for one in run["phases"]:
        if one["phase"] not in INSIDE:
            assert one["start_ms"] == pytest.approx(at, abs=1e-6), one
            at = one["end_ms"]
    assert at == pytest.approx(run["total_ms"], abs=1e-6)


@pytest.fixture(scope="module")
def start_nginx(tmp_path_factory, authority):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(
            Nginx(tmp_path_factory.mktemp("nginx"), authority, ["localhost", "127.0.0.1"],
                  **options)))


@pytest.fixture(scope="module")
def origins(start_nginx):
    """TLS version -> an nginx that speaks no other."""
    started = {"TLSv1.2": start_nginx(protocols="TLSv1.2"),
               "TLSv1.3": start_nginx(protocols="TLSv1.3")}
    for nginx in started.values():
        (nginx.root / "index.html").write_text("hello")
        nginx.url = f"https://localhost:{nginx.port}/"
    return started


@pytest.fixture(scope="module")
def origin(origins):
    return origins["TLSv1.3"]


@pytest.fixture(scope="module")
def proxy(shared_penstock):
    running = shared_penstock({"server_timing": True})
    running.url = "http://%s:%d" % running.address
    return running


@pytest.fixture(scope="module")
def proxy_certificate(authority):
    return authority.issue("127.0.0.1", "proxy.test")


@pytest.fixture
def https_proxy(proxy, proxy_certificate):
    with contextlib.closing(TlsFront(proxy.address, *proxy_certificate)) as front:
        yield front


# A request that goes well.


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_direct_request_passes_every_boundary(origins, version):
    origin = origins[version]
    result = found("--direct", "--ca", origin.ca, origin.url)
    run, = result["runs"]
    assert words(run) == DIRECT + CONVERSATION
    assert_no_gaps(run)
    assert run["tls"]["version"] == version and run["tls"]["alpn"] == "http/1.1"
    assert run["tls"]["cipher"] and run["tls"]["trusted"]
    assert "CN=penstock tests" in run["tls"]["chain"][-1]["issuer"]
    assert run["status"] == 200 and run["bytes"] == 5
    assert not any(one["visible_to_proxy"] for one in run["phases"])
    assert phase(run, "server_hello")["rtt_ms"] >= 0


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_request_through_penstock_shows_the_proxys_own_share(origins, proxy, version):
    origin = origins[version]
    run, = found("--proxy", proxy.url, "--ca", origin.ca, origin.url)["runs"]
    assert [word for word in words(run) if word not in INSIDE] == PROXIED + TUNNEL + CONVERSATION
    assert [word for word in words(run) if word in INSIDE] == INSIDE
    assert_no_gaps(run)
    line = proxy.wait_log(authority=f"localhost:{origin.port}", sni="localhost")[-1]
    for word, field in (("proxy_resolve", "resolve_us"), ("proxy_dial", "dial_us")):
        assert phase(run, word)["duration_ms"] == pytest.approx(line[field] / 1000, abs=0.002)
    # The version decides how much of the handshake the proxy can read.
    assert phase(run, "handshake")["visible_to_proxy"] == (version == "TLSv1.2")
    assert phase(run, "connect_sent")["note"] == f"localhost:{origin.port}"
    for word in ("request", "first_byte", "download"):
        assert phase(run, word)["encrypted"] and not phase(run, word)["visible_to_proxy"]


@pytest.mark.parametrize("name", ["squid", "tinyproxy"])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_request_through_other_proxies(origins, name, version):
    origin = origins[version]
    with contextlib.closing(Rival(name, origin.port)) as rival:
        url = f"https://127.0.0.1:{origin.port}/"
        run, = found("--proxy", rival.url, "--ca", origin.ca, url)["runs"]
        assert words(run) == PROXIED + TUNNEL + CONVERSATION
        assert_no_gaps(run)
        assert run["tls"]["version"] == version and run["status"] == 200
        text = report("--proxy", rival.url, "--ca", origin.ca, url)
        assert "says nothing of its own share (Server-Timing)" in text


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_an_https_proxy_hides_the_connect_from_the_wire(origins, https_proxy, version):
    origin = origins[version]
    run, = found("--proxy", https_proxy.url, "--ca", origin.ca, origin.url)["runs"]
    assert [word for word in words(run) if word not in INSIDE] == [
        *PROXIED, "proxy_tls", *TUNNEL, *CONVERSATION]
    assert_no_gaps(run)
    assert run["proxy_tls"]["trusted"] and run["tls"]["version"] == version
    sent = phase(run, "connect_sent")
    assert sent["encrypted"] and sent["visible_to_proxy"]
    assert not phase(run, "proxy_tls")["encrypted"]


def test_several_runs_have_a_median_and_a_95th_percentile(origin, proxy):
    result = found("--proxy", proxy.url, "--ca", origin.ca, origin.url, "-n", 9)
    assert len(result["runs"]) == 9 and result["good"]
    for word, spread in result["summary"].items():
        assert spread["count"] == 9, word
        assert spread["min_ms"] <= spread["median_ms"] <= spread["p95_ms"]
    totals = sorted(run["total_ms"] for run in result["runs"])
    assert result["summary"]["total"]["median_ms"] == pytest.approx(totals[4])


def test_a_large_body_is_read_to_its_end(origin, proxy):
    (origin.root / "large").write_bytes(bytes(3 << 20))
    run, = found("--proxy", proxy.url, "--ca", origin.ca, origin.url + "large")["runs"]
    assert run["bytes"] == 3 << 20


def test_the_proxy_comes_from_the_environment(origin, proxy):
    arguments = ["--ca", origin.ca, origin.url]
    for name in ("HTTPS_PROXY", "https_proxy"):
        result = found(*arguments, env={name: proxy.url})
        assert result["proxy"] == proxy.url and "connect" in words(result["runs"][0])
    for exempt in ("localhost", "*", f"other.test,localhost:{origin.port}"):
        result = found(*arguments, env={"HTTPS_PROXY": proxy.url, "NO_PROXY": exempt})
        assert result["proxy"] == "" and result["proxy_from"] == "by NO_PROXY"
    assert found(*arguments, "--direct", env={"HTTPS_PROXY": proxy.url})["proxy"] == ""


# Its forms.


def test_csv_has_the_boundaries_as_rows_of_their_own(origin, proxy, tmp_path):
    path = tmp_path / "out.csv"
    probe("--proxy", proxy.url, "--ca", origin.ca, origin.url, "-n", 2, "--compare", "direct",
          "--csv", path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["run", "phase", "start_ms", "end_ms", "duration_ms", "from", "to",
                             "visible_to_proxy", "encrypted", "note"]
    assert {row["run"] for row in rows} == {"1", "2", "direct 1", "direct 2"}
    first = {row["phase"]: row for row in rows if row["run"] == "1"}
    sent, there = first["connect_sent"], first["tunnel_established"]
    assert sent["note"] == f"localhost:{origin.port}"
    assert (sent["from"], sent["to"], sent["visible_to_proxy"]) == ("client", "proxy", "true")
    assert "200" in there["note"] and (there["from"], there["to"]) == ("proxy", "client")
    boundary = float(first["encrypted"]["start_ms"])
    assert boundary == float(first["handshake"]["end_ms"])
    for row in rows:
        if row["run"] == "1" and float(row["start_ms"]) > boundary:
            assert (row["visible_to_proxy"], row["encrypted"]) == ("false", "true"), row
    assert float(first["total"]["end_ms"]) == float(first["download"]["end_ms"])


def test_svg_is_a_picture_of_every_phase(origin, proxy, tmp_path):
    path = tmp_path / "out.svg"
    probe("--proxy", proxy.url, "--ca", origin.ca, origin.url, "--compare", "direct", "--svg", path)
    space = "{http://www.w3.org/2000/svg}"
    picture = xml.etree.ElementTree.parse(path).getroot()
    said = [text.text for text in picture.iter(space + "text")]
    for title in ("TCP to the proxy", "proxy dials", "wait for ServerHello", "encrypted from here"):
        assert title in said
    looks = {rect.get("class") for rect in picture.iter(space + "rect")}
    assert {"visible", "encrypted", "clear second"} <= looks


def test_the_report_is_plain_in_a_pipe(origin, proxy):
    text = report("--proxy", proxy.url, "--ca", origin.ca, origin.url)
    assert text.startswith(f"GET {origin.url} through {proxy.url} (--proxy)\n")
    assert text.isascii() and "\x1b" not in text
    assert re.search(r"^  wait for the 200 +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d  ", text, re.M)
    assert re.search(r"^  TLS +TLSv1\.3, TLS_\w+, ", text, re.M)
    assert re.search(r"^  answer +200, 5 bytes$", text, re.M)
    assert "█" in report("--proxy", proxy.url, "--ca", origin.ca, origin.url,
                         env={"LANG": "C.UTF-8"})


@pytest.mark.parametrize("env, colours", [({}, True), ({"NO_COLOR": "1"}, False),
                                          ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(origin, proxy, env, colours):
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([BINARY, "probe", "--proxy", proxy.url, "--ca", origin.ca,
                                    origin.url], stdout=theirs, stderr=subprocess.PIPE,
                                   env={"TERM": "xterm", **env})
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side has closed
            while piece := os.read(ours, 4096):
                shown += piece
        assert process.wait(DEADLINE) == 0, process.stderr.read()
        process.stderr.close()
    finally:
        os.close(ours)
    assert (b"\x1b[33m" in shown) == colours
    assert b"wait for the 200" in shown


# Trust.


def test_a_chain_of_an_unknown_authority_is_explained_and_nothing_is_asked(origin, proxy):
    before = origin.requests()
    result = found("--proxy", proxy.url, origin.url, status=1)
    run, = result["runs"]
    assert run["tls"]["verdict"] == "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY"
    assert run["failure"]["phase"] == "handshake" and "--ca FILE" in run["failure"]["advice"]
    assert "middlebox that terminates TLS" in run["failure"]["what"]
    assert words(run)[-1] == "handshake" and origin.requests() == before
    text = report("--proxy", proxy.url, origin.url, status=1)
    assert "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY" in text
    assert text.count("middlebox that terminates TLS") == 1, "said once"


def test_insecure_goes_on_and_still_says_it(origin, proxy):
    text = report("--proxy", proxy.url, "--insecure", origin.url)
    assert "answer      200" in text and "X509_V_ERR" in text


def test_an_authority_that_only_ca_vouches_for_is_named(origin, proxy):
    run, = found("--proxy", proxy.url, "--ca", origin.ca, origin.url)["runs"]
    assert run["tls"]["private_authority"] and "--ca vouches for" in run["tls"]["meaning"]
    run, = found("--proxy", proxy.url, origin.url, env={"SSL_CERT_FILE": str(origin.ca)})["runs"]
    assert run["tls"]["verdict"] == "X509_V_OK" and not run["tls"]["private_authority"]


@pytest.fixture
def serve_tls(listener):
    """Starts an origin that finishes handshakes with the given certificate."""
    class Origin(Middlebox):
        def serve(self, conn):
            with self._context.wrap_socket(conn, server_side=True) as secure:
                secure.recv(65536)

    with contextlib.ExitStack() as stack:
        yield lambda *pair: stack.enter_context(contextlib.closing(Origin(*pair)))


def self_signed(directory, name):
    certificate, key = directory / "self.pem", directory / "self.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
                   check=True, capture_output=True)
    return certificate, key


def test_a_certificate_that_signs_itself_is_explained(serve_tls, tmp_path):
    origin = serve_tls(*self_signed(tmp_path, "localhost"))
    url = f"https://localhost:{origin.port}/"
    run, = found("--direct", url, status=1)["runs"]
    assert run["tls"]["verdict"] == "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT"
    assert "signs itself" in run["failure"]["what"]


def test_a_root_in_the_chain_that_nobody_knows_is_explained(serve_tls, authority, tmp_path):
    certificate, key = authority.issue("localhost")
    chain = tmp_path / "chain.pem"
    chain.write_text(certificate.read_text() + authority.ca.read_text())
    origin = serve_tls(chain, key)
    run, = found("--direct", f"https://localhost:{origin.port}/", status=1)["runs"]
    assert run["tls"]["verdict"] == "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN"
    assert [one["subject"] for one in run["tls"]["chain"]] == ["CN=localhost", "CN=penstock tests"]
    assert '"CN=penstock tests"' in run["failure"]["what"]


def test_an_expired_certificate_is_explained(serve_tls, authority):
    origin = serve_tls(*authority.issue("localhost", days=-1))
    run, = found("--direct", "--ca", authority.ca, f"https://localhost:{origin.port}/",
                 status=1)["runs"]
    assert run["tls"]["verdict"] == "X509_V_ERR_CERT_HAS_EXPIRED"
    assert "expired" in run["failure"]["what"] and run["failure"]["advice"]


def test_a_certificate_for_another_name_is_explained(serve_tls, authority):
    origin = serve_tls(*authority.issue("elsewhere.test"))
    for host, verdict in (("localhost", "X509_V_ERR_HOSTNAME_MISMATCH"),
                          ("127.0.0.1", "X509_V_ERR_IP_ADDRESS_MISMATCH")):
        run, = found("--direct", "--ca", authority.ca, f"https://{host}:{origin.port}/",
                     status=1)["runs"]
        assert run["tls"]["verdict"] == verdict and host in run["failure"]["what"]


def test_an_https_proxy_that_is_not_trusted_is_told_nothing(listener, proxy_certificate):
    behind = listener()
    with contextlib.closing(TlsFront((behind.host, behind.port), *proxy_certificate)) as front:
        run, = found("--proxy", front.url, "https://a.test/", status=1)["runs"]
        assert read_to_end(behind.accept()) == (b"", False)
    assert run["failure"]["phase"] == "proxy_tls" and words(run)[-1] == "proxy_tls"
    assert run["proxy_tls"]["verdict"].startswith("X509_V_ERR_UNABLE_TO_")


def test_the_same_certificate_both_ways_means_that_nobody_is_between(origin, proxy):
    result = found("--proxy", proxy.url, "--ca", origin.ca, "--compare", "direct", origin.url)
    assert result["chains"].startswith("The same certificate arrives both ways")
    assert words(result["direct_runs"][0]) == DIRECT + CONVERSATION


def test_a_middlebox_that_terminates_tls_is_found_out(origin, tmp_path):
    (tmp_path / "inspector").mkdir()
    inspector = Authority(tmp_path / "inspector", "Inspector")
    both = tmp_path / "both.pem"
    both.write_text(origin.ca.read_text() + inspector.ca.read_text())
    with contextlib.closing(Middlebox(*inspector.issue("localhost"))) as middlebox:
        arguments = ["--proxy", middlebox.url, "--compare", "direct", origin.url]
        result = found("--ca", both, *arguments)
        assert "terminates TLS" in result["chains"] and "CN=Inspector" in result["chains"]
        assert "CN=penstock tests" in result["chains"]
        assert result["chains"] in " ".join(report("--ca", both, *arguments).split())
        # A store that knows the public authority only, as machines without the inspector's have.
        result = found("--ca", origin.ca, *arguments, status=1)
        assert result["runs"][0]["tls"]["verdict"].startswith("X509_V_ERR_UNABLE_TO_")
        assert result["direct_runs"][0]["good"] and "terminates TLS" in result["chains"]


# Refusals.


def test_a_refusal_is_read_and_explained(penstock, origin):
    proxy = penstock({"policy": {"rules": [{"name": "none", "deny": ["*:1-65535"]}]}})
    url = "http://%s:%d" % proxy.address
    run, = found("--proxy", url, origin.url, status=1)["runs"]
    failure = run["failure"]
    assert (failure["phase"], failure["proxy_answered"], failure["error"], failure["details"]) == (
        "connect", 403, "http_request_denied", "name_denied")
    assert words(run) == [*PROXIED, "connect_sent", "connect"]
    assert phase(run, "connect")["failed"]
    text = " ".join(report("--proxy", url, origin.url, status=1).split())
    assert "refused with 403: penstock reports http_request_denied (name_denied)" in text
    assert "The proxy's policy does not allow this origin" in text


def test_an_origin_that_the_proxy_cannot_reach_is_explained(proxy):
    sock, port = closed_port()
    with sock:
        run, = found("--proxy", proxy.url, f"https://127.0.0.1:{port}/", status=1)["runs"]
    assert run["failure"]["proxy_answered"] == 502
    assert run["failure"]["error"] == "connection_refused"
    assert "Nobody listens at the origin" in run["failure"]["advice"]


@pytest.mark.parametrize("name", ["squid", "tinyproxy"])
def test_a_refusal_without_proxy_status_is_explained_by_its_status(name):
    sock, port = closed_port()
    # tinyproxy opens tunnels to one port, and this is another; squid finds nobody there.
    with sock, contextlib.closing(Rival(name, 1)) as rival:
        run, = found("--proxy", rival.url, f"https://127.0.0.1:{port}/", status=1)["runs"]
    assert run["failure"]["phase"] == "connect" and run["failure"]["advice"]
    assert run["failure"]["proxy_answered"] == {"squid": 503, "tinyproxy": 403}[name]


def test_credentials_go_to_the_proxy_and_nowhere_else(listener):
    proxy = listener()
    arguments = [BINARY, "probe", "--proxy", f"http://me:s%20ecret@{proxy.authority}",
                 "https://a.test/"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    conn = proxy.accept()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += conn.recv(1)
    assert b"\r\nProxy-Authorization: Basic bWU6cyBlY3JldA==\r\n" in head
    conn.sendall(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1 and "407" in out and "ecret" not in out + err


# What hangs.


def flights(certificate):
    """A TLS server without a socket: what comes goes into `heard`, what it says into `said`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context.wrap_bio(heard, said, server_side=True), heard, said


def first_records(data, count):
    end = 0
    for _ in range(count):
        end += 5 + int.from_bytes(data[end + 3:end + 5], "big")
    return data[:end]


def open_tunnel(conn):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += conn.recv(1)
    conn.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")


def server_hello_only(conn, certificate):
    """The first record of a server's flight, and no more."""
    session, heard, said = flights(certificate)
    open_tunnel(conn)
    heard.write(conn.recv(65536))
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    conn.sendall(first_records(said.read(), 1))


def secure(conn, certificate):
    open_tunnel(conn)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    tls = context.wrap_socket(conn, server_side=True)
    tls.recv(65536)
    return tls


def hang_at_first_byte(conn, certificate):
    return secure(conn, certificate)


def hang_in_the_body(conn, certificate):
    tls = secure(conn, certificate)
    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    return tls


HANGS = {"connect": lambda conn, certificate: None,
         "server_hello": lambda conn, certificate: open_tunnel(conn),
         "handshake": server_hello_only,
         "first_byte": hang_at_first_byte,
         "download": hang_in_the_body}


@pytest.mark.parametrize("secured", [False, True], ids=["http_proxy", "https_proxy"])
@pytest.mark.parametrize("where", HANGS)
def test_what_hangs_is_named_and_what_came_before_is_kept(listener, authority, proxy_certificate,
                                                          where, secured):
    certificate = authority.issue("localhost")
    proxy = listener()
    host, port = proxy.authority.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        url = f"http://{proxy.authority}"
        if secured:
            front = TlsFront((host, int(port)), *proxy_certificate)
            url = stack.enter_context(contextlib.closing(front)).url
        hangs(proxy, url, certificate, authority.ca, where, secured)


def hangs(proxy, url, certificate, ca, where, secured):
    process = subprocess.Popen([BINARY, "probe", "--proxy", url, "--json",
                                "--ca", ca, "--timeout", "2s", "https://localhost/"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    conn = proxy.accept()
    kept = HANGS[where](conn, certificate)
    out, err = process.communicate(timeout=DEADLINE)
    del kept
    assert process.returncode == 1, err
    run, = json.loads(out)["runs"]
    expected = [*PROXIED, *(["proxy_tls"] if secured else []), *TUNNEL, *CONVERSATION]
    assert words(run) == expected[:expected.index(where) + 1]
    last = run["phases"][-1]
    assert last["failed"] and last["duration_ms"] >= 2000
    assert run["failure"]["phase"] == where
    assert "timed out" in run["failure"]["what"] and "within 2s" in run["failure"]["what"]
    assert run["failure"]["advice"]


def test_a_proxy_that_does_not_speak_tls_hangs_an_https_proxy_url(listener):
    proxy = listener()
    run, = found("--proxy", f"https://{proxy.authority}", "--timeout", "1s", "https://a.test/",
                 status=1)["runs"]
    assert run["failure"]["phase"] == "proxy_tls" and "http://" in run["failure"]["advice"]


def test_a_full_accept_queue_hangs_at_tcp():
    with socket.socket() as sock, contextlib.ExitStack() as waiting:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for _ in range(4):  # more than fit: from then on the kernel drops SYNs
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        run, = found("--direct", "--timeout", "1s",
                     f"https://127.0.0.1:{sock.getsockname()[1]}/", status=1)["runs"]
    assert run["failure"]["phase"] == "origin_tcp"
    assert "no answer to the SYN" in run["failure"]["what"]


def test_name_servers_that_are_silent_or_know_nothing(quarantine):
    quarantine.rewrite("resolv.conf", "nameserver 127.0.0.1\n")
    with quarantine.socket(kind=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        run, = found("--direct", "--timeout", "1s", "https://a.test/", ns=quarantine,
                     status=1)["runs"]
        assert words(run) == ["origin_lookup"]
        assert "no name server answered for a.test" in run["failure"]["what"]
        run, = found("--proxy", "proxy.test:3128", "--timeout", "1s", "https://a.test/",
                     ns=quarantine, status=1)["runs"]
        assert words(run) == ["proxy_lookup"] and "proxy.test" in run["failure"]["what"]


def test_the_first_address_that_answers_is_taken(quarantine):
    """::1 is refused, and 127.0.0.1 is not."""
    with quarantine.socket() as origin:
        origin.bind(("127.0.0.1", 0))
        origin.listen()
        port = origin.getsockname()[1]
        run, = found("--direct", "--timeout", "1s", f"https://localhost:{port}/", ns=quarantine,
                     status=1)["runs"]
    assert run["peer"] == f"127.0.0.1:{port}"
    assert run["failure"]["phase"] == "server_hello"


# Usage.


@pytest.mark.parametrize("arguments, said", [
    ([], "the URL is missing; write penstock probe https://example.com/"),
    (["http://a.test/"], "write https://a.test/"),
    (["https://a.test/", "--proxy", "socks5://a:1"], "write http://HOST:PORT"),
    (["https://a.test/", "--direct", "--compare", "direct"], "needs a proxy"),
    (["https://a.test/", "--ca", "/nonexistent"], "holds no certificate"),
    (["https://a.test/", "--csv", "/nonexistent/x"], "cannot be written"),
    (["https://a.test/", "--tls", "1.2"], "--tls is for --model or --compare model"),
    (["https://a.test/", "--runs", "0"], "no whole number from 1"),
    (["--model"], "--rtt-client-proxy is missing"),
    (["--model", "https://a.test/"], "predicts without a network"),
])
def test_wrong_usage_is_one_sentence_and_exits_with_2(arguments, said):
    done = probe(*arguments, status=2)
    assert done.stdout == b""
    assert said in done.stderr.decode() and done.stderr.count(b"\n") == 1
