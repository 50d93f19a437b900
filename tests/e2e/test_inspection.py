"""Tunnels that are read on purpose: what is decided, what each side is shown, what is told."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from hello import client_hello
# Fixtures among them, which pytest finds by their names.
from inspected import (NAMES, answers, ask, certificate, get, get_at, inside, origin, owner,
                       setting)
from secure import SecureSocket
from test_clients import NODE, digest, load_page_in_chromium, run
from test_forward import answer
from test_https import listening
from wire import read_exactly


@pytest.fixture(scope="module")
def proxy(shared_penstock, setting):
    listener = {"address": "127.0.0.1:0", "protocols": ["http", "socks5"]}
    return shared_penstock(setting(more={"listeners": [listener]}))


@pytest.fixture(scope="module")
def url(proxy):
    return "http://%s:%d" % proxy.address


# --- what clients see ---


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_with_the_root_fetches_and_is_logged(site, url, proxy, owner, version):
    done = run("curl", "-sSf", version, "--proxy", url, "--cacert", owner.ca,
               "-w", "%{stderr}%{http_version}", f"{site.url}/blob?secret=1")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)
    assert done.stderr.decode() == {"--http1.1": "1.1", "--http2": "2"}[version]
    line = proxy.wait_log(method="GET", path="/blob", inspected=True, status=200)[-1]
    assert line["authority"] == f"app.test:{site.port}" and line["verdict"] == "allowed"
    assert line["bytes_down"] >= len(site.blob) and "secret" not in json.dumps(line)
    tunnel = proxy.wait_log(method="CONNECT", id=line["tunnel"])[0]
    assert tunnel["inspected"] is True and tunnel["sni"] == "app.test"


def test_curl_without_the_root_fails_loudly(site, url, proxy):
    done = run("curl", "-sS", "--proxy", url, "--cacert", site.ca, f"{site.url}/blob")
    assert done.returncode == 60 and b"certificate" in done.stderr
    line = proxy.wait_log(method="CONNECT", error="certificate_distrusted")[0]
    assert line["side"] == "client"
    assert "does not take our certificate for app.test" in proxy.stderr()


def test_openssl_says_which_error_it_is(site, url):
    done = run("openssl", "s_client", "-proxy", url.removeprefix("http://"), "-connect",
               f"app.test:{site.port}", "-servername", "app.test", "-CAfile", site.ca,
               "-verify_return_error", input=b"")
    assert done.returncode != 0
    assert b"verify error:num=19:self-signed certificate in certificate chain" in done.stderr


def test_the_leaf_says_what_the_origins_says(site, proxy, owner):
    tls = inside(proxy, "app.test", site.port, owner.context())
    seen = tls.tls.getpeercert()
    assert dict(pair for rdn in seen["issuer"] for pair in rdn)["commonName"] == "Tests' egress"
    assert dict(pair for rdn in seen["subject"] for pair in rdn)["commonName"] == "a.checked.example"
    names = {value for kind, value in seen["subjectAltName"]}
    assert {"a.checked.example", "app.test", "static.test", "127.0.0.1"} <= names
    own = ssl.create_default_context(cafile=str(site.ca))
    with socket.create_connection(("127.0.0.1", site.port)) as sock, \
            own.wrap_socket(sock, server_hostname="app.test") as straight:
        assert seen["notAfter"] == straight.getpeercert()["notAfter"]


def test_what_is_excepted_stays_the_origins(proxy, authority, origin):
    server = origin()
    own = ssl.create_default_context(cafile=str(authority.ca))
    tls = inside(proxy, "private.test", server.port, own)
    assert ask(tls, get_at(server, name="private.test"))[0] == 200
    tls.close()
    line = proxy.wait_log(authority=f"private.test:{server.port}")[0]
    assert "inspected" not in line and line["method"] == "CONNECT"
    proxy.wait_metric("penstock_inspected_tunnels_total", 1, result="excepted")


def test_python_node_and_git_trust_the_root(site, url, owner, tmp_path):
    script = ("import sys, ssl, hashlib, urllib.request as r\n"
              "print(hashlib.sha256(r.urlopen(sys.argv[1]).read()).hexdigest())")
    done = run(sys.executable, "-c", script, f"{site.url}/blob",
               env={"https_proxy": url, "SSL_CERT_FILE": str(owner.ca)})
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr
    done = run("node", "-e", NODE, url, f"{site.url}/blob", owner.ca)
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr
    done = run("git", "-c", f"http.proxy={url}", "-c", f"http.sslCAInfo={owner.ca}", "ls-remote",
               f"{site.url}/none.git", env={"HOME": str(tmp_path)})
    assert b"not found" in done.stderr, done.stderr  # by HTTP, and not by TLS


def test_chromium_with_the_root_loads_a_page_with_everything_on_it(site, url, proxy, owner, tmp_path):
    load_page_in_chromium(site, url, tmp_path, root=owner.ca)
    proxy.wait_log(authority=f"static.test:{site.port}", method="GET", path="/script.js",
                   inspected=True, status=200, protocol="h2")


# --- what is asked inside ---


def test_many_requests_go_by_one_connection_to_the_origin(proxy, owner, origin):
    server = origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    for number in range(5):
        assert ask(tls, get_at(server, f"/{number}"))[0] == 200
    assert server.connections == 1
    assert [head.split(" ")[1] for head in server.heads] == [f"/{n}" for n in range(5)]
    assert "via: 1.1 penstock" in server.heads[0].lower()


def test_a_session_with_the_origin_is_taken_up_again(proxy, owner, origin):
    server = origin()
    for _ in range(2):
        tls = inside(proxy, "app.test", server.port, owner.context())
        assert ask(tls, get_at(server))[0] == 200
    assert server.resumed == [False, True]


@pytest.mark.parametrize("other", ["other.test", "app.test:1", "127.0.0.1"])
def test_a_request_for_another_host_is_misdirected(proxy, owner, origin, other):
    server = origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    status, fields, _ = ask(tls, get(other))
    assert status == 421 and "http_request_denied" in fields["proxy-status"]
    assert not server.heads
    proxy.wait_log(error="fronting", status=421)


def test_a_connect_inside_is_refused(proxy, owner, origin):
    server = origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, "CONNECT 10.0.0.5:22 HTTP/1.1\nHost: 10.0.0.5:22\n\n")[0] in (405, 501)


def test_requests_may_be_pipelined(proxy, owner, origin):
    server = origin(answers(lambda head: answer(head.split(" ")[1].encode())))
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall((get_at(server, "/one") + get_at(server, "/two")).replace("\n", "\r\n").encode())
    got = b""
    while b"/two" not in got:
        got += tls.recv(65536)
    assert got.index(b"/one") < got.index(b"/two")


def test_rules_look_at_requests(penstock, setting, owner, origin):
    inspect = {"http": {"allow": [{"methods": ["GET"], "paths": ["/public/*"]}]}}
    proxy, server = penstock(setting(inspect)), origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server, "/public/page"))[0] == 200
    status, fields, body = ask(tls, get_at(server, "/private/page", "Accept: text/html"))
    assert status == 403 and "http_request_denied" in fields["proxy-status"], fields
    assert fields["content-type"].startswith("text/html") and b"<html" in body
    assert len(server.heads) == 1
    line = proxy.wait_log(error="request_denied")[0]
    assert (line["verdict"], line["path"]) == ("denied", "/private/page")
    tls = inside(proxy, "app.test", server.port, owner.context())
    status, fields, body = ask(tls, get_at(server, "/private/page", "Accept: application/json"))
    assert status == 403 and json.loads(body)["status"] == 403


def test_credentials_are_put_in_that_the_client_never_holds(penstock, setting, owner, origin,
                                                            tmp_path):
    (tmp_path / "token").write_text("Bearer not-for-you\n")
    inspect = {"set_headers": {"Authorization": {"file": str(tmp_path / "token")}},
               "remove_headers": ["Cookie"]}
    proxy, server = penstock(setting(inspect)), origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server, "/", "Authorization: Basic bWluZQ==", "Cookie: a=b"))[0] == 200
    head = server.heads[0]
    assert "\r\nAuthorization: Bearer not-for-you" in head and "bWluZQ" not in head
    assert "cookie" not in head.lower()
    assert "not-for-you" not in proxy.log_file.read_text() + proxy.stderr()


# --- programs that expect another certificate ---


def test_pinned_programs_are_counted_and_left_alone_where_the_rule_says_so(penstock, setting, owner,
                                                                          authority, origin):
    proxy, server = penstock(setting({"on_pinned": {"tunnel_after": 3}})), origin()
    own = ssl.create_default_context(cafile=str(authority.ca))
    for _ in range(3):
        with pytest.raises(ssl.SSLCertVerificationError):
            inside(proxy, "app.test", server.port, own)
    proxy.wait_log(3, error="certificate_distrusted")
    proxy.wait_metric("penstock_inspected_tunnels_total", 3, result="distrusted")
    tls = inside(proxy, "app.test", server.port, own)
    assert ask(tls, get_at(server))[0] == 200
    proxy.wait_metric("penstock_inspected_tunnels_total", 1, result="pinned")


def test_there_is_no_silent_way_round(proxy, authority, origin):
    server = origin()
    own = ssl.create_default_context(cafile=str(authority.ca))
    for _ in range(5):
        with pytest.raises(ssl.SSLCertVerificationError):
            inside(proxy, "app.test", server.port, own)


# --- what is not HTTP ---


def echo_behind(greeting=b""):
    def serve(_origin, tls):
        if greeting:
            tls.sendall(greeting)
        while data := tls.recv(65536):
            tls.sendall(data)
        tls.unwrap()  # or it would be a stream cut short
    return serve


@pytest.mark.parametrize("greeting", [b"", b"220 mail.test ESMTP\r\n"])
def test_another_protocol_goes_on_decrypted(proxy, owner, origin, greeting):
    server = origin(echo_behind(greeting), alpn=None)
    tls = inside(proxy, "app.test", server.port, owner.context())
    if greeting:
        assert tls.recv(100) == greeting
    blob = random.Random(3).randbytes(300_000)
    for at in range(0, len(blob), 50_000):
        tls.sendall(b"\0" + blob[at:at + 50_000])
        got = b""
        while len(got) < 50_001:
            got += tls.recv(65536)
        assert got == b"\0" + blob[at:at + 50_000]
    tls.shutdown(socket.SHUT_WR)
    assert tls.recv(10) == b""
    line = proxy.wait_log(authority=f"app.test:{server.port}", inspected=True, outcome="closed")[0]
    assert line["bytes_up"] == 300_006


def test_a_protocol_of_its_own_name_is_offered_to_the_origin(proxy, owner, origin):
    server = origin(echo_behind(), alpn=("imap",))
    tls = inside(proxy, "app.test", server.port, owner.context("imap"))
    assert tls.tls.selected_alpn_protocol() == "imap"
    tls.sendall(b"a1 NOOP\r\n")
    assert tls.recv(100) == b"a1 NOOP\r\n"


def test_another_protocol_is_refused_where_the_rule_says_so(penstock, setting, owner, origin):
    proxy, server = penstock(setting({"other": "refuse"})), origin(echo_behind(), alpn=None)
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(b"\0\1\2\3")
    with pytest.raises((OSError, ssl.SSLError)):
        assert tls.recv(10) == b"never"
    proxy.wait_log(error="not_http")


def test_plain_text_is_no_way_round(proxy, listener):
    server = listener()
    tunnel = proxy.tunnel(f"app.test:{server.port}")
    tunnel.sock.sendall(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
    proxy.wait_log(error="tls_required")


def test_an_origin_that_speaks_before_the_client_is_no_way_round(proxy, owner, listener):
    server = listener()
    tunnel = proxy.tunnel(f"app.test:{server.port}")
    conn = server.accept()
    conn.sendall(b"x")
    assert read_exactly(tunnel.sock, 1) == b"x"
    with pytest.raises((OSError, ssl.SSLError)):
        owner.context().wrap_socket(tunnel.sock, server_hostname="app.test")
    proxy.wait_log(error="spoke_first")


def test_a_hidden_name_is_carried_unread_where_the_rule_allows_it(penstock, setting, listener):
    config = setting()
    config["policy"]["rules"][0]["ech"] = "allow"
    proxy, server = penstock(config), listener()
    tunnel = proxy.tunnel(f"app.test:{server.port}")
    hello = client_hello("front.example", with_ech=True)
    tunnel.sock.sendall(hello)
    assert read_exactly(server.accept(), len(hello)) == hello
    proxy.wait_metric("penstock_inspected_tunnels_total", 1, result="hidden")


# --- other ways in ---


def test_inside_an_https_proxy(penstock, setting, owner, authority, origin):
    files = authority.issue("127.0.0.1")
    proxy, server = penstock(setting(more=listening(files))), origin()
    own = ssl.create_default_context(cafile=str(authority.ca))
    outer = SecureSocket(proxy.socket(), own, "127.0.0.1")
    target = f"app.test:{server.port}"
    outer.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert outer.recv(65536).startswith(b"HTTP/1.1 200 ")
    tls = SecureSocket(outer, owner.context(), "app.test")
    assert ask(tls, get_at(server))[0] == 200
    proxy.wait_log(inspected=True, method="GET", status=200)


def test_inside_a_stream_of_http2(proxy, site, owner, url):
    """curl has no such thing in Debian 12, so Node's http2 CONNECT does it."""
    script = """
const http2 = require('http2'), tls = require('tls'), fs = require('fs');
const [proxy, target, ca] = [process.argv[1], new URL(process.argv[2]), process.argv[3]];
const session = http2.connect(proxy);
const stream = session.request({':method': 'CONNECT', ':authority': target.host});
stream.on('response', (headers) => {
  if (headers[':status'] !== 200) { console.error(headers); process.exit(1); }
  const secure = tls.connect({socket: stream, servername: target.hostname, ca: fs.readFileSync(ca)});
  require('https').get(target, {createConnection: () => secure}, (answer) => {
    const hash = require('crypto').createHash('sha256');
    answer.on('data', (piece) => hash.update(piece));
    answer.on('end', () => { console.log(hash.digest('hex')); process.exit(0); });
  });
});
"""
    done = run("node", "-e", script, url, f"{site.url}/blob", owner.ca)
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr
    proxy.wait_log(inspected=True, protocol="h2", method="CONNECT")


