"""CONNECT by HTTP/2: many tunnels by one connection, over TLS and in plain text."""

import base64
import random
import select
import signal
import socket
import ssl
import threading

import pytest

from credentials import users
from http2 import CONNECT_ERROR, Connection, frame
from proxy import LAB
from secure import SecureSocket
from test_clients import chromium, digest, run, trust
from wire import DEADLINE, connect_head, eventually, read_reply, read_to_end, reset

NAME = "proxy.test"


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue(NAME, "127.0.0.1")


def listening(certificate, **more):
    files, key = certificate
    tls = {"certificates": [{"certificate": str(files), "key": str(key)}]}
    return {"listeners": [{"address": "127.0.0.1:0", "tls": tls, **more}]}


@pytest.fixture(scope="module")
def plain(shared_penstock):
    return shared_penstock({})


@pytest.fixture(scope="module")
def secured(shared_penstock, certificate):
    return shared_penstock(listening(certificate))


def secure(proxy, authority, *protocols):
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.set_alpn_protocols(list(protocols))
    return SecureSocket(proxy.socket(), context, NAME)


@pytest.fixture(params=["plain", "secured"])
def proxy(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(proxy, authority):
    if "tls" not in proxy.config.get("listeners", [{}])[0]:
        return Connection(proxy.socket())
    sock = secure(proxy, authority, "h2", "http/1.1")
    assert sock.tls.selected_alpn_protocol() == "h2"
    return Connection(sock)


def trunk(proxy, **fields):
    """The line of a connection, which has streams and asks for nothing."""
    return [line for line in proxy.wait_log(protocol="h2", method="", **fields)
            if "streams" in line][-1]


# --- bytes

def test_bulk_goes_both_ways_and_ends_are_carried(proxy, client, listener):
    origin = listener()
    up, down = (random.Random(seed).randbytes(3 << 20) for seed in (1, 2))
    tunnel = client.tunnel(origin.authority)
    far = origin.accept()
    received = []
    reader = threading.Thread(target=lambda: received.append(read_to_end(far)))
    reader.start()
    tunnel.send(up, end=True)
    reader.join(DEADLINE)
    assert received == [(up, False)]
    sender = threading.Thread(target=lambda: (far.sendall(down), far.shutdown(socket.SHUT_WR)))
    sender.start()
    assert tunnel.receive_to_end() == (down, False)
    sender.join(DEADLINE)
    line = proxy.wait_log(authority=origin.authority, outcome="closed")[0]
    assert line["protocol"] == "h2" and line["bytes_up"] == line["bytes_down"] == 3 << 20
    client.close()
    end = proxy.wait_log(id=line["trunk"])[0]
    assert (end["outcome"], end["error"], end["streams"]) == ("closed", "", 1)
    assert ("tls" in end) == ("tls" in line)


def test_both_directions_at_once(client, echo):
    data = random.Random(3).randbytes(4 << 20)
    tunnel = client.tunnel(echo.authority)
    tunnel.send(data, end=True)
    assert tunnel.receive_to_end() == (data, False)


def test_an_origin_that_ends_first(client, listener):
    origin = listener()
    tunnel = client.tunnel(origin.authority)
    far = origin.accept()
    far.sendall(b"all of it")
    far.shutdown(socket.SHUT_WR)
    assert tunnel.receive_to_end() == (b"all of it", False)
    tunnel.send(b"still here", end=True)
    assert read_to_end(far) == (b"still here", False)


def test_a_client_that_resets_a_stream(proxy, client, listener, echo):
    origin = listener()
    tunnel, other = client.tunnel(origin.authority), client.tunnel(echo.authority)
    far = origin.accept()
    tunnel.send(b"half")
    tunnel.cancel()
    assert read_to_end(far) == (b"half", True)
    assert proxy.wait_log(authority=origin.authority)[0]["error"] == "client_reset"
    assert other.echoes()


def test_an_origin_that_resets(proxy, client, listener, echo):
    origin = listener()
    tunnel, other = client.tunnel(origin.authority), client.tunnel(echo.authority)
    far = origin.accept()
    far.sendall(b"half")
    assert tunnel.receive(4) == b"half"
    reset(far)
    assert tunnel.receive_to_end() == (b"", True) and tunnel.reset == CONNECT_ERROR
    assert proxy.wait_log(authority=origin.authority)[0]["error"] == "origin_reset"
    assert other.echoes()


def test_data_ahead_of_the_answer_is_delivered_first(client, listener):
    origin = listener()
    tunnel = client.connect(origin.authority)
    tunnel.send(b"early")
    far = origin.accept()
    assert far.recv(100) == b"early"


def test_a_client_that_leaves_ends_its_tunnels(proxy, client, listener):
    origin = listener()
    for _ in range(3):
        client.tunnel(origin.authority)
    far = [origin.accept() for _ in range(3)]
    client.close()
    assert [read_to_end(one) for one in far] == [(b"", True)] * 3
    lines = proxy.wait_log(3, authority=origin.authority)
    assert {line["error"] for line in lines} == {"client_reset"}
    assert trunk(proxy, id=lines[0]["trunk"])["error"] == "client_gone"


# --- refusals

def test_refusals_have_status_words_and_a_line(client, echo):
    for target, status, word in [("192.0.2.1:25", 403, "name_denied"),
                                 ("127.0.0.1", 400, "missing_port"),
                                 ("user:pw@127.0.0.1:1", 400, "userinfo"),
                                 ("127.0.0.1:1", 502, "refused")]:
        stream = client.ask(target)
        text, was_reset = stream.receive_to_end()
        assert not was_reset and stream.status == status, (target, stream.fields)
        assert f'details="{word}"' in stream.fields["proxy-status"]
        assert text.startswith(b"penstock: ") and text.endswith(b".\n")
        assert "connection" not in stream.fields
    assert client.tunnel(echo.authority).echoes(), "the connection goes on"


@pytest.mark.parametrize("fields, word, status", [
    ([(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")], "bad_pseudo_field", 400),
    ([(":method", "CONNECT"), (":scheme", "https"), (":authority", "a:1")], "bad_pseudo_field", 400),
    ([(":method", "CONNECT")], "bad_pseudo_field", 400),
    ([(":method", "CONNECT"), (":authority", "a:1"), ("content-length", "0")], "content_length", 400),
    ([(":method", "CONNECT"), (":authority", "a:1"), ("host", "b:1")], "host_mismatch", 400),
    ([(":method", "CONNECT"), (":authority", "a:1"), ("upgrade", "x")], "http1_field", 400),
    ([(":method", "CONNECT"), (":authority", "a:1"), ("Host", "a:1")], "bad_field_name", 400),
    ([(":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"),
      (":authority", "a:1"), (":path", "/")], "extended_connect", 501),
    ([(":method", "CONNECT"), (":authority", "a:1"), ("x", "v" * 20000)], "head_too_large", 431),
    ([(":method", "CONNECT"), (":authority", "a:1")] + [("x", "y")] * 200, "too_many_fields", 431),
])
def test_a_request_that_is_none(plain, fields, word, status):
    client = Connection(plain.socket())
    stream = client.request(fields)
    stream.receive_to_end()
    assert stream.status == status and f'details="{word}"' in stream.fields["proxy-status"]


def test_credentials_belong_to_a_stream(penstock, tmp_path, echo):
    user_file = tmp_path / "users"
    user_file.write_text(users(ann="right"))
    proxy = penstock({"identity": [{"basic": str(user_file)}],
                      "policy": {"rules": [{**LAB, "identities": ["ann"]}]}})
    client = Connection(proxy.socket())
    stream = client.ask(echo.authority)
    assert stream.status == 407 and "Basic" in stream.fields["proxy-authenticate"]

    def authorization(password):
        return "proxy-authorization", "Basic " + base64.b64encode(b"ann:" + password).decode()

    assert client.ask(echo.authority, authorization(b"wrong")).status == 407
    assert client.ask(echo.authority, authorization(b"right"), authorization(b"right")).status == 400
    assert client.tunnel(echo.authority, authorization(b"right")).echoes()
    assert client.ask(echo.authority).status == 407, "nobody inherits them"
    client.close()
    proxy.wait_log(status=200)
    everything = proxy.log_file.read_text() + proxy.stderr()
    assert "right" not in everything and authorization(b"right")[1] not in everything
    assert "ann" in {line["identity"] for line in proxy.log()}


def test_each_stream_takes_a_seat(penstock, echo):
    proxy = penstock({"limits": {"tunnels": 3}})
    client = Connection(proxy.socket())
    held = [client.tunnel(echo.authority) for _ in range(2)]
    stream = client.ask(echo.authority)
    assert stream.status == 503 and 'details="no_seat"' in stream.fields["proxy-status"]
    assert int(stream.fields["retry-after"]) >= 1
    assert all(tunnel.echoes() for tunnel in held)


def test_server_timing_is_told(penstock, echo):
    client = Connection(penstock({"server_timing": True}).socket())
    assert "dial;dur=" in client.tunnel(echo.authority).fields["server-timing"]


# --- which protocol it is

def test_alpn_says_which(secured, authority, echo):
    old = secure(secured, authority, "http/1.1")
    assert old.tls.selected_alpn_protocol() == "http/1.1"
    old.sendall(connect_head(echo.authority))
    assert read_reply(old).status == 200
    assert Connection(secure(secured, authority, "h2")).tunnel(echo.authority).echoes()


def test_a_listener_offers_what_it_speaks(penstock, certificate, authority, echo):
    proxy = penstock(listening(certificate, protocols=["http/1.1"]))
    sock = secure(proxy, authority, "h2", "http/1.1")
    assert sock.tls.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLError):
        secure(proxy, authority, "h2")
    proxy = penstock(listening(certificate, protocols=["h2"]))
    assert Connection(secure(proxy, authority, "h2", "http/1.1")).tunnel(echo.authority).echoes()
    with pytest.raises(ssl.SSLError):
        secure(proxy, authority, "http/1.1")


def test_another_preface_than_the_one_that_was_agreed_on(secured, authority):
    sock = secure(secured, authority, "h2")
    sock.sendall(connect_head("127.0.0.1:1"))
    client_hears = sock.recv(1 << 16)
    while more := sock.recv(1 << 16):
        client_hears += more
    assert frame(7, 0, 0)[3:5] in client_hears  # GOAWAY
    assert trunk(secured, error="http2_broken")["outcome"] == "cut"


# --- what holds for the connection

def test_a_drain_says_goaway_and_lets_tunnels_end(penstock, echo):
    proxy = penstock({"timeouts": {"drain": "20s"}})
    client, idle = Connection(proxy.socket()), Connection(proxy.socket())
    tunnel = client.tunnel(echo.authority)
    assert idle.ask("192.0.2.1:25").status == 403
    proxy.signal(signal.SIGTERM)
    idle.until_closed()
    assert idle.gone == 0
    client.until(lambda: client.gone is not None)
    assert client.gone == 0 and tunnel.echoes()
    tunnel.end()
    assert tunnel.receive_to_end() == (b"", False)
    client.until_closed()
    proxy.judge_end()
    assert proxy.wait_log(method="CONNECT", status=200)[0]["outcome"] == "closed"


def test_a_reload_leaves_the_connection_and_judges_its_tunnels(penstock, echo, listener):
    origin = listener()
    rules = [{"name": name, "allow": [authority], "addresses": ["127.0.0.0/8"]}
             for name, authority in [("echo", echo.authority), ("origin", origin.authority)]]
    proxy = penstock({"policy": {"rules": rules}})
    client = Connection(proxy.socket())
    stays, goes = client.tunnel(echo.authority), client.tunnel(origin.authority)
    proxy.reload({"policy": {"rules": rules[:1]}})
    assert goes.receive_to_end() == (b"", True)
    assert proxy.wait_log(error="policy_changed")[0]["authority"] == origin.authority
    assert stays.echoes() and client.tunnel(echo.authority).echoes()
    assert client.ask(origin.authority).status == 403


def test_a_flood_ends_the_connection(plain, echo):
    client = Connection(plain.socket())
    tunnel = client.tunnel(echo.authority)
    assert tunnel.echoes()
    before = plain.metrics()
    client.raw(frame(6, 0, 0, b"12345678") * 3000)
    client.until_closed()
    assert client.gone == 11  # ENHANCE_YOUR_CALM
    assert trunk(plain, error="http2_flood")["side"] == "client"
    after = plain.metrics()
    assert after.total("penstock_http2_goaways_total") > before.total("penstock_http2_goaways_total")


def test_headers_in_a_tunnel_reset_it(plain, echo):
    client = Connection(plain.socket())
    tunnel, other = client.tunnel(echo.authority), client.tunnel(echo.authority)
    client.h2.send_headers(tunnel.number, [("a", "b")], end_stream=True)
    assert tunnel.receive_to_end()[1] and tunnel.reset == 1  # PROTOCOL_ERROR
    assert other.echoes()


def test_metrics_count_connections_streams_and_resets(penstock, echo):
    proxy = penstock({})
    client = Connection(proxy.socket())
    held = [client.tunnel(echo.authority) for _ in range(3)]
    proxy.wait_metric("penstock_http2_connections_open", 1)
    held[0].cancel()
    proxy.wait_metric("penstock_http2_resets_total", 1, by="client")
    client.close()
    proxy.wait_metric("penstock_http2_connections_open", 0)
    metrics = proxy.metrics()
    assert metrics.total("penstock_http2_connections_total") == 1
    assert metrics.total("penstock_http2_streams_total") == 3
    proxy.wait_metric("penstock_protocol_connections_total", 3, protocol="h2")


# --- many

@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_a_thousand_tunnels_by_ten_connections_with_slow_readers_among_them(penstock, echo,
                                                                            listener):
    proxy = penstock({"workers": 1})
    fountain = listener()
    clients = [Connection(proxy.socket()) for _ in range(10)]
    before = proxy.rss_anon_kib()
    quick, slow = [], []
    for client in clients:
        quick += [client.connect(echo.authority) for _ in range(90)]
        slow += [client.connect(fountain.authority) for _ in range(10)]
    for client in clients:
        client.until(lambda: all(stream.status == 200 for stream in client.streams.values()))
        client.slow |= {stream.number for stream in slow if stream.connection is client}
    idle = proxy.rss_anon_kib() - before
    assert proxy.metrics().total("penstock_tunnels_open") == 1000
    far = [fountain.accept() for _ in slow]
    pushed = push_until_held_back(far, clients)
    assert pushed > len(slow) * 64 * 1024
    # The others are not affected.
    for stream in quick:
        assert stream.echoes(b"%d is there" % stream.number)
    data = random.Random(5).randbytes(1 << 20)
    for client in clients:
        fast = next(stream for stream in quick if stream.connection is client)
        fast.send(data)
        assert fast.receive(len(data)) == data
    full = proxy.rss_anon_kib() - before
    print(f"{idle / 1000:.1f} KiB for each of 1,000 tunnels; {full} KiB with 100 slow readers")
    # About 4 KiB each, and what a busy machine had in flight at one time, which the allocator keeps.
    assert idle < 1000 * 8 and full < 1000 * 8 + 100 * 300
    # None of what the slow ones did not take is lost.
    for sock in far:
        sock.shutdown(socket.SHUT_WR)
    for stream in slow:
        client = stream.connection
        client.slow.discard(stream.number)
        client.acknowledge(stream, stream.held)
        stream.receive_to_end()
    assert sum(stream.taken for stream in slow) == pushed


def push_until_held_back(sockets, clients):
    """Sends by each socket until none takes any more; the clients go on reading meanwhile."""
    piece, pushed, quiet = b"x" * (1 << 16), 0, 0
    poll, of = select.poll(), {sock.fileno(): sock for sock in sockets}
    for sock in sockets:
        sock.setblocking(False)
        poll.register(sock, select.POLLOUT)
    while quiet < 5:
        writable = poll.poll(200)
        quiet = 0 if writable else quiet + 1
        for number, _ in writable:
            pushed += of[number].send(piece)
        for client in clients:
            client.pump(timeout=0)
    return pushed


# --- programs that people use

NODE = """
const http2 = require('http2'), tls = require('tls'), https = require('https'), fs = require('fs');
const [proxy, target] = [process.argv[1], new URL(process.argv[2])];
const options = process.argv[4] ? {ca: fs.readFileSync(process.argv[4])} : {};
const session = http2.connect(proxy, {...options, servername: ''});
const stream = session.request({':method': 'CONNECT', ':authority': target.host});
stream.on('response', (headers) => {
  if (headers[':status'] !== 200) { console.error(headers); process.exit(1); }
  const secure = tls.connect({socket: stream, servername: target.hostname,
                              ca: fs.readFileSync(process.argv[3])});
  https.get(target, {createConnection: () => secure}, (answer) => {
    const hash = require('crypto').createHash('sha256');
    answer.on('data', (piece) => hash.update(piece));
    answer.on('end', () => { console.log(hash.digest('hex')); session.destroy(); });
  });
});
session.on('error', (error) => { console.error(error); process.exit(1); });
"""

NAMES = {"app.test": ["127.0.0.1"]}


@pytest.mark.parametrize("tls", [False, True])
def test_node(penstock, names, certificate, authority, site, tls):
    rule = {"name": "tests", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"]}
    proxy = penstock({**(listening(certificate) if tls else {}), "policy": {"rules": [rule]},
                      "dns": {"servers": [names.address]}})
    url = "%s://%s:%d" % ("https" if tls else "http", *proxy.address)
    done = run("node", "-e", NODE, url, f"{site.url}/blob", site.ca, *([authority.ca] if tls else []))
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr
    assert proxy.wait_log(protocol="h2", status=200)[0]["sni"] == "app.test"


def test_chromium_loads_a_plain_page_by_streams(penstock, names, certificate, site, tmp_path):
    (site.root / "plain.html").write_text(
        "<p id=x></p><script>fetch('/n').then(r => r.text()).then(t => x.textContent = 'lo' + t)"
        "</script>")
    (site.root / "n").write_text("aded")
    trust(tmp_path, site.ca)
    rule = {"name": "tests", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"]}
    proxy = penstock({**listening(certificate), "policy": {"rules": [rule]},
                      "dns": {"servers": [names.address]}})
    pac = 'function FindProxyForURL(url, host) { return "HTTPS %s:%d"; }' % proxy.address
    data = base64.b64encode(pac.encode()).decode()
    done = chromium(tmp_path, f"{site.plain_url}/plain.html",
                    f"--proxy-pac-url=data:application/x-ns-proxy-autoconfig;base64,{data}")
    assert b"loaded" in done.stdout, (done.stdout, done.stderr[-3000:])
    assert proxy.wait_log(method="GET", protocol="h2", status=200)
    assert not [line for line in proxy.log() if line["protocol"] == "http/1.1"]
