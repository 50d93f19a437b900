"""SOCKS5: the same steps and the same policy as CONNECT, in other words."""

import shutil
import subprocess

import pytest

import socks
from origins import closed_port
from test_clients import digest, load_page_in_chromium, run
from wire import connect_head, eventually, parse_reply, read_exactly, read_to_end

NAMES = {"app.test": ["127.0.0.1"], "static.test": ["127.0.0.1"], "inside.test": ["10.1.1.1"],
         "broken.test": "SERVFAIL"}
BOTH = [{"address": "127.0.0.1:0", "protocols": ["http", "socks5"]}]


@pytest.fixture(scope="module")
def proxy(shared_penstock, names):
    rules = [{"name": "tests", "allow": ["*.test:1-65535", "127.0.0.1:1-65535", "[::1]:1-65535"],
              "addresses": ["127.0.0.0/8", "::1/128"]}]
    return shared_penstock({"listeners": BOTH, "policy": {"rules": rules},
                            "dns": {"servers": [names.address]}})


@pytest.fixture(scope="module")
def at(proxy):
    return "%s:%d" % proxy.address


# By hand.

@pytest.mark.parametrize("host", ["127.0.0.1", "app.test", "APP.test."])
def test_a_tunnel_carries_what_was_sent_early_and_late(proxy, echo, host):
    sock, code = socks.ask(proxy, host, echo.port, early=b"early ")
    assert code == 0
    assert read_exactly(sock, 6) == b"early "
    sock.sendall(b"late")
    assert read_exactly(sock, 4) == b"late"
    sock.close()
    name = host.lower().rstrip(".")
    line = proxy.wait_log(protocol="socks5", authority=f"{name}:{echo.port}", outcome="closed")[-1]
    assert line["method"] == "CONNECT" and line["status"] == 200 and line["rule"] == "tests"
    assert line["bytes_up"] == line["bytes_down"] == 10


def test_everything_may_come_in_one_piece_and_byte_by_byte(proxy, echo):
    whole = socks.GREETING + socks.request("127.0.0.1", echo.port) + b"ping"
    answer = b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"ping"
    sock = proxy.socket()
    sock.sendall(whole)
    assert read_exactly(sock, len(answer)) == answer
    sock = proxy.socket()
    for byte in whole:
        sock.sendall(bytes([byte]))
    assert read_exactly(sock, len(answer)) == answer


def test_ipv6_is_reached(proxy, listener):
    origin = listener("::1")
    _, code = socks.ask(proxy, "::1", origin.port)
    assert code == 0
    origin.accept()


def test_http_and_socks_share_a_port(proxy, echo):
    tunnel = proxy.tunnel(echo.authority)
    sock, code = socks.ask(proxy, "127.0.0.1", echo.port)
    assert code == 0
    sock.close()
    tunnel.close()
    eventually(lambda: proxy.metrics().total("penstock_protocol_connections_total",
                                             protocol="socks5") > 0
               and proxy.metrics().total("penstock_protocol_connections_total",
                                         protocol="http/1.1") > 0, "both are counted")


@pytest.mark.parametrize("host, port, code, word", [
    ("forbidden.example", 443, 2, "name_denied"),
    ("192.0.2.1", 443, 2, "name_denied"),
    ("inside.test", 443, 2, "address_denied"),
    ("::ffff:127.0.0.1", 443, 2, "name_denied"),
    ("missing.test", 443, 4, "no_such_name"),
    ("broken.test", 443, 4, "dns_failed"),
    ("0x7f.1", 443, 1, "numeric_host"),
    ("app.test\0.good.test", 443, 1, "bad_host_name"),
    ("127.0.0.1", 0, 1, "bad_port"),
])
def test_a_refusal_is_a_reply_code(proxy, host, port, code, word):
    before = len(proxy.log())
    sock, got = socks.ask(proxy, host, port)
    assert got == code
    assert read_to_end(sock) == (b"", False)
    sock.close()
    line = eventually(lambda: [line for line in proxy.log()[before:] if line["error"] == word],
                      word)[0]
    assert line["protocol"] == "socks5" and line["method"] == "CONNECT"


def test_an_origin_that_refuses_is_reply_5(proxy):
    held, port = closed_port()
    with held:
        _, code = socks.ask(proxy, "127.0.0.1", port)
    assert code == 5


def test_the_proxy_itself_is_no_destination(proxy):
    _, code = socks.ask(proxy, *proxy.address)
    assert code == 2
    proxy.wait_log(error="loop", protocol="socks5")


@pytest.mark.parametrize("command, word", [(2, "BIND"), (3, "UDP-ASSOCIATE")])
def test_bind_and_udp_are_refused_by_name(proxy, command, word):
    _, code = socks.ask(proxy, "127.0.0.1", 443, command=command)
    assert code == 7
    proxy.wait_log(error="socks_command", method=word, authority="127.0.0.1:443")


def test_a_client_that_only_takes_a_password_is_told_so(proxy):
    sock = proxy.socket()
    sock.sendall(b"\x05\x01\x02")
    assert read_to_end(sock) == (b"\x05\xff", False)
    proxy.wait_log(error="socks_method", protocol="socks5")


