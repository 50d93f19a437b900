"""`penstock load` against the real proxy and its own origin: what is measured, what is counted as
an error and of which kind, in which forms it is told, and that a stall cannot hide."""

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import xml.etree.ElementTree

import pytest

from origins import closed_port
from proxy import BINARY, run_command
from wire import DEADLINE, eventually, read_exactly

SECONDS_AT_MOST = 4 * DEADLINE


class Running:
    """One of the commands while it runs; it is ended with the test."""

    def __init__(self, *arguments, stderr=subprocess.PIPE):
        self.process = subprocess.Popen([str(BINARY), "load", *map(str, arguments)], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=stderr)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, status=0):
        """(stdout, stderr) of what ended with `status`."""
        out, err = self.process.communicate(timeout=SECONDS_AT_MOST)
        assert self.process.returncode == status, f"{self.process.returncode}\n{out}\n{err}"
        return out, err or ""

    def found(self, status=0):
        return json.loads(self.end(status)[0])

    def close(self):
        self.process.kill()
        self.process.communicate()


class Origin(Running):
    """`penstock load origin`; `authorities` are in the order of `behaviours`."""

    def __init__(self, *behaviours, options=()):
        listeners = [f"--listen=127.0.0.1:0={behaviour}" for behaviour in behaviours]
        super().__init__("origin", *listeners, *options)
        self.authorities = []
        for behaviour in behaviours:
            line = self.process.stdout.readline()
            match = re.fullmatch(r"listening on (127\.0\.0\.1:\d+) \((\w+)\)\n", line)
            assert match and match[2] == behaviour, line
            self.authorities.append(match[1])

    @property
    def authority(self):
        return self.authorities[0]


