"""The PROXY protocol in front of a tunnel: read from those who may say it, sent to those who ask."""

import contextlib
import ipaddress
import socket
import struct

import pytest

import socks
from programs import both, free_port
from secure import SecureSocket
from test_clients import run
from test_https import context_for
from wire import connect_head, eventually, parse_reply, read_exactly, read_reply, read_to_end

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTED = [{"address": "127.0.0.1:0", "protocols": ["http", "socks5"],
            "proxy_protocol": {"from": ["127.0.0.1"]}}]


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def value(kind, data):
    return struct.pack(">BH", kind, len(data)) + data


def version1(source, port=4242):
    family = "TCP6" if ":" in source else "TCP4"
    destination = "2001:db8::2" if ":" in source else "198.51.100.2"
    return f"PROXY {family} {source} {destination} {port} 443\r\n".encode()


def version2(source, port=4242, values=b"", command=0x21, checksum=True):
    address = ipaddress.ip_address(source)
    body = address.packed + address.packed + struct.pack(">HH", port, 443) + values
    if checksum:
        body += value(3, bytes(4))
    family = 0x11 if address.version == 4 else 0x21
    header = SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body
    return header[:-4] + struct.pack(">I", crc32c(header)) if checksum else header


def read_header(conn):
    """What the proxy says of its client: (version, source, port, values)."""
    start = read_exactly(conn, 6)
    if start == b"PROXY ":
        line = b""
        while not line.endswith(b"\r\n"):
            line += read_exactly(conn, 1)
        family, source, _, port, _ = line.decode().split()
        assert family == ("TCP6" if ":" in source else "TCP4")
        return 1, source, int(port), {}
    head = start + read_exactly(conn, 10)
    assert head.startswith(SIGNATURE) and head[12] == 0x21
    rest = read_exactly(conn, struct.unpack(">H", head[14:16])[0])
    size = 4 if head[13] == 0x11 else 16
    source = str(ipaddress.ip_address(rest[:size]))
    (port,) = struct.unpack(">H", rest[2 * size:2 * size + 2])
    values, at = {}, 2 * size + 4
    while at < len(rest):
        kind, length = struct.unpack(">BH", rest[at:at + 3])
        values[kind] = rest[at + 3:at + 3 + length]
        at += 3 + length
    whole = head + rest
    assert values[3] == struct.pack(">I", crc32c(whole[:-4] + bytes(4)))
    return 2, source, port, values


# In.

def announced(proxy, header, target):
    sock = proxy.socket()
    sock.sendall(header + connect_head(target))
    return sock, read_reply(sock)


@pytest.mark.parametrize("header", [
    version1("192.0.2.7"), version2("192.0.2.7"), version2("192.0.2.7", checksum=False),
    version1("::ffff:192.0.2.7"), version2("::ffff:192.0.2.7")],
    ids=["v1", "v2", "v2 without checksum", "v1 in v6", "v2 in v6"])
def test_the_announced_client_is_who_asks(penstock, echo, header):
    rule = {"name": "seven", "clients": ["192.0.2.7"], "allow": ["127.0.0.1:1-65535"]}
    proxy = penstock({"listeners": TRUSTED, "policy": {"rules": [rule]}})
    sock, reply = announced(proxy, header, echo.authority)
    assert reply.status == 200
    sock.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"
    peer = "%s:%d" % sock.getsockname()
    sock.close()
    line = proxy.wait_log(client="192.0.2.7:4242", rule="seven", outcome="closed")[0]
    assert line["peer"] == peer
    _, reply = announced(proxy, version1("192.0.2.8"), echo.authority)
    assert reply.status == 403


