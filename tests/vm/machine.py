"""A virtual machine that boots Debian's kernel, runs cases and powers off.

It is emulated in software (TCG), so it needs neither KVM nor root. Its clock counts its own
instructions, a nanosecond each, and leaps over the time in which it would idle (-icount): a busy
host makes it slow to watch, and changes nothing that it measures. A delay of 40 ms is 40 ms.
"""

import re
import subprocess
from pathlib import Path

from initramfs import Initramfs

HERE = Path(__file__).resolve().parent
# Only what lets a test end that would hang: the guest ends its cases itself, by its own clock.
PATIENCE_SECONDS = 1800
MEMORY_MIB = 1536


class Case:
    """A script of cases/, and what its first lines say that it needs."""

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        head = path.read_text()
        self.programs = self._words(head, "Programs")
        self.modules = self._words(head, "Modules")
        self.files = self._words(head, "Files")
        self.python = self._words(head, "Python")

    @staticmethod
    def _words(head, key):
        found = re.search(rf"^# {key}: (.+)$", head, re.M)
        return found[1].split() if found else []


class Report:
    """What the guest said of one case."""

    def __init__(self, lines, status):
        self.text = "\n".join(lines)
        self.status = status  # of its shell; None: it did not come to its end
        self.held = [line for line in lines if line.startswith("ok - ")]
        self.broken = [line for line in lines if line.startswith("not ok - ")]


def image(kernel, binary, cases, repository):
    """The file system of a guest that runs `cases` with the penstock at `binary`."""
    out = Initramfs()
    for folder in ("proc", "sys", "dev", "tmp", "run", "root", "etc", "var/log"):
        out.folder(folder)
    out.add("init", HERE / "guest/init", 0o755)
    out.add("vm/case.sh", HERE / "guest/case.sh")
    out.add("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n10.9.0.2 origin.test\n")
    out.add("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    out.program("dash")  # the shell; busybox's own would prefer its ip and tc to the real ones
    out.add("bin/busybox", Path("/bin/busybox"), 0o755)
    out.program(str(binary))
    for program in sorted({program for case in cases for program in case.programs}):
        out.program(program)

    python = sorted({module for case in cases for module in case.python})
    if python:
        out.python(python)
    modules = sorted({module for case in cases for module in case.modules})
    folder = f"lib/modules/{kernel.release}"
    for name in ("modules.dep", "modules.alias", "modules.builtin"):
        out.add(f"{folder}/{name}", kernel.modules / name)
    for path in {path for module in modules for path in kernel.files_of(module)}:
        out.add(f"{folder}/{path}", kernel.modules / path)

    out.add("vm/modules", "".join(module + "\n" for module in modules))
    for case in cases:
        out.add(f"vm/cases/{case.name}.sh", case.path)
        for file in case.files:
            out.add(f"vm/files/{Path(file).name}", repository / file)
    return out


def run(kernel, initramfs, console):
    """Boots it and waits until it is off; its console is in the file `console` then."""
    command = [
        "setpriv", "--pdeathsig", "KILL",  # it does not outlive a test run that is killed
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1",
        "-icount", "shift=0,sleep=off", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot", "-serial", f"file:{console}", "-kernel",
        str(kernel.image), "-initrd", str(initramfs), "-append",
        "console=ttyS0 loglevel=3 panic=-1 net.ifnames=0"]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=PATIENCE_SECONDS)


def reports(console):
    """Name -> Report, of everything that the guest began."""
    found = {}
    name, lines = None, []
    for line in console.replace("\r", "").split("\n"):
        begins = re.fullmatch(r"case (\S+) begins", line)
        ends = re.fullmatch(r"case (\S+) ends with status (\d+)", line)
        if begins:
            name, lines = begins[1], []
            found[name] = Report(lines, None)
        elif ends and ends[1] == name:
            found[name] = Report(lines, int(ends[2]))
            name = None
        elif name:
            lines.append(line)
            found[name] = Report(lines, None)
    return found
