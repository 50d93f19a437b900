"""The parts of the bench that figures pass through: clocks, medians, ratios, table, chart, and that
what it starts ends.

Run: /usr/bin/python3 -m pytest tests/bench -q
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.dom.minidom
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

import chart  # noqa: E402
import cpu  # noqa: E402
import ends  # noqa: E402
import figures  # noqa: E402
import flamegraph  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import processes  # noqa: E402
import rules  # noqa: E402
import run as bench_run  # noqa: E402
import table  # noqa: E402


def burn(seconds):
    """Uses so much of this thread's CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


# --- CPU and memory

def test_the_clock_of_a_process_is_the_one_that_libc_names():
    # pthread_getcpuclockid() makes the same number for a thread: one bit more says so.
    main = time.pthread_getcpuclockid(threading.main_thread().ident)
    assert cpu.clock_of(threading.main_thread().native_id) == main & ~4


def test_the_clock_counts_threads_that_have_ended():
    before = cpu.process_ns(os.getpid())
    thread = threading.Thread(target=burn, args=(0.05,))
    thread.start()
    thread.join()
    assert cpu.process_ns(os.getpid()) - before >= 50_000_000


def test_the_clock_agrees_with_schedstat_while_no_thread_has_ended():
    program = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert cpu.process_ns(child.pid) >= 100_000_000
        assert cpu.process_ns(child.pid) == pytest.approx(cpu.schedstat_ns(child.pid), rel=0.02)
        child.stdin.close()


def test_a_tree_counts_children_that_live_and_children_that_ended():
    work = "t=0\nimport time\nwhile time.process_time() < 0.1: pass\n"
    program = (f"import subprocess, sys\nwork = {work!r}\n"
               "subprocess.run([sys.executable, '-c', work])\n"
               "child = subprocess.Popen([sys.executable, '-c', work + 'print(flush=True)\\n"
               "input()'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
               "child.stdout.readline()\nprint(flush=True)\ninput()\n")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        assert len(cpu.tree(parent.pid)) == 2
        # The child that ended is known in ticks of 10 ms, user and system time each cut.
        assert cpu.tree_ns(parent.pid) - cpu.process_ns(parent.pid) >= 180_000_000
        parent.stdin.close()


def test_stat_is_read_behind_a_name_with_blanks_and_brackets():
    line = "17 (a) b (c) S 4 17 17 0 -1 0 1 2 3 4 50 60 70 80 20 0 1 0"
    fields = cpu.stat_fields(line)
    assert fields[1] == "4"
    assert cpu.reaped_ns(fields) == (70 + 80) * cpu.TICK_NS


def test_memory_is_that_of_anonymous_pages_with_shared_ones_once():
    rollup = "55 [rollup]\nRss: 900 kB\nPss: 500 kB\nPss_Anon:   123 kB\nPss_File: 9 kB\n"
    assert cpu.anonymous_kib_of(rollup) == 123
    with pytest.raises(ValueError):
        cpu.anonymous_kib_of("Rss: 900 kB\n")


def test_the_most_memory_is_the_kernels_high_water_mark():
    assert cpu.most_memory_kib_of("VmPeak:  900 kB\nVmHWM:\t  321 kB\nVmRSS:  123 kB\n") == 321


# --- figures

def test_a_figure_is_median_and_bounds():
    figure = figures.figure([30, 10, 20], [])
    assert (figure.median, figure.low, figure.high, figure.ratio) == (20, 10, 30, None)


def test_a_ratio_is_taken_within_the_rounds():
    # The second round ran at half the speed for both: the ratio does not notice.
    figure = figures.figure([20, 40, 21], [10, 20, 10])
    assert figure.ratio == pytest.approx(2.0)


def test_a_round_without_a_figure_is_left_out_of_median_and_ratio():
    figure = figures.figure([20, None, 40], [10, 10, None])
    assert (figure.median, figure.ratio, figure.runs) == (30, 2.0, (20, None, 40))
    assert figures.figure([None, None], [1, 2]) is None


