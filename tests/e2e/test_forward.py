"""Plain forwarding: `GET http://…` through the proxy, by real programs and by scripted ends."""

import base64
import contextlib
import hashlib
import os
import random
import re
import socket
import ssl
import subprocess
import threading

import pytest

from credentials import users
from origins import closed_port
from proxy import run_command
from secure import SecureSocket
from test_clients import Apt, chromium, run
from tls import Nginx
from wire import DEADLINE, read_exactly, read_reply, read_to_end, reset, send_quietly

RULE = {"name": "tests", "allow": ["*.test:1-65535", "127.0.0.1:1-65535"],
        "addresses": ["127.0.0.0/8"]}
NAMES = {"app.test": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def proxy(shared_penstock, names):
    return shared_penstock({"policy": {"rules": [RULE]}, "dns": {"servers": [names.address]},
                            "workers": 1})


@pytest.fixture(scope="module")
def url(proxy):
    return "http://%s:%d" % proxy.address


def request(origin, method="GET", path="/", *fields, version="1.1"):
    lines = [f"{method} http://{origin.authority}{path} HTTP/{version}", f"Host: {origin.authority}"]
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")


def read_head(sock):
    """A request head at the origin, and what came behind it."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = sock.recv(65536)
        assert piece, raw
        raw += piece
    head, _, rest = raw.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def read_whole(sock):
    """A reply with a Content-Length, and its body."""
    reply = read_reply(sock)
    reply.rest += read_exactly(sock, int(reply.fields["content-length"]) - len(reply.rest))
    return reply


class Scripted:
    """An HTTP origin whose answer to each request `script(head, sock, rest)` writes. Returning false
    ends the connection. Requests and connections are counted."""

    def __init__(self, script):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.script = script
        self.connections = 0
        self.heads = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            conn.settimeout(DEADLINE)
            self.connections += 1
            threading.Thread(target=self._serve, args=[conn], daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError, AssertionError), conn:
            while True:
                head, rest = read_head(conn)
                self.heads.append(head)
                if self.script(head, conn, rest) is False:
                    return

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@pytest.fixture
def origin():
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(contextlib.closing(Scripted(script)))


def answer(body=b"ok", *fields):
    return "\r\n".join(["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def say(*words):
    def script(_head, sock, _rest):
        for word in words:
            sock.sendall(word)
    return script


# Real clients.


def test_curl_fetches_a_page_and_a_file(site, url, proxy):
    done = run("curl", "-sSf", "--proxy", url, f"{site.plain_url}/blob")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(site.blob).digest()
    line = proxy.wait_log(method="GET", authority=f"app.test:{site.plain_port}", status=200)[0]
    assert line["outcome"] == "closed" and line["rule"] == "tests" and line["bytes_down"] > 3 << 20


def test_curl_goes_on_with_its_connection(site, url, proxy):
    before = proxy.metrics().total("penstock_accepted_total")
    done = run("curl", "-sSf", "--proxy", url, *[f"{site.plain_url}/blob?{i}" for i in range(5)],
               "-w", "%{num_connects}\n", *["-o", "/dev/null"] * 5)
    assert done.stdout.split() == [b"1", b"0", b"0", b"0", b"0"], done
    after = proxy.metrics()
    assert after.total("penstock_accepted_total") == before + 1
    assert after.total("penstock_origins_reused_total") >= 4
    lines = proxy.wait_log(5, authority=f"app.test:{site.plain_port}")
    assert sum(line.get("reused", False) for line in lines) >= 4


def test_curl_posts_puts_in_chunks_and_asks_for_heads(origin, url):
    def script(head, sock, rest):
        if head.startswith("HEAD"):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
            return
        if "expect: 100-continue" in head.lower():
            assert not rest
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in head.lower():
            while not rest.endswith(b"0\r\n\r\n"):
                rest += sock.recv(65536)
            body = b""
            while True:
                size, _, rest = rest.partition(b"\r\n")
                if int(size, 16) == 0:
                    break
                body, rest = body + rest[:int(size, 16)], rest[int(size, 16) + 2:]
        else:
            size = int(re.search(r"content-length: (\d+)", head.lower())[1])
            body = rest + read_exactly(sock, size - len(rest))
        sock.sendall(answer(hashlib.sha256(body).hexdigest().encode()))

    server = origin(script)
    target = f"http://{server.authority}/"
    blob = random.Random(1).randbytes(2 << 20)
    wanted = hashlib.sha256(blob).hexdigest().encode()
    for options in (["--data-binary", "@-", "-H", "Expect:"],
                    ["--data-binary", "@-", "-H", "Expect: 100-continue"],
                    ["-T", "-", "-H", "Expect:"],  # in chunks, since its size is not known
                    ["-T", "-", "-H", "Expect: 100-continue"]):
        done = run("curl", "-sSf", "--proxy", url, *options, target, input=blob)
        assert done.stdout == wanted, (options, done, server.heads[-1])
    done = run("curl", "-sSf", "-I", "--proxy", url, target)
    assert b"Content-Length: 1234" in done.stdout, done


@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_a_large_body_moves_in_constant_memory(site, url, proxy):
    size = 100 << 20
    with open(site.root / "large", "wb") as file:
        for i in range(100):
            file.write(random.Random(i).randbytes(1 << 20))
    wanted = hashlib.sha256((site.root / "large").read_bytes()).hexdigest()
    run("curl", "-sSf", "--proxy", url, f"{site.plain_url}/blob", "-o", "/dev/null")
    before = proxy.rss_anon_kib()
    highest = 0
    curl = subprocess.Popen(["curl", "-sSf", "--noproxy", "", "--proxy", url, f"{site.plain_url}/large"],
                            stdout=subprocess.PIPE)
    digest = hashlib.sha256()
    received = 0
    while piece := curl.stdout.read(1 << 20):
        digest.update(piece)
        received += len(piece)
        highest = max(highest, proxy.rss_anon_kib())
    assert curl.wait() == 0 and received == size and digest.hexdigest() == wanted
    assert highest - before < 2048, f"{before} KiB became {highest} KiB"


def test_wget(site, url):
    done = run("wget", "-q", "-O", "-", f"{site.plain_url}/blob", env={"http_proxy": url})
    assert done.returncode == 0 and done.stdout == site.blob, done.stderr


def test_apt_updates_over_http(site, url, tmp_path):
    repository = site.root / "plain"
    repository.mkdir()
    (repository / "Packages").touch()
    release = run("apt-ftparchive", "release", ".", cwd=repository)
    (repository / "Release").write_bytes(release.stdout)
    apt = Apt(tmp_path / "apt", f"{site.plain_url}/plain", f"Acquire::http::Proxy={url}")
    update = apt.run("update")
    assert update.returncode == 0 and b"Err:" not in update.stdout, update.stdout + update.stderr
    assert b"Fetched" in update.stdout
    assert any("Release" in name for name in os.listdir(apt.root / "var/lib/apt/lists")), update


def test_chromium_loads_a_plain_page(site, url, proxy, tmp_path):
    (site.root / "plain.html").write_text(
        "<!doctype html><p id=out>before</p><script>"
        "Promise.all([...Array(10).keys()].map(i => fetch('/n' + i).then(r => r.text())))"
        ".then(all => document.getElementById('out').textContent = 'loaded ' + all.join(''))"
        "</script>")
    for i in range(10):
        (site.root / f"n{i}").write_text(str(i))
    done = chromium(tmp_path, f"{site.plain_url}/plain.html", f"--proxy-server={url}",
                    "--proxy-bypass-list=<-loopback>")
    assert b"loaded 0123456789" in done.stdout, (done.stdout, done.stderr[-3000:])


def chat(head, sock, _rest):
    """Becomes a WebSocket, says hello and echoes."""
    key = re.search(r"Sec-WebSocket-Key: (\S+)", head)[1]
    accept = base64.b64encode(hashlib.sha1(
        (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode()
                 + b"\x81\x05hello")
    while data := sock.recv(65536):
        sock.sendall(data)
    return False


@pytest.fixture
def front(tmp_path, authority, origin):
    """An nginx that compresses what it serves, piece by piece, and has a WebSocket behind it."""
    behind = origin(chat)
    more = f"""
    gzip on; gzip_min_length 1; gzip_types *; gzip_proxied any;
    location /chat {{
      proxy_pass http://{behind.authority};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }}"""
    with contextlib.closing(Nginx(tmp_path, authority, ["127.0.0.1"], more=more)) as nginx:
        nginx.authority = f"127.0.0.1:{nginx.plain_port}"
        yield nginx


def test_nginx_answers_in_chunks(front, url, proxy):
    text = "".join(f"line {i}\n" for i in range(200_000))
    (front.root / "text").write_text(text)
    target = f"http://{front.authority}/text"
    for version in ("--http1.1", "--http1.0"):
        done = run("curl", "-sSf", "--compressed", version, "--proxy", url, target, target,
                   "-o", "/dev/null", "-w", "%{num_connects}", "-D", "-")
        head = done.stdout.decode().lower()
        assert done.returncode == 0, done.stderr
        chunked = "transfer-encoding: chunked" in head
        assert chunked == (version == "--http1.1"), head
        done = run("curl", "-sSf", "--compressed", version, "--proxy", url, target)
        assert done.stdout == text.encode(), done.stderr
    assert proxy.wait_log(authority=front.authority, status=200)[0]["outcome"] == "closed"


@pytest.mark.parametrize("nginx", [True, False])
def test_a_websocket_is_carried(proxy, origin, front, nginx):
    server = front if nginx else origin(chat)
    sock = proxy.socket()
    sock.sendall(request(server, "GET", "/chat", "Connection: Upgrade", "Upgrade: websocket",
                         "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    reply = read_reply(sock)
    assert reply.status == 101 and reply.fields["upgrade"] == "websocket"
    assert reply.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert reply.rest + read_exactly(sock, 7 - len(reply.rest)) == b"\x81\x05hello"
    data = random.Random(5).randbytes(1 << 20)
    sender = threading.Thread(target=sock.sendall, args=[data])
    sender.start()
    assert read_exactly(sock, len(data)) == data
    sender.join()
    sock.close()
    line = proxy.wait_log(authority=server.authority)[0]
    assert line["status"] == 101 and line["method"] == "GET"


# Who asks, and by which way in.


@pytest.fixture
def users_only(penstock, tmp_path):
    users_file = tmp_path / "users"
    users_file.write_text(users(ann="sesame"))
    return penstock({"identity": [{"basic": str(users_file)}],
                     "policy": {"rules": [{**RULE, "identities": ["ann"]}]}})


@pytest.mark.parametrize("options, statuses", [
    ([], [200, 200]), (["--proxy-anyauth"], [407, 200, 407, 200])])
def test_curl_logs_in_and_the_origin_does_not_hear_of_it(users_only, origin, options, statuses):
    server = origin(say(answer()))
    target = f"http://{server.authority}/"
    done = run("curl", "-sSf", "--proxy", "http://%s:%d" % users_only.address, *options,
               "--proxy-user", "ann:sesame", target, target)
    assert (done.returncode, done.stdout) == (0, b"okok"), done.stderr
    assert len(server.heads) == 2 and "uthoriz" not in "".join(server.heads)
    logged = users_only.wait_log(len(statuses))
    assert [line["status"] for line in logged] == statuses
    assert [line["identity"] for line in logged if line["status"] == 200] == ["ann", "ann"]
    assert users_only.metrics().total("penstock_accepted_total") == 1
    assert "sesame" not in str(logged)
    wrong = run("curl", "-sS", "--proxy", "http://%s:%d" % users_only.address, "--proxy-user",
                "ann:open", "-o", "/dev/null", "-w", "%{http_code}", target)
    assert wrong.stdout == b"407" and len(server.heads) == 2


def test_an_https_proxy_forwards_too_and_goes_on(penstock, authority, site, origin):
    certificate, key = authority.issue("127.0.0.1")
    tls = {"certificates": [{"certificate": str(certificate), "key": str(key)}]}
    proxy = penstock({"listeners": [{"address": "127.0.0.1:0", "tls": tls}],
                      "policy": {"rules": [RULE]}})
    target = f"http://127.0.0.1:{site.plain_port}/blob"
    done = run("curl", "-sSf", "--proxy", "https://%s:%d" % proxy.address, "--proxy-cacert",
               authority.ca, target, "--next", "-sSf", "--proxy", "https://%s:%d" % proxy.address,
               "--proxy-cacert", authority.ca, target)
    assert done.stdout == site.blob * 2, done.stderr
    assert proxy.metrics().total("penstock_accepted_total") == 1
    lines = proxy.wait_log(2, method="GET", status=200)
    assert [line["tls"]["version"] for line in lines] == ["TLSv1.3"] * 2
    # Requests behind each other, some of them in one record with the end of another.
    server = origin(lambda head, sock, _rest: sock.sendall(answer(head.split(" ")[1].encode())))
    sock = SecureSocket(proxy.socket(), ssl.create_default_context(cafile=str(authority.ca)),
                        "127.0.0.1")
    sock.sendall(b"".join(request(server, "GET", f"/{i:03}") for i in range(30)))
    raw = b""
    while not raw.endswith(b"/029"):
        piece = sock.recv(65536)
        assert piece, raw
        raw += piece
    assert re.findall(rb"\r\n\r\n(/\d{3})", raw) == [b"/%03d" % i for i in range(30)]
    sock.close()


def test_who_was_announced_asks_every_request_and_shares_no_origin(penstock, origin):
    server = origin(say(answer()))
    ways = [{"address": "127.0.0.1:0", "proxy_protocol": {"from": ["127.0.0.1"]}}]
    proxy = penstock({"listeners": ways, "policy": {"rules": [
        {**RULE, "clients": ["192.0.2.7"], "proxy_protocol": "v1"},
        {**RULE, "name": "others", "clients": ["192.0.2.8"]}]}})
    for client in ("192.0.2.7", "192.0.2.8", "192.0.2.7"):
        sock = proxy.socket()
        sock.sendall(f"PROXY TCP4 {client} 198.51.100.2 4242 80\r\n".encode())
        for _ in range(2):
            sock.sendall(request(server))
            assert read_whole(sock).rest == b"ok"
        sock.close()
    lines = proxy.wait_log(6, status=200)
    assert sorted(line["client"] for line in lines) == [
        f"192.0.2.{host}:4242" for host in (7, 7, 7, 7, 8, 8)]
    assert all("peer" in line for line in lines)
    # One for each announced request, with a header in front; one that 192.0.2.8 used twice.
    assert server.connections == 5
    assert [head.startswith("PROXY TCP4 192.0.2.7 ") for head in server.heads] == [
        True, True, False, False, True, True]


def test_requests_go_by_a_tunnel_through_a_parent(penstock, origin):
    server = origin(say(answer()))
    above = penstock({"policy": {"rules": [RULE]}})

    def behind(parent):
        return penstock({"policy": {"rules": [{"allow": RULE["allow"], "via": [
            "http://%s:%d" % parent.address]}]}})

    below = behind(above)
    sock = below.socket()
    for _ in range(2):
        sock.sendall(request(server))
        reply = read_whole(sock)
        assert reply.status == 200 and reply.rest == b"ok"
    assert [line["method"] for line in above.wait_log(2)] == ["CONNECT"] * 2
    assert below.wait_log(2)[0]["parent"] == "%s:%d" % above.address
    denied = penstock({"policy": {"rules": [{**RULE, "methods": ["plain"]}]}})
    reply = ask(behind(denied), request(server))
    assert reply.status == 403
    assert reply.fields["proxy-status"].endswith('details="parent_denied"')


# What goes wrong.


def ask(proxy, data):
    sock = proxy.socket()
    sock.sendall(data)
    reply = read_reply(sock)
    body, _ = read_to_end(sock)
    reply.rest += body
    sock.close()
    return reply


def test_https_in_absolute_form_is_refused_in_words(proxy):
    reply = ask(proxy, b"GET https://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n")
    assert reply.status == 400 and reply.word == "scheme" and b"CONNECT" in reply.rest


def test_smuggling_never_reaches_an_origin(proxy, origin):
    server = origin(say(answer()))
    for fields in (["Content-Length: 5", "Transfer-Encoding: chunked"],
                   ["Content-Length: 5", "Content-Length: 6"],
                   ["Content-Length: 5, 5"], ["Content-Length: +5"], ["Content-Length: 0x5"],
                   ["Transfer-Encoding: xchunked"], ["Transfer-Encoding: chunked, identity"],
                   ["Transfer-Encoding: identity, chunked"], ["Transfer-Encoding : chunked"],
                   ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                   ["X: y\n Transfer-Encoding: chunked"], ["X: y", " Transfer-Encoding: chunked"],
                   ["X: y\rTransfer-Encoding: chunked"], ["X: y\x00z"], ["Host: other"],
                   ["Connection: clo se"]):
        reply = ask(proxy, request(server, "POST", "/", *fields) + b"0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n")
        assert reply.status == 400, (fields, reply)
    assert server.connections == 0


def test_bytes_behind_a_body_are_the_next_request_and_nothing_else(proxy, origin):
    def script(head, sock, rest):
        size = int((re.search(r"content-length: (\d+)", head.lower()) or [0, 0])[1])
        body = rest + read_exactly(sock, size - len(rest))
        sock.sendall(answer(body + head.split(" ")[1].encode()))
    server = origin(script)
    sock = proxy.socket()
    # The next request begins where the body ends, whatever the body looks like.
    body = request(server, "GET", "/inside")
    sock.sendall(request(server, "POST", "/outer", f"Content-Length: {len(body)}") + body +
                 request(server, "GET", "/behind", "Connection: close"))
    data, _ = read_to_end(sock)
    assert data.count(b"HTTP/1.1 200 OK") == 2 and data.endswith(b"/behind")
    assert [head.split(" ")[1] for head in server.heads] == ["/outer", "/behind"]


def test_an_answer_that_breaks_off_breaks_off_for_the_client(proxy, origin):
    def script(head, sock, _rest):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    server = origin(script)
    sock = proxy.socket()
    sock.sendall(request(server))
    data, was_reset = read_to_end(sock)
    assert was_reset and (not data or data.endswith(b"half"))
    line = proxy.wait_log(authority=server.authority)[0]
    assert (line["outcome"], line["error"], line["side"]) == ("cut", "response_cut", "origin")


def test_an_early_answer_reaches_a_client_that_is_still_sending(proxy, origin):
    def script(head, sock, _rest):
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop")
        return False
    server = origin(script)
    sock = proxy.socket()
    sock.sendall(request(server, "POST", "/", f"Content-Length: {64 << 20}"))
    sender = threading.Thread(target=send_quietly, args=[sock, bytes(8 << 20)])
    sender.start()
    reply = read_reply(sock)
    rest = reply.rest + (read_exactly(sock, 4 - len(reply.rest)) if len(reply.rest) < 4 else b"")
    assert reply.status == 413 and reply.fields["connection"] == "close" and rest == b"stop"
    sock.close()
    sender.join()


def test_a_slow_client_holds_the_origin_back(proxy, origin):
    blocked = threading.Event()
    sent = [0]

    def script(head, sock, _rest):
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {256 << 20}\r\n\r\n".encode())
        sock.settimeout(0.5)
        try:
            while sent[0] < 256 << 20:
                sent[0] += sock.send(bytes(1 << 16))
        except TimeoutError:
            blocked.set()
            sock.settimeout(DEADLINE)
            with contextlib.suppress(OSError):
                sock.recv(1)
        return False

    server = origin(script)
    sock = proxy.socket()
    sock.sendall(request(server))
    assert blocked.wait(DEADLINE) and sent[0] < 64 << 20
    reset(sock)
    proxy.wait_log(authority=server.authority, error="client_reset")


def test_a_client_that_leaves_frees_its_origin(proxy, listener):
    server = listener()
    sock = proxy.socket()
    sock.sendall(request(server))
    conn = server.accept()
    read_head(conn)
    sock.close()
    data, _ = read_to_end(conn)
    assert data == b""
    proxy.wait_log(authority=server.authority, outcome="left", error="client_gone")


def test_an_origin_that_does_not_answer(penstock, listener):
    proxy = penstock({"policy": {"rules": [RULE]}, "timeouts": {"response": "200ms"}})
    server = listener()
    reply = ask(proxy, request(server))
    assert (reply.status, reply.error, reply.word) == (504, "connection_read_timeout", "response_timeout")
    sock, port = closed_port()
    with sock:
        reply = ask(proxy, f"GET http://127.0.0.1:{port}/ HTTP/1.0\r\n\r\n".encode())
    assert (reply.status, reply.error) == (502, "connection_refused")


def test_requests_behind_each_other_are_answered_in_order(proxy, origin):
    def script(head, sock, _rest):
        sock.sendall(answer(head.split(" ")[1].encode()))
    server = origin(script)
    sock = proxy.socket()
    count = 50
    sock.sendall(b"".join(request(server, "GET", f"/{i:03}") for i in range(count)))
    raw = b""
    while raw.count(b"HTTP/1.1 200 OK") < count or not raw.endswith(b"/%03d" % (count - 1)):
        piece = sock.recv(65536)
        assert piece, raw
        raw += piece
    assert re.findall(rb"\r\n\r\n(/\d{3})", raw) == [b"/%03d" % i for i in range(count)]
    assert server.connections == 1
    assert len(proxy.wait_log(count, authority=server.authority)) == count


def test_the_default_configuration_forwards_to_no_internal_address(penstock, listener):
    server = listener()
    proxy = penstock({"policy": {"rules": [{"name": "web", "allow": ["*:1-65535"]}]}})
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "10.0.0.1",
                 "169.254.169.254", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"):
        target = f"{host}:{server.port}"
        reply = ask(proxy, f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert reply.status in (400, 403), (host, reply)
    assert server.accepts() == 0


def test_methods_decide(penstock, origin):
    server = origin(say(answer()))
    proxy = penstock({"policy": {"rules": [{**RULE, "methods": ["GET"]}]}})
    assert ask(proxy, request(server, "GET", "/", "Connection: close")).status == 200
    assert ask(proxy, request(server, "POST", "/", "Content-Length: 0")).word == "name_denied"
    assert proxy.refusal(server.authority).word == "name_denied"
    assert proxy.metrics().total("penstock_requests_total", method="GET", status="2xx") == 1
    assert proxy.metrics().total("penstock_requests_total", method="POST", status="4xx") == 1

    def explain(*options):
        return run_command("explain", "--config", str(proxy.config_file), *options,
                           server.authority).returncode
    assert (explain("--method", "GET"), explain("--method", "POST"), explain()) == (0, 1, 1)


def test_two_proxies_in_a_ring_notice(penstock):
    proxy = penstock({"policy": {"rules": [RULE]}})
    # A proxy of its own name in Via is refused; it is found by asking an origin that shows Via.
    seen = []
    server = Scripted(lambda head, sock, _rest: (seen.append(head), sock.sendall(answer()))[1])
    with contextlib.closing(server):
        ask(proxy, request(server, "GET", "/", "Connection: close"))
        via = re.search(r"Via: 1\.1 (\S+)", seen[0])[1]
        reply = ask(proxy, request(server, "GET", "/", f"Via: 1.0 other, 1.1 {via} (x)"))
    assert (reply.status, reply.error, reply.word) == (502, "proxy_loop_detected", "via_loop")