def test_a_quota_is_of_the_announced_client(penstock, echo):
    proxy = penstock({"listeners": TRUSTED, "quotas": [{"name": "one", "tunnels": 1}]})
    held = []
    for client, status in (("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)):
        sock, reply = announced(proxy, version2(client), echo.authority)
        assert reply.status == status
        held.append(sock)


def test_what_else_it_says_is_in_the_log(penstock, echo):
    proxy = penstock({"listeners": TRUSTED})
    tls = b"\x07" + bytes(4) + value(0x21, b"TLSv1.3") + value(0x22, b"ci.example")
    header = version2("192.0.2.7", values=value(1, b"h2") + value(2, b"gate.example")
                      + value(5, b"id\x01") + value(0x20, tls))
    sock, reply = announced(proxy, header, echo.authority)
    assert reply.status == 200
    sock.close()
    line = proxy.wait_log(client="192.0.2.7:4242")[0]
    assert line["announced"] == {"authority": "gate.example", "alpn": "h2", "unique_id": "id\x01",
                                 "tls_version": "TLSv1.3", "tls_name": "ci.example"}


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", version2("192.0.2.7", command=0x20)],
                         ids=["v1", "v2"])
def test_a_sender_that_speaks_for_itself_is_the_client(penstock, echo, header):
    proxy = penstock({"listeners": TRUSTED})
    sock, reply = announced(proxy, header, echo.authority)
    assert reply.status == 200
    peer = "%s:%d" % sock.getsockname()
    sock.close()
    assert proxy.wait_log(client=peer)[0]["peer"] == peer


def test_socks_may_follow_a_header(penstock, echo):
    proxy = penstock({"listeners": TRUSTED})
    sock = proxy.socket()
    sock.sendall(version2("192.0.2.7") + socks.GREETING)
    assert read_exactly(sock, 2) == b"\x05\x00"
    sock.sendall(socks.request("127.0.0.1", echo.port) + b"early")
    assert read_exactly(sock, 15) == b"\x05\x00\x00\x01" + bytes(6) + b"early"


def test_a_header_may_come_byte_by_byte(penstock, echo):
    proxy = penstock({"listeners": TRUSTED})
    sock = proxy.socket()
    for byte in version2("192.0.2.7") + connect_head(echo.authority):
        sock.sendall(bytes([byte]))
    assert read_reply(sock).status == 200


@pytest.mark.parametrize("first, word", [
    (connect_head("127.0.0.1:1"), "no_proxy_header"),
    (b"PROXY TCP4 192.0.2.7 198.51.100.2 1\r\n", "bad_proxy_header"),
    (version2("192.0.2.7")[:-1] + b"!", "bad_proxy_header"),
    (SIGNATURE + b"\x21\x11\xff\xff", "bad_proxy_header"),
    (SIGNATURE + b"\x31", "bad_proxy_header")])
def test_a_trusted_sender_must_send_a_whole_header(penstock, first, word):
    proxy = penstock({"listeners": TRUSTED})
    sock = proxy.socket()
    sock.sendall(first)
    reply = parse_reply(read_to_end(sock)[0])
    assert reply.status == 400 and reply.word == word
    proxy.wait_log(error=word)


def test_an_untrusted_sender_gets_nothing(penstock, echo):
    listener = {"address": "127.0.0.1:0", "proxy_protocol": {"from": ["10.0.0.0/8", "127.0.0.2"]}}
    proxy = penstock({"listeners": [listener]})
    for first in (version1("192.0.2.7"), b""):
        # The reset may be there before the client knows that it is connected.
        with contextlib.suppress(ConnectionError):
            sock = proxy.socket()
            sock.sendall(first + connect_head(echo.authority))
            assert sock.recv(1) == b""
    lines = proxy.wait_log(count=2, error="untrusted_sender")
    assert all(line["client"].startswith("127.0.0.1:") and "peer" not in line for line in lines)
    sock = proxy.socket(source="127.0.0.2")
    sock.sendall(version1("192.0.2.7") + connect_head(echo.authority))
    assert read_reply(sock).status == 200


def test_a_header_is_no_request_where_nobody_may_send_one(penstock):
    proxy = penstock()
    sock = proxy.socket()
    sock.sendall(version1("192.0.2.7") + connect_head("127.0.0.1:1"))
    assert parse_reply(read_to_end(sock)[0]).status == 400
    line = proxy.wait_log(outcome="refused")[0]
    assert not line["client"].startswith("192.0.2.7")


def test_a_sender_that_is_silent_has_the_time_of_a_head(penstock):
    proxy = penstock({"listeners": TRUSTED, "timeouts": {"head": "300ms"}})
    sock = proxy.socket()
    sock.sendall(SIGNATURE)
    assert parse_reply(read_to_end(sock)[0]).word == "head_timeout"


# Out.

def announcing(version, **more):
    return {"policy": {"rules": [{"name": "told", "allow": ["127.0.0.1:1-65535", "*.localhost:1-65535"],
                                  "addresses": ["127.0.0.0/8"], "proxy_protocol": version}]}, **more}


def test_an_origin_is_told_by_v1(penstock, listener):
    proxy, origin = penstock(announcing("v1")), listener()
    tunnel = proxy.tunnel(origin.authority, early=b"early")
    conn = origin.accept()
    assert read_header(conn) == (1, *tunnel.sock.getsockname(), {})
    assert read_exactly(conn, 5) == b"early"


def test_an_origin_is_told_by_v2_with_name_and_id(penstock, listener):
    proxy, origin = penstock(announcing("v2")), listener()
    tunnel = proxy.tunnel(f"app.localhost:{origin.port}")
    conn = origin.accept()
    version, source, port, values = read_header(conn)
    assert (version, (source, port)) == (2, tunnel.sock.getsockname())
    assert values[2] == b"app.localhost"
    tunnel.close()
    conn.close()
    line = proxy.wait_log(rule="told")[0]
    assert values[5] == line["id"].encode() and line["bytes_up"] == 0


def test_an_announced_client_is_passed_on(penstock, listener):
    proxy, origin = penstock(announcing("v2", listeners=TRUSTED)), listener()
    _, reply = announced(proxy, version1("2001:db8::7", 77), origin.authority)
    assert reply.status == 200
    assert read_header(origin.accept())[:3] == (2, "2001:db8::7", 77)


def test_nobody_else_is_told(penstock, listener):
    proxy, origin = penstock(), listener()
    tunnel = proxy.tunnel(origin.authority)
    conn = origin.accept()
    tunnel.sock.sendall(b"first")
    assert read_exactly(conn, 5) == b"first"


def test_spares_are_not_for_those_who_are_told(penstock, listener):
    origin = listener()
    rules = [{"name": "told", "clients": ["127.0.0.2"], "allow": [origin.authority],
              "proxy_protocol": "v2"}, {"name": "not told", "allow": [origin.authority]}]
    proxy = penstock({"workers": 1, "policy": {"rules": rules}, "timeouts": {"half_closed": "200ms"},
                      "dial": {"spares": {"destinations": [origin.authority], "each": 1,
                                          "age": "1m"}}})
    proxy.tunnel(origin.authority)
    eventually(lambda: origin.accepts() == 2, "a spare behind the first tunnel")
    told = proxy.tunnel(origin.authority, source="127.0.0.2")
    eventually(lambda: origin.accepts() == 3, "a connection of its own")
    assert read_header(origin.accepted[2])[1:3] == told.sock.getsockname()
    proxy.tunnel(origin.authority).close()
    proxy.wait_log(rule="not told", spare=True)
    assert origin.accepts() >= 3


def test_a_reload_that_promises_a_header_ends_tunnels_without_one(penstock, listener):
    proxy, origin = penstock(), listener()
    tunnel = proxy.tunnel(origin.authority)
    proxy.reload(announcing("v2"))
    proxy.wait_log(error="policy_changed")
    tunnel.close()


# With TLS: the header comes in front of the ClientHello.

@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("proxy.test", "127.0.0.1")


def trusted_and_secure(certificate):
    files, key = certificate
    return [{"address": "127.0.0.1:0", "proxy_protocol": {"from": ["127.0.0.1"]},
             "tls": {"certificates": [{"certificate": str(files), "key": str(key)}]}}]


class Piecewise:
    """A socket whose first words leave in pieces, behind a header."""

    def __init__(self, sock, header, cut):
        self._sock, self._header, self._cut = sock, header, cut

    def sendall(self, data):
        if self._header is None:
            return self._sock.sendall(data)
        whole, self._header = self._header + data, None
        sizes = {"together": [len(whole)], "in half": [len(whole) // 2], "bytewise": []}[self._cut]
        for size in sizes or [1] * len(whole):
            self._sock.sendall(whole[:size])
            whole = whole[size:]
        return self._sock.sendall(whole)

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize("cut", ["together", "in half", "bytewise"])
@pytest.mark.parametrize("version", [version1, version2], ids=["v1", "v2"])
def test_tls_may_follow_a_header(penstock, certificate, authority, echo, version, cut):
    proxy = penstock({"listeners": trusted_and_secure(certificate)})
    sock = proxy.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire = Piecewise(sock, version("192.0.2.7"), cut)
    secure = SecureSocket(wire, context_for(authority), "proxy.test")
    secure.sendall(connect_head(echo.authority) + b"early")
    assert read_reply(secure).status == 200
    assert read_exactly(secure, 5) == b"early"
    secure.close()
    line = proxy.wait_log(client="192.0.2.7:4242")[0]
    assert line["tls"]["sni"] == "proxy.test" and line["peer"].startswith("127.0.0.1:")


@pytest.mark.parametrize("first, word", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), "no_proxy_header"),
    (version1("192.0.2.7") + b"\x05\x01\x00", "tls_failed"),
    (version1("192.0.2.7") + connect_head("127.0.0.1:1"), "plain_http_on_tls_port")])