@pytest.fixture
def running():
    """Starts `penstock load ARGUMENTS...`."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kw: stack.enter_context(contextlib.closing(Running(*args, **kw)))


@pytest.fixture
def start_origin():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kw: stack.enter_context(contextlib.closing(Origin(*args, **kw)))


@pytest.fixture(scope="module")
def origin():
    with contextlib.closing(Origin("any")) as started:
        yield started


@pytest.fixture(scope="module")
def proxy(shared_penstock):
    return shared_penstock()


def url(proxy):
    return "http://%s:%d" % proxy.address


def way_to(way, proxy, authority):
    if way == "direct":
        return ["--direct", "--target", authority]
    if way == "relay":  # whoever carries plain TCP; here the origin takes it itself
        return ["--relay", "--proxy", authority]
    return ["--proxy", url(proxy), "--target", authority]


def load(*arguments, status=0):
    done = run_command("load", *map(str, arguments), "--json", timeout=SECONDS_AT_MOST)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


LATENCY = {"count", "min_us", "mean_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"}


def latency(found, name, count):
    got = found[name]
    assert set(got) == LATENCY
    assert got["count"] == count, found
    ascending = ["min_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"]
    assert [got[key] for key in ascending] == sorted(got[key] for key in ascending)
    assert 0 < got["min_us"] <= got["mean_us"] <= got["max_us"]


def is_flawless(found):
    return found["errors"] == {} and found["error_count"] == 0


# What each mode does, by each way.


@pytest.mark.threads
@pytest.mark.parametrize("way", ["connect", "relay", "direct"])
@pytest.mark.parametrize("threads", [1, 2])
def test_setup_sends_one_byte_each_way(proxy, origin, way, threads):
    found = load(*way_to(way, proxy, origin.authority), "--count", 300, "--threads", threads)
    assert is_flawless(found), found
    assert found["mode"] == "setup" and found["way"] == way
    assert found["target"] == origin.authority
    assert found["tunnels"] == found["finished"] == 300
    assert found["bytes_up"] == found["bytes_down"] == 300
    assert 1 <= found["open_most"] <= 16
    assert found["seconds"] > 0 and found["cpu_seconds"] > 0
    assert found["per_second"] == pytest.approx(300 / found["seconds"])
    latency(found, "connect", 300)
    latency(found, "setup", 300)
    assert found["connect"]["p50_us"] < found["setup"]["p50_us"]
    assert not {"tls", "round_trip", "stream"} & set(found)


@pytest.mark.parametrize("way", ["connect", "relay", "direct"])
def test_rtt_sends_messages_back_and_forth(proxy, origin, way):
    found = load(*way_to(way, proxy, origin.authority), "--mode", "rtt", "--connections", 5,
                 "--count", 1000)
    assert is_flawless(found), found
    assert found["finished"] == 1000 and found["tunnels"] == found["open_most"] == 5
    latency(found, "round_trip", 1000)
    assert found["bytes_up"] >= 64 * 1000 and found["bytes_down"] >= 64 * 1000


def test_rtt_has_messages_of_the_size_asked_for(proxy, origin):
    found = load(*way_to("connect", proxy, origin.authority), "--mode", "rtt", "--connections", 2,
                 "--count", 50, "--bytes", "100KiB")
    assert is_flawless(found) and found["finished"] == 50
    assert found["bytes_down"] >= 50 * 100 * 1024


@pytest.mark.parametrize("way", ["connect", "relay", "direct"])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_bulk_moves_streams_of_the_size_asked_for(proxy, origin, way, direction):
    found = load(*way_to(way, proxy, origin.authority), "--mode", "bulk", "--direction", direction,
                 "--bytes", "3MiB", "--connections", 2, "--count", 6)
    assert is_flawless(found), found
    assert found["finished"] == found["tunnels"] == 6
    latency(found, "stream", 6)
    whole = 6 * 3 * 1024 * 1024
    for name, moves in [("bytes_up", direction != "down"), ("bytes_down", direction != "up")]:
        if moves:
            assert whole <= found[name] < whole + 1000
        else:
            assert found[name] < 1000


@pytest.mark.threads
def test_idle_says_when_all_tunnels_are_open_and_checks_each_at_the_end(penstock, origin, running):
    proxy = penstock()
    run = running("--proxy", url(proxy), "--target", origin.authority, "--mode", "idle",
                  "--connections", 60, "--duration", "1h", "--json")
    assert run.process.stderr.readline() == "60 tunnels open\n"
    assert proxy.metrics().total("penstock_tunnels_open") == 60
    run.signal(signal.SIGTERM)
    found = run.found()
    assert is_flawless(found), found
    assert found["tunnels"] == found["finished"] == found["open_most"] == 60
    latency(found, "setup", 60)
    assert all(line["bytes_up"] == 2 for line in proxy.wait_log(60))


def test_idle_counts_tunnels_that_no_longer_work(penstock, start_origin, running):
    proxy, origin = penstock(), start_origin("any")
    run = running("--proxy", url(proxy), "--target", origin.authority, "--mode", "idle",
                  "--connections", 10, "--duration", "1h", "--json")
    assert run.process.stderr.readline() == "10 tunnels open\n"
    origin.signal(signal.SIGTERM)
    origin.end()
    run.signal(signal.SIGTERM)
    found = run.found(status=1)
    assert found["finished"] == 0 and found["error_count"] == 10


def test_mix_does_all_of_it(proxy, origin):
    found = load(*way_to("connect", proxy, origin.authority), "--mode", "mix", "--connections", 8,
                 "--duration", "3s")
    assert is_flawless(found), found
    assert found["finished"] > 0
    for name in ("connect", "setup", "round_trip", "stream"):
        assert found[name]["count"] > 0, name


@pytest.mark.parametrize("mode", ["setup", "rtt", "bulk", "idle", "mix"])
@pytest.mark.parametrize("way", ["connect", "relay", "direct"])
def test_every_mode_goes_through_tls(proxy, start_origin, way, mode):
    origin = start_origin("any", options=["--tls"])
    ends = ["--duration", "1s"] if mode in ("idle", "mix") else ["--count", 20]
    size = ["--bytes", "1MiB"] if mode == "bulk" else []
    found = load(*way_to(way, proxy, origin.authority), "--tls", "--mode", mode, "--connections", 4,
                 *ends, *size)
    assert is_flawless(found), found
    assert found["finished"] > 0
    assert found["tls"]["count"] == found["tunnels"]


def test_tls_names_the_target(penstock, start_origin):
    proxy, origin = penstock(), start_origin("any", options=["--tls"])
    port = origin.authority.rpartition(":")[2]
    found = load("--proxy", url(proxy), "--target", f"localhost:{port}", "--tls", "--count", 3)
    assert is_flawless(found), found
    assert [line["sni"] for line in proxy.wait_log(3)] == ["localhost"] * 3


# Pace.


def test_a_warm_up_is_not_counted(penstock, origin):
    proxy = penstock()
    found = load("--proxy", url(proxy), "--target", origin.authority, "--connections", 1,
                 "--warm-up", "300ms", "--count", 10)
    assert is_flawless(found) and found["finished"] == found["setup"]["count"] == 10
    assert len(proxy.wait_log(11)) > 10


def test_connections_come_from_as_many_addresses_as_asked_for(penstock, origin):
    proxy = penstock()
    load("--proxy", url(proxy), "--target", origin.authority, "--sources", 7, "--count", 70)
    clients = [line["client"].rpartition(":")[0] for line in proxy.wait_log(70)]
    assert len(set(clients)) == 7
    load("--proxy", url(proxy), "--target", origin.authority, "--sources", "127.9.9.9", "--count",
         5)
    assert len({line["client"] for line in proxy.wait_log(75)
                if line["client"].startswith("127.9.9.9:")}) == 5


def test_an_open_loop_waits_for_room_and_says_so(proxy, start_origin, running):
    origin = start_origin("any")
    origin.signal(signal.SIGSTOP)
    # All are due before the first of them can be open.
    run = running("--proxy", url(proxy), "--target", origin.authority, "--rate", 1000000,
                  "--arrivals", "fixed", "--count", 40, "--max-open", 5, "--json")
    proxy.wait_metric("penstock_tunnels_open", 5)
    origin.signal(signal.SIGCONT)
    found = run.found()
    assert is_flawless(found), found
    assert found["finished"] == 40 and found["open_most"] == 5
    assert 1 <= found["late"] <= 35


def over(path, limit_us):
    """How many latencies of a --csv file are above the limit."""
    with open(path, newline="") as file:
        return sum(int(row["count"]) for row in csv.DictReader(file)
                   if float(row["latency_us"]) > limit_us)


@pytest.mark.parametrize("stalled", ["origin", "proxy"])
def test_an_open_loop_counts_a_stall_that_a_closed_loop_hardly_sees(penstock, start_origin, running,
                                                                    tmp_path, stalled):
    """Both run through the same stall. It lasts until 100 starts, 5 ms apart, fell into it: of
    these the first 60 waited longer than 200 ms. The closed loop has four samples in it."""
    proxy, origin = penstock(), start_origin("any")
    victim = origin if stalled == "origin" else proxy
    common = ["--proxy", url(proxy), "--target", origin.authority, "--json", "--csv"]
    closed = running(*common, tmp_path / "closed.csv", "--connections", 4, "--duration", "1h")
    proxy.wait_log(500)
    opened = running(*common, tmp_path / "open.csv", "--rate", 200, "--arrivals", "fixed",
                     "--count", 400)
    descriptors = f"/proc/{opened.process.pid}/fd"
    before = len(proxy.log())
    proxy.wait_log(before + 50)
    victim.signal(signal.SIGSTOP)
    eventually(lambda: len(os.listdir(descriptors)) > 120, "a hundred tunnels that wait")
    victim.signal(signal.SIGCONT)
    in_the_open = opened.found()
    before = len(proxy.log())
    proxy.wait_log(before + 500)
    closed.signal(signal.SIGINT)
    in_the_closed = closed.found()
    assert is_flawless(in_the_open) and is_flawless(in_the_closed)
    assert in_the_open["setup"]["count"] == 400
    assert over(tmp_path / "open.csv", 200_000) >= 50
    assert in_the_open["setup"]["p90_us"] > 200_000
    assert in_the_closed["setup"]["max_us"] > 400_000, "it was there"
    assert in_the_closed["setup"]["count"] > 1000
    assert over(tmp_path / "closed.csv", 200_000) < 20
    assert in_the_closed["setup"]["p90_us"] < 200_000


# Errors, by kind.


def test_a_refusal_is_counted_with_its_status_and_error(penstock, origin):
    proxy = penstock({"policy": {"rules": [{"name": "none", "deny": ["127.0.0.1:1-65535"]}]}})
    found = load("--proxy", url(proxy), "--target", origin.authority, "--count", 7, status=1)
    assert found["errors"] == {"refused by the proxy: 403 http_request_denied": 7}
    assert found["error_count"] == 7 and found["finished"] == 0 and "setup" not in found


def test_an_origin_where_nobody_listens(proxy):
    sock, port = closed_port()
    with sock:
        found = load(*way_to("connect", proxy, f"127.0.0.1:{port}"), "--count", 3, status=1)
        assert found["errors"] == {"refused by the proxy: 502 connection_refused": 3}
        found = load(*way_to("direct", proxy, f"127.0.0.1:{port}"), "--count", 3, status=1)
        assert found["errors"] == {"connection refused": 3}


def test_a_proxy_that_does_not_listen(origin):
    sock, port = closed_port()
    with sock:
        found = load("--proxy", f"127.0.0.1:{port}", "--target", origin.authority, "--count", 3,
                     status=1)
    assert found["errors"] == {"connection refused": 3}


@pytest.mark.parametrize("mode", ["setup", "rtt", "bulk", "idle"])
@pytest.mark.parametrize("behaviour, kind", [("silent", "timed out"),
                                             ("reset", "reset by the peer")])
def test_an_origin_that_does_not_answer(proxy, start_origin, mode, behaviour, kind):
    origin = start_origin(behaviour)
    ends = ["--duration", "300ms"] if mode == "idle" else ["--count", 3]
    ends += ["--direction", "down"] if mode == "bulk" else []
    found = load(*way_to("connect", proxy, origin.authority), "--mode", mode, "--connections", 3,
                 "--timeout", "300ms", *ends, status=1)
    assert found["errors"].get(kind), found
    assert set(found["errors"]) <= {kind, "no tunnel left"}, found
    assert found["finished"] == 0


@pytest.mark.parametrize("answer, kind", [(b"X", "wrong bytes"), (b"", "closed by the peer")])
def test_an_origin_that_answers_wrongly(proxy, listener, running, answer, kind):
    origin = listener()
    run = running(*way_to("connect", proxy, origin.authority), "--count", 1, "--json")
    conn = origin.accept()
    assert read_exactly(conn, 1) == b"E"
    conn.sendall(answer)
    conn.close()
    assert run.found(status=1)["errors"] == {kind: 1}


@pytest.mark.parametrize("answer, kind", [
    (b"SSH-2.0-no\r\n\r\n", "bad answer from the proxy"),
    (b"", "closed by the proxy without an answer"),
    (b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n", "refused by the proxy: 407"),
])
def test_a_proxy_that_answers_wrongly(listener, running, answer, kind):
    proxy = listener()
    run = running("--proxy", proxy.authority, "--target", "a.example:443", "--count", 1, "--json")
    conn = proxy.accept()
    head = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    assert read_exactly(conn, len(head)) == head
    conn.sendall(answer)
    conn.close()
    (found, count), = run.found(status=1)["errors"].items()
    assert found.startswith(kind) and count == 1


def test_a_stream_with_one_wrong_byte_is_an_error(proxy, listener, running):
    origin = listener()
    run = running(*way_to("connect", proxy, origin.authority), "--mode", "bulk", "--direction",
                  "down", "--bytes", "1000B", "--connections", 1, "--count", 1, "--json")
    conn = origin.accept()
    assert read_exactly(conn, 6) == b"S1000\n"
    conn.sendall(b"E" + bytes(999))
    assert run.found(status=1)["errors"] == {"wrong bytes": 1}


@pytest.mark.parametrize("allowed, status", [("1000000", 0), ("0", 1)])
def test_as_many_errors_as_allowed_are_no_failure(penstock, start_origin, running, allowed, status):
    proxy, origin = penstock(), start_origin("any")
    run = running("--proxy", url(proxy), "--target", origin.authority, "--duration", "1h",
                  "--max-errors", allowed, "--json")
    proxy.wait_log(20, outcome="closed")
    origin.signal(signal.SIGTERM)
    origin.end()
    proxy.wait_log(20, error="refused")
    run.signal(signal.SIGINT)
    found = run.found(status)
    assert found["finished"] >= 20
    assert found["errors"]["refused by the proxy: 502 connection_refused"] >= 20


# How it is told.


def test_the_summary_is_for_people(proxy, origin):
    done = run_command("load", *way_to("connect", proxy, origin.authority), "--count", "50")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "setup by CONNECT through %s:%d to %s" % (*proxy.address, origin.authority)
    assert lines[1] == "closed loop of 16 connections, 1 thread, 64 source addresses, seed 1"
    assert re.search(r"^  finished +50   set-ups in .+: .+ per second$", done.stdout, re.M)
    assert re.search(r"^  setup +50( +\d[\d.]* (ns|us|ms|s)){7}$", done.stdout, re.M)
    assert lines[-1].split() == ["errors", "0"]


def test_csv_and_plot_hold_the_distribution(proxy, origin, tmp_path):
    found = load(*way_to("connect", proxy, origin.authority), "--count", 500, "--csv",
                 tmp_path / "out.csv", "--plot", tmp_path / "out.svg")
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["count"]) for row in rows) == 500
    steps = [(float(row["latency_us"]), int(row["cumulative"]), float(row["percentile"]))
             for row in rows]
    assert steps == sorted(steps)
    assert steps[-1][1:] == (500, 100.0)
    assert steps[-1][0] == pytest.approx(found["setup"]["max_us"], abs=0.001)
    median = next(step for step in steps if step[2] >= 50)
    assert median[0] == pytest.approx(found["setup"]["p50_us"], abs=0.001)

    picture = xml.etree.ElementTree.parse(tmp_path / "out.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == space + "svg"
    assert origin.authority in picture.find(space + "title").text
    said = " ".join("".join(text.itertext()) for text in picture.iter(space + "text"))
    assert "percentile of 500 set-ups" in said and "p99 " in said and "90%" in said
    assert len(list(picture.iter(space + "path"))) == 1
    assert len(list(picture.iter(space + "circle"))) == 4  # p50, p90, p99, max


def test_a_signal_ends_a_run_with_what_was_measured(penstock, origin, running):
    proxy = penstock()
    run = running("--proxy", url(proxy), "--target", origin.authority, "--duration", "1h")
    proxy.wait_log(100)
    run.signal(signal.SIGINT)
    out, err = run.end()
    assert err == "ended early by a signal\n"
    finished = int(re.search(r"^  finished +([\d,]+) ", out, re.M)[1].replace(",", ""))
    assert finished >= 80  # what is under way is not counted
    assert out.splitlines()[-1].split() == ["errors", "0"]


def test_progress_is_shown_on_a_terminal(proxy, origin, running):
    ours, theirs = pty.openpty()
    try:
        run = running(*way_to("connect", proxy, origin.authority), "--duration", "1h",
                      stderr=theirs)
        seen = b""
        while not re.search(rb"\r\d+\.\d s of 1h  [1-9][\d,]* set-ups  .+/s  p99 .+  0 errors",
                            seen):
            seen += os.read(ours, 4096)
        run.signal(signal.SIGTERM)
        out, _ = run.end()
        assert "set-ups in" in out
    finally:
        os.close(ours)
        os.close(theirs)


def test_tunnels_open_stands_on_a_line_of_its_own_on_a_terminal(proxy, origin, running):
    """The progress line goes on below it."""
    ours, theirs = pty.openpty()
    try:
        run = running(*way_to("connect", proxy, origin.authority), "--mode", "idle",
                      "--connections", 20, "--duration", "1h", stderr=theirs)
        seen = b""
        while not re.search(rb"20 tunnels open\r\n\r\d+\.\d s of 1h  ", seen):
            seen += os.read(ours, 4096)
        before = seen[:seen.index(b"20 tunnels open")]
        assert before.endswith(b"\r\x1b[K"), before
        run.signal(signal.SIGTERM)
        run.end()
    finally:
        os.close(ours)
        os.close(theirs)


# Usage.


@pytest.mark.parametrize("arguments, words", [
    (["--target", "127.0.0.1:9"], "--proxy is missing"),
    (["--direct", "--target", "127.0.0.1:9", "--rate", "5", "--connections", "2"],
     "give one of them"),
    (["--direct", "--target", "127.0.0.1:9", "--mode", "all"], "none of setup, rtt, bulk"),
    (["--direct", "--target", "127.0.0.1:9", "--duration", "10"], "such as 500ms or 10s"),
    (["--direct", "--target", "127.0.0.1:9", "--plot", "/nonexistent/x.svg"], "cannot be written"),
    (["origin"], "--listen is missing"),
    (["origin", "--listen", "127.0.0.1:0=loud"], "none of any, echo"),
])
def test_wrong_usage_is_one_sentence_and_exits_with_2(arguments, words):
    done = run_command("load", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_an_origin_needs_an_address_that_is_free(listener):
    taken = listener().authority
    done = run_command("load", "origin", "--listen", taken)
    assert done.returncode == 1
    assert taken in done.stderr and "in use" in done.stderr.lower()


@pytest.mark.parametrize("threads", [1, 2])
def test_two_origins_do_not_share_a_port(start_origin, threads):
    taken = start_origin("echo").authority
    done = run_command("load", "origin", "--listen", taken, "--threads", str(threads))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"cannot listen on {taken}: Address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_origin_ends_when_it_is_told(start_origin, number):
    origin = start_origin("echo", "source", "sink", "slow", "silent", "reset", "any")
    assert len(set(origin.authorities)) == 7
    origin.signal(number)
    assert origin.end() == ("", "")
