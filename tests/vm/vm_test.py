"""Cases that take a kernel of their own: with BTF, kprobes, netem and nobody else's rules.

One boot runs them all (those that -k selects); each is a test here. How to write one is in
README.md beside this file.

Run: PENSTOCK_BINARY=build/release/penstock /usr/bin/python3 -m pytest -p no:cacheprovider tests/vm
"""

import os
import subprocess
from pathlib import Path

import kernel
import machine
import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BINARY = Path(os.environ.get("PENSTOCK_BINARY", REPOSITORY / "build/release/penstock")).resolve()
FOLDER = REPOSITORY / "build/vm"
CASES = {path.stem: machine.Case(path) for path in sorted((HERE / "cases").glob("*.sh"))}


@pytest.fixture(scope="session")
def console(request):
    """All that a guest said which ran the selected cases."""
    assert BINARY.exists(), f"{BINARY} does not exist; build it or set PENSTOCK_BINARY"
    selected = [CASES[item.callspec.params["name"]] for item in request.session.items
                if getattr(item, "callspec", None) and "name" in item.callspec.params]
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "console.log"
    file.unlink(missing_ok=True)
    initramfs = FOLDER / "initramfs.cpio"
    used = kernel.unpacked(FOLDER)
    machine.image(used, BINARY, selected, REPOSITORY).write(initramfs)
    try:
        machine.run(used, initramfs, file)
    except subprocess.TimeoutExpired:
        with open(file, "a", encoding="utf-8") as out:
            out.write(f"\n(switched off after {machine.PATIENCE_SECONDS} s)\n")
    finally:
        initramfs.unlink(missing_ok=True)
    return file.read_text(errors="replace")


@pytest.mark.parametrize("name", CASES)
def test_case(console, name):
    report = machine.reports(console).get(name)
    assert report, f"the guest never came to {name}; its console:\n{console}"
    assert report.status is not None, f"the guest did not end {name}; its console:\n{console}"
    assert not report.broken and report.status == 0, f"status {report.status}\n{report.text}"
    assert report.held, f"{name} checked nothing:\n{report.text}"
    print(report.text)
