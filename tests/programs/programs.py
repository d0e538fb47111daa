"""The programs: how they are rewritten, and how they are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from porter.catalog.read import parse
from porter.verify.environments import XlaEnvironment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]  # porter itself, for an environment that lacks it
TARGETS = ("neuron", "portable", "xla")
XLA = XlaEnvironment(Path(given) if (given := os.environ.get("PORTER_XLA_ENV")) else None)
SECONDS = 300

_NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")
_OWN = ("peak", "KiB")  # words of lines that tell of the machine; what frameworks print begins otherwise

# Runs a program as `python` does. XLA's CPU backend keeps no statistics of its memory.
ON_XLA = """
import runpy, sys
import torch_xla.core.xla_model as xm
xm.get_memory_info = lambda device=None: {"bytes_used": 0, "bytes_limit": 0, "peak_bytes_used": 0}
sys.argv = sys.argv[1:]
sys.path[0] = ""
runpy.run_path(sys.argv[0], run_name="__main__")
"""

Files = dict[str, str]  # by path, with `/`


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One folder beside this module; see ``programs.toml``."""

    title: str
    run: tuple[str, ...]
    cpu: tuple[str, ...] = ()
    rank: bool = False
    needs: tuple[str, ...] = ()
    tolerance: float = 1e-3
    given: dict[str, tuple[str, ...]] = {}
    stays: dict[str, str] = {}


def programs() -> dict[str, Program]:
    """All programs by name, which is that of their folder."""
    return msgspec.convert(parse(HERE / "programs.toml"), dict[str, Program])


def files(folder: Path) -> Files:
    """The files below a folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in found}


def write(folder: Path, contents: Mapping[str, str]) -> None:
    """Make a folder hold these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def rewritten(original: Files, target: str, folder: Path) -> Files:
    """What porter makes of files, in an empty folder."""
    write(folder, original)
    porter = (sys.executable, "-m", "porter", "rewrite", ".", "--write", "--force", "--quiet")
    command = (*porter, "--isolated", "--no-cache", "--target", target)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return files(folder)


def run(program: Program, contents: Files, folder: Path, python: list[str], arguments: tuple[str, ...] = ()) -> str:
    """Run a program in an empty folder and return what it prints. Raises AssertionError where it fails."""
    write(folder, contents)
    script, *rest = program.run
    if script.endswith(".ipynb"):
        script = _as_script(folder / script)
    environment = {**os.environ, **XLA.variables(), "PJRT_DEVICE": "CPU", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    if program.rank:
        ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
        environment |= {**ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29677"}
    command = [*python, script, *rest, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def _as_script(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = notebook.with_suffix(".py")
    script.write_text("\n\n".join(code), encoding="utf-8")
    return script.name


def numbers(printed: str) -> list[float]:
    """The figures that a program prints of its training, in order."""
    lines = (line for line in printed.splitlines() if line[:1].islower() and not any(word in line for word in _OWN))
    return [float(number) for line in lines for number in _NUMBER.findall(line)]
