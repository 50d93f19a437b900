"""Programs that people use, through the proxy, against an nginx with TLS."""

import hashlib
import os
import random
import re
import subprocess
import sys

import pytest


NAMES = {"app.test": ["127.0.0.1"], "static.test": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def proxy(shared_penstock, names):
    rule = {"name": "tests", "allow": ["*.test:1-65535", "127.0.0.1:1-65535"],
            "addresses": ["127.0.0.0/8"]}
    return shared_penstock({"policy": {"rules": [rule]}, "dns": {"servers": [names.address]}})


@pytest.fixture(scope="module")
def url(proxy):
    return "http://%s:%d" % proxy.address


def run(*command, env=None, **options):
    # What the machine that runs the tests says about proxies and authorities is not for here.
    clean = {key: value for key, value in os.environ.items()
             if not re.search("proxy|ssl|ca_bundle|extra_ca", key.lower())}
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=120,
                          check=False, env={**clean, **(env or {})}, **options)


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("option", ["--proxy", "--proxy1.0"])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_fetches_https(site, url, option, version):
    done = run("curl", "-sSf", version, option, url, "--cacert", site.ca, f"{site.url}/blob")
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(site.blob)


def test_curl_fetches_many_things_at_once(site, url):
    done = run("curl", "-sSf", "--parallel", "--proxy", url, "--cacert", site.ca,
               *[f"{site.url}/blob?{i}" for i in range(12)], "-w", "%{http_code}\n",
               *[part for i in range(12) for part in ("-o", "/dev/null")])
    assert done.returncode == 0 and done.stdout.split() == [b"200"] * 12, done.stderr


def test_curl_tunnels_plain_http_when_told_to(site, url):
    done = run("curl", "-sSf", "--proxytunnel", "--proxy", url, f"{site.plain_url}/blob")
    assert done.returncode == 0 and digest(done.stdout) == digest(site.blob)


def test_curl_says_403_for_what_is_not_allowed(url):
    done = run("curl", "-sS", "--proxy", url, "https://forbidden.invalid/")
    assert done.returncode == 56 and b"403" in done.stderr


def test_curl_uploads(site, url, proxy, tmp_path):
    (tmp_path / "up").write_bytes(site.blob)
    done = run("curl", "-sS", "--proxy", url, "--cacert", site.ca, "-T", tmp_path / "up",
               "-w", "%{http_code} %{size_upload}", "-o", "/dev/null", f"{site.url}/up")
    # nginx takes no PUT; what counts is that it could say so.
    assert done.stdout.startswith(b"405 ") or done.stdout.startswith(b"413 "), done


def test_openssl_s_client(site, url):
    done = run("openssl", "s_client", "-proxy", url.removeprefix("http://"), "-connect",
               f"app.test:{site.port}", "-servername", "app.test", "-CAfile", site.ca,
               "-verify_return_error", "-quiet", "-no_ign_eof",
               input=b"GET /none HTTP/1.0\r\nHost: app.test\r\n\r\n")
    assert b"404 Not Found" in done.stdout or done.returncode == 0, done.stderr


def test_python_urllib(site, url):
    script = ("import sys, ssl, hashlib, urllib.request as r\n"
              "context = ssl.create_default_context(cafile=sys.argv[2])\n"
              "data = r.urlopen(sys.argv[1], context=context).read()\n"
              "print(hashlib.sha256(data).hexdigest())")
    done = run(sys.executable, "-c", script, f"{site.url}/blob", site.ca,
               env={"https_proxy": url})
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr


NODE = """
const http = require('http'), https = require('https'), tls = require('tls'), fs = require('fs');
const [proxy, target, ca] = [new URL(process.argv[1]), new URL(process.argv[2]), process.argv[3]];
const connect = (proxy.protocol === 'https:' ? https : http).request({
  host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: target.host,
  headers: {host: target.host}, servername: '', ca: fs.readFileSync(ca)});
connect.on('connect', (response, socket, head) => {
  if (response.statusCode !== 200) { console.error(response.statusCode); process.exit(1); }
  if (head.length) socket.unshift(head);
  const secure = tls.connect({socket, servername: target.hostname, ca: fs.readFileSync(ca)});
  const options = {createConnection: () => secure};
  https.get(target, options, (answer) => {
    const hash = require('crypto').createHash('sha256');
    answer.on('data', (piece) => hash.update(piece));
    answer.on('end', () => { console.log(hash.digest('hex')); secure.end(); });
  });
});
connect.on('error', (error) => { console.error(error); process.exit(1); });
connect.end();
"""


def test_node(site, url):
    done = run("node", "-e", NODE, url, f"{site.url}/blob", site.ca)
    assert done.stdout.decode().strip() == digest(site.blob), done.stderr


