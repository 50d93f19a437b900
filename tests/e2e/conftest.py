"""Black-box tests of the program: raw bytes in, raw bytes, log lines and metrics out.

A tool that is missing is a failure, not a skip. Nothing here leaves the machine: what asks the
proxy for anything but loopback runs in namespaces of its own (netns.py).
"""

import contextlib
import random
import resource
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from names import Names, table  # noqa: E402
from netns import NetNs, Sandbox  # noqa: E402
from origins import Echo, Listener  # noqa: E402
from programs import Programs  # noqa: E402
from proxy import Penstock  # noqa: E402
from tls import Authority, Nginx  # noqa: E402

TOOLS = ["ip", "nft", "dnsmasq", "prlimit", "openssl", "curl", "git", "nginx", "node", "chromium",
         "certutil", "wget", "nc.openbsd", "ncat", "proxychains4", "apt-get", "apt-ftparchive", "dpkg-deb",
         "dpkg-scanpackages", "strace", "squid", "tinyproxy", "setpriv", "mount", "tc", "haproxy",
         "microsocks", "krb5kdc", "kdb5_util", "kadmin.local", "kinit", "c-icap", "clamd"]


def pytest_configure(config):
    # Thousands of tunnels need two descriptors each on this side.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session", autouse=True)
def tools():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"missing tools: {' '.join(missing)}", pytrace=False)


@contextlib.contextmanager
def several(make_directory, started):
    """A function that starts proxies, noted in `started`; all are ended and judged at the end."""
    def start(config=None, **options):
        proxy = Penstock(make_directory(), config, **options)
        started.append(proxy)
        return proxy

    try:
        yield start
        for proxy in started:
            proxy.end()
    finally:
        for proxy in started:
            proxy.kill()
        started.clear()


@pytest.fixture
def penstock(tmp_path):
    directories = iter(range(1000))

    def make_directory():
        directory = tmp_path / f"penstock-{next(directories)}"
        directory.mkdir()
        return directory

    with several(make_directory, []) as start:
        yield start


shared = []  # by the tests of the module that runs now


@pytest.fixture(scope="module")
def shared_penstock(tmp_path_factory):
    """Like `penstock`, for proxies that the tests of a module share."""
    with several(lambda: tmp_path_factory.mktemp("penstock"), shared) as start:
        yield start


@pytest.fixture(autouse=True)
def own_log_lines():
    """An origin may get the port of one that an earlier test had, whose lines are not its own."""
    for proxy in shared:
        proxy.wait_for_new_lines_only()


@pytest.fixture
def sandbox():
    box = Sandbox()
    yield box
    box.delete()


@pytest.fixture(scope="module")
def shared_sandbox():
    box = Sandbox()
    yield box
    box.delete()


@pytest.fixture(scope="module")
def quarantine():
    """A namespace with loopback only."""
    ns = NetNs()
    yield ns
    ns.delete()


@pytest.fixture
def listener():
    """Starts origins that the test drives by hand."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kw: stack.enter_context(contextlib.closing(Listener(*args, **kw)))


@pytest.fixture
def echo():
    with contextlib.closing(Echo()) as origin:
        yield origin


@pytest.fixture
def programs():
    with contextlib.closing(Programs()) as started:
        yield started


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def tls_origin(tmp_path_factory, authority):
    """An nginx under a few names of 127.0.0.1."""
    names = ["a.checked.example", "app.test", "static.test", "127.0.0.1"]
    with contextlib.closing(Nginx(tmp_path_factory.mktemp("nginx"), authority, names)) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def site(tls_origin):
    """The origin, with a file of 3 MiB."""
    tls_origin.blob = random.Random(7).randbytes(3 << 20)
    (tls_origin.root / "blob").write_bytes(tls_origin.blob)
    tls_origin.url = f"https://app.test:{tls_origin.port}"
    tls_origin.plain_url = f"http://app.test:{tls_origin.plain_port}"
    return tls_origin


@pytest.fixture(scope="module")
def names(request):
    """A name server that knows the NAMES of the module."""
    with contextlib.closing(Names(table(request.module.NAMES))) as server:
        yield server
