"""The incident as SVG: a column for each variant; for each origin a panel of set-ups by outcome and
one of the 99th percentile of set-up time, by the second in which they began. Pure."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 110, 54, 56, 34
STYLE = """
  svg { font: 12px system-ui, sans-serif; background: #fff; }
  text { fill: #212529; } .small { fill: #6c757d; font-size: 11px; } .title { font-weight: 600; }
  .served { fill: #0b7285; } .refused { fill: #ced4da; } .failed { fill: #c92a2a; }
  .line { fill: none; stroke: #0b7285; stroke-width: 1.5; } .grid { stroke: #dee2e6; }
  .sick { fill: #fff3bf; }
  @media (prefers-color-scheme: dark) {
    svg { background: #16191d; } text { fill: #e9ecef; } .small { fill: #adb5bd; }
    .served { fill: #3bc9db; } .line { stroke: #3bc9db; } .refused { fill: #495057; }
    .failed { fill: #ff8787; } .grid { stroke: #343a40; } .sick { fill: #3d3517; }
  }
"""
SAID_NO = {"no_permit", "destination_busy", "breaker_open", "no_seat"}
LOWEST_MS, DECADES = 0.1, 5  # of the time axis


def outcome(connection):
    if not connection.error:
        return "served"
    return "refused" if connection.error in SAID_NO else "failed"


def by_second(connections, seconds):
    bins = [[] for _ in range(seconds)]
    for one in connections:
        if 0 <= one.began < seconds:
            bins[int(one.began)].append(one)
    return bins


def counts(bins, x, y, step):
    most = max((len(part) for part in bins), default=1) or 1
    parts = [f'<text class="small" x="{x - 6}" y="{y + 10}" text-anchor="end">{most}/s</text>']
    for second, part in enumerate(bins):
        top = y + HEIGHT
        for kind in ("served", "failed", "refused"):
            height = sum(outcome(one) == kind for one in part) / most * HEIGHT
            top -= height
            if height > 0:
                parts.append(f'<rect class="{kind}" x="{x + second * step:.1f}" y="{top:.1f}" '
                             f'width="{step - 0.5:.1f}" height="{height:.1f}"/>')
    return parts


def percentiles(bins, x, y, step):
    parts, points = [], []
    for decade in range(DECADES + 1):
        level = y + HEIGHT - decade / DECADES * HEIGHT
        millis = LOWEST_MS * 10 ** decade
        label = f"{millis:g} ms" if millis < 1000 else f"{millis / 1000:g} s"
        parts.append(f'<line class="grid" x1="{x}" x2="{x + WIDTH}" y1="{level:.1f}" '
                     f'y2="{level:.1f}"/>')
        parts.append(f'<text class="small" x="{x - 6}" y="{level + 4:.1f}" text-anchor="end">'
                     f'{label}</text>')
    for second, part in enumerate(bins):
        times = sorted(one.setup_ms for one in part if not one.error)
        if not times:
            continue
        p99 = max(times[min(int(0.99 * len(times)), len(times) - 1)], LOWEST_MS)
        level = min(math.log10(p99 / LOWEST_MS) / DECADES, 1)
        points.append(f"{x + (second + 0.5) * step:.1f},{y + HEIGHT - level * HEIGHT:.1f}")
    parts.append(f'<polyline class="line" points="{" ".join(points)}"/>')
    return parts


def svg(runs, phase):
    seconds = 3 * phase
    step = WIDTH / seconds
    panels = [("healthy", "set-ups of the healthy origin", counts),
              ("healthy", "99th percentile of their set-up time", percentiles),
              ("sick", "set-ups of the origin that stops", counts)]
    width = len(runs) * (WIDTH + LEFT + 10) + 10
    height = TOP + len(panels) * (HEIGHT + GAP) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}">', f"<style>{STYLE}</style>"]
    for column, (name, connections) in enumerate(runs.items()):
        x = LEFT + column * (WIDTH + LEFT + 10)
        parts.append(f'<text class="title" x="{x}" y="20">{escape(name)}</text>')
        for row, (origin, title, draw) in enumerate(panels):
            y = TOP + row * (HEIGHT + GAP)
            parts.append(f'<rect class="sick" x="{x + WIDTH / 3:.1f}" y="{y}" '
                         f'width="{WIDTH / 3:.1f}" height="{HEIGHT}"/>')
            parts.append(f'<text class="small" x="{x}" y="{y - 6}">{escape(title)}</text>')
            parts += draw(by_second(connections[origin], seconds), x, y, step)
    y = height - 16
    parts.append(f'<text class="small" x="{LEFT}" y="{y}">'
                 f"one bar a second; shaded: {phase} s in which the origin does not answer</text>")
    for i, (kind, label) in enumerate((("served", "established"), ("failed", "failed"),
                                       ("refused", "refused by the proxy"))):
        x = LEFT + 440 + i * 110
        parts.append(f'<rect class="{kind}" x="{x}" y="{y - 9}" width="10" height="10"/>'
                     f'<text class="small" x="{x + 15}" y="{y}">{label}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)
