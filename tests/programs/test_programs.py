"""Whole programs of different kinds, before and after, for every target.

``<kind>/original`` is the program, ``<kind>/expected/<target>`` what `porter rewrite` makes of it. ``UPDATE=1 pytest``
writes what porter makes now: read the diff before you commit it. `make programs` also runs them all: the original on
the CPU, the port for Neuron on the simulated device, the portable one on the CPU, and the one for XLA on XLA's CPU
backend. They must print the same losses.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.programs.programs import (
    HERE,
    ON_XLA,
    TARGETS,
    XLA,
    Files,
    Program,
    files,
    numbers,
    programs,
    rewritten,
    run,
    write,
)

PROGRAMS = programs()
UPDATE = bool(os.environ.get("UPDATE"))
EACH = [pytest.param(name, target, id=f"{name}-{target}") for name in PROGRAMS for target in TARGETS]
PYTHON = os.environ.get("PORTER_PROGRAMS_PYTHON", sys.executable)  # one with the packages that programs need


def expected(name: str, target: str) -> Files:
    return files(HERE / name / "expected" / target)


def test_every_folder_is_a_program() -> None:
    folders = {path.parent.name for path in HERE.glob("*/original")}
    assert folders == PROGRAMS.keys()
    assert len(folders) >= 12


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_rewritten(name: str, tmp_path: Path) -> None:
    original = files(HERE / name / "original")
    made = {target: rewritten(original, target, tmp_path / target) for target in TARGETS}
    if UPDATE:
        for target, contents in made.items():
            write(HERE / name / "expected" / target, contents)
    for target, contents in made.items():
        assert contents == expected(name, target), f"{name} for {target}: UPDATE=1 writes what porter makes now"


@pytest.mark.programs
@pytest.mark.parametrize(("name", "target"), EACH)
def test_a_second_rewrite_changes_nothing(name: str, target: str, tmp_path: Path) -> None:
    once = expected(name, target)
    assert rewritten(once, target, tmp_path / "again") == once


@pytest.mark.programs
@pytest.mark.parametrize(("name", "target"), EACH)
def test_a_port_computes_what_the_original_does(name: str, target: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]
    if target in program.stays:
        pytest.skip(program.stays[target])
    if target == "xla" and XLA.missing():
        pytest.skip(XLA.missing())
    if lacking := missing(program):
        pytest.skip(f"{', '.join(lacking)} not installed: PORTER_PROGRAMS_PYTHON names an environment that has it")
    simulated = [PYTHON, "-m", "porter", "run", "--quiet"]
    runners = {"neuron": simulated, "portable": [PYTHON], "xla": [str(XLA.python), "-c", ON_XLA]}
    given = program.given.get(target, ())
    printed = run(program, expected(name, target), tmp_path / target, runners[target], given)
    theirs, ours = numbers(oracle(name, tmp_path / "original")), numbers(printed)
    assert theirs
    for number, (one, other) in enumerate(zip_longest(theirs, ours, fillvalue=float("nan")), 1):
        assert one == pytest.approx(other, rel=program.tolerance, abs=program.tolerance / 10), f"figure {number}"


@lru_cache
def oracle(name: str, folder: Path) -> str:
    """What the original prints on the CPU."""
    program = PROGRAMS[name]
    return run(program, files(HERE / name / "original"), folder, [PYTHON], program.cpu)


def missing(program: Program) -> list[str]:
    """The packages that a program needs and the environment lacks."""
    asked = [f"__import__('importlib.util').util.find_spec({package!r}) is not None" for package in program.needs]
    code = f"print([{', '.join(asked)}])"
    told = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout if asked else "[]"
    return [
        package
        for package, there in zip(program.needs, told.strip("[]\n").split(", "), strict=False)
        if there != "True"
    ]
