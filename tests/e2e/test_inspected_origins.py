"""Origins of tunnels that are read: which certificates are good, and what becomes of the others."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading

import pytest

# Fixtures among them, which pytest finds by their names.
from inspected import (NAMES, ask, certificate, get, get_at, inside, origin,
                       owner, setting)
from http2 import Connection
from programs import free_port
from proxies import server_context
from proxy import run_command
from secure import SecureSocket
from test_forward import answer, read_head
from tls import Authority
from wire import eventually


@pytest.fixture(scope="module")
def proxy(shared_penstock, setting):
    return shared_penstock(setting())


def self_signed(authority, directory):
    return Authority(directory, "app.test").issue("app.test")


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def alone(_authority, directory):
    certificate, key = directory / "alone.pem", directory / "alone.key"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
            "-subj", "/CN=app.test", "-addext", "subjectAltName=DNS:app.test")
    return certificate, key


# What is wrong, how the certificate is made, OpenSSL's error for the client that is shown it.
FAULTS = [
    ("expired", lambda authority, _: authority.issue("app.test", days=-1), {10}),
    ("wrong name", lambda authority, _: authority.issue("unrelated.example"), {62}),
    ("self-signed", alone, {18, 19, 20}),
    ("signed by a stranger", self_signed, {19, 20, 21}),
]


@pytest.mark.parametrize("make", [fault[1] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_an_origin_that_is_not_good_is_refused_in_a_page(proxy, owner, origin, authority, tmp_path,
                                                         make):
    server = origin(files=make(authority, tmp_path))
    tls = inside(proxy, "app.test", server.port, owner.context())
    status, fields, body = ask(tls, get_at(server, "/", "Accept: text/html"))
    assert status == 502 and "tls_certificate_error" in fields["proxy-status"]
    assert not server.heads
    line = proxy.wait_log(error="origin_certificate", side="origin",
                          authority=f"app.test:{server.port}")[0]
    assert line["origin_fault"].encode() in body, "what is wrong is said to the log and to the client"


def signed(authority, directory, *, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), by=None,
           extensions="subjectAltName=DNS:app.test", digest_name="sha256", name="leaf"):
    """A certificate and its key, by `by`, or by the authority."""
    certificate, key, request, file = (directory / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
    openssl("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    file.write_text(extensions + "\n")
    issuer, issuers_key = by or (authority.ca, authority._key)
    openssl("x509", "-req", "-in", request, "-CA", issuer, "-CAkey", issuers_key, "-CAcreateserial",
            f"-{digest_name}", "-days", 2, "-extfile", file, "-out", certificate)
    return certificate, key


def without_its_intermediate(authority, directory):
    by = signed(authority, directory, extensions="basicConstraints=critical,CA:TRUE", name="middle")
    return signed(authority, directory, by=by)


def by_one_who_may_not_sign(authority, directory):
    by = signed(authority, directory, extensions="basicConstraints=critical,CA:FALSE", name="middle")
    certificate, key = signed(authority, directory, by=by)
    certificate.write_text(certificate.read_text() + by[0].read_text())
    return certificate, key


def of_our_own(owner, directory):
    """What the proxy itself would show: good for clients, and for no origin."""
    return signed(None, directory, by=(owner.ca, owner.key))


@pytest.mark.parametrize("make", [
    without_its_intermediate, by_one_who_may_not_sign,
    lambda authority, directory: signed(authority, directory, kind=("rsa:1024",)),
    lambda authority, directory: signed(authority, directory, digest_name="sha1"),
    lambda authority, directory: signed(authority, directory, extensions=(
        "subjectAltName=DNS:app.test\nextendedKeyUsage=clientAuth")),
], ids=["intermediate missing", "intermediate without CA", "weak key", "SHA-1", "for clients"])
def test_other_origins_that_are_not_good_are_refused(proxy, owner, authority, tmp_path, make):
    """By OpenSSL's own server: Python's takes no such certificate."""
    certificate, key = make(authority, tmp_path)
    with s_server(certificate, key, "-cert_chain", certificate, "-cipher", "ALL:@SECLEVEL=0") as port:
        tls = inside(proxy, "app.test", port, owner.context())
        status, fields, _ = ask(tls, get(f"app.test:{port}"))
        assert status == 502 and "error=tls_" in fields["proxy-status"], fields


def test_our_own_authority_makes_no_origin_good(penstock, setting, owner, authority, origin, tmp_path):
    both = tmp_path / "roots.pem"
    both.write_text(authority.ca.read_text() + owner.ca.read_text())
    proxy = penstock(setting(origin_ca=str(both)))
    server = origin(files=of_our_own(owner, tmp_path))
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 502
    assert ask(inside(proxy, "app.test", (good := origin()).port, owner.context()),
               get_at(good))[0] == 200


@pytest.fixture(scope="module")
def mimic(shared_penstock, setting):
    return shared_penstock(setting({"origin_faults": "mimic"}))


@pytest.mark.parametrize("make,errors", [fault[1:] for fault in FAULTS],
                         ids=[fault[0] for fault in FAULTS])
def test_an_origin_that_is_not_good_shows_it_to_the_client(mimic, owner, origin, authority,
                                                           tmp_path, make, errors):
    server = origin(files=make(authority, tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        inside(mimic, "app.test", server.port, owner.context())
    assert refused.value.verify_code in errors, refused.value
    # Whoever does not care sees the same as without us.
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    tls = inside(mimic, "app.test", server.port, careless)
    assert ask(tls, get_at(server))[0] == 200


@pytest.mark.parametrize("kind", [["rsa:4096"], ["ed25519"], ["ec", "-pkeyopt",
                                                             "ec_paramgen_curve:P-384"]])
def test_good_keys_of_other_kinds_are_taken(proxy, owner, authority, origin, tmp_path, kind):
    server = origin(files=signed(authority, tmp_path, kind=kind))
    tls = inside(proxy, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200


@contextlib.contextmanager
def s_server(certificate, key, *options):
    """OpenSSL's own server, which can do what Python's cannot. Its port."""
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", certificate, "-key",
                               key, "-www", "-quiet", *map(str, options)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
        eventually(listens, "s_server")
        yield port
    finally:
        server.kill()
        server.wait()


def test_an_origin_of_tls_1_1_is_refused(proxy, owner, certificate):
    with s_server(*certificate, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as port:
        tls = inside(proxy, "app.test", port, owner.context())
        status, fields, _ = ask(tls, get(f"app.test:{port}"))
        assert status == 502 and "tls_" in fields["proxy-status"]


@pytest.mark.parametrize("status,answer_status", [("V", 200), ("R", 502)])
def test_a_staple_that_says_revoked_is_believed(proxy, owner, authority, certificate, tmp_path, status,
                                                answer_status):
    files, key = certificate
    said = subprocess.run(["openssl", "x509", "-in", files, "-noout", "-serial"], check=True,
                          capture_output=True, text=True).stdout.strip().removeprefix("serial=")
    (tmp_path / "index").write_text("\t".join(
        [status, "351231235959Z", "250101000000Z" if status == "R" else "", said, "unknown",
         "/CN=app.test"]) + "\n")
    request, staple = tmp_path / "request", tmp_path / "staple"
    openssl("ocsp", "-issuer", authority.ca, "-cert", files, "-no_nonce", "-reqout", request)
    openssl("ocsp", "-index", tmp_path / "index", "-CA", authority.ca, "-rsigner", authority.ca,
            "-rkey", authority._key, "-reqin", request, "-respout", staple, "-ndays", "1")
    with s_server(files, key, "-status_file", staple) as port:
        tls = inside(proxy, "app.test", port, owner.context())
        assert ask(tls, get(f"app.test:{port}"))[0] == answer_status
    if answer_status == 502:
        line = proxy.wait_log(error="origin_certificate", authority=f"app.test:{port}")[0]
        assert line["origin_fault"] == "certificate revoked"


def test_an_origin_that_speaks_no_tls_is_refused(proxy, owner, listener):
    server = listener()

    tunnel = proxy.tunnel(f"app.test:{server.port}")
    def serve():
        with contextlib.suppress(OSError):
            while True:
                conn = server.accept()
                conn.recv(10)
                conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                conn.close()
    threading.Thread(target=serve, daemon=True).start()
    tls = SecureSocket(tunnel.sock, owner.context(), "app.test")
    status, fields, _ = ask(tls, get(f"app.test:{server.port}"))
    assert status == 502 and "tls_protocol_error" in fields["proxy-status"]


def test_an_origin_that_asks_gets_the_rules_certificate(penstock, setting, owner, authority, origin,
                                                        certificate):
    ours, key = authority.issue("client.test", usage="clientAuth")
    server = origin()
    server.context.load_verify_locations(authority.ca)
    server.context.verify_mode = ssl.CERT_REQUIRED
    with_it = penstock(setting({"certificate": str(ours), "key": str(key)}))
    tls = inside(with_it, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 200
    without = penstock(setting())
    tls = inside(without, "app.test", server.port, owner.context())
    assert ask(tls, get_at(server))[0] == 502


# --- lists and keys of the owner's ---


def revoked(authority, certificate, directory, days=1):
    """The authority's list, with the certificate on it."""
    index, settings = directory / "index", directory / "ca.cnf"
    index.write_text("")
    (directory / "number").write_text("01\n")
    settings.write_text(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {index}\ndefault_md = sha256\n"
                        f"crlnumber = {directory / 'number'}\ndefault_crl_days = 1\n")
    by = ("-config", settings, "-cert", authority.ca, "-keyfile", authority._key)
    openssl("ca", *by, "-revoke", certificate)
    out = directory / "revoked.pem"
    openssl("ca", *by, "-gencrl", "-out", out, *(
        () if days > 0 else ("-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250102000000Z")))
    return out