def test_socks4_is_refused_in_its_own_words(proxy):
    sock = proxy.socket()
    sock.sendall(b"\x04\x01\x01\xbb\x7f\0\0\x01user\0")
    assert read_to_end(sock) == (b"\x00\x5b" + bytes(6), False)
    line = proxy.wait_log(error="socks4")[-1]
    assert "user" not in str(line)


def test_a_listener_speaks_http_only_unless_it_says_more(penstock, echo):
    proxy = penstock()
    for first, answer in ((socks.GREETING, b"\x05\xff"), (b"\x04\x01", b"\x00\x5b" + bytes(6))):
        sock = proxy.socket()
        sock.sendall(first)
        assert read_to_end(sock) == (answer, False)
    proxy.wait_log(count=2, error="socks_not_spoken")
    proxy.tunnel(echo.authority).close()


def test_a_listener_may_speak_socks_only(penstock, echo):
    proxy = penstock({"listeners": [{"address": "127.0.0.1:0", "protocols": ["socks5"]}]})
    sock = proxy.socket()
    sock.sendall(connect_head(echo.authority))
    reply = parse_reply(read_to_end(sock)[0])
    assert reply.status == 400 and reply.word == "http_not_spoken"
    _, code = socks.ask(proxy, "127.0.0.1", echo.port)
    assert code == 0


def test_a_silent_client_has_the_time_of_a_head(penstock):
    proxy = penstock({"listeners": BOTH, "timeouts": {"head": "300ms"}})
    sock = proxy.socket()
    sock.sendall(socks.GREETING)
    assert read_exactly(sock, 2) == b"\x05\x00"
    assert read_to_end(sock)[0] == b"\x05\x01\x00\x01" + bytes(6)
    proxy.wait_log(error="head_timeout", protocol="socks5")


def test_without_a_configuration_socks_is_spoken_on_loopback(penstock, tmp_path):
    proxy = penstock(arguments=["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
                     stdout=open(tmp_path / "log", "wb"))
    _, code = socks.ask(proxy, "127.0.0.1", 443)
    assert code == 2


# By programs that people use.

@pytest.mark.parametrize("option", [["-x", "socks5h://@PROXY@"], ["--socks5-hostname", "@PROXY@"]],
                         ids=["scheme", "option"])
def test_curl_fetches_https(site, at, option):
    option = [part.replace("@PROXY@", at) for part in option]
    done = run("curl", "-sSf", *option, "--cacert", site.ca, f"{site.url}/blob")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)


def test_a_name_that_curl_looked_up_itself_is_an_address_to_the_policy(site, at, proxy):
    # socks5:// without the h: the proxy hears an address, and then a ClientHello for some name.
    done = run("curl", "-sSf", "--socks5", at, "--cacert", site.ca, "--resolve",
               f"app.test:{site.port}:127.0.0.1", f"{site.url}/blob")
    assert done.returncode != 0
    proxy.wait_log(protocol="socks5", authority=f"127.0.0.1:{site.port}", sni="app.test",
                   error="sni_mismatch")


def test_curl_reads_a_refusal(at):
    done = run("curl", "-sS", "-x", f"socks5h://{at}", "https://forbidden.example/")
    assert done.returncode == 97 and b"(2)" in done.stderr, done.stderr


@pytest.mark.parametrize("command", [
    ["nc.openbsd", "-N", "-X", "5", "-x", "@PROXY@", "127.0.0.1", "@PORT@"],
    ["ncat", "--proxy-type", "socks5", "--proxy", "@PROXY@", "127.0.0.1", "@PORT@"],
], ids=["netcat", "ncat"])
def test_netcat(at, echo, command):
    command = [part.replace("@PROXY@", at).replace("@PORT@", str(echo.port)) for part in command]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdin.write(b"through a pipe\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"through a pipe\n"
        client.stdin.close()
        client.wait(60)


def test_proxychains(site, at, proxy, tmp_path):
    host, port = proxy.address
    (tmp_path / "chains").write_text("strict_chain\nproxy_dns\nremote_dns_subnet 224\n"
                                     f"[ProxyList]\nsocks5 {host} {port}\n")
    done = run(shutil.which("proxychains4"), "-q", "-f", tmp_path / "chains", "curl", "-sSf",
               "--cacert", site.ca, f"{site.url}/blob")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)
    proxy.wait_log(protocol="socks5", authority=f"app.test:{site.port}", outcome="closed")


def test_git_reads_a_repository(site, at, tmp_path):
    me = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@app.test", "GIT_COMMITTER_NAME": "t",
          "GIT_COMMITTER_EMAIL": "t@app.test", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    work, bare = tmp_path / "work", site.root / "socks.git"
    for arguments in (["init", "-q", "-b", "main", work],
                      ["-C", work, "commit", "-q", "--allow-empty", "-m", "one"],
                      ["clone", "-q", "--bare", work, bare], ["-C", bare, "update-server-info"],
                      ["-c", f"http.proxy=socks5h://{at}", "-c", f"http.sslCAInfo={site.ca}",
                       "clone", "-q", f"{site.url}/socks.git", tmp_path / "clone"]):
        done = run("git", *arguments, env=me)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone/.git/HEAD").exists()


def test_chromium(site, at, proxy, tmp_path):
    load_page_in_chromium(site, f"socks5://{at}", tmp_path)
    proxy.wait_log(authority=f"static.test:{site.port}", protocol="socks5", sni="static.test")
