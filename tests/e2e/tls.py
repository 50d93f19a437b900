"""A certification authority for one test session and an nginx that serves under it."""

import socket
import subprocess
from pathlib import Path

from wire import eventually


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Makes certificates. `ca` is the file to trust."""

    def __init__(self, directory, name="penstock tests"):
        self.directory = Path(directory)
        self.ca, self._key = self.directory / "ca.pem", self.directory / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self._key, "-out", self.ca, "-days", "2", "-subj", f"/CN={name}",
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names, days=2, usage="serverAuth"):
        """(certificate, key) as files, valid for all of `names`; expired where `days` is negative."""
        stem = self.directory / (f"{names[0].replace('*', 'any')}{'' if days > 0 else '-expired'}"
                                 f"{'' if usage == 'serverAuth' else '-' + usage}")
        key, request, certificate, extensions = (
            stem.with_name(stem.name + suffix) for suffix in (".key", ".csr", ".pem", ".ext"))
        san = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
        extensions.write_text(f"subjectAltName={san}\nextendedKeyUsage={usage}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}")
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key,
                 "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Nginx:
    """Serves `root` over TLS on `port` and in the clear on `plain_port`. `more`: of its server block."""

    def __init__(self, directory, authority, names, protocols="TLSv1.2 TLSv1.3", host="127.0.0.1",
                 ns=None, more=""):
        self.directory = Path(directory)
        self.host = host
        self._more = more
        self._protocols = protocols
        self._ns = ns
        self.root = self.directory / "root"
        self.root.mkdir()
        self.ca = authority.ca
        certificate, key = authority.issue(*names)
        # Somebody may take a port between its choice and its use.
        for attempts_left in reversed(range(5)):
            self.port, self.plain_port = _free_port(), _free_port()
            self._process = self._start(certificate, key)
            eventually(self._started, "nginx")
            if self._process.poll() is None:
                return
            assert attempts_left, (self.directory / "error.log").read_text()

    def _start(self, certificate, key):
        configuration = self.directory / "nginx.conf"
        scratch = "\n".join(f"  {kind}_temp_path {self.directory};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration.write_text(f"""
daemon off;
user root;
worker_processes 1;
pid {self.directory}/nginx.pid;
error_log {self.directory}/error.log;
events {{ worker_connections 512; }}
http {{
{scratch}
  access_log {self.directory}/access.log;
  types {{ text/html html; text/css css; application/javascript js; image/svg+xml svg; }}
  default_type application/octet-stream;
  server {{
    listen {self.host}:{self.port} ssl http2;
    listen {self.host}:{self.plain_port};
    ssl_protocols {self._protocols};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {self.root};
{self._more}
  }}
}}
""")
        prefix = self._ns.prefix() if self._ns else []
        return subprocess.Popen([*prefix, "nginx", "-c", str(configuration), "-e", "stderr"],
                                stderr=subprocess.DEVNULL)

    def _started(self):
        """True once it answers or has ended."""
        with (self._ns.socket if self._ns else socket.socket)() as sock:
            return (self._process.poll() is not None or
                    sock.connect_ex((self.host, self.port)) == 0)

    def requests(self):
        return (self.directory / "access.log").read_text()

    def close(self):
        self._process.terminate()
        self._process.wait()