def status_of(proxy, owner, server):
    return ask(inside(proxy, "app.test", server.port, owner.context()), get_at(server))[0]


def test_a_list_of_revoked_certificates_is_believed(penstock, setting, owner, authority, origin, tmp_path):
    one, other = (signed(authority, tmp_path, name=name) for name in ("one", "other"))
    proxy = penstock(setting(origin_crl=str(revoked(authority, one[0], tmp_path))))
    bad, good = origin(files=one), origin(files=other)
    assert (status_of(proxy, owner, bad), status_of(proxy, owner, good)) == (502, 200)
    line = proxy.wait_log(error="origin_certificate", authority=f"app.test:{bad.port}")[0]
    assert line["origin_fault"] == "certificate revoked"


def test_a_list_says_nothing_of_other_authorities(penstock, setting, owner, authority, origin, certificate,
                                                  tmp_path):
    stranger = Authority(tmp_path, "a stranger")
    lists = revoked(stranger, stranger.issue("app.test")[0], tmp_path)
    assert status_of(penstock(setting(origin_crl=str(lists))), owner, origin()) == 200


def test_a_list_that_is_out_of_date_is_a_fault(penstock, setting, owner, authority, origin, tmp_path):
    lists = revoked(authority, signed(authority, tmp_path, name="one")[0], tmp_path, days=-1)
    proxy, server = penstock(setting(origin_crl=str(lists))), origin()
    assert status_of(proxy, owner, server) == 502
    assert proxy.wait_log(error="origin_certificate")[0]["origin_fault"] == "CRL has expired"


