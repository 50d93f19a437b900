"""penstock ca: an authority that is made, looked at, handed out, and changed."""

import contextlib
import hashlib
import json
import os
import re
import ssl
import stat
import subprocess

import pytest

from proxy import BINARY
from test_clients import run
from tls import Nginx

NAME = "app.test"


def ca(*words, status=0):
    done = subprocess.run([BINARY, "ca", *map(str, words)], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def openssl(*words, status=0):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def certificates(file):
    """Each certificate of a file, as PEM."""
    parts = file.read_text().split("-----END CERTIFICATE-----\n")
    assert parts.pop() == ""
    return [part + "-----END CERTIFICATE-----\n" for part in parts]


class Pair:
    """An authority's files, and the leaves that openssl makes by them."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.folder, self.ca, self.key = folder, folder / "ca.pem", folder / "ca.key"

    def __call__(self, command, *words, status=0):
        key = [] if command == "export" else ["--key", self.key]
        return ca(command, "--ca", self.ca, *key, *words, status=status)

    def fits(self):
        return (openssl("x509", "-in", self.ca, "-noout", "-pubkey") ==
                openssl("pkey", "-in", self.key, "-pubout"))

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def issue(self, *names):
        """(a leaf with what is shown behind it, its key)"""
        first, *behind = certificates(self.ca)
        stem = self.folder.parent / "leaf"
        request, extensions, leaf, key = (stem.with_suffix(suffix)
                                          for suffix in (".csr", ".ext", ".pem", ".key"))
        san = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
        extensions.write_text(f"subjectAltName={san}\nextendedKeyUsage=serverAuth\n"
                              "authorityKeyIdentifier=keyid:always\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                "-out", request, "-subj", f"/CN={names[0]}")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-days", 2,
                "-set_serial", int.from_bytes(os.urandom(8)), "-extfile", extensions, "-out", leaf)
        leaf.write_text(leaf.read_text() + "".join(behind or [first]))
        return leaf, key

    def verifies(self, *names, trusted):
        leaf, _ = self.issue(*names)
        done = run("openssl", "verify", "-purpose", "sslserver", "-CAfile", trusted, "-untrusted", leaf,
                   leaf)
        return done.returncode == 0, done.stderr.decode()


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path / "pair")


@pytest.fixture
def made(pair):
    pair("init", "--name", "Example Egress CA")
    return pair


def test_init_makes_a_root_that_openssl_calls_one(pair):
    said = pair("init", "--name", "Example Egress CA", "--days", "90").stdout
    text = openssl("x509", "-in", pair.ca, "-noout", "-text")
    assert "Subject: CN = Example Egress CA" in text and "Issuer: CN = Example Egress CA" in text
    assert "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1" in text
    assert "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign" in text
    assert "X509v3 Subject Key Identifier" in text and "ASN1 OID: prime256v1" in text
    assert "Name Constraints" not in text
    openssl("verify", "-check_ss_sig", "-x509_strict", "-CAfile", pair.ca, pair.ca)
    fingerprint = openssl("x509", "-in", pair.ca, "-noout", "-fingerprint", "-sha256").split("=")[1].strip()
    assert fingerprint in said
    assert f"ca: {pair.ca}\n" in said and f"key: {pair.key}\n" in said and "penstock ca export" in said
    assert pair.fits() and pair.files() == ["ca.key", "ca.pem"]
    assert pair.key.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    # 90 days from now, and the hour that clocks may differ by.
    openssl("x509", "-in", pair.ca, "-noout", "-checkend", 89 * 86400)
    openssl("x509", "-in", pair.ca, "-noout", "-checkend", 91 * 86400, status=1)


@pytest.mark.release_only  # LeakSanitizer does not work under strace
def test_a_key_is_private_before_it_has_a_byte(pair, tmp_path):
    trace = tmp_path / "trace"
    done = run("strace", "-f", "-e", "trace=openat,fchmod,write,renameat2", "-o", trace, "sh", "-c",
               f"umask 0; exec {BINARY} ca init --ca {pair.ca} --key {pair.key}")
    assert done.returncode == 0, done.stderr
    made = [line for line in trace.read_text().splitlines() if "ca.key" in line]
    opened = [line for line in made if "openat" in line and "O_CREAT" in line]
    assert len(opened) == 1 and "O_EXCL" in opened[0] and "0600)" in opened[0], made
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.ca.stat().st_mode) == 0o644


def test_a_passphrase_seals_the_key(pair, tmp_path):
    word = tmp_path / "word"
    word.write_text("correct horse battery\n")
    said = pair("init", "--passphrase-file", word).stdout
    assert "with a passphrase" in said and f"passphrase_file: {word}" in said
    assert "correct horse" not in said
    text = openssl("asn1parse", "-in", pair.key)
    assert "PBKDF2" in text and "hmacWithSHA256" in text and "aes-256-cbc" in text
    assert int(600_000).to_bytes(3, "big").hex().upper() in text
    openssl("pkey", "-in", pair.key, "-passin", f"file:{word}", "-noout")
    openssl("pkey", "-in", pair.key, "-passin", "pass:wrong", "-noout", status=1)
    assert "belongs to it" in pair("show", "--passphrase-file", word).stdout
    assert "has a passphrase" in pair("show", status=1).stdout
    pair("rotate", "--passphrase-file", word)
    openssl("pkey", "-in", pair.key, "-passin", f"file:{word}", "-noout")
    assert "BEGIN ENCRYPTED" in pair.key.read_text()


def test_a_passphrase_that_is_none_makes_nothing(pair, tmp_path):
    word = tmp_path / "word"
    for text, why in [("", "nothing in its first line"), ("short\n", "less than 8 bytes")]:
        word.write_text(text)
        assert why in pair("init", "--passphrase-file", word, status=1).stderr
    assert "cannot be read" in pair("init", "--passphrase-file", tmp_path / "none", status=1).stderr
    assert pair.files() == []


@pytest.mark.parametrize("there", ["ca.pem", "ca.key"])
@pytest.mark.parametrize("kind", ["file", "dangling"])
def test_init_overwrites_nothing(pair, there, kind):
    if kind == "file":
        (pair.folder / there).write_text("mine")
    else:
        (pair.folder / there).symlink_to(pair.folder / "nowhere")
    assert f"{there} is there already" in pair("init", status=1).stderr
    assert pair.files() == [there]
    assert kind == "dangling" or (pair.folder / there).read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(pair):
    pair.ca = pair.folder / "none" / "ca.pem"
    assert "none/ca.pem" in pair("init", status=1).stderr
    assert pair.files() == []


def test_constraints_hold_for_names_and_addresses(pair):
    pair("init", "--permit", "Corp.Example.", "--permit", "lab.test", "--permit-address", "10.1.0.0/16")
    text = openssl("x509", "-in", pair.ca, "-noout", "-text")
    assert "X509v3 Name Constraints: critical" in text and "DNS:corp.example" in text
    assert pair.verifies("a.corp.example", "lab.test", "10.1.2.3", trusted=pair.ca)[0]
    for name in ["example.net", "xcorp.example", "10.2.0.1"]:
        good, why = pair.verifies(name, trusted=pair.ca)
        assert not good and "permitted subtree violation" in why
    shown = json.loads(pair("show", "--json").stdout)["authority"]
    assert shown["permitted"] == ["corp.example", "lab.test", "10.1.0.0/16"]


def test_names_alone_mean_no_address(pair):
    pair("init", "--permit", "corp.example")
    assert pair.verifies("corp.example", trusted=pair.ca)[0]
    good, why = pair.verifies("192.0.2.1", trusted=pair.ca)
    assert not good and "excluded subtree violation" in why


@pytest.mark.parametrize("words, why", [
    (["--permit", "*.corp.example"], 'no name; write corp.example'),
    (["--permit", "10.0.0.0/8"], "--permit-address"),
    (["--permit-address", "10.0.0.1/8"], "host bits are zero"),
    (["--days", "0"], "no whole number from 1 to 7300"),
    (["--days", "7301"], "no whole number from 1 to 7300"),
    (["--name", ""], "no name of 1 to 64 characters"),
    (["--name", "x" * 65], "no name of 1 to 64 characters"),
    (["--name", "a\tb"], "no name of 1 to 64 characters"),
])
def test_words_that_are_wrong_are_named(pair, words, why):
    assert why in pair("init", *words, status=2).stderr
    assert pair.files() == []


def test_every_command_has_help_and_wants_its_files():
    for command in ["init", "show", "export", "rotate"]:
        assert "--ca" in ca(command, "--help").stdout
        ca(command, status=2)
    ca(status=2)


CALLS = ["fchmod", "write", "fsync", "renameat2", "rename", "unlink"]


def killed_everywhere(command, prepare):
    """Runs of `command`, each killed at another of the system calls that change files."""
    for call in CALLS:
        for when in range(1, 100):
            prepare()
            done = run("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}",
                       "-e", f"inject={call}:signal=KILL:when={when}", *command)
            if done.returncode == 0:
                break
            assert done.returncode == -9, done
            yield f"{call} {when}"
        else:
            raise AssertionError(f"{call}: there is no end to it")


@pytest.mark.release_only  # LeakSanitizer does not work under strace
def test_an_init_that_is_killed_is_ended_by_the_next(tmp_path):
    pair, seen = Pair(tmp_path / "pair"), set()

    def prepare():
        for path in pair.folder.iterdir():
            path.unlink()

    for where in killed_everywhere([BINARY, "ca", "init", "--ca", pair.ca, "--key", pair.key], prepare):
        if pair.ca.exists():  # it was done, and could not say so
            seen.add("done")
        else:
            seen.add("ended" if "has been ended" in pair("init").stdout else "anew")
        assert pair.fits() and pair.files() == ["ca.key", "ca.pem"], where
    assert {"ended", "anew"} <= seen


@pytest.mark.release_only  # LeakSanitizer does not work under strace
def test_a_rotation_that_is_killed_is_ended_by_the_next(tmp_path):
    pair, seen = Pair(tmp_path / "pair"), set()
    pair("init", "--name", "Old")
    old = {path: path.read_bytes() for path in (pair.ca, pair.key)}
    (tmp_path / "old.pem").write_bytes(old[pair.ca])

    def prepare():
        for path in pair.folder.iterdir():
            path.unlink()
        for path, text in old.items():
            path.write_bytes(text)
            path.chmod(0o600)

    for where in killed_everywhere([BINARY, "ca", "rotate", "--ca", pair.ca, "--key", pair.key], prepare):
        if not pair.fits():  # between its two last steps
            assert "interrupted" in pair("show", status=1).stdout
        if pair.fits() and pair.ca.read_bytes() != old[pair.ca]:
            seen.add("done")
        else:
            seen.add("ended" if "has been ended" in pair("rotate").stdout else "anew")
        assert pair.fits() and pair.files() == ["ca.key", "ca.key.old", "ca.pem", "ca.pem.old"], where
        assert pair.ca.with_suffix(".pem.old").read_bytes() == old[pair.ca]
        assert pair.key.with_suffix(".key.old").read_bytes() == old[pair.key]
        assert pair.verifies(NAME, trusted=tmp_path / "old.pem")[0], where
    assert {"ended", "anew"} <= seen


def test_of_two_at_once_one_makes_it(pair):
    runs = [subprocess.Popen([BINARY, "ca", "init", "--ca", pair.ca, "--key", pair.key],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(one.wait(60) for one in runs) == [0, 1, 1, 1]
    assert pair.fits() and pair.files() == ["ca.key", "ca.pem"]


def test_a_rotation_keeps_what_was_and_is_constrained_alike(pair):
    pair("init", "--name", "Example CA", "--permit", "app.test")
    old = pair.ca.read_text(), pair.key.read_text()
    said = pair("rotate").stdout
    assert "CN=Example CA G2" in said and "Roll out in this order" in said
    root, cross, before = certificates(pair.ca)
    assert before == old[0]
    kept = pair.folder / "ca.pem.old", pair.folder / "ca.key.old"
    assert tuple(path.read_text() for path in kept) == old
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (pair.key, *kept))
    assert stat.S_IMODE(pair.ca.stat().st_mode) == 0o644
    shown = json.loads(pair("show", "--json").stdout)
    assert shown["authority"]["self_signed"] and shown["authority"]["permitted"] == ["app.test"]
    assert [one["issuer"] for one in shown["behind"]] == ["CN=Example CA", "CN=Example CA"]
    assert shown["faults"] == [] and shown["key_file"]["belongs"]
    assert pair("export").stdout == root != cross
    assert "ca.pem.old is there" in pair("rotate", status=1).stderr
    for path in kept:
        path.unlink()
    pair.ca.write_text(root)
    assert "CN=Example CA G3" in pair("rotate").stdout


def test_a_rotation_that_cannot_be_changes_nothing(made, tmp_path):
    other = Pair(tmp_path / "other")
    other("init")
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    assert "does not belong to the key" in ca("rotate", "--ca", made.ca, "--key", other.key,
                                              status=1).stderr
    assert "cannot be read" in ca("rotate", "--ca", made.ca, "--key", tmp_path / "none", status=1).stderr
    assert "a name of its own" in made("rotate", "--name", "Example Egress CA", status=2).stderr
    openssl("req", "-x509", "-key", made.key, "-out", tmp_path / "strict.pem", "-subj", "/CN=Strict",
            "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext", "keyUsage=critical,keyCertSign")
    assert "a path length of 0" in ca("rotate", "--ca", tmp_path / "strict.pem", "--key", made.key,
                                      status=1).stderr
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before


CLIENTS = {
    "curl": lambda root, url: ["curl", "-sSf", "--cacert", root, url],
    "wget": lambda root, url: ["wget", "-qO-", "--no-hsts", f"--ca-certificate={root}", url],  # GnuTLS
    "git": lambda root, url: ["git", "-c", f"http.sslCAInfo={root}", "ls-remote", f"{url}.git"],
    "node": lambda root, url: ["env", f"NODE_EXTRA_CA_CERTS={root}", "node", "-e", f"""
        require('https').get('{url}', answer => answer.resume())
          .on('error', error => {{ console.error(error.code); process.exit(1) }})"""],
    "python": lambda root, url: ["env", f"SSL_CERT_FILE={root}", "/usr/bin/python3", "-c",
                                 f"import urllib.request as r; r.urlopen('{url}').read()"],
}


def origin_under(pair, directory):
    directory.mkdir()
    nginx = Nginx(directory, pair, ["127.0.0.1"])
    (nginx.root / "page").write_text("hello")
    (nginx.root / "page.git" / "info").mkdir(parents=True)
    (nginx.root / "page.git" / "info" / "refs").write_text("")
    (nginx.root / "page.git" / "HEAD").write_text("ref: refs/heads/main\n")
    return contextlib.closing(nginx)


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_go_on_with_either_root_after_a_rotation(made, tmp_path, client):
    made("export", "--out", tmp_path / "old.pem")
    made("rotate")
    made("export", "--out", tmp_path / "new.pem")
    stranger = Pair(tmp_path / "stranger")
    stranger("init", "--name", "Example Egress CA")
    with origin_under(made, tmp_path / "nginx") as origin:
        url = f"https://127.0.0.1:{origin.port}/page"
        for root in ["old.pem", "new.pem"]:
            done = run(*CLIENTS[client](tmp_path / root, url))
            assert done.returncode == 0, (root, done.stdout, done.stderr)
        assert run(*CLIENTS[client](stranger.ca, url)).returncode != 0


@pytest.mark.parametrize("rotated", [False, True])
def test_a_client_without_the_root_is_told_of_a_self_signed_one(made, tmp_path, rotated):
    if rotated:
        made("rotate")
    with origin_under(made, tmp_path / "nginx") as origin:
        done = run("openssl", "s_client", "-connect", f"127.0.0.1:{origin.port}", "-verify_return_error",
                   stdin=subprocess.DEVNULL)
        assert done.returncode != 0
        assert b"verify error:num=19:self-signed certificate in certificate chain" in done.stderr
        done = run("curl", "-sS", f"https://127.0.0.1:{origin.port}/")
        assert done.returncode == 60 and b"self-signed certificate in certificate chain" in done.stderr


def test_show_says_what_is_wrong(made, tmp_path):
    assert "fault" not in made("show").stdout
    other = Pair(tmp_path / "other")
    other("init", "--days", "20")
    said = ca("show", "--ca", made.ca, "--key", other.key, status=1).stdout
    assert "does not belong to the first certificate" in said and "of another authority" in said
    assert re.search("warning: --ca: .* expires in (19|20) days", other("show").stdout)
    made.key.chmod(0o640)
    assert "by its group" in made("show").stdout
    made.key.chmod(0o644)
    assert "by everybody on this machine" in made("show", status=1).stdout
    assert "cannot be read" in ca("show", "--ca", tmp_path / "none", status=1).stderr
    leaf, _ = made.issue(NAME)
    assert "is no certification authority" in ca("show", "--ca", leaf, status=1).stdout


def test_show_as_json_is_what_openssl_says(made):
    shown = json.loads(made("show", "--json").stdout)
    authority = shown["authority"]
    for hash_word in ["sha256", "sha1"]:
        line = openssl("x509", "-in", made.ca, "-noout", "-fingerprint", f"-{hash_word}")
        assert line.strip().endswith(authority[hash_word])
    assert authority["subject"] == "CN=Example Egress CA" and authority["key"] == "P-256"
    assert authority["path_length"] == 1 and authority["days_left"] in (1824, 1825)
    assert shown["key_file"] == {"name": str(made.key), "mode": "0600", "user": os.getuid(),
                                 "opened": True, "belongs": True}


def test_a_key_may_be_named_by_a_uri(made):
    said = ca("show", "--ca", made.ca, "--key", f"file:{made.key}").stdout
    assert "belongs to it" in said
    assert "no store for it" in ca("show", "--ca", made.ca, "--key", "nonsense:x", status=1).stdout


def test_export_gives_the_root_in_each_form(made, tmp_path):
    der = ssl.PEM_cert_to_DER_cert(made.ca.read_text())
    assert made("export").stdout == made.ca.read_text()
    for form in ["pem", "der", "p7b"]:
        out = tmp_path / f"root.{form}"
        made("export", "--format", form, "--out", out)
        assert "cannot be made" in made("export", "--format", form, "--out", out, status=1).stderr
    assert (tmp_path / "root.der").read_bytes() == der
    bag = openssl("pkcs7", "-inform", "DER", "-in", tmp_path / "root.p7b", "-print_certs")
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(bag[bag.index("-----BEGIN"):].strip())).digest() == \
        hashlib.sha256(der).digest()
    assert "none of pem, der, p7b" in made("export", "--format", "txt", status=2).stderr
    made("export", "--out", made.ca, status=1)
    assert openssl("x509", "-in", made.ca, "-noout", "-subject")