def test_what_follows_a_header_must_be_tls(penstock, certificate, first, word):
    proxy = penstock({"listeners": trusted_and_secure(certificate)})
    sock = proxy.socket()
    sock.sendall(first)
    said = read_to_end(sock)[0]
    assert proxy.wait_log(error=word)
    if word == "plain_http_on_tls_port":
        assert parse_reply(said).word == word


def test_h2_may_follow_a_header_and_tls(penstock, certificate, authority):
    proxy = penstock({"listeners": trusted_and_secure(certificate)})
    context = context_for(authority)
    context.set_alpn_protocols(["h2"])
    wire = Piecewise(proxy.socket(), version2("192.0.2.7"), "together")
    secure = SecureSocket(wire, context, "proxy.test")
    assert secure.tls.selected_alpn_protocol() == "h2"
    secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
    assert read_exactly(secure, 9)[3] == 4  # SETTINGS
    secure.close()
    assert proxy.wait_log(client="192.0.2.7:4242", protocol="h2")


# With parents: they are told before they are asked.

def to_parent(version, url, **more):
    return {"policy": {"rules": [{"name": "told", "allow": ["*:443", "127.0.0.0/8:1-65535"],
                                  "via": [url], "proxy_protocol": version}]}, **more}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_parent_is_told_before_it_is_asked(penstock, listener, version):
    parent = listener()
    proxy = penstock(to_parent(version, f"http://{parent.authority}"))
    sock = proxy.socket()
    sock.sendall(connect_head("app.test:443"))
    conn = parent.accept()
    said = read_header(conn)
    assert said[:3] == (int(version[1]), *sock.getsockname())
    if version == "v2":
        assert said[3][2] == b"app.test"
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(conn, 1)
    assert head.startswith(b"CONNECT app.test:443 ")
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    assert read_reply(sock).status == 200
    # And not once more in front of the tunnel.
    sock.sendall(b"first")
    assert read_exactly(conn, 5) == b"first"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_penstock_above_knows_the_client_of_one_below(penstock, certificate, authority, echo,
                                                       scheme):
    listeners = trusted_and_secure(certificate) if scheme == "https" else TRUSTED
    above = penstock({"listeners": listeners})
    url = f"{scheme}://%s:%d" % above.address
    below = penstock(to_parent("v2", url, parents={"ca": str(authority.ca)},
                               listeners=[{**TRUSTED[0]}]))
    sock, reply = announced(below, version2("192.0.2.7"), echo.authority)
    assert reply.status == 200
    sock.sendall(b"through both")
    assert read_exactly(sock, 12) == b"through both"
    sock.close()
    line = above.wait_log(client="192.0.2.7:4242", outcome="closed")[0]
    seen = below.wait_log(client="192.0.2.7:4242", outcome="closed")[0]
    assert line["announced"]["unique_id"] == seen["id"]


