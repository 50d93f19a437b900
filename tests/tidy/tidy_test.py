"""The house rules, as tests: what a compiler does not check and a reviewer gets tired of.

Run: /usr/bin/python3 -m pytest tests/tidy -q
"""

import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SKIPPED_FOLDERS = {"build", "corpus", ".git", "__pycache__", ".pytest_cache", "node_modules"}


def files(folder, *suffixes):
    """Every file below folder with one of the suffixes, without what builds leave behind."""
    found = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders
                            if f not in SKIPPED_FOLDERS and not f.startswith("build-"))
        found += [Path(path) / name for name in sorted(names) if Path(name).suffix in suffixes]
    return found


def shown(path):
    return str(path.relative_to(ROOT))


def code_of(text):
    """C++ with comments and the contents of literals blanked; line numbers stay."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        found = match.group(0)
        kept = re.sub(r"[^\n]", " ", found)
        return '""' + kept[2:] if found[0] in '"R' else kept

    return token.sub(blank, text)


# .c: the kernel side of src/bpf.
CPP = files(SRC, ".h", ".cpp", ".c") + files(ROOT / "fuzz", ".cpp") + files(ROOT / "tests", ".h", ".cpp")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
INCLUDERS = {}
for _path in CPP:
    for _target in INCLUDE.findall(_path.read_text()):
        INCLUDERS.setdefault(SRC / _target, []).append(_path)


def is_beside(path):
    """Tests, benchmarks and fuzz targets stand beside the code and may do more, and so may the
    headers that only they include."""
    if re.search(r"_(test|bench|fuzz)$", path.stem) or SRC not in path.parents:
        return True
    includers = INCLUDERS.get(path, [])
    return path.suffix == ".h" and bool(includers) and all(is_beside(one) for one in includers)


CODE = {path: code_of(path.read_text()) for path in CPP}


def report(faults, rule):
    assert not faults, f"{rule}:\n  " + "\n  ".join(faults)


def layers():
    """Folder -> how high it stands. Folders on one line stand equally high."""
    heights = {}
    lines = [line for line in (SRC / "LAYERS").read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    for height, line in enumerate(lines):
        for folder in line.split():
            heights[folder] = height
    return heights


def test_every_folder_is_a_layer():
    folders = {path.name for path in SRC.iterdir() if path.is_dir()}
    report(sorted(folders - set(layers())), "folders of src/ that src/LAYERS does not name")


def test_includes_point_downwards():
    heights = layers()
    faults = []
    for path in files(SRC, ".h", ".cpp", ".c"):
        own = path.relative_to(SRC).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            target = match.group(1)
            if (path.parent / target.replace(".skel.h", ".bpf.c")).is_file():
                continue  # made of its neighbour by the build
            where = f'{shown(path)}:{number}: "{target}"'
            if not (SRC / target).is_file():
                faults.append(f"{where} is not a path from src/")
                continue
            folder = target.split("/")[0]
            if own not in heights or folder == own:
                continue  # main.cpp stands above every layer
            if heights.get(folder, 99) >= heights[own]:
                faults.append(f"{where}: {own}/ may not know {folder}/")
    report(faults, "includes against src/LAYERS")


def is_first_in_its_own_source(header):
    """x.cpp that includes x.h before anything else proves by compiling that x.h needs nothing."""
    source = header.with_suffix(".cpp")
    if not source.is_file():
        return False
    first = re.search(r'^\s*#\s*include\s+(\S+)', source.read_text(), re.M)
    return first is not None and first.group(1) == f'"{header.relative_to(SRC)}"'


def test_headers_compile_alone(tmp_path):
    headers = [path for path in files(SRC, ".h") if not is_first_in_its_own_source(path)]

    def compile_alone(numbered):
        number, header = numbered
        source = tmp_path / f"{number}.cpp"
        source.write_text(f'#include "{header.relative_to(SRC)}"\n')
        # A page of the kernel side knows the kernel's types only.
        language = (["-x", "c", "-target", "bpf", "-D__TARGET_ARCH_x86",
                     "-idirafter", f"/usr/include/{os.uname().machine}-linux-gnu"]
                    if header.name.endswith(".bpf.h") else ["-std=c++23"])
        result = subprocess.run(
            ["clang++-19", *language, "-fsyntax-only", "-iquote", str(SRC), str(source)],
            capture_output=True, text=True, check=False)
        return None if result.returncode == 0 else f"{shown(header)}: {first_error(result.stderr)}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(compile_alone, enumerate(headers)) if fault]
    report(faults, "headers that do not compile by themselves")


def first_error(text):
    errors = [line for line in text.splitlines() if "error:" in line]
    return errors[0].split("error:", 1)[1].strip() if errors else text[:200]


def test_headers_say_once_and_what_they_are():
    faults = []
    for path in files(SRC, ".h"):
        text = path.read_text()
        if not text.startswith("// "):
            faults.append(f"{shown(path)} does not open with what it is")
        if "#pragma once" not in text:
            faults.append(f"{shown(path)} lacks #pragma once")
    report(faults, "headers")


def test_files_are_short():
    faults = []
    for path in CPP:
        limit = 600 if is_beside(path) else 400
        count = len(path.read_text().splitlines())
        if count > limit:
            faults.append(f"{shown(path)}: {count} lines, at most {limit}")
    report(faults, "files that are too long")


NOT_A_FUNCTION = re.compile(r"\b(namespace|class|struct|enum|union|extern)\b|=\s*$")


def functions(code):
    """(line, lines that are not blank) of every outermost function; a rough count of braces."""
    lines = code.split("\n")
    scopes = []  # for each open brace: the line where its function starts, 0 if it is none
    head = ""    # what stands between the last ; { or } and here
    number = 1
    for char in code:
        if char == "\n":
            number += 1
            if head.strip().startswith("#"):
                head = ""
        if char == "{":
            text = head.strip()
            outside_brackets = re.sub(r"\(.*\)", "()", text, flags=re.S)
            is_function = (not any(scopes) and "(" in text
                           and not NOT_A_FUNCTION.search(outside_brackets))
            scopes.append(number - text.count("\n") if is_function else 0)
            head = ""
        elif char == "}":
            start = scopes.pop() if scopes else 0
            if start:
                yield start, sum(1 for line in lines[start - 1:number] if line.strip())
            head = ""
        elif char == ";":
            head = ""
        else:
            head += char


def test_functions_fit_a_screen():
    faults = [f"{shown(path)}:{start}: {count} lines, at most 70"
              for path, code in CODE.items() for start, count in functions(code) if count > 70]
    report(faults, "functions that do not fit a screen")


EVERYWHERE = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(", "no bound, or hidden state"),
    (r"\b(system|popen)\s*\(", "a shell"),
    (r"\b(atoi|atol|atof)\s*\(", "cannot say that it failed"),
    (r"\bselect\s*\(\s*\w+\s*,.*,.*,.*,", "FD_SETSIZE"),
]
IN_THE_PROGRAM = [
    (r"\bstd::regex\b", "recursive: a long line overflows the stack", ()),
    (r"(?<!\w)new\s+[A-Za-z_(:]", "an owner is missing: make_unique", ("base", "loop")),
    (r"(?<![\w_])delete\s+[A-Za-z_(*:]", "an owner is missing: make_unique", ("base", "loop")),
    (r"\bstd::(thread|jthread|async)\b", "threads are made in server/, observe/, load/ and bump/",
     # load: --threads, and one that waits for signals; bump: a mint's clerk
     ("server", "observe", "load", "bump")),
    (r"(?<![\w>])::(recv|send|recvmsg|sendmsg|splice|accept4?|connect|bind|listen|socket|shutdown"
     r"|epoll_\w+|getsockopt|setsockopt|pipe2?|eventfd)\s*\(", "belongs into sys/calls", ("sys",)),
    (r"\b(sleep|usleep|nanosleep|sleep_for|sleep_until)\s*\(", "a wait has a deadline and a reason",
     ()),
    (r"\busing namespace std\s*;", "names from nowhere", ()),
]


def test_banned_calls():
    faults = []
    for path, code in CODE.items():
        folder = path.relative_to(SRC).parts[0] if SRC in path.parents else ""
        rules = [(pattern, why) for pattern, why in EVERYWHERE]
        if not is_beside(path):
            rules += [(p, why) for p, why, allowed in IN_THE_PROGRAM if folder not in allowed]
        for number, line in enumerate(code.splitlines(), 1):
            for pattern, why in rules:
                match = re.search(pattern, line)
                if match:
                    faults.append(f"{shown(path)}:{number}: {match.group(0).strip()}: {why}")
    report(faults, "what we do not call")


BANNED_WORDS = re.compile(r"(^|_)(manager|util|utils|helper|helpers|common|ctx|misc)(_|$)", re.I)


def test_file_names_say_something():
    faults = [shown(path) for path in CPP if BANNED_WORDS.search(path.stem)
              or not re.fullmatch(r"[a-z0-9_]+(\.bpf)?", path.stem)]
    report(faults, "file names")


TEXT = [path for path in files(ROOT, ".h", ".cpp", ".c", ".def", ".py", ".md", ".txt", ".cmake", ".json",
                               ".yaml", ".yml", ".service", ".socket", ".js", ".css", ".html", ".sh")
        ] + [path for path in sorted((ROOT / "scripts").glob("*")) if path.is_file()
             and not path.suffix] + [ROOT / "Makefile", ROOT / ".ci/run", SRC / "LAYERS"]


def test_lines_have_no_tabs_and_no_trailing_blanks():
    faults = []
    for path in TEXT:
        raw = path.read_text()
        for number, line in enumerate(raw.split("\n"), 1):
            if line != line.rstrip() and path.suffix != ".md":
                faults.append(f"{shown(path)}:{number}: trailing blank")
            if "\t" in line and path.name != "Makefile":
                faults.append(f"{shown(path)}:{number}: tab")
        if raw and not raw.endswith("\n"):
            faults.append(f"{shown(path)}: no newline at the end")
    report(faults, "white space")


# Put together at run time, or this file would find itself.
TO_DO = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
DEVELOPER = re.compile("(?<![\\w.])(" + "|".join(
    ["/" + "work/", "/" + "root/", "/" + "home/[a-z]+/", "/" + "tmp/[a-z]-"]) + ")")


def test_nothing_is_left_to_do_in_the_code():
    faults = []
    for path in TEXT:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if TO_DO.search(line):
                faults.append(f"{shown(path)}:{number}: {line.strip()[:80]}")
    report(faults, "notes to oneself; an open point belongs into docs/ or is done")


def test_no_path_of_a_developer_machine():
    faults = []
    for path in TEXT:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if DEVELOPER.search(line):
                faults.append(f"{shown(path)}:{number}: {line.strip()[:80]}")
    report(faults, "paths of one machine")


def error_names():
    return re.findall(r"^PENSTOCK_ERROR\((k\w+),", (SRC / "base/error.def").read_text(), re.M)


def test_every_error_is_used():
    used = " ".join(code for path, code in CODE.items()
                    if not is_beside(path) and SRC / "base" not in path.parents)
    faults = [name for name in error_names() if not re.search(rf"\bCode::{name}\b", used)]
    report(faults, "rows of error.def that nothing outside base/ gives")


def test_docs_of_errors_are_in_step():
    result = subprocess.run([sys.executable, str(ROOT / "scripts/generate-docs"), "--check"],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def constants(header):
    """Name -> what stands behind the = of every `kName = value` of a header."""
    return dict(re.findall(r"\b(k\w+) = ([^,;]+)", header))


def test_the_blend_of_load_is_what_its_page_says():
    header = (SRC / "load/blend.h").read_text()
    percents = re.findall(r'\{ActKind::k\w+, "\w+", (\d+)\}', header)
    page = (ROOT / "docs/load.md").read_text().split("| percent | a tunnel that |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M)
    assert [percent for percent, _ in rows] == percents
    k = constants(header)
    assert k["kDownloadMin"] == "8 * 1024" and k["kDownloadMax"] == "uint64_t{256} << 20"
    seconds = {name: re.fullmatch(r"std::chrono::seconds\((\d+)\)", k[name])[1]
               for name in ("kHoldMean", "kHoldMax")}
    conversation, download, hold = [text for _, text in rows[1:]]
    assert (f"{k['kRoundTripsMin']} to {k['kRoundTripsMax']} round trips: {k['kHelloBytes']} bytes "
            f"first, as a ClientHello, then {k['kMessageMin']} to {k['kMessageMax']}") in conversation
    assert f"shape {k['kDownloadShape']} from 8 KiB on, at most 256 MiB" in download
    assert f"for {seconds['kHoldMean']} s on average" in hold
    assert f"at most {seconds['kHoldMax']} s or" in hold


def anchors(path):
    """The anchors that a Markdown page's headings make."""
    found = set()
    for line in path.read_text().splitlines():
        match = re.match(r"#+\s+(.*)", line)
        if match:
            plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", match.group(1)).lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