@pytest.mark.parametrize("number, text", [
    (0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"),
    (1234, "1230"), (25_678.9, "25700")])
def test_numbers_show_three_digits(number, text):
    assert figures.shown(number) == text


# --- table and chart

def report():
    def summary(scale):
        rounds = [{"penstock": {column.key: 10.0 + i for column in figures.COLUMNS},
                   "rival": {column.key: scale * (10.0 + i) for column in figures.COLUMNS}}
                  for i in range(3)]
        keys = [column.key for column in figures.COLUMNS]
        return figures.summarised(rounds, ["penstock", "rival"], "penstock", keys)

    found = summary(2.0)
    peer_of = {
        name: {"name": name, "title": name.title(), "way": "connect", "version": "1.2 <3>",
               "figures": {key: figure.__dict__ for key, figure in found[name].items()},
               "busy": {}}
        for name in found}
    runs = {"tunnels few": [10, 11], "tunnels many": [20, 22]}
    return {
        "kind": "full", "date": "2026-01-01 00:00 UTC", "command": "bench/run.py", "minutes": 1.0,
        "plan": measure.FULL.__dict__, "rounds": 3, "rate": 1000, "schedstat_ratio": 1.0,
        "failures": [], "peers": list(peer_of.values()),
        "flatness": [bench_run.series("tunnels", "other tunnels open", 10, 9000, runs)],
        "machine": {"cpus": 2, "cpu": "a <CPU> & more", "virtual": True, "memory": "1 kB",
                    "system": "x", "kernel": "6.1", "proxy_core": 1, "load_core": 0,
                    "descriptors": 20000, "root": True, "load_average_at_start": 0,
                    "transparent_hugepage": "never", "steal_percent": 0.0,
                    "others_percent": 0.3, "settings": {}}}


def row(markdown, start):
    line = next(line for line in markdown.splitlines() if line.startswith("| " + start))
    return [text.strip() for text in line.strip("|").split("|")]


def test_the_table_has_median_spread_and_ratio():
    assert row(table.markdown(report()), "CPU per CONNECT, us ")[1:] == [
        "11.0 (10.0–12.0) 1.00×", "22.0 (20.0–24.0) 2.00×"]


def test_the_table_has_every_column_and_the_flatness():
    markdown = table.markdown(report())
    for column in figures.COLUMNS:
        assert row(markdown, column.title)
    assert row(markdown, "other tunnels open")[1:] == [
        "10: 10.5 (10.0–11.0)", "9,000: 21.0 (20.0–22.0)", "2.00×"]


def test_a_peer_that_failed_is_in_the_table():
    broken = report()
    broken["peers"][1]["figures"]["setup_cpu_us"] = None
    broken["failures"] = ["start: rival: ended with status 1"]
    markdown = table.markdown(broken)
    assert row(markdown, "CPU per CONNECT, us ")[2] == "failed"
    assert "- start: rival: ended with status 1" in markdown
    assert ">failed</text>" in chart.svg(broken)


def test_a_throughput_that_the_ends_limited_is_marked():
    idle = report()
    idle["peers"][0]["busy"] = {"up_1": {"proxy_core": 0.5, "load_core": 1.0}}
    idle["peers"][1]["busy"] = {"up_1": {"proxy_core": 0.95, "load_core": 0.7}}
    cells = row(table.markdown(idle), "1 stream up")
    assert cells[1].endswith("°") and not cells[2].endswith("°")


def test_a_busy_machine_is_said_in_bold():
    busy = report()
    assert "**This machine was busy" not in table.markdown(busy)
    busy["machine"]["others_percent"] = 12.0
    assert "**This machine was busy" in table.markdown(busy)


def test_the_chart_is_xml_with_a_bar_for_each_figure():
    document = xml.dom.minidom.parseString(chart.svg(report()))
    assert len(document.getElementsByTagName("rect")) == 2 * len(figures.COLUMNS)


def test_the_longest_bar_fits_into_its_panel():
    document = xml.dom.minidom.parseString(chart.svg(report()))
    widths = [float(bar.getAttribute("width")) for bar in document.getElementsByTagName("rect")]
    room = chart.PANEL_WIDTH - chart.MARGIN - chart.NAME_WIDTH - chart.VALUE_WIDTH
    # The bar is the median of 20, 22 and 24; the whisker ends where the room does.
    assert max(widths) == pytest.approx(room * 22 / 24, abs=0.1)


def test_rounds_begin_with_one_peer_after_the_other():
    assert [bench_run.rotated([1, 2, 3], n) for n in (0, 1, 2, 3)] == [
        [1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]]
    assert bench_run.rotated([], 2) == []


# --- what is put on and what comes back

def test_errors_above_one_in_a_hundred_spoil_a_run():
    fine = {"error_count": 1, "finished": 100, "errors": {"timed out": 1}, "bytes_up": 100,
            "bytes_down": 100}
    assert ends.judged(fine, "x") is fine
    with pytest.raises(ends.LoadFailed, match="2 x timed out"):
        ends.judged({"error_count": 2, "finished": 100, "errors": {"timed out": 2}}, "x")
    with pytest.raises(ends.LoadFailed):
        ends.judged({"error_count": 1, "finished": 0, "errors": {"timed out": 1}}, "x")


def test_a_stream_under_way_is_a_run_and_silence_is_none():
    under_way = {"error_count": 0, "finished": 0, "errors": {}, "bytes_up": 7, "bytes_down": 0}
    assert ends.judged(under_way, "x") is under_way
    with pytest.raises(ends.LoadFailed, match="nothing came through"):
        ends.judged({**under_way, "bytes_up": 0}, "x")


def test_every_template_is_filled_with_words_that_are_known():
    words = {word: "1" for word in ("PORT", "ADMIN_PORT", "ORIGIN_PORT", "FOLDER", "MODULES",
                                    "NOFILE", "RULES")}
    for peer in (peers.penstock("penstock", 3), *peers.RIVALS):
        text = (peers.TEMPLATES / peer.template).read_text()
        assert not re.search(r"@[A-Z_]+@", peers.filled(text, words)), peer.name
        assert "@PORT@" in text
        assert "@ORIGIN_PORT@" in text or peer.name in ("squid", "penstock"), "they are told by CONNECT"
    with pytest.raises(KeyError):
        peers.filled("@NOBODY_KNOWS@", words)


def test_a_policy_has_as_many_rules_as_asked_for_with_names_of_their_own():
    names = re.findall(r"- name: (\S+)", rules.rules(1000))
    assert len(names) == len(set(names)) == 999  # the template has the last one
    assert rules.rules(1) == ""


def test_a_program_that_ends_at_once_is_a_failure_with_its_words(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/x.conf").write_text("@PORT@")
    monkeypatch.setattr(peers, "TEMPLATES", tmp_path)
    peer = peers.Peer("x", "X", "connect", "sh", "x/x.conf",
                      ("-c", "echo no such directive >&2; exit 3"), ())
    with pytest.raises(processes.StartFailed, match="x: ended with status 3 .*no such directive"):
        with peers.running(peer, min(os.sched_getaffinity(0)), 1):
            pass


def test_a_program_that_is_not_installed_is_a_failure():
    peer = peers.Peer("x", "X", "connect", "no-such-program", "squid/squid.conf", (), ())
    with pytest.raises(processes.StartFailed, match="no-such-program is not installed"):
        with peers.running(peer, 0, 1):
            pass


def test_a_whole_group_ends_even_if_it_ignores_the_request():
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child = deaf + "print(flush=True); signal.pause()"
    program = deaf + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                          start_new_session=True) as process:
        process.stdout.readline()
        processes.end(process, 0.1)
        assert process.returncode == -signal.SIGKILL
        # The other end of the pipe is closed when the last of the group has gone.
        assert process.stdout.read() == b""


# --- flame graph

PERF = """penstock  77  1.0: 1 cpu-clock:
\tffff10 tcp_sendmsg+0x10 ([kernel.kallsyms])
\t5510 penstock::carry(int, char)+0x20 (/x/penstock)
\t5500 main+0x1 (/x/penstock)

penstock  77  1.1: 1 cpu-clock:
\t5500 main+0x1 (/x/penstock)

"""


def test_stacks_come_outermost_first():
    assert list(flamegraph.stacks(PERF.splitlines())) == [
        ["penstock", "main", "penstock::carry(int, char)", "tcp_sendmsg_[k]"], ["penstock", "main"]]


def test_a_flame_is_as_wide_as_its_share_of_the_samples():
    document = xml.dom.minidom.parseString(flamegraph.svg(flamegraph.stacks(PERF.splitlines())))
    widths = [float(bar.getAttribute("width")) for bar in document.getElementsByTagName("rect")]
    assert widths == [flamegraph.WIDTH] * 2 + [flamegraph.WIDTH / 2] * 2
