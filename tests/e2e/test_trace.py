"""penstock trace beside programs whose connections are known: it must say what was done.

The sock_ops back end is attached to a cgroup of the test's own, in which only the test's programs are,
so nothing else on the machine is counted. What takes kprobes or fentry is in tests/vm.
"""

import contextlib
import socket
import subprocess
import sys
import urllib.request

import pytest

from proxies import Rival
from proxy import BINARY
from tracing import Cgroup, Report, Trace
from wire import DEADLINE, connect_head, eventually, read_reply, read_to_end


@pytest.fixture
def cgroup(tmp_path):
    """First among the fixtures of a test, so that whoever is in it has ended when it goes."""
    made = Cgroup(tmp_path)
    yield made
    made.delete()


@pytest.fixture
def trace(tmp_path):
    """Starts traces; what a test does not end is killed."""
    started = []

    def start(*arguments, **options):
        started.append(Trace(tmp_path, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


# Connects as it is told, a line each: "HOST PORT COUNT", and answers with what came of the last one.
CALLER = """
import socket, struct, sys
for line in sys.stdin:
    host, port, count, end = line.split()
    said = "connected"
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.connect((host, int(port)))
            if end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif end == "wait":
                sock.recv(1)
        except OSError as error:
            said = error.__class__.__name__
        sock.close()
    print(said, flush=True)
"""

# Accepts on any port of HOST, which it says, and closes what it has accepted once the other side has.
LISTENER = """
import socket, sys, threading
host, backlog = sys.argv[1], int(sys.argv[2])
listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
listener.bind((host, 0))
listener.listen(backlog)
print(listener.getsockname()[1], flush=True)
def serve(sock):
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
    sock.close()
if backlog:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
sys.stdin.read()
"""


class Program:
    """A Python program in a cgroup and a namespace."""

    def __init__(self, code, *arguments, cgroup=None, ns=None):
        command = [*(ns.prefix() if ns else []), sys.executable, "-c", code, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=cgroup.enter if cgroup else None)

    @property
    def pid(self):
        return self.process.pid

    def read(self):
        line = self.process.stdout.readline().strip()
        assert line, f"the program ended with {self.process.poll()}"
        return line

    def call(self, host, port, count=1, end="close"):
        self.process.stdin.write(f"{host} {port} {count} {end}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def program():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kw: stack.enter_context(contextlib.closing(Program(*args, **kw)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_counts_are_those_of_the_connections_made(cgroup, trace, program, quarantine, host):
    listener = program(LISTENER, host, "4096", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    tracer = trace("--cgroup", cgroup.path, "--backend", "sock_ops")
    assert "tracing by sock_ops on" in tracer.stderr()
    assert caller.call(host, port, 1000) == "connected"
    total = tracer.end()
    assert total.events("established") == total.events("established", "incoming") == 1000
    assert total.latency("outgoing", "connect")["count"] == 1000
    assert total.latency("incoming", "handshake")["count"] == 1000
    assert total.events("syn_retransmitted") == 0
    assert "accept_queue" in total.raw["not_known"]


def test_self_is_whoever_shares_its_cgroup(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", ns=quarantine)
    port = int(listener.read())
    neighbour, stranger = program(CALLER, cgroup=cgroup, ns=quarantine), program(CALLER, ns=quarantine)
    enter = f'echo $$ >{cgroup.path}/cgroup.procs && exec "$@"'
    tracer = trace("--self", "--backend", "sock_ops", prefix=["sh", "-c", enter, "sh"])
    assert stranger.call("127.0.0.1", port, 5) == neighbour.call("127.0.0.1", port, 3) == "connected"
    total = tracer.end()
    assert total.events("established") == 3
    assert total.latency("outgoing", "connect")["count"] == 3


def test_what_was_closed_has_lived_and_has_round_trip_times(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    tracer = trace("--cgroup", cgroup.path, "--interval", "100ms")
    caller.call("127.0.0.1", port, 20)
    wait_until_closed(quarantine, port)
    total = tracer.end()
    for name in ("lifetime", "smoothed_rtt", "min_rtt"):
        assert total.latency("outgoing", name)["count"] == 20, name
    minimum, smoothed = (total.latency("outgoing", name)["sum_us"]
                         for name in ("min_rtt", "smoothed_rtt"))
    assert 0 < minimum <= smoothed


def wait_until_closed(ns, port):
    """Until no connection from or to the port is left, but for those that the kernel remembers."""
    listen, time_wait = "0A", "06"

    def open_connections():
        out = ns.run("cat", "/proc/net/tcp", capture_output=True, text=True).stdout
        rows = [line.split() for line in out.splitlines()[1:]]
        return [row for row in rows if row[3] not in (listen, time_wait)
                and f"{port:04X}" in (row[1].split(":")[1], row[2].split(":")[1])]
    eventually(lambda: not open_connections(), f"no connections of port {port}")


def test_a_dropped_syn_is_one_retransmission_and_a_second(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    # Every other SYN, beginning with the first.
    quarantine.run("nft", "add table ip test; add chain ip test in "
                   "{ type filter hook input priority 0; }; add rule ip test in "
                   f"tcp dport {port} tcp flags & (syn|ack) == syn numgen inc mod 2 == 0 drop")
    try:
        tracer = trace("--cgroup", cgroup.path)
        assert caller.call("127.0.0.1", port) == "connected"
        total = tracer.end()
    finally:
        quarantine.run("nft", "delete table ip test")
    assert total.events("syn_retransmitted") == 1
    connect = total.latency("outgoing", "connect")
    assert connect["count"] == 1
    # What the kernel waits before it asks again (RFC 6298); it is the measured value, not ours.
    assert 990_000 <= connect["sum_us"] < 2_000_000


def test_failures_are_told_by_errno_and_resets_by_state(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    tracer = trace("--cgroup", cgroup.path, "--backend", "sock_ops")
    assert caller.call("127.0.0.1", 1, 3) == "ConnectionRefusedError"
    caller.call("127.0.0.1", port, 5, "reset")
    wait_until_closed(quarantine, port)
    total = tracer.end()
    assert total.events("connect_failed", errno="ECONNREFUSED") == 3
    assert total.events("reset_received", state="syn_sent") == 3
    assert total.events("reset_sent", state="established") == 5
    assert total.events("reset_received", "incoming", state="established") == 5


def test_destinations_are_told_apart(cgroup, trace, program, quarantine):
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    listeners = [program(LISTENER, host, "64", cgroup=cgroup, ns=quarantine)
                 for host in ("127.0.0.1", "::1")]
    four, six = [int(listener.read()) for listener in listeners]
    tracer = trace("--cgroup", cgroup.path, "--by", "destination")
    caller.call("127.0.0.1", four, 3)
    caller.call("::1", six, 4)
    # IPv4 in the clothes of IPv6 is the same place.
    caller.call("::ffff:127.0.0.1", four, 2)
    total = tracer.end()
    found = {group.get("destination", group.get("listener")): group["latencies"]
             for group in total.raw["groups"] if group["direction"] == "outgoing"}
    assert found[f"127.0.0.1:{four}"]["connect"]["count"] == 5
    assert found[f"[::1]:{six}"]["connect"]["count"] == 4


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
child.wait()
"""


def test_a_pid_is_traced_with_its_children_and_nobody_else(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    parent = program(PARENT, CALLER, ns=quarantine)
    stranger = program(CALLER, ns=quarantine)
    tracer = trace("--pid", parent.pid, "--backend", "sock_ops")
    assert parent.call("127.0.0.1", port, 7) == "connected"
    assert stranger.call("127.0.0.1", port, 11) == "connected"
    assert tracer.end().events("established") == 7


def test_a_listener_older_than_the_trace_is_traced_by_its_pid(trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", ns=quarantine)
    other = program(LISTENER, "127.0.0.1", "64", ns=quarantine)
    port, other_port = int(listener.read()), int(other.read())
    caller = program(CALLER, ns=quarantine)
    tracer = trace("--pid", listener.pid, "--backend", "sock_ops")
    caller.call("127.0.0.1", port, 6)
    caller.call("127.0.0.1", other_port, 5)
    total = tracer.end()
    assert total.events("established", "incoming") == 6
    assert total.latency("incoming", "handshake")["count"] == 6
    assert total.events("established") == 0, "of the caller nobody asked"


def test_an_accept_queue_that_is_full_overflows(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "0", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    tracer = trace("--cgroup", cgroup.path, "--backend", "sock_ops", ns=quarantine)
    socks = [quarantine.socket() for _ in range(4)]
    for sock in socks:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
    def overflows():
        text = quarantine.run("cat", "/proc/net/netstat", capture_output=True, text=True).stdout
        names, numbers = [line.split() for line in text.splitlines() if line.startswith("TcpExt")]
        return int(dict(zip(names, numbers))["ListenOverflows"]) or None
    eventually(overflows, "an overflow")
    total = tracer.end()
    for sock in socks:
        sock.close()
    assert total.raw["listen_overflows"] > 0


def test_packets_of_an_interface_time_its_handshakes(trace, program, sandbox):
    world = program(LISTENER, sandbox.WORLD_V4, "64", ns=sandbox.world)
    port = int(world.read())
    caller = program(CALLER, ns=sandbox.gate)
    tracers = [trace("--interface", link, ns=ns)
               for link, ns in (("out", sandbox.gate), ("in", sandbox.world))]
    assert "packets of out (XDP, tc)" in tracers[0].stderr()
    assert caller.call(sandbox.WORLD_V4, port, 9) == "connected"
    assert caller.call(sandbox.WORLD_V4, 1, 2) == "ConnectionRefusedError"
    near, far = [tracer.end() for tracer in tracers]
    assert near.latency("outgoing", "connect")["count"] == 9
    assert near.events("connect_failed", errno="ECONNREFUSED") == 2
    assert far.latency("incoming", "handshake")["count"] == 9
    assert far.events("reset_sent", "incoming", state="syn_received") == 2


def test_nothing_stays_on_the_interface(trace, sandbox):
    trace("--interface", "out", ns=sandbox.gate).end()
    shown = sandbox.gate.run("ip", "link", "show", "out", capture_output=True, text=True).stdout
    assert "xdp" not in shown
    shown = sandbox.gate.run("tc", "qdisc", "show", "dev", "out", capture_output=True, text=True)
    assert "clsact" not in shown.stdout


UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--bounding-set=-all", "--inh-caps=-all"]


def test_without_privilege_it_names_what_is_missing_and_asks_sock_diag(trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, ns=quarantine)
    tracer = trace("--interval", "100ms", prefix=UNPRIVILEGED, ns=quarantine)
    lines = tracer.stderr().splitlines()
    assert lines[0] == "no BPF: this process lacks CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
    assert lines[1].startswith("tracing by sock_diag")
    caller.process.stdin.write(f"127.0.0.1 {port} 1 wait\n")
    caller.process.stdin.flush()
    for line in tracer.process.stdout:
        if Report(line).events("established") == 1:
            break
    caller.close()
    wait_until_closed(quarantine, port)
    total = tracer.end()
    assert total.events("established") == total.events("established", "incoming") == 1
    assert total.latency("outgoing", "smoothed_rtt")["count"] == 1


def test_a_back_end_that_is_forced_and_not_permitted_is_a_failure():
    ended = subprocess.run([*UNPRIVILEGED, BINARY, "trace", "--backend", "sock_ops"],
                           capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert ended.returncode == 1
    assert ended.stderr == ("sock_ops: this process lacks CAP_BPF, CAP_NET_ADMIN and "
                            "CAP_PERFMON\n")


def test_prometheus_reads_the_same_numbers(cgroup, trace, program, quarantine):
    listener = program(LISTENER, "127.0.0.1", "64", cgroup=cgroup, ns=quarantine)
    port = int(listener.read())
    caller = program(CALLER, cgroup=cgroup, ns=quarantine)
    tracer = trace("--cgroup", cgroup.path, "--prometheus", "127.0.0.1:0")
    caller.call("127.0.0.1", port, 5)
    url = tracer.stderr().split("metrics on ")[1].split()[0]
    with urllib.request.urlopen(url, timeout=DEADLINE) as reply:
        page = reply.read().decode()
    assert ('penstock_trace_events_total{event="established",direction="outgoing",end="",'
            'detail=""} 5') in page
    assert 'penstock_trace_seconds_count{latency="connect",direction="outgoing",end=""} 5' in page


def test_a_duration_ends_it_and_a_picture_is_written(cgroup, tmp_path):
    picture = tmp_path / "out.svg"
    ended = subprocess.run([BINARY, "trace", "--cgroup", cgroup.path, "--duration", "200ms",
                            "--plot", picture], capture_output=True, text=True, timeout=DEADLINE,
                           check=False)
    assert ended.returncode == 0, ended.stderr
    assert "total of" in ended.stdout
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize("name", ["haproxy", "squid"])
def test_a_proxy_that_knows_nothing_of_it_is_traced_by_its_name(trace, program, name):
    origin = int(program(LISTENER, "127.0.0.1", "64").read())
    with contextlib.closing(Rival(name, origin)) as rival:
        tracer = trace("--comm", name, "--backend", "sock_ops", "--by", "destination")
        for _ in range(25):
            with socket.create_connection(("127.0.0.1", rival.port), DEADLINE) as sock:
                if rival.peer.way != "relay":
                    sock.sendall(connect_head(f"127.0.0.1:{origin}"))
                    assert read_reply(sock).status == 200
                sock.sendall(b"x")
                sock.shutdown(socket.SHUT_WR)
                read_to_end(sock)
        total = tracer.end()
    found = {group.get("destination", group.get("listener")): group["latencies"]
             for group in total.raw["groups"]}
    assert found[f"127.0.0.1:{rival.port}"]["handshake"]["count"] == 25
    # Or one more: a relay that was asked whether it listens may connect for that when it is traced.
    assert found[f"127.0.0.1:{origin}"]["connect"]["count"] in (25, 26)


# `run` with the kernel's clock.

def test_the_log_has_the_kernels_time_of_each_connect(cgroup, penstock, echo):
    proxy = penstock({"observe": {"kernel": "auto"}}, preexec=cgroup.enter)
    assert "the kernel times connects: " in proxy.stderr()
    tunnel = proxy.tunnel(echo.authority)
    assert tunnel.echoes()
    tunnel.close()
    line, = proxy.wait_log(1)
    assert 0 < line["tcp"]["connect_us"] <= line["dial_us"] + 1
    assert line["tcp"]["syn_retransmits"] == 0
    assert proxy.metrics().total("penstock_kernel_connect_seconds_count") == 1


def test_a_kernel_that_refuses_costs_a_warning_and_nothing_else(penstock, echo, tmp_path):
    tmp_path.chmod(0o777)
    proxy = penstock({"observe": {"kernel": "auto"}}, launcher=[
        "setpriv", "--bounding-set=-bpf,-sys_admin,-net_admin,-perfmon",
        "--inh-caps=-bpf,-sys_admin,-net_admin,-perfmon"])
    assert "the kernel does not time connects (observe.kernel): sock_ops: this process lacks" in \
        proxy.stderr()
    tunnel = proxy.tunnel(echo.authority)
    assert tunnel.echoes()
    tunnel.close()
    line, = proxy.wait_log(1)
    assert "connect_us" not in line["tcp"]
    assert "rtt_us" in line["tcp"]