# By programs that people use.

def test_curl_sends_a_header(penstock):
    proxy = penstock({"listeners": TRUSTED})
    # Straight to the proxy: by a proxy, curl announces itself to the origin.
    run("curl", "-sS", "--haproxy-protocol", "http://%s:%d/" % proxy.address)
    line = proxy.wait_log(outcome="refused")[0]
    assert line["peer"] == line["client"]


def carry_through(port, echo):
    """A tunnel to the echo by a port of the machine's: the address of its client."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        client = "%s:%d" % sock.getsockname()
        sock.sendall(connect_head(echo.authority))
        assert read_reply(sock).status == 200
        sock.sendall(b"through both")
        assert read_exactly(sock, 12) == b"through both"
    return client


GATE = """
listen gate
  bind 127.0.0.1:@PORT@
  server penstock {}:{} {}
"""


@pytest.mark.parametrize("send", [
    "send-proxy", "send-proxy-v2",
    "send-proxy-v2 proxy-v2-options unique-id,crc32c,authority"], ids=["v1", "v2", "options"])
def test_haproxy_in_front(penstock, programs, echo, send):
    proxy = penstock({"listeners": TRUSTED})
    port = programs.haproxy(GATE.format(*proxy.address, send))
    client = carry_through(port, echo)
    line = proxy.wait_log(client=client, outcome="closed")[0]
    assert line["peer"] != client


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_haproxy_in_front_of_a_tls_listener(penstock, programs, certificate, authority, echo, send):
    """It announces its client, then speaks TLS itself."""
    proxy = penstock({"listeners": trusted_and_secure(certificate)})
    port = programs.haproxy(GATE.format(
        *proxy.address, f"{send} ssl ca-file {authority.ca} verify required sni str(proxy.test)"))
    client = carry_through(port, echo)
    line = proxy.wait_log(client=client)[0]
    assert line["peer"] != client and line["tls"]["sni"] == "proxy.test"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_haproxy_before_the_parent(penstock, programs, certificate, authority, echo, version,
                                   scheme):
    """accept-proxy, and on to a penstock that it announces the same client to."""
    above = penstock({"listeners": TRUSTED})
    secure = f"ssl crt {programs.write('pair.pem', both(certificate))}" if scheme == "https" else ""
    port = programs.haproxy(f"""
