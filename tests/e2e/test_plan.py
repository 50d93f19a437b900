"""`penstock plan` as its users see it: the table, JSON, the picture, the errors, the simulation, and
what it makes of a running proxy's /capacity."""

import contextlib
import http.server
import json
import threading
import xml.etree.ElementTree

import pytest

from proxy import run_command
from wire import eventually

LOAD = ["--rate", "20000/s", "--setup-time", "35ms", "--lifetime", "90s", "--cpu-per-connect", "80us",
        "--bandwidth", "4Gbit/s", "--cpu-per-gib", "250ms", "--destinations", "50"]

CAPACITY = {
    "window_seconds": 10, "workers": 2, "lambda": 400.0, "setup_seconds": 0.02, "pending_mean": 8.1,
    "lambda_w": 8.0, "tunnels_open": 4000, "tunnel_seconds": 10.0, "bytes_per_second": 1.2e8,
    "utilisation": 0.02, "utilisation_per_worker": [0.02, 0.02], "cpu_per_connect_seconds": 0.0001,
    "p_wait": 0.001,
    "limits": {"seats": 9263, "seats_taken": 4008, "pending": 2315, "pending_per_destination": 578,
               "descriptors": 20000, "descriptors_open": 8100, "memory_bytes": 0,
               "resident_bytes": 30000000, "ephemeral_ports": 28232},
    "destinations": [{"authority": "a.example:443", "pending": 4}, {"authority": "b.example:443"}],
}


def plan(*arguments, status=0):
    result = run_command("plan", *map(str, arguments))
    assert result.returncode == status, result.stdout + result.stderr
    return result


def found(*arguments):
    return json.loads(plan(*arguments, "--json").stdout)


