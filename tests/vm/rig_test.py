"""What the rig makes of consoles that end badly, and of an archive; nothing is booted here."""

import subprocess

import pytest

import initramfs
import machine

CONSOLE = """SeaBIOS\r
case 10-first begins\r
ok - it holds\r
# a remark\r
case 10-first ends with status 0\r
case 20-second begins\r
not ok - it does not\r
case 20-second ends with status 1\r
case 30-third begins\r
ok - so far\r
[ 3.1] Kernel panic - not syncing\r
"""


def test_a_case_is_what_stands_between_its_beginning_and_its_end():
    report = machine.reports(CONSOLE)["10-first"]
    assert (report.held, report.broken, report.status) == (["ok - it holds"], [], 0)
    assert report.text == "ok - it holds\n# a remark"


def test_what_does_not_hold_is_seen():
    report = machine.reports(CONSOLE)["20-second"]
    assert (report.held, report.broken, report.status) == ([], ["not ok - it does not"], 1)


def test_a_case_in_which_the_guest_died_has_no_status_and_keeps_its_last_words():
    report = machine.reports(CONSOLE)["30-third"]
    assert report.status is None
    assert "Kernel panic" in report.text


def test_a_case_that_the_guest_never_came_to_has_no_report():
    assert "40-fourth" not in machine.reports(CONSOLE)


def test_a_case_says_what_it_needs(tmp_path):
    script = tmp_path / "10-x.sh"
    script.write_text("# A sentence.\n# Programs: ip tc\n# Modules: veth\n. /vm/case.sh\n")
    case = machine.Case(script)
    assert (case.name, case.programs, case.modules, case.files) == ("10-x", ["ip", "tc"], ["veth"], [])


def test_an_archive_holds_what_was_added(tmp_path):
    (tmp_path / "from-here").write_bytes(b"\0odd")
    archive = initramfs.Initramfs()
    archive.add("a/b/text", "hello\n", 0o755)
    archive.add("bytes", tmp_path / "from-here")
    archive.write(tmp_path / "archive")
    with open(tmp_path / "archive", "rb") as packed:
        subprocess.run(["busybox", "cpio", "-i"], stdin=packed, cwd=tmp_path, check=True,
                       capture_output=True)
    assert (tmp_path / "a/b/text").read_text() == "hello\n"
    assert (tmp_path / "a/b/text").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bytes").read_bytes() == b"\0odd"


def test_a_program_comes_with_its_libraries():
    libc = [path for path in initramfs.libraries("/usr/bin/dash") if "libc.so" in path]
    assert len(libc) == 1


def test_a_program_that_is_not_here_is_named():
    with pytest.raises(AssertionError, match="no-such-program is not installed here"):
        initramfs.Initramfs().program("no-such-program")
