"""Code that must not compile: the guarantees that the type system gives.

"Only a judged address can be dialled" is no check at run time but the absence of a constructor.
Each file here tries to get round it, and the compiler's reason is part of the test: a file that
fails because of a missing header would prove nothing.
"""

import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

REFUSED = {
    "route_from_endpoint.cpp": "calling a private constructor of class 'penstock::policy::Route'",
    "route_without_endpoint.cpp": "no matching constructor for initialization of 'policy::Route'",
    "route_redirected.cpp": "no viable overloaded '='",
    "dial_unjudged.cpp": "no viable conversion from 'span<const Endpoint>'",
}


def compile_file(name):
    return subprocess.run(
        ["clang++-19", "-std=c++23", "-fsyntax-only", "-Isrc", str(HERE / name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_control_compiles():
    result = compile_file("control.cpp")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_compiler_refuses(name):
    result = compile_file(name)
    assert result.returncode != 0, f"{name} compiled"
    assert REFUSED[name] in result.stderr, result.stderr
    errors = [line for line in result.stderr.splitlines() if ": error:" in line]
    assert len(errors) == 1, result.stderr


def test_every_file_here_is_tried():
    present = {path.name for path in HERE.glob("*.cpp")}
    assert present == set(REFUSED) | {"control.cpp"}
