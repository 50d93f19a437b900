#!/usr/bin/env python3
"""What a change costs per CONNECT: two builds of penstock, measured in turns (pairs.py).

Run: scripts/bench-versions BEFORE [AFTER] [--pairs 24] [--seconds 0.5]
Each is a program file; AFTER is build/release/penstock by default. As root, in a network namespace of
its own, with loopback only.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from incident import BINARY, only_loopback
from pairs import LOAD_CORE, PROXY_CORE, compared, in_turns
from processes import end, free_port, spawn, wait_until_it_listens

CONFIG = """
listeners: [{{address: "127.0.0.1:{port}"}}]
admin: off
workers: 1
policy: {{rules: [{{name: lab, allow: ["127.0.0.1:1-65535"]}}]}}
log: {{access: {folder}/{name}.log}}
"""


@contextlib.contextmanager
def listening(command, port, core, said):
    process = spawn(command, core, stdout=subprocess.DEVNULL, stderr=said)
    try:
        wait_until_it_listens(process, port, 10)
        yield process
    finally:
        end(process)


@contextlib.contextmanager
def proxy(folder, name, binary):
    port = free_port()
    config = folder / f"{name}.yaml"
    config.write_text(CONFIG.format(port=port, folder=folder, name=name))
    with open(folder / f"{name}.stderr", "wb") as said:
        with listening([binary, "run", "--config", config], port, PROXY_CORE, said) as process:
            yield process, port


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=BINARY)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.5)
    asked = parser.parse_args()
    only_loopback()
    origin = free_port()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(listening([BINARY, "load", "origin", "--listen", f"127.0.0.1:{origin}"],
                                      origin, LOAD_CORE, None))
        at_work = {side: stack.enter_context(proxy(folder, side, getattr(asked, side).resolve()))
                   for side in ("before", "after")}
        print(json.dumps(compared(in_turns(at_work, origin, asked.pairs, asked.seconds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
