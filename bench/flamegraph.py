"""Stacks of `perf script` on stdin, a flame graph as SVG on stdout.

Width is the share of samples; what stands on a bar was called by it; the order from left to right
is alphabetical and means nothing. Hover for the whole name and the share.
"""

import re
import sys
from xml.sax.saxutils import escape

WIDTH, LINE, CHARACTER = 1200, 17, 6.6
KERNEL = "_[k]"  # behind the name of a function of the kernel; it has a colour of its own
NARROWEST = 0.3  # in pixels; below it a bar cannot be seen


class Frame:
    """A function as called by the frames below it."""

    def __init__(self):
        self.samples = 0
        self.above = {}

    def add(self, stack):
        self.samples += 1
        if stack:
            self.above.setdefault(stack[0], Frame()).add(stack[1:])

    def height(self):
        return 1 + max((frame.height() for frame in self.above.values()), default=0)


def stacks(lines):
    """Each sample's functions, outermost first. perf prints a line about the sample, then a line
    per frame from the innermost, then an empty one."""
    name, frames = "", []
    for line in lines:
        if not line.strip():
            if name:
                yield [name, *reversed(frames)]
            name, frames = "", []
        elif not line[0].isspace():
            name = line.split()[0]
        else:
            match = re.match(r"\s*[0-9a-f]+ (.*?)(\+0x[0-9a-f]+)? \((\S*)\)\s*$", line)
            kernel = match and match[3].startswith("[")
            frames.append((match[1] if match else line.strip()) + (KERNEL if kernel else ""))
    if name:
        yield [name, *reversed(frames)]


def bars(frame, x, depth, scale, total):
    for name, above in sorted(frame.above.items()):
        width = above.samples * scale
        if width >= NARROWEST:
            y = depth * LINE
            room = int(width / CHARACTER)
            label = name if len(name) <= room else name[:room - 1] + "…" if room > 3 else ""
            kind = "k" if name.endswith(KERNEL) else "u"
            yield (f'<g><title>{escape(name)}, {100 * above.samples / total:.1f} %</title>'
                   f'<rect class="{kind}" x="{x:.1f}" y="-{y + LINE}" width="{width:.1f}" '
                   f'height="{LINE - 1}"/><text x="{x + 3:.1f}" y="-{y + 4}">{escape(label)}</text>'
                   "</g>")
            yield from bars(above, x, depth + 1, scale, total)
        x += width


def svg(samples):
    root = Frame()
    for stack in samples:
        root.add(stack)
    height = root.height() * LINE
    drawn = "\n".join(bars(root, 0, 0, WIDTH / max(root.samples, 1), root.samples))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -{height} {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">\n'
            "<style>.k { fill: #ffd8a8; } .u { fill: #96f2d7; }</style>\n"
            f"{drawn}\n</svg>\n")


if __name__ == "__main__":
    sys.stdout.write(svg(stacks(sys.stdin)))
