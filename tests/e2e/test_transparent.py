"""Transparent mode: clients that know of no proxy, whose connections netfilter brings to it."""

import contextlib

import pytest

import hello
from names import Names, table
from netns import NetNs, Sandbox
from origins import Echo, Listener
from wire import DEADLINE, parse_reply, read_exactly, read_to_end

V4, V6 = "203.0.113.9", "2001:db8::9"
ELSEWHERE = "203.0.113.66"
PORT = 3130

RECIPES = {
    "redirect": """
table inet penstock {
  chain clients {
    type nat hook prerouting priority dstnat;
    iifname "lan" meta l4proto tcp redirect to :3130
  }
}
""",
    "tproxy": """
table inet penstock {
  chain clients {
    type filter hook prerouting priority mangle;
    iifname "lan" meta l4proto tcp tproxy to :3130 meta mark set 1 accept
  }
}
"""}


class Network(Sandbox):
    """A sandbox with a client behind the gate, which knows of the gate as its router only."""

    def __init__(self, mode):
        super().__init__()
        self.client = NetNs(hosts=f"127.0.0.1 localhost\n{V4} app.test\n")
        self.gate.run("ip", "link", "add", "name", "lan", "type", "veth", "peer", "name", "home",
                      "netns", self.client.name)
        for ns, link, number in ((self.gate, "lan", 1), (self.client, "home", 2)):
            ns.run("ip", "addr", "add", f"10.8.0.{number}/24", "dev", link)
            ns.run("ip", "addr", "add", f"fd08::{number}/64", "dev", link, "nodad")
            ns.run("ip", "link", "set", link, "up")
        self.client.run("ip", "route", "add", "default", "via", "10.8.0.1")
        self.client.run("ip", "-6", "route", "add", "default", "via", "fd08::1")
        # IPv6 sockets bind to addresses of an interface only, whatever the routes say.
        self.world.run("ip", "addr", "add", f"{V6}/128", "dev", "lo", "nodad")
        self.gate.run("nft", "-f", "-", input=RECIPES[mode].encode())
        if mode == "tproxy":
            for family in ("-4", "-6"):
                self.gate.run("ip", family, "rule", "add", "fwmark", "1", "lookup", "100")
                self.gate.run("ip", family, "route", "add", "local", "default", "dev", "lo",
                              "table", "100")

    def delete(self):
        self.client.delete()
        super().delete()


@pytest.fixture(scope="module", params=["redirect", "tproxy"])
def network(request):
    net = Network(request.param)
    net.mode = request.param
    yield net
    net.delete()


@pytest.fixture(scope="module")
def world(network):
    with contextlib.ExitStack() as stack:
        names = Names(table({"app.test": [V4], "six.test": [V6], "inside.test": ["10.1.1.1"]}),
                      host=network.WORLD_V4, port=53, ns=network.world)
        stack.callback(names.close)
        echoes = {host: stack.enter_context(contextlib.closing(Echo(host, 7000, network.world)))
                  for host in (V4, V6, ELSEWHERE)}
        yield echoes


RULES = [{"name": "names", "allow": ["app.test:1-65535", "six.test:1-65535", "inside.test:1-65535"],
          "addresses": [V4, f"{V6}/128"]},
         {"name": "addresses", "allow": [f"{V4}:7001", f"{V4}:7002", f"[{V6}]:7001"]}]


@pytest.fixture(scope="module")
def proxies(network, world, shared_penstock):
    listeners = [{"address": f"{host}:{PORT}", "transparent": network.mode}
                 for host in ("0.0.0.0", "[::]")]
    return shared_penstock({"listeners": listeners, "policy": {"rules": RULES},
                            "timeouts": {"hello": "2s"}}, ns=network.gate)


def connect(network, host, port=7000):
    family = 10 if ":" in host else 2
    sock = network.client.socket(family)
    sock.settimeout(DEADLINE)
    sock.connect((host, port))
    return sock


def hello_for(name):
    return hello.records(hello.handshake(hello.server_name(name)))


def ends(sock):
    try:
        return read_to_end(sock)
    finally:
        sock.close()


@pytest.mark.parametrize("host, name", [(V4, "app.test"), (V6, "six.test")])
def test_a_tls_client_gets_to_the_name_in_its_hello(network, proxies, host, name):
    sock = connect(network, host)
    first = hello_for(name)
    sock.sendall(first)
    assert read_exactly(sock, len(first)) == first
    sock.close()
    line = proxies.wait_log(authority=f"{name}:7000", outcome="closed")[-1]
    assert line["protocol"] == "transparent" and line["rule"] == "names" and line["sni"] == name