@contextlib.contextmanager
def serving(body, status=200):
    """An admin listener that answers /capacity with `body`; yields its URL."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/capacity" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_plan_names_each_resource_and_what_runs_out_first():
    table = plan(*LOAD).stdout
    for words in ("20,000/s", "1,800,700", "instances", "and 1 more", "limits.pending", "LimitNOFILE",
                  "source ports", "run out first", "If set-ups take longer instead"):
        assert words in table, table
    assert not any(line != line.rstrip() for line in table.splitlines())
    assert max(map(len, table.splitlines())) <= 110


def test_a_plan_in_json_says_the_same():
    page = found(*LOAD)
    assert page["demand"]["pending"] == pytest.approx(700)
    assert page["demand"]["connections"] == pytest.approx(1_800_700)
    assert page["instances_with_spare"] == page["instances"] + 1
    assert page["instances"] * page["instance"]["seats"] > 1_800_700
    assert page["wait"]["queue_each"]["percentile_seconds"] <= 0.001
    assert page["wait"]["one_queue"]["p_wait"] <= page["wait"]["queue_each"]["p_wait"]
    rates = [reach["rate_most"] or float("inf") for reach in page["reaches"]]
    assert rates == sorted(rates) and rates[0] >= 20_000
    assert page["assumed"] == []


def test_what_is_given_of_an_instance_is_kept():
    page = found(*LOAD, "--workers", 2, "--nofile", 20000, "--source-addresses", 1, "--pending", 500)
    assert page["instance"]["workers"] == 2
    assert page["instance"]["nofile"] == 20000
    assert page["instance"]["permits"] == 500
    assert page["instances"] > 190, "each has seats for some 9,263 connections"


def test_a_plan_is_drawn(tmp_path):
    picture = tmp_path / "plan.svg"
    plan(*LOAD, "--plot", picture)
    root = xml.etree.ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = picture.read_text()
    for words in ("source ports", "a queue each", "--max-wait", "20,000/s"):
        assert words in text
    assert "nan" not in text and "inf" not in text


@pytest.mark.parametrize("arguments, words", [
    ([], "--rate is missing; write --rate 1000/s"),
    (["--rate", "fast"], '--rate: "fast" is no rate'),
    (["--rate", "10", "--setup-time", "35"], "write a whole number with a unit"),
    (LOAD + ["--bandwidth", "4G"], "--bandwidth"),
    (LOAD + ["--plot", "/nonexistent/plan.svg"], "cannot be written"),
    (LOAD + ["--seed", "2"], "--seed is for a simulation; give --simulate as well"),
])
def test_a_wrong_word_is_a_usage_error(arguments, words):
    result = plan(*arguments, status=2)
    assert words in result.stderr
    assert result.stdout == ""


def test_a_load_that_nothing_carries_is_a_failure():
    result = plan(*LOAD, "--nofile", 64, status=1)
    assert "seats do not suffice" in result.stderr and "--nofile" in result.stderr


def test_the_simulation_agrees_with_the_model():
    page = found("--rate", "2000/s", "--setup-time", "20ms", "--lifetime", "1s", "--cpu-per-connect",
                 "300us", "--workers", 2, "--simulate", "--set-ups", 200000, "--seed", 3)
    rows = {(row["system"], row["figure"]): row for row in page["simulation"]}
    for key in [("worker", "p_wait"), ("worker", "mean_seconds"), ("shared_queue", "mean_seconds"),
                ("seats", "in_use")]:
        row = rows[key]
        assert abs(row["model"] - row["simulated"]) <= row["spread"], (key, row)


def test_the_simulation_takes_recorded_times(tmp_path):
    times = tmp_path / "times"
    times.write_text("100us\n" * 99 + "10ms\n")
    load = ["--rate", "1000/s", "--setup-time", "20ms", "--lifetime", "1s", "--cpu-per-connect",
            "200us", "--simulate", "--set-ups", "100000"]
    assert found(*load, "--service-times", times)["demand"]["service_cv"] > 4
    times.write_text("100us\nsoon\n")
    assert f'{times}:2: found "soon"' in plan(*load, "--service-times", times, status=2).stderr


def test_a_running_proxy_is_asked_how_much_more_it_takes():
    with serving(json.dumps(CAPACITY)) as url:
        table = plan("--from", url).stdout
        assert "This one can take" in table and "Little's law" in table
        page = found("--from", url)
        assert page["demand"]["rate"] == 400
        assert page["demand"]["destinations"] == 2
        assert page["instance"]["seats"] == 9263
        seats = next(r for r in page["reaches"] if r["resource"] == "seats")
        assert 2.2 < seats["rate_most"] / 400 < 2.4, "9,263 seats, 4,008 in use"
        assert found("--from", url, "--rate", "800/s")["demand"]["rate"] == 800


def test_the_page_of_a_real_proxy_is_understood(penstock, echo):
    proxy = penstock({"workers": 2})

    def measured():
        proxy.tunnel(echo.authority).close()
        page = json.loads(proxy.get("/capacity")[2])
        return page["lambda"] and page["setup_seconds"] and page["tunnel_seconds"] and page

    page = eventually(measured, "a window with set-ups and tunnels")
    plans = found("--from", "%s:%d" % proxy.admin)
    assert plans["instance"]["workers"] == 2
    assert plans["instance"]["seats"] == page["limits"]["seats"]
    assert plans["instance"]["permits"] == page["limits"]["pending"]
    assert plans["demand"]["rate"] > 0 and plans["assumed"] == []
    # How busy it is depends on what else the machine does.
    assert all(reach["rate_most"] > 0 for reach in plans["reaches"])


def test_what_a_proxy_does_not_say_is_said_to_be_missing():
    sparse = dict(CAPACITY, tunnel_seconds=None, cpu_per_connect_seconds=None)
    with serving(json.dumps(sparse)) as url:
        assert "--lifetime" in plan("--from", url, status=2).stderr
        assert "--cpu-per-connect 80us" in found("--from", url, "--lifetime", "9s")["assumed"]
    with serving(json.dumps(dict(CAPACITY, **{"lambda": 0}))) as url:
        assert "no set-up for 10 s" in plan("--from", url, status=2).stderr


@pytest.mark.parametrize("body, status, words", [
    ("404", 404, "404 for /capacity"),
    ("[]", 200, "no JSON object"),
    ("nonsense", 200, "no JSON object"),
])
def test_an_answer_that_is_none_is_a_failure(body, status, words):
    with serving(body, status) as url:
        assert words in plan("--from", url, status=1).stderr


def test_a_proxy_that_is_not_there_is_a_failure():
    assert "Connection refused" in plan("--from", "127.0.0.1:1", status=1).stderr


def test_an_incident_is_played_with_each_bulkhead(tmp_path):
    picture = tmp_path / "incident.svg"
    page = found("--incident", "--ill", 4, "--plot", picture)
    courses = {course["bulkhead"]: course for course in page["courses"]}
    assert list(courses) == ["none", "fixed", "aimd", "gradient"]
    assert courses["none"]["success"] < courses["fixed"]["success"] < 0.9
    assert courses["gradient"]["success"] == courses["aimd"]["success"] == 1
    assert len(courses["gradient"]["seconds"]) == 100
    assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")
    table = plan("--incident").stdout
    assert "gradient" in table and "from 20 s to 60 s 1 of them takes 5.00 s" in table
