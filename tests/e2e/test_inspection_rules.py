"""What `check` and `explain` say of rules that inspect, and the fingerprint of TLS clients in the log."""

import contextlib
import hashlib
import json
import ssl

import pytest

import hello
from origins import Listener
from proxy import run_command

RULES = """
listeners: [{{address: 127.0.0.1:3128}}]
inspection: {{ca: /etc/penstock/ca.pem, key: /etc/penstock/ca.key}}
policy:
  mode: {mode}
  rules:
    - name: api
      allow: ["127.0.0.1:443", "127.0.0.2:443"]
      inspect:
        except: [127.0.0.2]
        origin_faults: mimic
        on_pinned: {{tunnel_after: 3}}
        set_headers: {{Authorization: {{file: {token}}}}}
        remove_headers: [Cookie]
        http:
          allow:
            - {{methods: [GET], paths: ["/v1/*"]}}
            - {{methods: [POST], content_types: [application/json]}}
          deny:
            - {{paths: ["/v1/admin/*"]}}
    - {{name: closed, allow: ["127.0.0.3:443"]}}
"""
SECRET = "Bearer s3cret"


@pytest.fixture
def config(tmp_path):
    token = tmp_path / "token"
    token.write_text(SECRET + "\n")
    path = tmp_path / "penstock.yaml"

    def write(mode="enforce"):
        path.write_text(RULES.format(mode=mode, token=token))
        return path
    return write


def explain(path, *options, target="127.0.0.1:443"):
    done = run_command("explain", "--config", str(path), *options, target, "--json")
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_explain_says_what_is_read_and_what_is_not(config):
    path = config()
    status, said = explain(path)
    assert status == 0
    assert said["inspect"] == {
        "read": True, "why": "", "origin_faults": "mimic", "other": "tunnel",
        "on_pinned": "tunnel_after 3", "origin_keys": 0, "icap": {"request": "", "response": ""},
        "sets": ["Authorization"], "removes": ["cookie"]}
    assert said["rule"]["tls"] == "required"
    assert said["request"] is None
    status, said = explain(path, target="127.0.0.2:443")
    assert (status, said["inspect"]["read"], said["inspect"]["why"]) == (0, False, "excepted")
    assert explain(path, target="127.0.0.3:443")[1]["inspect"] is None
    text = run_command("explain", "--config", str(path), "127.0.0.2:443").stdout
    assert "inspect   not read: the host is among the exceptions" in text


INSIDE = [
    (("--path", "/v1/users?x=/../"), "allowed", "an item of allow matches"),
    (("--path", "/v2/users"), "denied", "no item of allow matches"),
    (("--path", "/v1/Admin/users"), "denied", "an item of deny matches"),
    (("--path", "/v1/%61dmin%2Fusers"), "denied", "an item of deny matches"),
    (("--path", "/v1/x/../y"), "denied", "different things"),
    (("--path", "/any", "--method", "POST", "--header", "Content-Type: application/json"),
     "allowed", "an item of allow matches"),
    (("--path", "/any", "--method", "POST"), "denied", "no item of allow matches"),
]


@pytest.mark.parametrize("options,verdict,why", INSIDE)
def test_explain_judges_a_request_inside(config, options, verdict, why):
    path = config()
    status, said = explain(path, *options)
    request = said["request"]
    assert request["verdict"] == verdict
    assert why in request["why"]
    assert said["error"] == ("" if verdict == "allowed" else "request_denied")
    assert said["status"] == (200 if verdict == "allowed" else 403)
    assert status == (0 if verdict == "allowed" else 1)
    assert bool(request["place"]) is (why != "no item of allow matches")


def test_explain_does_not_judge_what_the_proxy_would_not_see(config):
    for target in ("127.0.0.2:443", "127.0.0.3:443"):
        status, said = explain(config(), "--path", "/v9", target=target)
        assert (status, said["request"]["verdict"]) == (0, "unseen")


def test_explain_in_report_mode_says_what_would_be_denied(config):
    status, said = explain(config("report"), "--path", "/v9")
    assert (status, said["would_deny"], said["request"]["verdict"]) == (0, True, "denied")