def test_links_between_pages_lead_somewhere():
    faults = []
    for page in files(ROOT, ".md"):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            goal = (ROOT / name.lstrip("/") if name.startswith("/") else page.parent / name) \
                if name else page
            if not goal.exists():
                faults.append(f"{shown(page)}: {target} does not exist")
            elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
                faults.append(f"{shown(page)}: {target}: no such heading")
    report(faults, "links")


def test_scripts_can_be_run():
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    faults = [shown(path) for path in scripts + [ROOT / ".ci/run"]
              if not os.access(path, os.X_OK) or not path.read_text().startswith("#!")]
    report(faults, "scripts without #! or without the right to run")


# The rules above are only worth something if they can fail.
@pytest.mark.parametrize("code, expected", [
    ("void f() {\n" + "  x();\n" * 68 + "}\n", [(1, 70)]),
    ("int a;\nvoid f(\n    int b) {\n" + "  x();\n" * 70 + "}\n", [(2, 73)]),
    ("namespace a {\nint g(int x) {\n  if (x) {\n" + "  y();\n" * 80 + "  }\n}\n}\n", [(2, 84)]),
    ("namespace a {\n" + "int f();\n" * 90 + "}\n", []),
    ("class A {\n  int f() { return 1; }\n\n  int g() { return 1; }\n};\n", [(2, 1), (4, 1)]),
])
def test_the_function_counter_counts(code, expected):
    assert list(functions(code_of(code))) == expected


def test_code_of_blanks_comments_and_literals():
    assert "strcpy" not in code_of('// strcpy(\nauto s = "strcpy(\\"";\n/* strcpy( */ R"(strcpy()")')
    assert "system(" in code_of("int a = 1'000; system(x);")
