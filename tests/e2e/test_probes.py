"""The trace points that the program carries are those of docs/probes.md, argument for argument.
That they say what the log says is for tests/vm: attaching takes a kernel that permits it."""

import re
import subprocess

from proxy import BINARY, REPOSITORY

PAGE = REPOSITORY / "docs/probes.md"
COMMON = 5  # arguments that all of them have


def documented(text):
    """The second table of the page: probe -> how many arguments it has."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \| (.+) \|$", text, re.M)
    probes = {name: COMMON + (last != "–") for name, last in rows if not name.startswith("arg")}
    assert len(probes) > 1, "the table of probes was not found"
    return probes


def carried():
    """Of the notes in the program: probe -> the counts of arguments at the places where it stands."""
    notes = subprocess.run(["readelf", "--notes", "--wide", str(BINARY)], capture_output=True,
                           text=True, check=True).stdout
    found = {}
    for provider, name, arguments in re.findall(
            r"Provider: (\w+)\s+Name: (\w+)\s+Location: .*\s+Arguments: (.*)", notes):
        assert provider == "penstock", f"a probe of {provider}: {name}"
        found.setdefault(name, set()).add(len(arguments.split()))
    return found


def test_the_program_carries_the_documented_probes_and_no_others():
    assert {name: {count} for name, count in documented(PAGE.read_text()).items()} == carried()


def test_every_probe_has_a_question_that_it_answers():
    commands = re.findall(r"^```sh\n(bpftrace .*?)```", PAGE.read_text(), re.M | re.S)
    asked = set(re.findall(r"penstock:penstock:(\w+|\*)", " ".join(commands)))
    # These are seen where somebody asks what happens at this moment, which names all.
    assert set(carried()) - asked == {"identify", "judge_addresses"}
    assert "*" in asked
