"""Contenders on trees: every cost, and how many findings there were."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tests.benchmarks.contenders import Contender
from tests.benchmarks.cost import Cost, cost
from tests.benchmarks.trees import Tree, lines, plant, tied

_ENOUGH = 15.0  # seconds, after which a command is not run once more
_SETTLED = 2.5  # seconds after which porter knows a file by its times


class Figure(msgspec.Struct, frozen=True):
    """One contender on one tree; no cost where it was left out."""

    tree: str
    lines: int
    contender: str
    cost: Cost | None
    findings: int = 0


def measure(trees: Iterable[Tree], contenders: Iterable[Contender], cache: Path) -> Iterator[Figure]:
    """The figures as they are measured, on copies of the trees; ``cache`` has the packages."""
    contenders = list(contenders)
    for tree in trees:
        with tempfile.TemporaryDirectory(prefix="porter-benchmark-") as scratch:
            folder = Path(scratch) / "tree"
            plant(tree, cache, folder)
            size = lines(folder)
            time.sleep(_SETTLED)
            for contender in contenders:
                found: tuple[Cost | None, int] = (None, 0)
                if size <= contender.most:
                    found = _measure(contender, folder, Path(scratch))
                yield Figure(tree.name, size, contender.name, *found)


def _measure(contender: Contender, folder: Path, scratch: Path) -> tuple[Cost, int]:
    command = [word.replace("{scratch}", str(scratch)) for word in contender.command]
    changing = tied(folder) if contender.changed else None
    before = changing.read_bytes() if changing else b""
    if contender.warm:
        cost(command, folder)
    results: list[tuple[Cost, int]] = []
    while len(results) < contender.runs and sum(spent.wall for spent, _ in results) < _ENOUGH:
        if changing:
            changing.write_bytes(before + b"\nx = %d\n" % len(results))
        with tempfile.TemporaryFile() as output:
            spent = cost(command, folder, output)
            output.seek(0)
            results.append((spent, len(re.findall(contender.finding, output.read(), re.MULTILINE))))
    if changing:
        changing.write_bytes(before)
    return min(results)
