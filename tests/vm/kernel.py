"""Debian's cloud kernel, taken from its package and installed nowhere: no boot loader and no
initramfs of this machine hears of it. Kept below build/vm, a folder per version."""

import re
import shutil
import subprocess
from pathlib import Path

# Depends on the package of the newest kernel, which bears its version in its name.
NAMELESS = "linux-image-cloud-amd64"


def _apt_cache_depends():
    shown = subprocess.run(["apt-cache", "show", "--no-all-versions", NAMELESS],
                           capture_output=True, text=True, check=False).stdout
    return re.search(r"^Depends: (linux-image-\S+-cloud-amd64) \(= ([^)]+)\)", shown, re.M)


def newest():
    """(package, version) of what apt would install."""
    found = _apt_cache_depends()
    if not found:
        subprocess.run(["apt-get", "-q", "update"], check=True)
        found = _apt_cache_depends()
    assert found, f"apt knows no package {NAMELESS}; it is one of Debian 12, for amd64"
    return found[1], found[2]


class Kernel:
    """An unpacked kernel: its image, and modules with what they depend on."""

    def __init__(self, root):
        self.image, = (root / "boot").glob("vmlinuz-*")
        self.release = self.image.name.removeprefix("vmlinuz-")
        self.modules = root / "lib/modules" / self.release
        self._needs = {}
        self._paths = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            self._paths[self._name(path)] = path
            self._needs[path] = needs.split()
        self._builtin = {self._name(line) for line
                         in (self.modules / "modules.builtin").read_text().splitlines()}

    @staticmethod
    def _name(path):
        return Path(path).name.split(".ko")[0].replace("-", "_")

    def files_of(self, name):
        """The module's file and those it depends on, as paths below `modules`; none if built in."""
        if name in self._builtin:
            return []
        assert name in self._paths, f"kernel {self.release} has no module {name}"
        path = self._paths[name]
        return [path, *self._needs[path]]


def unpacked(folder):
    """Downloads and unpacks it below `folder` if it is not there yet."""
    package, version = newest()
    root = folder / f"{package}_{version.replace(':', '%3a')}"
    if not root.exists():
        part = folder / f"{root.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=", "download",
                        f"{package}={version}"], cwd=part, check=True)
        archive, = part.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(part)], check=True)
        archive.unlink()
        release, = (part / "lib/modules").iterdir()
        depmod = shutil.which("depmod") or "/usr/sbin/depmod"  # not on the PATH of everybody
        subprocess.run([depmod, "-b", str(part), release.name], check=True)
        part.rename(root)
    return Kernel(root)
