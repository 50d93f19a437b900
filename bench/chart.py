"""A report as SVG: a panel per column, a bar per proxy, a whisker from the lowest to the highest
run. Each panel has a scale of its own that begins at zero. Pure: report in, text out."""

from xml.sax.saxutils import escape

from figures import COLUMNS, shown

PANEL_WIDTH, PANELS_ABREAST, MARGIN = 330, 3, 16
NAME_WIDTH, VALUE_WIDTH = 70, 62
BAR, GAP, HEAD, FOOT = 14, 5, 46, 14
STYLE = """
  svg { font: 12px system-ui, sans-serif; background: #fff; }
  text { fill: #212529; } .small { fill: #6c757d; font-size: 11px; } .title { font-weight: 600; }
  .penstock { fill: #0b7285; } .connect { fill: #868e96; } .relay { fill: #ced4da; }
  .whisker { stroke: #212529; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    svg { background: #16191d; } text { fill: #e9ecef; } .small { fill: #adb5bd; }
    .penstock { fill: #3bc9db; } .relay { fill: #495057; } .whisker { stroke: #e9ecef; }
  }
"""


def bar(peer, figure, width, scale, y):
    """One line of a panel: name, bar, whisker, value."""
    kind = "penstock" if peer["name"] == "penstock" else peer["way"]
    text_y = y + BAR - 3
    name = f'<text x="0" y="{text_y}">{escape(peer["name"])}</text>'
    if figure is None:
        return name + f'<text class="small" x="{NAME_WIDTH}" y="{text_y}">failed</text>'
    length, low, high = (figure[key] * scale for key in ("median", "low", "high"))
    middle = y + BAR / 2
    return (name
            + f'<rect class="{kind}" x="{NAME_WIDTH}" y="{y}" width="{max(length, 1):.1f}" '
              f'height="{BAR}"/>'
            + f'<line class="whisker" x1="{NAME_WIDTH + low:.1f}" x2="{NAME_WIDTH + high:.1f}" '
              f'y1="{middle}" y2="{middle}"/>'
            + f'<text x="{NAME_WIDTH + width + 6}" y="{text_y}">{shown(figure["median"])}</text>')


def panel(report, column):
    peers = report["peers"]
    figures = [peer["figures"].get(column.key) for peer in peers]
    width = PANEL_WIDTH - MARGIN - NAME_WIDTH - VALUE_WIDTH
    longest = max((figure["high"] for figure in figures if figure), default=0)
    scale = width / longest if longest > 0 else 0
    better = "more is better" if column.more_is_better else "less is better"
    lines = [f'<text class="title" y="14">{escape(column.title)}</text>',
             f'<text class="small" y="30">{escape(column.unit)}, {better}</text>']
    for i, (peer, figure) in enumerate(zip(peers, figures)):
        lines.append(bar(peer, figure, width, scale, HEAD - 8 + i * (BAR + GAP)))
    return "\n".join(lines)


def svg(report):
    height = HEAD + len(report["peers"]) * (BAR + GAP) + FOOT
    rows = -(-len(COLUMNS) // PANELS_ABREAST)
    width = PANELS_ABREAST * PANEL_WIDTH + MARGIN
    total = rows * height + 70
    versions = ", ".join(f"{peer['name']} {peer['version']}" for peer in report["peers"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" '
        f'width="{width}" height="{total}" role="img">',
        "<title>penstock beside other proxies</title>",
        f"<style>{STYLE}</style>",
        f'<text class="small" x="{MARGIN}" y="22">Medians; lines from lowest to highest. '
        f"Pale: plain TCP relays, which read no CONNECT. {escape(report['date'])}.</text>"]
    for i, column in enumerate(COLUMNS):
        x = MARGIN + i % PANELS_ABREAST * PANEL_WIDTH
        y = 40 + i // PANELS_ABREAST * height
        parts.append(f'<g transform="translate({x},{y})">\n{panel(report, column)}\n</g>')
    parts += [f'<text class="small" x="{MARGIN}" y="{total - 12}">{escape(versions)}; '
              f"{escape(report['machine']['cpu'])}, Linux {escape(report['machine']['kernel'])}"
              "</text>", "</svg>"]
    return "\n".join(parts) + "\n"