listen gate
  bind 127.0.0.1:@PORT@ accept-proxy {secure}
  server penstock {above.address[0]}:{above.address[1]} send-proxy-v2
""")
    below = penstock(to_parent(version, f"{scheme}://127.0.0.1:{port}",
                               parents={"ca": str(authority.ca)}))
    tunnel = below.tunnel(echo.authority)
    client = "%s:%d" % tunnel.sock.getsockname()
    assert tunnel.echoes()
    tunnel.close()
    assert above.wait_log(client=client, authority=echo.authority)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_behind(penstock, programs, version):
    port = programs.haproxy("""
frontend origin
  mode http
  bind 127.0.0.1:@PORT@ accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
""")
    proxy = penstock(announcing(version))
    tunnel = proxy.tunnel(f"127.0.0.1:{port}")
    tunnel.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    body = read_to_end(tunnel.sock)[0]
    assert body.endswith(b"%s:%d" % (tunnel.sock.getsockname()[0].encode(),
                                     tunnel.sock.getsockname()[1])), body


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_behind(penstock, programs, tmp_path, version):
    port = free_port()
    scratch = "".join(f"{kind}_temp_path {tmp_path};" for kind in
                      ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(f"""
daemon off;
user root;
pid {tmp_path}/nginx.pid;
error_log {tmp_path}/error.log;
events {{ worker_connections 64; }}
http {{
  {scratch}
  access_log off;
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }}
  }}
}}
""")
    proxy = penstock(announcing(version))
    programs.start(["nginx", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"], port)
    tunnel = proxy.tunnel(f"127.0.0.1:{port}")
    tunnel.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    body = read_to_end(tunnel.sock)[0]
    assert body.endswith(b"%s:%d" % (tunnel.sock.getsockname()[0].encode(),
                                     tunnel.sock.getsockname()[1])), body
