"""Start, reload, drain and end; what is said in the log, on stderr and to those who scrape."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import sys
import time

import pytest

from origins import Listener, closed_port
from proxy import BINARY, LAB, Penstock, run_command
from wire import Tunnel, connect_head, eventually, is_open, read_reply

CLOSED = {"policy": {"rules": []}}


def refuses_connections(address):
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


# Ending.


@pytest.mark.threads
def test_sigterm_lets_tunnels_end_by_themselves(penstock, echo):
    proxy = penstock({"timeouts": {"drain": "60s"}})
    tunnel, other = proxy.tunnel(echo.authority), proxy.tunnel(echo.authority)
    assert proxy.get("/readyz")[0] == 200
    proxy.signal(signal.SIGTERM)
    eventually(lambda: proxy.get("/readyz")[0] == 503, "readyz 503")
    eventually(lambda: refuses_connections(proxy.address), "the closed listener")
    assert proxy.get("/healthz")[0] == 200
    assert tunnel.echoes() and other.echoes()
    tunnel.close()
    assert other.echoes()
    other.close()
    proxy.judge_end()
    assert [line["outcome"] for line in proxy.log()] == ["closed", "closed"]


def test_sigterm_without_tunnels_ends_at_once(penstock):
    proxy = penstock({"timeouts": {"drain": "3600s"}})
    proxy.signal(signal.SIGINT)
    proxy.judge_end()


@pytest.mark.threads
def test_tunnels_that_outlive_the_drain_are_cut_and_logged(penstock, echo):
    proxy = penstock({"timeouts": {"drain": "500ms"}})
    tunnels = [proxy.tunnel(echo.authority) for _ in range(20)]
    assert all(tunnel.echoes() for tunnel in tunnels)
    proxy.signal(signal.SIGTERM)
    for tunnel in tunnels:
        tunnel.receive_to_end()
    proxy.judge_end()
    assert [line["error"] for line in proxy.log()] == ["drained"] * 20


@pytest.mark.threads
def test_a_second_sigterm_ends_at_once(penstock, echo):
    proxy = penstock({"timeouts": {"drain": "3600s"}})
    tunnels = [proxy.tunnel(echo.authority) for _ in range(20)]
    half_open = proxy.socket()
    half_open.sendall(b"CONNECT ")
    proxy.signal(signal.SIGTERM)
    eventually(lambda: proxy.get("/readyz")[0] == 503, "the drain")
    proxy.signal(signal.SIGTERM)
    for tunnel in tunnels:
        tunnel.receive_to_end()
    proxy.judge_end()
    assert [line["error"] for line in proxy.log()].count("aborted") >= 20


# Reload.


@pytest.mark.threads
def test_a_reload_is_for_new_connections_and_closes_tunnels_it_refuses(penstock, echo, listener):
    origin = listener()
    proxy = penstock()
    kept, cut = proxy.tunnel(echo.authority), proxy.tunnel(origin.authority)
    origin.accept()
    only_echo = {"name": "echo", "allow": [echo.authority]}
    proxy.reload({"policy": {"rules": [only_echo]}})
    cut.receive_to_end()
    (entry,) = proxy.wait_log(error="policy_changed")
    assert (entry["side"], entry["authority"]) == ("policy", origin.authority)
    assert kept.echoes()
    assert proxy.refusal(origin.authority).status == 403
    proxy.reload({})
    assert isinstance(proxy.ask(origin.authority), Tunnel)


def test_with_reload_keep_live_tunnels_stay(penstock, echo):
    proxy = penstock()
    tunnel = proxy.tunnel(echo.authority)
    proxy.reload({"policy": {"rules": [], "reload": "keep"}})
    eventually(lambda: not isinstance(proxy.ask(echo.authority), Tunnel), "the new policy")
    assert tunnel.echoes()


@pytest.mark.parametrize("broken", [
    {"policy": {"rules": [{"name": "x", "allow": ["a:0"]}]}},
    {"limits": {"tunels": 5}},
    "listeners: [",
    {"listeners": [{"address": "127.0.0.2:0"}]},
], ids=["a bad pattern", "an unknown key", "no YAML", "another listener"])
def test_a_bad_reload_changes_nothing_and_is_counted(penstock, echo, broken):
    proxy = penstock()
    tunnel = proxy.tunnel(echo.authority)
    proxy.reload(broken, accepted=False)
    assert tunnel.echoes()
    assert proxy.tunnel(echo.authority).echoes()
    assert proxy.reloads("done") == 0
    proxy.reload({}, accepted=True)
    assert tunnel.echoes()


def test_limits_change_with_a_reload(penstock, echo):
    proxy = penstock({"limits": {"tunnels": 1}})
    tunnel = proxy.tunnel(echo.authority)
    assert proxy.refusal(echo.authority).status == 503
    proxy.reload({"limits": {"tunnels": 10}})
    assert proxy.tunnel(echo.authority).echoes() and tunnel.echoes()


# The access log.


def test_sigusr1_opens_the_log_anew(penstock, echo):
    proxy = penstock()
    proxy.tunnel(echo.authority).close()
    first = proxy.wait_log(1)
    old = proxy.log_file.rename(proxy.log_file.with_suffix(".1"))
    proxy.signal(signal.SIGUSR1)
    eventually(proxy.log_file.exists, "the new file")
    proxy.tunnel(echo.authority).close()
    (second,) = proxy.wait_log(1)
    assert second["id"] != first[0]["id"]
    assert len(old.read_text().splitlines()) == 1
    assert proxy.log_file.stat().st_mode & 0o007 == 0


def test_a_log_that_nobody_reads_blocks_nothing_and_losses_are_counted(penstock, echo):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    proxy = penstock({"log": {"access": "stdout"}}, stdout=writer)
    os.close(writer)
    tunnel = proxy.tunnel(echo.authority)
    for _ in range(50):
        for _ in range(100):
            assert proxy.refusal("192.0.2.1:1").status == 403
        if proxy.metrics().total("penstock_log_lines_total", result="dropped") > 0:
            break
    assert tunnel.echoes()
    assert proxy.get("/healthz")[0] == 200
    proxy.close_clients()
    proxy.signal(signal.SIGTERM)
    proxy.judge_end()
    os.close(reader)


ALWAYS = {"time": str, "id": str, "worker": int, "client": str, "identity": str, "method": str,
          "authority": str, "rule": str, "verdict": str, "would_deny": bool, "route": str,
          "outcome": str, "error": str, "side": str, "status": int, "bytes_up": int,
          "bytes_down": int, "total_us": int}


def check_types(line):
    for name, kind in ALWAYS.items():
        assert isinstance(line[name], kind), (name, line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])


def test_a_log_line_says_everything(penstock, echo):
    proxy = penstock()
    tunnel = proxy.tunnel(f"localhost:{echo.port}")
    assert tunnel.echoes(b"12345")
    own = "%s:%d" % tunnel.sock.getsockname()
    tunnel.close()
    (line,) = proxy.wait_log(1)
    check_types(line)
    expected = {"client": own, "identity": "", "method": "CONNECT", "rule": "lab",
                "authority": f"localhost:{echo.port}", "verdict": "allowed", "would_deny": False,
                "route": f"127.0.0.1:{echo.port}", "outcome": "closed", "error": "", "side": "",
                "status": 200, "bytes_up": 5, "bytes_down": 5}
    assert {name: line[name] for name in expected} == expected
    times = [line[f"{step}_us"] for step in ("head", "queue", "resolve", "dial")]
    assert all(time >= 0 for time in times) and line["total_us"] >= sum(times)
    assert line["tcp"]["rtt_us"] > 0 and line["tcp"]["retransmits"] == 0


def test_a_log_line_of_a_refusal_says_what_is_known(penstock):
    proxy = penstock()
    proxy.refusal("192.0.2.1:443")
    proxy.exchange(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
    denied, get = proxy.wait_log(2)
    for line in (denied, get):
        check_types(line)
        assert line["outcome"] == "refused" and line["route"] == ""
        assert "dial_us" not in line and "tcp" not in line
    assert (denied["verdict"], denied["error"]) == ("denied", "name_denied")
    assert (get["verdict"], get["method"], get["authority"]) == ("none", "GET", "http://a.example/")


def test_long_tunnels_are_logged_while_they_live(penstock, echo):
    proxy = penstock({"log": {"progress": "1s"}})
    tunnel = proxy.tunnel(echo.authority)
    assert tunnel.echoes(b"123")
    first, second = proxy.wait_log(2, outcome="open")[:2]
    check_types(first)
    assert first["id"] == second["id"] and first["bytes_up"] == 3
    tunnel.close()
    (last,) = proxy.wait_log(1, outcome="closed")
    assert last["id"] == first["id"]


# Those who look.


def test_metrics_are_well_formed_and_add_up(penstock, echo, listener):
    proxy = penstock()
    tunnel = proxy.tunnel(echo.authority)
    assert tunnel.echoes(b"x" * 1000)
    with contextlib.closing(Listener()) as origin:
        big = proxy.tunnel(origin.authority)
        conn = origin.accept()
        conn.sendall(b"y" * 2_000_000)
        conn.shutdown(socket.SHUT_WR)
        assert len(big.receive_to_end()[0]) == 2_000_000
        big.close()
    holder, port = closed_port()
    with holder:
        proxy.refusal(f"127.0.0.1:{port}")
    proxy.refusal("192.0.2.1:443")
    proxy.wait_log(3)
    metrics = proxy.metrics()
    assert metrics.total("penstock_tunnels_open") == 1
    assert metrics.total("penstock_seats_taken") >= 1
    assert metrics.total("penstock_connections_total", outcome="closed") == 1
    assert metrics.total("penstock_connections_total", outcome="failed", error="refused") == 1
    assert metrics.total("penstock_connections_total", outcome="refused", error="name_denied") == 1
    assert metrics.total("penstock_bytes_total", direction="up") == 1000
    assert metrics.total("penstock_bytes_total", direction="down") == 2_001_000
    assert metrics.total("penstock_bytes_total", path="splice") > 0
    assert metrics.total("penstock_step_seconds_count", step="head") == 3
    buckets = [(float(dict(labels)["le"]), value) for (name, labels), value in metrics.items()
               if name == "penstock_step_seconds_bucket" and ("step", "head") in labels]
    assert [v for _, v in sorted(buckets)] == sorted(v for _, v in buckets)
    assert max(buckets)[0] == float("inf") and max(buckets)[1] == 3
    for name, _ in metrics:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name.startswith("penstock_") and (name in metrics.types or base in metrics.types)


@pytest.mark.threads
def test_metrics_can_be_read_while_tunnels_come_and_go(penstock, echo):
    proxy = penstock()
    for _ in range(30):
        tunnels = [proxy.tunnel(echo.authority) for _ in range(5)]
        assert all(tunnel.echoes() for tunnel in tunnels)
        assert proxy.metrics().total("penstock_tunnels_open") >= 5
        for tunnel in tunnels:
            tunnel.reset()


def test_the_admin_listener_serves_its_pages_and_nothing_else(penstock):
    proxy = penstock()
    assert proxy.get("/healthz")[0] == proxy.get("/readyz")[0] == proxy.get("/metrics")[0] == 200
    assert proxy.get("/metrics")[1]["content-type"].startswith("text/plain; version=0.0.4")
    assert proxy.get("/nothing")[0] == 404
    assert proxy.get("/metrics", method="POST")[0] in (400, 405)
    status, fields, body = proxy.get("/metrics", method="HEAD")
    assert status == 200 and int(fields["content-length"]) > 0 and body == ""
    with proxy.socket(proxy.admin) as sock:
        sock.sendall(connect_head("127.0.0.1:1"))
        assert read_reply(sock).status in (400, 405)


# Starting.


def fails_to_start(tmp_path, config, **options):
    with pytest.raises(AssertionError, match="ended at the start with status 1") as failure:
        Penstock(tmp_path, config, **options)
    return str(failure.value)


def test_an_address_in_use_is_said_in_one_line(tmp_path, listener):
    taken = listener()
    said = fails_to_start(tmp_path, {"listeners": [{"address": taken.authority}]})
    assert [line for line in said.splitlines()
            if taken.authority in line and "in use" in line.lower()], said


def test_two_proxies_do_not_share_a_port(penstock, tmp_path):
    first = penstock()
    said = fails_to_start(tmp_path, {"listeners": [{"address": "%s:%d" % first.address}]})
    assert "in use" in said.lower()


BROKEN = """
listeners:
  - address: 127.0.0.1:99999
