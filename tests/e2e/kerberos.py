"""A Kerberos realm of the tests' own: a real KDC on loopback, its files in one directory."""

import base64
import os
import socket
import subprocess
from pathlib import Path

from wire import eventually

REALM = "EXAMPLE.TEST"
SBIN = "/usr/sbin:/sbin:"


class Realm:
    """`environment` leads clients and services to it, and to nothing of this machine's own."""

    def __init__(self, directory):
        self.directory = Path(directory)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = self.directory / "krb5.conf"
        profile = self.directory / "kdc.conf"
        self.config.write_text(f"""
[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{self.port}
  }}
[domain_realm]
  localhost = {REALM}
""")
        profile.write_text(f"""
[kdcdefaults]
  kdc_listen = 127.0.0.1:{self.port}
  kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
  {REALM} = {{
    database_name = {self.directory}/principal
    key_stash_file = {self.directory}/stash
    acl_file = {self.directory}/acl
    max_life = 1h
  }}
[logging]
  kdc = FILE:{self.directory}/kdc.log
""")
        self.environment = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(profile),
                            "KRB5RCACHEDIR": str(self.directory)}
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self._kdc = subprocess.Popen([self._find("krb5kdc"), "-n"], env=self._env(),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._listens, "the KDC")

    @staticmethod
    def _find(tool):
        for folder in (SBIN + os.environ["PATH"]).split(":"):
            if folder and (Path(folder) / tool).exists():
                return str(Path(folder) / tool)
        raise AssertionError(f"missing tool: {tool}")

    def _env(self, **more):
        return {**os.environ, **self.environment, **more}

    def _run(self, tool, *arguments, **more):
        done = subprocess.run([self._find(tool), *map(str, arguments)], env=self._env(**more),
                              capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (tool, arguments, done.stdout, done.stderr)
        return done.stdout.decode()

    def _listens(self):
        assert self._kdc.poll() is None, "the KDC has ended"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def add_user(self, name, password, *options):
        self._run("kadmin.local", "-q", " ".join(["addprinc", *options, "-pw", password, name]))

    def add_service(self, *names):
        """A keytab with the keys of these."""
        keytab = self.directory / ("-".join(names).replace("/", "_") + ".keytab")
        for name in names:
            self._run("kadmin.local", "-q", f"addprinc -randkey {name}")
            self._run("kadmin.local", "-q", f"ktadd -k {keytab} {name}")
        return keytab

    def log_in(self, name, password, *options):
        """The environment of somebody who has a ticket."""
        cache = self.directory / f"cache-{name.replace('/', '_')}{''.join(options)}"
        subprocess.run([self._find("kinit"), *options, "-c", str(cache), name], check=True, timeout=60,
                       input=password.encode() + b"\n", env=self._env(), capture_output=True)
        return {**self.environment, "KRB5CCNAME": f"FILE:{cache}"}

    def close(self):
        self._kdc.terminate()
        self._kdc.wait()


def ntlm():
    """The first message of NTLM (MS-NLMP section 2.2.1.1), as Negotiate carries it bare."""
    message = b"NTLMSSP\0" + (1).to_bytes(4, "little") + bytes.fromhex("b7 82 08 e2") + bytes(24)
    return base64.b64encode(message).decode()