def test_an_http_client_gets_to_its_host(network, proxies):
    sock = connect(network, V4)
    request = b"GET /index.html HTTP/1.1\r\nHost: App.test\r\n\r\n"
    sock.sendall(request)
    assert read_exactly(sock, len(request)) == request
    sock.close()
    proxies.wait_log(authority="app.test:7000", protocol="transparent")


def test_a_name_leads_to_its_own_address_and_to_no_other(network, proxies, world):
    before = world[ELSEWHERE].accepted
    sock = connect(network, ELSEWHERE)
    first = hello_for("app.test")
    sock.sendall(first)
    assert read_exactly(sock, len(first)) == first
    sock.close()
    assert world[ELSEWHERE].accepted == before
    line = proxies.wait_log(authority="app.test:7000", outcome="closed")[-1]
    assert line["route"] == f"{V4}:7000"


@pytest.mark.parametrize("name, word", [("forbidden.test", "name_denied"),
                                        ("inside.test", "address_denied")])
def test_a_refused_name_gets_an_alert(network, proxies, name, word):
    sock = connect(network, V4)
    sock.sendall(hello_for(name))
    assert ends(sock)[0] == b"\x15\x03\x03\x00\x02\x02\x31"
    proxies.wait_log(error=word, authority=f"{name}:7000", protocol="transparent")


def test_a_refused_host_gets_a_reply(network, proxies):
    sock = connect(network, V4)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: forbidden.test\r\n\r\n")
    assert parse_reply(ends(sock)[0]).status == 403


@pytest.mark.parametrize("head, word", [
    (b"GET / HTTP/1.1\r\nHost: app.test\r\nHost: forbidden.test\r\n\r\n", "duplicate_host"),
    (b"GET / HTTP/1.1\r\nHost: app.test:80\r\n\r\n", "host_mismatch"),
    (b"GET http://forbidden.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n", "target_form"),
    (b"CONNECT app.test:7000 HTTP/1.1\r\nHost: app.test:7000\r\n\r\n", "target_form")])
def test_what_names_two_hosts_is_refused(network, proxies, head, word):
    sock = connect(network, V4)
    sock.sendall(head)
    assert parse_reply(ends(sock)[0]).word == word


def test_without_a_name_the_address_decides(network, proxies):
    with contextlib.closing(Echo(V4, 7001, network.world)):
        sock = connect(network, V4, 7001)
        sock.sendall(b"\0 no protocol at all")
        assert read_exactly(sock, 20) == b"\0 no protocol at all"
        sock.close()
        proxies.wait_log(authority=f"{V4}:7001", rule="addresses")
    sock = connect(network, V4)
    sock.sendall(b"\0 no protocol at all")
    with contextlib.suppress(ConnectionError):
        assert ends(sock)[0] == b""
    proxies.wait_log(authority=f"{V4}:7000", error="name_denied")


def test_a_server_may_speak_first(network, proxies):
    with contextlib.closing(Listener(V4, 7002, network.world)) as origin:
        sock = connect(network, V4, 7002)
        origin.accept().sendall(b"220 hello")
        assert read_exactly(sock, 9) == b"220 hello"
        sock.close()


def test_the_listener_itself_is_no_destination(network, proxies):
    for host in ("10.8.0.1", network.GATE_V4):
        sock = network.client.socket()
        sock.settimeout(DEADLINE)
        with contextlib.suppress(ConnectionError):
            sock.connect((host, PORT))
            sock.sendall(hello_for("app.test"))
            ends(sock)
    proxies.wait_log(count=2, error="loop", outcome="refused")


def test_tproxy_without_the_right_says_what_it_needs(sandbox, tmp_path):
    from proxy import BINARY  # noqa: PLC0415
    config = tmp_path / "tproxy.yaml"
    config.write_text("listeners: [{address: 127.0.0.1:0, transparent: tproxy}]\n")
    done = sandbox.gate.run("setpriv", "--bounding-set", "-net_admin,-net_raw",
                            "--inh-caps", "-net_admin,-net_raw",
                            str(BINARY), "run", "--config", str(config), check=False,
                            capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"CAP_NET_ADMIN" in done.stderr, done.stderr