admin: {address: "127.0.0.1:0"}
polcy: {}
timeouts: {head: 10}
limits: {tunnels: -1, head_bytes: lots}
policy:
  mode: enforced
  rules:
    - name: a
      allow: ["*.example.com", "10.0.0.0/99:1"]
"""


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bad_configuration_exits_with_2_and_names_every_fault(tmp_path, command):
    file = tmp_path / "bad.yaml"
    file.write_text(BROKEN)
    done = run_command(command, "--config", str(file))
    assert done.returncode == 2
    said = done.stderr + done.stdout
    places = set(re.findall(r"bad\.yaml:(\d+):\d+: ", said))
    assert places >= {"3", "5", "6", "7", "9", "12"}, said
    assert "policy" in said  # what `polcy` should have been


def test_a_configuration_that_is_missing_exits_with_2(tmp_path):
    done = run_command("run", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == 2 and "none.yaml" in done.stderr


def test_a_good_configuration_passes_check(penstock):
    done = run_command("check", "--config", str(penstock().config_file))
    assert done.returncode == 0, done.stderr


def test_the_schema_is_json():
    import json
    done = run_command("check", "--schema")
    assert done.returncode == 0 and json.loads(done.stdout)["type"] == "object"


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["run", "--help"],
                                       ["check", "--help"], ["explain", "--help"]])
def test_help_and_version_exit_with_0(arguments):
    done = run_command(*arguments)
    assert done.returncode == 0 and "penstock" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["run", "--nothing"], ["explain"]])
def test_wrong_usage_exits_with_2(arguments):
    assert run_command(*arguments).returncode == 2


def test_several_listeners_of_both_families(penstock, echo):
    proxy = penstock({"listeners": [{"address": "127.0.0.1:0"}, {"address": "[::1]:0"}]})
    addresses = proxy.addresses("listening on")
    assert {host for host, _ in addresses} == {"127.0.0.1", "::1"}
    for address in addresses:
        with proxy.socket(address) as sock:
            sock.sendall(connect_head(echo.authority))
            assert read_reply(sock).status == 200


ACTIVATE = """
import os, socket, sys
sock = socket.socket(); sock.bind(("127.0.0.1", int(sys.argv[1]))); sock.listen(16)
os.dup2(sock.fileno(), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_listeners_can_be_inherited_from_a_service_manager(penstock, echo):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    proxy = penstock({"listeners": [{"address": f"127.0.0.1:{port}"}]},
                     launcher=[sys.executable, "-c", ACTIVATE, str(port)])
    assert proxy.address == ("127.0.0.1", port)
    assert proxy.tunnel(echo.authority).echoes()
    assert BINARY.name in os.readlink(f"/proc/{proxy.process.pid}/exe")


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told_about_start_reload_and_end(penstock, tmp_path, abstract):
    path = f"\0penstock-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        proxy = penstock(env={"NOTIFY_SOCKET": path.replace("\0", "@")})

        def told(word):
            while word not in (message := manager.recv(4096).decode()).splitlines():
                assert message
            return message

        told("READY=1")
        proxy.reload({})
        assert "MONOTONIC_USEC=" in told("RELOADING=1")
        told("READY=1")
        proxy.signal(signal.SIGTERM)
        told("STOPPING=1")
    proxy.judge_end()


def test_without_a_configuration_only_public_https_is_open(quarantine, tmp_path):
    proxy = Penstock(tmp_path, ns=quarantine, arguments=["run"])
    try:
        assert proxy.address == ("127.0.0.1", 3128) and proxy.admin == ("127.0.0.1", 3129)
        for target in ("127.0.0.1:443", "10.0.0.1:443", "45.77.1.1:22", "169.254.169.254:80"):
            assert proxy.refusal(target).status == 403
        # Allowed, and there is no way out of this place.
        assert proxy.refusal("45.77.1.1:443").error == "destination_ip_unroutable"
        proxy.end()
    finally:
        proxy.kill()


def test_an_idle_proxy_uses_no_cpu(penstock):
    proxy = penstock()
    before, began = proxy.cpu_seconds(), time.monotonic()
    eventually(lambda: time.monotonic() - began > 2)
    assert proxy.cpu_seconds() - before <= 0.05
    assert is_open(proxy.socket())
