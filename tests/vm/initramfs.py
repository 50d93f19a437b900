"""The guest's whole file system: a cpio archive that the kernel unpacks into memory. Written here
and not by cpio, so that it takes no root, no copy of the files, and no order of the host's."""

import os
import shutil
import stat
import subprocess
from pathlib import Path


PYTHON = "/usr/bin/python3"
# Where each module that is loaded came from, and where it lies compiled.
_LOADED = """
import os, sys
import {}
for module in list(sys.modules.values()):
    file, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
    if file:
        print(file, cached if cached and os.path.exists(cached) else "", sep="\\t")
"""


def libraries(program):
    """What the loader would map for `program`, as paths of this machine; none if it is static."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return []
    words = [line.replace("=>", " ").split() for line in listed.stdout.splitlines()]
    missing = [line[0] for line in words if "not" in line and "found" in line]
    assert not missing, f"{program} lacks {missing}"
    return [word for line in words for word in line if word.startswith("/")]


class Initramfs:
    """Files by their path in the guest, written out as a `newc` archive."""

    def __init__(self):
        self._entries = {}

    def add(self, path, content, mode=0o644):
        """A file of text, bytes, or what a file of this machine holds."""
        self._folders(path)
        self._entries[path] = (stat.S_IFREG | mode, content)

    def link(self, path, target):
        self._folders(path)
        self._entries[path] = (stat.S_IFLNK | 0o777, target)

    def folder(self, path):
        self._folders(path + "/x")

    def program(self, path):
        """A program of this machine in /usr/bin, and its libraries where the loader looks for them."""
        source = shutil.which(path, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        assert source, f"{path} is not installed here, and the guest needs it"
        self.add("usr/bin/" + Path(source).name, Path(source), 0o755)
        for library in libraries(source):
            self.add(library.lstrip("/"), Path(library), 0o755)

    def python(self, modules):
        """Debian's Python, and of its library these modules with what they import. Without the
        sources: what was compiled goes by their dates, which nothing has here."""
        self.program(PYTHON)
        shown = subprocess.run([PYTHON, "-I", "-c", _LOADED.format(", ".join(modules))],
                               capture_output=True, text=True, check=True).stdout
        for line in shown.splitlines():
            source, compiled = line.split("\t")
            if compiled:
                self.add(source.lstrip("/") + "c", Path(compiled))
            else:
                self.add(source.lstrip("/"), Path(source), 0o755)
                for library in libraries(source):
                    self.add(library.lstrip("/"), Path(library), 0o755)

    def _folders(self, path):
        for parent in reversed(Path(path).parents[:-1]):
            self._entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))

    def write(self, file):
        with open(file, "wb") as out:
            entries = [*self._entries.items(), ("TRAILER!!!", (0, b""))]
            for inode, (path, (mode, content)) in enumerate(entries, 1):
                if isinstance(content, Path):
                    content = content.read_bytes()
                elif isinstance(content, str):
                    content = content.encode()
                name = path.encode() + b"\0"
                links = 2 if stat.S_ISDIR(mode) else 1
                fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
                head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
                out.write(_padded(head) + _padded(content))


def _padded(data):
    return data + bytes(-len(data) % 4)
