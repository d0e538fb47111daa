"""CPU time and memory of ``porter check`` beside ruff's: ``python -m tests.ecosystem.speed [--project NAME]``

User plus system seconds, the best of three. Cold: without a cache. Warm: the second run with one. The budgets are
ratios to ``ruff check --isolated --no-cache`` on the same tree in the same run: 3 cold, 0.3 warm.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.ecosystem.download import provide
from tests.ecosystem.projects import add_arguments, cache_folder, load

RUFF = [str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--no-cache", "--quiet"]
PORTER = [sys.executable, "-m", "porter", "check", "--isolated", "--quiet"]


# Trees are measured from within: porter is found there as it is here.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


class Cost(NamedTuple):
    """What one run took."""

    seconds: float  # CPU, user and system, children included
    mebibytes: float  # peak resident, of the largest process


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command in ``folder``, output thrown away. Raises RuntimeError where it fails to do its work."""
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1) or b"Traceback" in errors or b"No module" in errors:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{errors.decode(errors='replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(command: list[str], folder: Path, runs: int = 3) -> Cost:
    """The cheapest of some runs: the one that the machine disturbed least."""
    return min(cost(command, folder) for _ in range(runs))


def rows(trees: list[tuple[str, Path]]) -> Iterator[str]:
    """The table, line by line as it is measured."""
    yield "| project | lines | ruff s | cold s | ratio | s / 100k lines | warm s | ratio | peak MiB |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, tree in trees:
        lines = sum(path.read_bytes().count(b"\n") for path in tree.rglob("*.py") if path.is_file())
        reference = best(RUFF, tree).seconds
        cold = best([*PORTER, "--no-cache"], tree)
        with tempfile.TemporaryDirectory() as cache:
            cached = [*PORTER, "--cache-dir", cache]
            cost(cached, tree)
            warm = best(cached, tree).seconds
        ratios = f"{cold.seconds / reference:.2f} | {1e5 * cold.seconds / max(lines, 1):.2f}"
        cells = f"{reference:.2f} | {cold.seconds:.2f} | {ratios} | {warm:.2f} | {warm / reference:.2f}"
        yield f"| {name} | {lines:,} | {cells} | {cold.mebibytes:.0f} |"


def main() -> None:
    """Measure the projects, or the trees given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--tree", action="append", type=Path, help="a folder to measure instead (may be repeated)")
    arguments = parser.parse_args()
    if arguments.tree:
        trees = [(tree.name, tree.resolve()) for tree in arguments.tree]
    else:
        projects, cache = load(arguments.project), cache_folder(arguments.cache)
        for failure in provide(projects, cache):
            print(f"left out: {failure}", file=sys.stderr)
        trees = [(p.name, p.tree(cache)) for p in projects if p.tree(cache).is_dir()]
    for line in rows(trees):
        print(line, flush=True)


if __name__ == "__main__":
    main()