@pytest.mark.parametrize("text,said", [
    ("", "has no revocation list in PEM form"),
    ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "has a damaged list, number 1"),
    (None, "cannot be")])
def test_a_list_that_cannot_be_read_is_said_by_check(setting, tmp_path, text, said):
    lists = tmp_path / "lists.pem"
    if text is not None:
        lists.write_text(text)
    done = check(tmp_path, setting(origin_crl=str(lists)))
    assert done.returncode != 0 and f"inspection.origin_crl: {lists} {said}" in done.stderr


def check(directory, config):
    file = directory / "penstock.yaml"
    file.write_text(json.dumps({"listeners": [{"address": "127.0.0.1:0"}], **config}))
    return run_command("check", "--config", str(file))


def fingerprint(certificate):
    """As curl has it for --pinnedpubkey."""
    done = subprocess.run(f"openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform der"
                          " | openssl dgst -sha256 -binary | openssl base64", shell=True, check=True,
                          capture_output=True, text=True)
    return "sha256//" + done.stdout.strip()


@pytest.mark.parametrize("of", ["leaf", "root", "stranger"])
def test_an_origin_has_to_have_a_key_that_the_rule_wants(penstock, setting, owner, authority, origin,
                                                         certificate, tmp_path, of):
    wanted = {"leaf": certificate[0], "root": authority.ca, "stranger": Authority(tmp_path).ca}[of]
    proxy = penstock(setting({"origin_keys": ["sha256//" + "A" * 43 + "=", fingerprint(wanted)]}))
    server = origin()
    for _ in range(3):  # the others would take the session up again
        assert status_of(proxy, owner, server) == (502 if of == "stranger" else 200)
    if of == "stranger":
        line = proxy.wait_log(error="origin_certificate")[0]
        assert line["origin_fault"] == "it has none of the keys in origin_keys"
        assert not server.heads and not any(server.resumed)


