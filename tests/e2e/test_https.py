"""HTTPS proxy: TLS between the client and the proxy."""

import base64
import errno
import random
import select
import socket
import ssl
import subprocess
import threading

import pytest

from proxy import run_command
from secure import SecureSocket, Truncated
from test_clients import NODE, chromium, digest, run, trust
from tls import Authority
from wire import DEADLINE, Tunnel, connect_head, eventually, read_reply, read_to_end

NAME = "proxy.test"


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue(NAME, "127.0.0.1")


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Who signs for clients."""
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


def listening(certificate, more=None, **tls):
    files, key = certificate
    tls = {"certificates": [{"certificate": str(files), "key": str(key), **(more or {})}], **tls}
    return {"listeners": [{"address": "127.0.0.1:0", "tls": tls}]}


@pytest.fixture(scope="module")
def proxy(shared_penstock, certificate):
    return shared_penstock(listening(certificate))


def context_for(authority, **options):
    context = ssl.create_default_context(cafile=str(authority.ca))
    for key, value in options.items():
        setattr(context, key, value)
    return context


def secure(proxy, authority, name=NAME, **options):
    sock = SecureSocket(proxy.socket(), context_for(authority, **options), name)
    return sock


def tunnel(proxy, authority, target, **options):
    sock = secure(proxy, authority, **options)
    sock.sendall(connect_head(target))
    reply = read_reply(sock)
    assert reply.status == 200, reply
    return Tunnel(sock, reply)


def s_client(proxy, *options, stdin=b""):
    return run("openssl", "s_client", "-connect", "%s:%d" % proxy.address, *options, input=stdin)


# --- bytes

def test_a_mebibyte_goes_each_way_and_half_closes_are_carried(proxy, authority, listener):
    origin = listener()
    up, down = (random.Random(seed).randbytes(1 << 20) for seed in (1, 2))
    client = tunnel(proxy, authority, origin.authority)
    far = origin.accept()
    received = []
    reader = threading.Thread(target=lambda: received.append(read_to_end(far)))
    reader.start()
    client.send(up)
    client.end()  # close_notify: the origin sees a FIN, and may go on
    reader.join(DEADLINE)
    assert received == [(up, False)]
    sender = threading.Thread(target=lambda: (far.sendall(down), far.close()))
    sender.start()
    assert client.receive_to_end() == (down, False)
    sender.join(DEADLINE)
    line = proxy.wait_log(authority=origin.authority)[0]
    assert line["outcome"] == "closed" and line["protocol"] == "http/1.1"
    assert line["bytes_up"] == line["bytes_down"] == 1 << 20
    assert line["tls"]["version"] == "TLSv1.3" and line["tls"]["sni"] == NAME
    assert line["tls"]["resumed"] is False and "client_subject" not in line["tls"]


def test_an_origin_that_ends_first_is_a_close_notify(proxy, authority, listener):
    origin = listener()
    client = tunnel(proxy, authority, origin.authority)
    far = origin.accept()
    far.sendall(b"all of it")
    far.shutdown(socket.SHUT_WR)
    assert client.receive_to_end() == (b"all of it", False)
    client.send(b"still here")
    assert far.recv(100) == b"still here"


def test_a_fin_without_close_notify_is_a_cut(proxy, authority, listener):
    origin = listener()
    client = tunnel(proxy, authority, origin.authority)
    far = origin.accept()
    client.send(b"half of it")
    client.sock.sock.shutdown(socket.SHUT_WR)
    assert read_to_end(far) == (b"half of it", True)
    line = proxy.wait_log(authority=origin.authority)[0]
    assert (line["outcome"], line["error"], line["errno"]) == ("cut", "client_reset", errno.ENODATA)


def test_a_tunnel_that_is_cut_has_no_orderly_end(proxy, authority, listener):
    origin = listener()
    client = tunnel(proxy, authority, origin.authority)
    far = origin.accept()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    far.close()
    try:
        client.sock.recv(1)
        raise AssertionError("an end that looks orderly")
    except (ConnectionResetError, Truncated):
        pass


@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_a_client_that_does_not_read_holds_its_origin_back(penstock, certificate, authority,
                                                            listener):
    proxy = penstock(listening(certificate))
    origin = listener()
    clients = [tunnel(proxy, authority, origin.authority) for _ in range(10)]
    before = proxy.rss_anon_kib()
    for _ in clients:
        far = origin.accept()
        far.setblocking(False)
        sent = 0

        poll = select.poll()
        poll.register(far, select.POLLOUT)
        while poll.poll(300):  # nothing for so long: it is held back
            sent += far.send(b"x" * (1 << 16))
            assert sent < 64 << 20
    assert proxy.rss_anon_kib() - before < 10 * 300


@pytest.mark.release_only  # memory, of which a sanitizer takes more
def test_an_idle_tunnel_takes_less_than_20_kib(penstock, certificate, authority, echo):
    proxy = penstock({**listening(certificate), "workers": 1})
    held = [tunnel(proxy, authority, echo.authority) for _ in range(50)]
    before = proxy.rss_anon_kib()
    held += [tunnel(proxy, authority, echo.authority) for _ in range(250)]
    each = (proxy.rss_anon_kib() - before) / 250
    print(f"{each:.1f} KiB per idle tunnel")
    assert 0 < each < 20


@pytest.mark.parametrize("way", ["off", "auto"])
def test_it_is_said_who_encrypts_a_tunnel(penstock, certificate, authority, echo, way):
    proxy = penstock(listening(certificate, kernel=way))
    client = tunnel(proxy, authority, echo.authority)
    assert client.echoes()
    client.sock.close()
    line = proxy.wait_log()[0]
    by_kernel = line["tls"]["kernel"]
    assert not (by_kernel and way == "off")  # else it is this machine's kernel that decides
    counted = {path: proxy.metrics().total("penstock_tls_tunnels_total", path=path)
               for path in ("kernel", "user")}
    assert counted == {"kernel": int(by_kernel), "user": int(not by_kernel)}
    asked = "the kernel does not take over TLS_" in proxy.stderr()
    assert asked == (way == "auto" and not by_kernel)


def test_bytes_behind_the_request_are_delivered_first(proxy, authority, echo):
    sock = secure(proxy, authority)
    sock.sendall(connect_head(echo.authority) + b"early")
    client = Tunnel(sock, read_reply(sock))
    assert client.receive(5) == b"early" and client.echoes()


def test_a_refusal_is_told_in_private(proxy, authority):
    sock = secure(proxy, authority)
    sock.sendall(connect_head("forbidden.example:443"))
    assert read_reply(sock).status == 403


# --- real clients

NAMES = {"app.test": ["127.0.0.1"], "static.test": ["127.0.0.1"], NAME: ["127.0.0.1"]}


@pytest.fixture(scope="module")
def public(shared_penstock, certificate, names):
    """For clients that ask by name."""
    rule = {"name": "tests", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"]}
    return shared_penstock({**listening(certificate), "policy": {"rules": [rule]},
                            "dns": {"servers": [names.address]}})


def url_of(proxy):
    return "https://%s:%d" % proxy.address


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_fetches_https(site, public, authority, version):
    done = run("curl", "-sSf", version, "--proxy", url_of(public), "--proxy-cacert", authority.ca,
               "--cacert", site.ca, f"{site.url}/blob")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)
    assert public.wait_log(sni="app.test", status=200)[0]["tls"]["alpn"] == "http/1.1"


def test_curl_refuses_a_proxy_that_it_does_not_trust(public, clients):
    done = run("curl", "-sS", "--proxy", url_of(public), "--proxy-cacert", clients.ca,
               "https://app.test/")
    assert done.returncode == 60, done.stderr
    line = public.wait_log(error="certificate_distrusted")[0]
    assert line["side"] == "client" and line["status"] == 0 and line["outcome"] == "refused"


def test_node(site, public, authority):
    done = run("node", "-e", NODE, url_of(public), f"{site.url}/blob", authority.ca)
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr


def test_chromium_by_a_pac_file(site, public, tmp_path):
    (site.root / "page.html").write_text("<p id=x></p><script>x.textContent = 'lo' + 'aded'</script>")
    trust(tmp_path, site.ca)
    pac = 'function FindProxyForURL(url, host) { return "HTTPS %s:%d"; }' % public.address
    data = base64.b64encode(pac.encode()).decode()
    done = chromium(tmp_path, f"{site.url}/page.html",
                    f"--proxy-pac-url=data:application/x-ns-proxy-autoconfig;base64,{data}")
    assert b"loaded" in done.stdout, (done.stdout, done.stderr[-3000:])
    # Chromium takes HTTP/2 where it is offered.
    line = public.wait_log(authority=f"app.test:{site.port}", sni="app.test", status=200,
                           protocol="h2")[0]
    assert line["tls"]["alpn"] == "h2" and line["trunk"] != line["id"]


# --- those who are turned away

def test_plain_http_is_answered_in_plain_text(proxy, echo):
    reply = proxy.exchange(connect_head(echo.authority))
    assert reply.status == 400 and reply.word == "plain_http_on_tls_port"
    assert b"https://" in reply.rest
    proxy.wait_log(error="plain_http_on_tls_port", status=400)


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(proxy, version):
    done = s_client(proxy, version, "-cipher", "DEFAULT@SECLEVEL=0")
    assert b"alert protocol version" in done.stderr, done.stderr
    proxy.wait_log(error="tls_version")


def test_what_is_no_tls_is_refused(proxy):
    sock = proxy.socket()
    sock.sendall(b"\x05\x01\x00")
    raw, _ = read_to_end(sock)
    assert b"HTTP" not in raw
    proxy.wait_log(error="tls_failed")


def test_a_slow_handshake_ends_at_the_deadline(penstock, certificate, echo):
    proxy = penstock({**listening(certificate), "timeouts": {"head": "300ms", "drain": "1s"}})
    silent, slow = proxy.socket(), proxy.socket()
    slow.sendall(b"\x16\x03\x01\x02")
    for sock in (silent, slow):
        read_to_end(sock)
    assert len(proxy.wait_log(2, error="tls_timeout", outcome="refused")) == 2


def test_the_deadline_holds_for_the_request_behind_the_handshake(penstock, certificate, authority):
    proxy = penstock({**listening(certificate), "timeouts": {"head": "500ms", "drain": "1s"}})
    sock = secure(proxy, authority)
    sock.sendall(b"CONNECT a")
    assert read_reply(sock).status == 408


def test_where_there_is_no_seat_the_client_hears_an_alert(penstock, certificate, authority, echo):
    proxy = penstock({**listening(certificate), "limits": {"tunnels": 1}})
    first = tunnel(proxy, authority, echo.authority)
    done = s_client(proxy)
    assert b"alert internal error" in done.stderr, done.stderr
    assert proxy.wait_log(error="no_seat")[0]["outcome"] == "refused"
    assert first.echoes()


# --- names, tickets, staples

def test_the_certificate_is_the_one_that_is_asked_for(penstock, certificate, authority):
    other = authority.issue("other.test", "*.proxies.test")
    config = listening(certificate)
    config["listeners"][0]["tls"]["certificates"].append(
        {"certificate": str(other[0]), "key": str(other[1])})
    proxy = penstock(config)
    for name, shown in ((NAME, NAME), ("other.test", "other.test"), ("a.proxies.test", "other.test"),
                        ("unknown.test", NAME)):
        done = s_client(proxy, "-servername", name)
        assert f"subject=CN = {shown}\n".encode() in done.stdout, done.stdout


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_taken_up_again_by_any_worker_and_after_a_reload(penstock, certificate,
                                                                      authority, tmp_path, version):
    config = {**listening(certificate), "workers": 2}
    proxy = penstock(config)
    ticket = tmp_path / "ticket"
    # A ticket of TLS 1.3 comes behind the handshake: the answer to a request comes behind it.
    request = b"GET / HTTP/1.0\r\n\r\n"
    options = [version, "-CAfile", authority.ca, "-ign_eof"]
    done = s_client(proxy, *options, "-sess_out", ticket, stdin=request)
    assert b"\nNew, " in done.stdout and ticket.exists(), done.stdout

    def again():
        done = s_client(proxy, *options, "-sess_in", ticket, stdin=request)
        assert b"\nReused, " in done.stdout, done.stdout

    for _ in range(8):
        again()
    proxy.reload(config)
    again()
    assert proxy.metrics().total("penstock_tls_handshakes_total", result="done", resumed="true",
                                 version=f"TLSv{version[4:].replace('_', '.')}") == 9


def staple_for(authority, certificate, directory):
    """An OCSP response that says that it is good."""
    serial = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-serial"],
                            check=True, capture_output=True, text=True).stdout
    index = directory / "index.txt"
    index.write_text(f"V\t491231235959Z\t\t{serial.strip().partition('=')[2]}\tunknown\t/CN=x\n")
    staple = directory / "staple.der"
    subprocess.run(["openssl", "ocsp", "-index", index, "-CA", authority.ca, "-rsigner",
                    authority.ca, "-rkey", authority._key, "-issuer", authority.ca, "-cert",
                    certificate, "-ndays", "2", "-respout", staple],
                   check=True, capture_output=True)
    return staple


def test_an_ocsp_response_is_stapled(penstock, authority, tmp_path):
    certificate, key = authority.issue("stapled.test")
    chain = tmp_path / "chain.pem"
    chain.write_text(certificate.read_text() + authority.ca.read_text())
    staple = staple_for(authority, certificate, tmp_path)
    proxy = penstock(listening((chain, key), {"staple": str(staple)}))
    done = s_client(proxy, "-status", "-CAfile", authority.ca)
    assert b"OCSP Response Status: successful" in done.stdout, done.stdout
    assert b"Cert Status: good" in done.stdout


# --- client certificates

@pytest.fixture(scope="module")
def member(clients):
    return clients.issue("runner.test")


@pytest.fixture(scope="module")
def closed(shared_penstock, certificate, clients, names):
    rule = {"name": "tests", "allow": ["*.test:1-65535"], "addresses": ["127.0.0.0/8"]}
    return shared_penstock({**listening(certificate, client_certificates="required",
                                        client_ca=str(clients.ca)),
                            "policy": {"rules": [rule]}, "dns": {"servers": [names.address]}})


def test_curl_shows_its_certificate(site, closed, authority, clients):
    member = clients.issue("runner.test", usage="clientAuth")
    done = run("curl", "-sSf", "--proxy", url_of(closed), "--proxy-cacert", authority.ca,
               "--proxy-cert", member[0], "--proxy-key", member[1], "--cacert", site.ca,
               f"{site.url}/blob")
    assert done.returncode == 0 and digest(done.stdout) == digest(site.blob), done.stderr
    assert closed.wait_log(status=200)[0]["tls"]["client_subject"] == "CN=runner.test"


def test_a_client_without_a_certificate_is_refused(closed, authority):
    done = run("curl", "-sS", "--proxy", url_of(closed), "--proxy-cacert", authority.ca,
               "https://app.test/")
    assert done.returncode != 0
    closed.wait_log(error="certificate_missing")


def test_a_certificate_for_servers_is_none_for_clients(closed, authority, member):
    done = run("curl", "-sS", "--proxy", url_of(closed), "--proxy-cacert", authority.ca,
               "--proxy-cert", member[0], "--proxy-key", member[1], "https://app.test/")
    assert done.returncode != 0
    closed.wait_log(error="certificate_refused")


# --- reload and check

def test_a_reload_brings_a_new_certificate_and_drops_no_tunnel(penstock, certificate, authority,
                                                               echo):
    proxy = penstock(listening(certificate))
    before = tunnel(proxy, authority, echo.authority)
    proxy.reload(listening(authority.issue("renewed.test")))
    assert before.echoes()
    assert b"subject=CN = renewed.test" in s_client(proxy, "-servername", "renewed.test").stdout
    after = tunnel(proxy, authority, echo.authority, name="renewed.test")
    assert after.echoes() and before.echoes()


def test_a_reload_with_a_broken_certificate_changes_nothing(penstock, certificate, authority, echo,
                                                            tmp_path):
    proxy = penstock(listening(certificate))
    broken = tmp_path / "broken.pem"
    broken.write_text("not yet written\n")
    proxy.reload(listening((broken, certificate[1])), accepted=False)
    assert f"{broken} has no certificate in PEM form" in proxy.stderr()
    assert tunnel(proxy, authority, echo.authority).echoes()


def test_check_names_each_file_with_its_place(tmp_path, certificate, authority):
    other = authority.issue("third.test")
    file = tmp_path / "penstock.yaml"
    file.write_text(f"""listeners:
  - address: 127.0.0.1:3129
    tls:
      certificates:
        - certificate: /nowhere/proxy.pem
          key: /nowhere/proxy.key
        - certificate: {certificate[0]}
          key: {other[1]}
""")
    done = run_command("check", "--config", str(file))
    assert done.returncode == 2
    first, second, third, last = done.stderr.splitlines()
    assert first.startswith(f"{file}:5:24: listeners[0].tls.certificates[0].certificate: /nowhere/")
    assert second.startswith(f"{file}:6:16: listeners[0].tls.certificates[0].key: /nowhere/")
    assert third.startswith(f"{file}:7:24: ") and "does not belong to the key" in third
    assert last.endswith("3 faults")


def test_a_proxy_with_a_bad_key_does_not_start(tmp_path, certificate):
    file = tmp_path / "penstock.yaml"
    file.write_text(f"""listeners:
  - address: 127.0.0.1:0
    tls: {{certificates: [{{certificate: {certificate[0]}, key: /nowhere/proxy.key}}]}}
""")
    done = run_command("run", "--config", str(file))
    assert done.returncode == 1 and "/nowhere/proxy.key cannot be read" in done.stderr
