"""The budgets that hold on any machine: what porter costs before it has much to do.

Costs are CPU time, as ratios to an interpreter that starts and imports what the command line cannot do without: they
hold on slow and busy machines, too. `python -m tests.benchmarks` shows all figures, in seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.cost import ENVIRONMENT, PORTER, best, cost
from tests.benchmarks.generated import grow


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    grow(folder, 10_000)
    return folder


START = [sys.executable, "-c", "import ast, click, msgspec"]


def within(ratio: float, command: list[str], folder: Path) -> None:
    """Whether a command costs at most ``ratio`` starts; tries for long enough to find a quiet moment of the machine."""
    found = 0.0
    for _ in range(4):
        found = best(command, folder).seconds / best(START, folder).seconds
        if found <= ratio:
            return
    raise AssertionError(f"{' '.join(command[3:])}: costs {found:.1f} starts, the budget is {ratio}")


def test_version(tree: Path) -> None:
    within(2, [*PORTER[:3], "--version"], tree)


def test_one_small_file(tree: Path) -> None:
    within(6, [*PORTER, "--no-cache", "pkg0/module1.py"], tree)


def test_nothing_changed(tree: Path, tmp_path: Path) -> None:
    cached = [*PORTER, "--cache-dir", str(tmp_path)]
    cost(cached, tree)
    within(4, cached, tree)


PROBE = """
import sys
from porter.cli import main
main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to ask")
def test_memory_stays_small(tree: Path) -> None:
    """Asked of the process itself: what its parent sees includes the parent's own at the time of the fork."""
    command = [sys.executable, "-c", PROBE, "check", "--isolated", "--quiet", "--no-cache"]
    done = subprocess.run(command, cwd=tree, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    _, kibibytes, _ = done.stderr.split()
    assert int(kibibytes) <= 64 * 1024


WAITING = """
import gc
from porter import engine
from porter.config import load
settings = load(isolated=True, overrides={"jobs": 1, "cache": False})
engine.run(["."], settings)
gc.collect()
gc.disable()
report = engine.run(["."], settings)
print(report.files, report.lines, gc.collect())
"""


def test_nothing_waits_for_the_collector(tree: Path) -> None:
    """Runs do without it: trees that held each other would stay until the end. The first run imports and remembers."""
    done = subprocess.run(
        [sys.executable, "-c", WAITING], cwd=tree, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    files, lines, waiting = map(int, done.stdout.split())
    assert lines > 5000
    assert waiting < 2 * files