def test_by_socks(proxy, site, owner):
    done = run("curl", "-sSf", "--proxy", "socks5h://%s:%d" % proxy.address, "--cacert", owner.ca,
               f"{site.url}/blob")
    assert digest(done.stdout) == digest(site.blob), done.stderr


def test_through_a_parent(penstock, setting, owner, origin, proxy, names):
    above = penstock({"policy": {"rules": [{"name": "up", "allow": ["*.test:1-65535"],
                                            "addresses": ["127.0.0.0/8"]}]},
                      "dns": {"servers": [names.address]}})
    config = setting()
    config["policy"]["rules"][0]["via"] = ["http://%s:%d" % above.address]
    del config["policy"]["rules"][0]["addresses"]
    below, server = penstock(config), origin()
    tls = inside(below, "app.test", server.port, owner.context())
    for _ in range(2):
        assert ask(tls, get_at(server))[0] == 200
    above.wait_log(method="CONNECT", authority=f"app.test:{server.port}")


# --- bodies ---


@pytest.mark.release_only  # memory, of which a sanitizer takes more
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_bodies_stream_and_memory_stays_flat(proxy, owner, origin, url, version, tmp_path):
    size = 256 << 20

    def serve(_origin, tls):
        head = b""
        while b"\r\n\r\n" not in head:
            head += tls.recv(65536)
        head, _, rest = head.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
            for _ in range(size >> 20):
                tls.sendall(b"\0" * (1 << 20))
        else:
            got = len(rest)
            while got < size:
                got += len(tls.recv(1 << 20))
            tls.sendall(answer(str(got).encode(), "Connection: close"))
    server = origin(serve)
    common = ["curl", "-sS", version, "--proxy", url, "--cacert", owner.ca]
    target = f"https://app.test:{server.port}/"
    run(*common, target, "-o", "/dev/null", "-r", "0-0", "--max-time", "20")  # warm
    before = proxy.rss_anon_kib()
    done = run(*common, target, "-o", "/dev/null", "-w", "%{size_download}")
    assert done.stdout == str(size).encode(), done.stderr
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(size)
    done = run(*common, "-T", tmp_path / "sparse", target)
    assert done.stdout.startswith(str(size).encode()[:4]), done
    assert proxy.rss_anon_kib() - before < 12 * 1024


