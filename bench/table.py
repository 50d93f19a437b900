"""A report as Markdown. The report is the dictionary that results.json holds; pure: report in,
text out. As a program it renders a results.json again: bench/table.py FILE."""

import json
import sys

from figures import COLUMNS, shown

# Columns that the proxy limits only while its core is busy, and the run that says how busy it was.
LIMITED = {"setups_per_second": "setup", "up_1_gib_per_second": "up_1",
           "down_1_gib_per_second": "down_1", "up_8_gib_per_second": "up_8",
           "down_8_gib_per_second": "down_8"}
BUSY_ENOUGH = 0.9
# In percent of both cores. Above it, the report says so in bold.
OTHERS_MOST = 5
NOT_ITS_LIMIT = " °"


def is_its_limit(peer, key):
    run = peer.get("busy", {}).get(LIMITED.get(key))
    return run is None or run["proxy_core"] >= BUSY_ENOUGH


def cell(peer, key):
    figure = peer["figures"].get(key)
    if figure is None:
        return "failed"
    text = f"{shown(figure['median'])} ({shown(figure['low'])}–{shown(figure['high'])})"
    if figure["ratio"] is not None:
        text += f" {figure['ratio']:.2f}×"
    return text + ("" if is_its_limit(peer, key) else NOT_ITS_LIMIT)


def aligned(rows):
    """A Markdown table whose source reads as a table too."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |"
             for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def comparison(report):
    peers = report["peers"]
    rows = [["", *(peer["title"] for peer in peers)]]
    for column in COLUMNS:
        better = ", more is better" if column.more_is_better else ""
        rows.append([f"{column.title}, {column.unit}{better}",
                     *(cell(peer, column.key) for peer in peers)])
    return aligned(rows)


def flatness(report):
    rows = [["CPU per CONNECT, us", "few", "many", "many / few"]]
    for series in report["flatness"]:
        few, many = series["few"], series["many"]
        rows.append([
            series["title"],
            *(f"{end['count']:,}: {shown(end['median'])} ({shown(end['low'])}–{shown(end['high'])})"
              for end in (few, many)),
            f"{many['ratio']:.2f}×"])
    return aligned(rows)


def machine(report):
    about = report["machine"]
    lines = [
        f"- {about['cpus']} x {about['cpu']}{', virtual' if about['virtual'] else ''}; "
        f"{about['memory']}; {about['system']}, Linux {about['kernel']}",
        f"- proxy on core {about['proxy_core']}, load and origin on core {about['load_core']}; "
        f"{about['descriptors']} descriptors{', as root' if about['root'] else ''}; "
        f"transparent huge pages: {about['transparent_hugepage']}",
        f"- meanwhile others used {about['others_percent']} % of the two cores, and the "
        f"hypervisor took {about['steal_percent']} %; load average before: {about['load_average_at_start']}",
        "- " + ", ".join(f"`{name}` = {value}" for name, value in about["settings"].items()),
        "- " + ", ".join(f"{peer['name']} {peer['version']}" for peer in report["peers"]),
    ]
    return "\n".join(lines) + "\n"


def method(report):
    plan = report["plan"]
    lines = [
        f"- Rounds: {report['rounds']}; in each, every row is measured for one proxy after the "
        "other, beginning with another one each time. Shown are the median, (lowest–highest) and "
        "the median of the ratios to penstock within each round.",
        f"- Latency: open loop, {report['rate']} set-ups/s, half of what the slowest proxy here "
        "can do; from the intended start to the first byte that came back.",
        "- Memory: Pss_Anon of the process tree (resident anonymous memory, shared pages once), "
        f"growth from {plan['idle'][0]:,} to {plan['idle'][1]:,} idle tunnels.",
        "- TCP relays read no CONNECT, judge nobody and log nothing; they are given plain TCP.",
        "- °: the proxy used less than 90 % of its core, so it was not the limit: the ends were, "
        "or whatever else ran.",
    ]
    if report.get("schedstat_ratio"):
        lines.append("- CPU clock against the threads' schedstat, for penstock: "
                     f"{report['schedstat_ratio']:.4f}.")
    return "\n".join(lines) + "\n"


def markdown(report):
    parts = [f"# penstock beside others ({report['kind']} run)\n",
             f"{report['date']}, `{report['command']}`, {report['minutes']} min. "
             "How to read this: [docs/performance.md](../../docs/performance.md).\n",
             comparison(report)]
    if report["machine"]["others_percent"] > OTHERS_MOST:
        parts.append("**This machine was busy with something else** "
                     f"({report['machine']['others_percent']} % of the two cores): latency and "
                     "throughput are not worth much, CPU times are too high, ratios may hold.\n")
    if report["failures"]:
        parts.append("**Failures**\n\n" + "".join(f"- {text}\n" for text in report["failures"]))
    if report["flatness"]:
        parts += ["## Flatness of penstock\n", flatness(report)]
    if report["kind"] == "full":
        parts.append("![chart](chart.svg)\n")
    parts += ["## Method\n", method(report), "## Machine and versions\n", machine(report)]
    return "\n".join(parts)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(markdown(json.load(file)), end="")
