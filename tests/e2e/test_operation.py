"""Drain, end and reload; what is said in the log, on stderr and to those who scrape."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import time

import pytest

from origins import Listener, closed_port
from wire import Tunnel, connect_head, eventually, is_open, read_reply


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
    # Whoever only looked whether the listener was still there has left.
    outcomes = [line["outcome"] for line in proxy.log()]
    assert [outcome for outcome in outcomes if outcome != "left"] == ["closed", "closed"]


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
    denied, = proxy.wait_log()  # another worker may be quicker with the second
    proxy.exchange(b"GET https://a.example/p?token=secret HTTP/1.1\r\nHost: a.example\r\n\r\n")
    _, get = proxy.wait_log(2)
    for line in (denied, get):
        check_types(line)
        assert line["outcome"] == "refused" and line["route"] == ""
        assert "dial_us" not in line and "tcp" not in line
    assert (denied["verdict"], denied["error"]) == ("denied", "name_denied")
    assert (get["verdict"], get["method"], get["authority"]) == ("none", "GET", "https://a.example/p")


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


def test_an_idle_proxy_uses_no_cpu(penstock):
    proxy = penstock()
    before, began = proxy.cpu_seconds(), time.monotonic()
    eventually(lambda: time.monotonic() - began > 2)
    assert proxy.cpu_seconds() - before <= 0.05
    assert is_open(proxy.socket())
