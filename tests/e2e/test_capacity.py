"""What the proxy knows of its own load: Little's law at /capacity and in the metrics, and the order
in which it makes room when seats or memory are short."""

import json
import math

import pytest

from proxy import run_command
from wire import Tunnel, connect_head, eventually, is_open

WINDOW = 10  # seconds


def capacity(proxy):
    status, fields, body = proxy.get("/capacity")
    assert (status, fields["content-type"]) == (200, "application/json")
    return json.loads(body)


NUMBER = (int, float)
OR_NULL = (int, float, type(None))
SCHEMA = {
    "window_seconds": OR_NULL, "workers": int, "lambda": OR_NULL, "setup_seconds": OR_NULL,
    "pending_mean": OR_NULL, "lambda_w": OR_NULL, "pending_difference": OR_NULL,
    "tunnels_open": int, "tunnel_lambda": OR_NULL, "tunnel_seconds": OR_NULL,
    "tunnels_mean": OR_NULL, "tunnel_lambda_w": OR_NULL, "tunnels_difference": OR_NULL,
    "bytes_per_second": OR_NULL, "utilisation": OR_NULL, "utilisation_per_worker": list,
    "cpu_per_connect_seconds": OR_NULL, "p_wait": OR_NULL, "mean_wait_seconds": OR_NULL,
    "limits": dict, "destinations": list,
}
LIMITS = {
    "seats": int, "seats_taken": int, "pending": int, "pending_per_destination": int,
    "queue": (int, type(None)), "descriptors": int, "descriptors_open": int, "memory_bytes": int,
    "resident_bytes": int, "group_memory_bytes": int, "group_used_bytes": int,
    "memory_short": bool, "ephemeral_ports": int,
}


def has_schema(page, schema):
    assert set(page) == set(schema)
    for name, kind in schema.items():
        assert isinstance(page[name], kind), (name, page[name])


def test_capacity_has_all_its_fields_before_anything_was_measured_and_after(penstock):
    proxy = penstock({"workers": 2})
    first = capacity(proxy)
    has_schema(first, SCHEMA)
    has_schema(first["limits"], LIMITS)
    later = eventually(lambda: (page := capacity(proxy))["window_seconds"] and page, "a window")
    has_schema(later, SCHEMA)
    assert later["workers"] == len(later["utilisation_per_worker"]) == 2
    assert (later["lambda"], later["setup_seconds"], later["lambda_w"]) == (0, None, 0)
    assert 0 < later["limits"]["descriptors_open"] < later["limits"]["descriptors"]
    assert 0 < later["limits"]["resident_bytes"]
    status, fields, body = proxy.get("/capacity", "HEAD")
    assert (status, body) == (200, "") and int(fields["content-length"]) > 0


@pytest.fixture
def load_origin():
    from test_load import Origin
    origin = Origin("any")
    yield origin
    origin.close()


def test_littles_law_holds_over_a_full_window_of_load(penstock, load_origin):
    proxy = penstock({"workers": 2})
    # A closed loop: it is as fast as the machine, and stops in full flight. What it says of all of
    # its run is what each window of it must show.
    done = run_command("load", "--proxy", "http://%s:%d" % proxy.address, "--target",
                       load_origin.authority, "--connections", "16", "--duration",
                       f"{WINDOW + 4}s", "--json", timeout=120)
    assert done.returncode == 0, done.stderr
    load = json.loads(done.stdout)
    page = capacity(proxy)
    assert math.isclose(page["window_seconds"], WINDOW, rel_tol=0.1), page
    # The window ends up to a second after the load did.
    assert page["lambda"] <= load["per_second"] * 1.5 and page["lambda"] > load["per_second"] / 3
    for l, lambda_w in (("pending_mean", "lambda_w"), ("tunnels_mean", "tunnel_lambda_w")):
        assert page[l] > 0
        assert math.isclose(page[l], page[lambda_w], rel_tol=0.05), page
    assert page["pending_difference"] == pytest.approx(page["pending_mean"] - page["lambda_w"])
    assert 0 < page["utilisation"] <= 1 and 0 < page["p_wait"] <= 1
    assert 0 < page["cpu_per_connect_seconds"] < 0.1
    # Prometheus has what it takes to say the same of the whole life of the process.
    metrics = proxy.metrics()
    assert metrics.total("penstock_setups_total") == metrics.total("penstock_setups_ended_total")
    assert metrics.total("penstock_setups_total") >= load["finished"]
    assert math.isclose(metrics.total("penstock_setup_seconds_total"),
                        metrics.total("penstock_setup_presence_seconds_total"), rel_tol=0.01)
    shown = metrics.total("penstock_littles_law", quantity="lambda", of="setups")
    assert shown > 0