@pytest.mark.parametrize("options,said", [
    (("--path", "v1"), 'does not begin with "/"'),
    (("--path", "/", "--header", "X Y: 1"), "is no field"),
    (("--path", "/", "--header", "X"), "is no field"),
    (("--header", "X: 1"), "--path"),
])
def test_explain_refuses_what_is_no_request(config, options, said):
    done = run_command("explain", "--config", str(config()), *options, "127.0.0.1:443")
    assert done.returncode == 2
    assert said in done.stderr


def test_check_names_a_missing_ca_and_how_to_make_one(config):
    path = config()
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True)
                            if not line.startswith("inspection:")))
    done = run_command("check", "--config", str(path))
    assert done.returncode == 2
    assert 'rule "api" reads tunnels' in done.stderr
    assert "penstock ca init" in done.stderr


def test_check_reads_the_files_and_keeps_what_is_in_them(config, tmp_path):
    path = config()
    (tmp_path / "token").write_text(SECRET + "\nmore\n")
    hosts = tmp_path / "hosts"
    hosts.write_text("# banks\n*.bank.example\nhttps://bank.example\n")
    path.write_text(path.read_text().replace("except: [127.0.0.2]", f"except_file: {hosts}"))
    done = run_command("check", "--config", str(path))
    assert done.returncode == 2
    assert f"{hosts}:3: \"https://bank.example\" has a scheme" in done.stderr
    assert "token: is no value of a field" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


# --- JA4, computed a second time: FoxIO's technical_details/JA4.md

def grease(number):
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def words(data):
    return [int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data) - 1, 2)]


def vector(data, width):
    size = int.from_bytes(data[:width], "big")
    return data[width:width + size], data[width + size:]


def listed(numbers):
    return ",".join(f"{number:04x}" for number in numbers if not grease(number))


def ja4(record):
    message = record[5:][4:]  # without the headers of record and handshake
    _, rest = vector(message[34:], 1)
    ciphers, rest = vector(rest, 2)
    _, rest = vector(rest, 1)
    extensions, _ = vector(rest, 2)
    found = {}
    while extensions:
        number = int.from_bytes(extensions[:2], "big")
        found[number], extensions = vector(extensions[2:], 2)
    kept = [number for number in found if not grease(number)]
    version = max(v for v in words(found[43][1:]) if not grease(v))
    protocols, _ = vector(found.get(16, b"\0\0"), 2)
    first = vector(protocols, 1)[0].decode() if protocols else "00"
    suites = [c for c in words(ciphers) if not grease(c)]
    hashed = listed(sorted(n for n in kept if n not in (0, 16)))
    if 13 in found:
        hashed += "_" + listed(words(found[13][2:]))

    def digest(text):
        return hashlib.sha256(text.encode()).hexdigest()[:12]
    return (f"t{ {0x0304: '13', 0x0303: '12'}[version]}{'d' if 0 in found else 'i'}"
            f"{len(suites):02}{len(kept):02}{first[0]}{first[-1]}"
            f"_{digest(listed(sorted(suites)))}_{digest(hashed)}")


def openssl_hello(name, protocols):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    sent = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return sent.read()


def ja4_of_log(start, data, enabled):
    proxy = start({"policy": {"rules": [{"allow": ["127.0.0.1:1-65535"]}]},
                   **({"log": {"ja4": True}} if enabled else {})})
    with contextlib.closing(Listener()) as origin:
        tunnel = proxy.tunnel(f"127.0.0.1:{origin.port}")
        conn = origin.accept()
        tunnel.send(data)
        conn.settimeout(20)
        assert conn.recv(65536)
        tunnel.reset()
        conn.close()
    (entry,) = proxy.wait_log(authority=f"127.0.0.1:{origin.port}")
    return entry


@pytest.mark.parametrize("protocols", [[], ["h2", "http/1.1"], ["http/1.1"]])
def test_the_log_has_the_fingerprint_of_a_client(penstock, protocols):
    data = openssl_hello(None, protocols)
    assert ja4_of_log(penstock, data, enabled=True)["ja4"] == ja4(data)


def test_the_log_has_no_fingerprint_unless_it_is_asked_for(penstock):
    entry = ja4_of_log(penstock, hello.client_hello(None), enabled=False)
    assert "ja4" not in entry and "sni" in entry