def test_git_clones(site, url, tmp_path):
    me = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@app.test", "GIT_COMMITTER_NAME": "t",
          "GIT_COMMITTER_EMAIL": "t@app.test", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    work, bare = tmp_path / "work", site.root / "repo.git"

    def git(*arguments):
        done = run("git", *arguments, env=me)
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "-q", "-b", "main", work)
    for number in range(20):
        (work / f"file{number}").write_bytes(random.Random(number).randbytes(10_000))
        git("-C", work, "add", ".")
        git("-C", work, "commit", "-qm", f"change {number}")
    git("clone", "-q", "--bare", work, bare)
    git("-C", bare, "update-server-info")
    git("-c", f"http.proxy={url}", "-c", f"http.sslCAInfo={site.ca}", "clone", "-q",
        f"{site.url}/repo.git", tmp_path / "clone")
    heads = {git("-C", where, "rev-parse", "HEAD") for where in (work, tmp_path / "clone")}
    assert len(heads) == 1


class Apt:
    """apt-get with a root of its own, that has packages from `source` alone."""

    def __init__(self, root, source, *options):
        self.root = root
        for directory in ("etc/apt/apt.conf.d", "etc/apt/preferences.d",
                          "var/lib/apt/lists/partial", "var/cache/apt/archives/partial",
                          "var/lib/dpkg"):
            (root / directory).mkdir(parents=True)
        (root / "apt.conf").touch()
        (root / "var/lib/dpkg/status").touch()
        (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {source} ./\n")
        self._options = [part for option in (
            f"Dir={root}", f"Dir::State::status={root}/var/lib/dpkg/status",
            "Dir::Etc::main=none", "APT::Sandbox::User=root", "Acquire::Languages=none", *options,
        ) for part in ("-o", option)]

    def run(self, *command, **options):
        return run("apt-get", *self._options, *command, env={"APT_CONFIG": f"{self.root}/apt.conf"},
                   **options)


def make_package(directory):
    control = directory / "package" / "DEBIAN"
    control.mkdir(parents=True)
    control.parent.chmod(0o755)
    control.chmod(0o755)
    (control / "control").write_text(
        "Package: penstock-test\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: nobody <nobody@app.test>\nDescription: nothing\n")
    done = run("dpkg-deb", "--build", control.parent, directory / "penstock-test_1.0_all.deb")
    assert done.returncode == 0, done.stderr


def test_apt_updates_and_downloads(site, url, tmp_path):
    repository = site.root / "debian"
    repository.mkdir()
    make_package(tmp_path)
    (tmp_path / "penstock-test_1.0_all.deb").rename(repository / "penstock-test_1.0_all.deb")
    packages = run("dpkg-scanpackages", "--multiversion", ".", cwd=repository)
    assert packages.returncode == 0, packages.stderr
    (repository / "Packages").write_bytes(packages.stdout)
    release = run("apt-ftparchive", "release", ".", cwd=repository)
    assert release.returncode == 0, release.stderr
    (repository / "Release").write_bytes(release.stdout)
    apt = Apt(tmp_path / "apt", f"{site.url}/debian", f"Acquire::https::Proxy={url}",
              f"Acquire::https::CAInfo={site.ca}")
    update = apt.run("update")
    assert update.returncode == 0 and b"Err:" not in update.stdout, update.stdout + update.stderr
    download = apt.run("download", "penstock-test", cwd=tmp_path)
    assert download.returncode == 0, download.stdout + download.stderr
    assert (tmp_path / "penstock-test_1.0_all.deb").exists()


PAGE = """<!doctype html><title>before</title>
<link rel=stylesheet href=/style.css><p id=out>before</p><img id=picture src=/picture.svg>
<script src=https://static.test:@PORT@/script.js></script>
<script>
Promise.all([...Array(10).keys()].map(i => fetch('/data' + i).then(r => r.text()))).then(all => {
  const styled = getComputedStyle(document.body).color === 'rgb(1, 2, 3)';
  document.getElementById('out').textContent =
      ['loaded', all.join(''), fromScript, styled,
       document.getElementById('picture').complete].join(' ');
});
</script>
"""


def trust(home, ca):
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for command in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "tests", "-i", ca]):
        done = run("certutil", "-d", f"sql:{database}", *command)
        assert done.returncode == 0, done.stderr


def chromium(home, page, *options):
    return run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
               "--no-first-run", "--disable-background-networking", "--disable-component-update",
               "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={home}/profile",
               "--virtual-time-budget=10000", *options, "--dump-dom", page, env={"HOME": str(home)})


def load_page_in_chromium(site, proxy_server, tmp_path, root=None):
    """A page with a style, a picture, data and a script from another host, through the proxy."""
    files = {"index.html": PAGE.replace("@PORT@", str(site.port)),
             "style.css": "body { color: rgb(1, 2, 3) }", "script.js": "var fromScript = 'script';",
             "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
             **{f"data{i}": str(i) for i in range(10)}}
    for name, text in files.items():
        (site.root / name).write_text(text)
    trust(tmp_path, root or site.ca)
    done = chromium(tmp_path, f"{site.url}/index.html", f"--proxy-server={proxy_server}",
                    "--proxy-bypass-list=<-loopback>")
    assert b"loaded 0123456789 script true true" in done.stdout, (done.stdout, done.stderr[-3000:])


def test_chromium_loads_a_page_with_everything_on_it(site, url, proxy, tmp_path):
    load_page_in_chromium(site, url, tmp_path)
    proxy.wait_log(authority=f"static.test:{site.port}", sni="static.test", status=200)