def test_a_key_that_is_not_wanted_is_shown_to_the_client_as_a_fault(penstock, setting, owner, origin):
    proxy = penstock(setting({"origin_faults": "mimic", "origin_keys": ["sha256//" + "A" * 43 + "="]}))
    with pytest.raises(ssl.SSLCertVerificationError):
        inside(proxy, "app.test", origin().port, owner.context())


def test_a_session_of_one_rule_proves_nothing_to_another(penstock, setting, owner, authority, origin, names):
    config = setting()
    rule = config["policy"]["rules"][0]
    strict = {**rule, "name": "strict", "clients": ["127.0.0.2/32"],
              "inspect": {"origin_keys": ["sha256//" + "A" * 43 + "="]}}
    config["policy"]["rules"] = [strict, {**rule, "clients": ["127.0.0.1/32"]}]
    proxy, server = penstock(config), origin()
    assert status_of(proxy, owner, server) == 200
    tls = inside(proxy, "app.test", server.port, owner.context(), source="127.0.0.2")
    assert ask(tls, get_at(server))[0] == 502


@pytest.mark.parametrize("key", ["sha256/AAAA", "sha256//AAAA", "sha1//" + "A" * 27 + "="])
def test_a_fingerprint_of_another_form_is_refused(setting, tmp_path, key):
    done = check(tmp_path, setting({"origin_keys": [key]}))
    assert done.returncode != 0 and "write sha256// and 44 characters of base64" in done.stderr


def test_a_connection_with_a_fault_is_only_for_those_who_saw_it(mimic, owner, authority, origin, tmp_path):
    done = threading.Event()

    def script(server, tls):
        while True:
            path = read_head(tls)[0].split(" ")[1]
            if path == "/wait":
                done.wait(30)
            tls.sendall(answer(b"faulty" if tls.context is faulty else b"good"))

    server = origin(script, files=alone(authority, tmp_path))
    faulty = server.context
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    assert ask(inside(mimic, "app.test", server.port, careless), get_at(server))[2] == b"faulty"
    # Now the origin is a good one; but the connection that was is still there.
    server.context = server_context(*authority.issue("app.test"))
    client = Connection(inside(mimic, "app.test", server.port, owner.context("h2")))
    first, second = (client.request([
        (":method", "GET"), (":scheme", "https"), (":path", path),
        (":authority", f"app.test:{server.port}")], end=True) for path in ("/wait", "/"))
    assert second.receive_to_end() == (b"good", False)
    done.set()
    assert first.receive_to_end() == (b"good", False)