def test_idle_tunnels_make_room_longest_silence_first_and_active_ones_stay(penstock, echo):
    proxy = penstock({"workers": 2, "limits": {"tunnels": 12}, "overload": {"close_idle": "1s"}})
    idle = [proxy.tunnel(echo.authority) for _ in range(6)]
    active = [proxy.tunnel(echo.authority) for _ in range(6)]

    def newcomer():
        assert all(tunnel.echoes() for tunnel in active)
        got = proxy.ask(echo.authority)
        if isinstance(got, Tunnel):
            return got
        assert (got.status, got.word) == (503, "no_seat")
        return None

    eventually(newcomer, "a seat for a newcomer")
    assert all(tunnel.echoes() for tunnel in active), "active ones are never closed"
    closed = [line["error"] for line in proxy.wait_log(error="closed_idle")]
    assert 1 <= len(closed) <= len(idle)
    assert proxy.metrics().total("penstock_connections_total", outcome="cut",
                                 error="closed_idle") >= 1
    assert any(not is_open(tunnel.sock) for tunnel in idle)


def test_a_full_house_that_refuses_nobody_closes_nobody(penstock, echo):
    proxy = penstock({"limits": {"tunnels": 4}, "overload": {"close_idle": "1s"}})
    idle = [proxy.tunnel(echo.authority) for _ in range(4)]
    began = proxy.metrics().total("penstock_uptime_seconds")
    eventually(lambda: proxy.metrics().total("penstock_uptime_seconds") > began + 3.5)
    assert all(tunnel.echoes() for tunnel in idle)


def test_without_leave_no_tunnel_is_closed_for_others(penstock, echo):
    proxy = penstock({"limits": {"tunnels": 2}})
    idle = [proxy.tunnel(echo.authority) for _ in range(2)]
    began = proxy.metrics().total("penstock_uptime_seconds")

    def refused_for_long():
        assert proxy.refusal(echo.authority).word == "no_seat"
        return proxy.metrics().total("penstock_uptime_seconds") > began + 2.5

    eventually(refused_for_long)
    assert all(tunnel.echoes() for tunnel in idle)


@pytest.mark.release_only  # a sanitizer takes more memory than the limit leaves
def test_memory_that_is_short_refuses_newcomers_and_recovers_by_itself(penstock, echo):
    proxy = penstock({"limits": {"memory": "48MiB", "head_bytes": "1MiB", "head_fields": 10000},
                      "timeouts": {"head": "60s"}, "workers": 1})
    assert "memory 48MiB" in proxy.stderr()
    opened = proxy.tunnel(echo.authority)
    # Heads that never end: each takes as much memory as a head may.
    start = connect_head(echo.authority)[:-2]
    field = b"X-Padding: " + b"x" * 4000 + b"\r\n"
    hoard = []
    for _ in range(50):
        sock = proxy.socket()
        sock.sendall(start + field * 240)
        hoard.append(sock)
    proxy.wait_metric("penstock_memory_short", 1)
    reply = proxy.refusal(echo.authority)
    assert (reply.status, reply.error, reply.word) == (503, "connection_limit_reached", "no_memory")
    assert int(reply.fields["retry-after"]) >= 1
    assert capacity(proxy)["limits"]["memory_short"] is True
    assert opened.echoes(), "what is established stays"
    for sock in hoard:
        sock.close()
    proxy.wait_metric("penstock_memory_short", 0)
    assert proxy.tunnel(echo.authority).echoes()
    assert "new tunnels are refused" in proxy.stderr()
    assert "new tunnels are taken again" in proxy.stderr()


def test_a_limit_of_memory_bounds_the_seats_and_says_so(penstock):
    proxy = penstock({"workers": 2, "limits": {"memory": "64MiB"}}, nofile=20_000)
    seats = proxy.metrics().total("penstock_seats")
    assert 0 < seats < 2000
    assert f"room for {seats:.0f} connections, bounded by memory 64MiB" in proxy.stderr()
    proxy.reload({"workers": 2, "limits": {"memory": "0B"}})
    assert proxy.metrics().total("penstock_seats") == 9263