def test_a_websocket_inside(proxy, owner, origin):
    def serve(_origin, tls):
        head = b""
        while b"\r\n\r\n" not in head:
            head += tls.recv(65536)
        assert b"Upgrade: websocket" in head
        tls.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst")
        while data := tls.recv(65536):
            tls.sendall(data)
    server = origin(serve)
    tls = inside(proxy, "app.test", server.port, owner.context())
    tls.sendall(get_at(server, "/ws", "Connection: Upgrade", "Upgrade: websocket",
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
                .replace("\n", "\r\n").encode())
    got = b""
    while b"first" not in got:
        got += tls.recv(65536)
    assert got.startswith(b"HTTP/1.1 101 ")
    tls.sendall(b"ping" * 1000)
    back = b""
    while len(back) < 4000:
        back += tls.recv(65536)
    assert back == b"ping" * 1000
    tls.close()
    proxy.wait_log(inspected=True, status=101, path="/ws")


@pytest.mark.threads
def test_a_hundred_names_at_once(proxy, owner, origin, authority):
    """Each has a leaf of its own, and each request goes where its name says."""
    server = origin(answers(lambda head: answer(head.encode())), files=authority.issue("*.many.test"))

    def one(number):
        name = f"n{number}.many.test"
        tls = inside(proxy, name, server.port, owner.context())
        status, _, body = ask(tls, get_at(server, name=name))
        return status, f"Host: {name}:{server.port}\r\n".encode() in body
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        assert list(pool.map(one, range(100))) == [(200, True)] * 100


# --- the owner's side ---


def keepers(proxy):
    children = Path(f"/proc/{proxy.process.pid}/task/{proxy.process.pid}/children").read_text()
    every = [int(pid) for task in Path(f"/proc/{proxy.process.pid}/task").iterdir()
             for pid in (task / "children").read_text().split()]
    return sorted(set(every) | {int(pid) for pid in children.split()})


@pytest.mark.threads
def test_the_key_keeper_may_die(penstock, setting, owner, origin, authority):
    proxy, server = penstock(setting()), origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200
    for pid in keepers(proxy):
        os.kill(pid, signal.SIGKILL)
    assert ask(tls, get_at(server))[0] == 200, "tunnels go on"
    more = origin(files=authority.issue("other.test", "again.test"))
    tls = inside(proxy, "other.test", more.port, owner.context())
    assert ask(tls, get_at(more, name="other.test"))[0] == 200
    assert keepers(proxy), "there is another"


def memory_of(pid):
    """All that a process can read and write, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            if "r" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(part, 16) for part in where.split("-"))
            with contextlib.suppress(OSError):
                memory.seek(begin)
                yield memory.read(end - begin)


@pytest.mark.release_only  # a sanitizer's shadow takes terabytes of addresses
def test_the_proxys_memory_never_has_the_key(penstock, setting, owner, origin):
    proxy, server = penstock(setting()), origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200
    text = subprocess.run(["openssl", "pkey", "-in", owner.key, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    scalar, point = (bytes.fromhex(re.sub(r"[^0-9a-f]", "", part)) for part in
                     re.search(r"priv:(.*)pub:(.*)ASN1", text, re.S).groups())
    scalar = scalar.rjust(32, b"\0")[-32:]
    pem = b"".join(owner.key.read_bytes().splitlines()[1:-1])
    seen = {"the public key": False}
    for piece in memory_of(proxy.process.pid):
        assert scalar not in piece and scalar[::-1] not in piece
        assert pem[:60] not in piece.replace(b"\n", b"")
        seen["the public key"] |= point in piece or point[1:33] in piece
    assert seen["the public key"], "or this search would find nothing whatever there was"


def test_a_key_log_is_for_its_owner_alone_and_said(penstock, setting, owner, origin, tmp_path):
    log = tmp_path / "keys"
    proxy, server = penstock(setting(key_log=str(log))), origin()
    assert "key_log" in proxy.stderr()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200
    assert log.stat().st_mode & 0o777 == 0o600
    secrets = re.findall(r"^CLIENT_TRAFFIC_SECRET_0 ([0-9a-f]{64}) ", log.read_text(), re.M)
    assert len(set(secrets)) == 2, "the client's side, and the origin's"


def test_a_reload_ends_what_is_to_be_read_no_longer(penstock, setting, owner, origin):
    proxy, server = penstock(setting()), origin()
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200
    config = setting()
    del config["policy"]["rules"][0]["inspect"]
    proxy.reload(config)
    status, fields, _ = ask(tls, get_at(server))
    assert status == 403 and "http_request_denied" in fields["proxy-status"]


def test_without_a_rule_nothing_is_read(penstock, setting, authority, origin):
    config = setting()
    del config["policy"]["rules"][0]["inspect"]
    proxy, server = penstock(config), origin()
    own = ssl.create_default_context(cafile=str(authority.ca))
    tls = inside(proxy, "app.test", server.port, own)
    assert ask(tls, get_at(server))[0] == 200
    assert not keepers(proxy)
