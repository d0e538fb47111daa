"""What porter costs, as a table: ``python -m tests.benchmarks [--lines 100000]``

CPU seconds (user and system, children included), the best of some runs, on a generated tree; on real ones see
`tests.ecosystem.speed`. Budgets: those of `tests.benchmarks.test_budgets`; of ruff, 3 times cold, 0.3 times warm.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.tree import EVERY, grow
from tests.ecosystem.speed import PORTER, RUFF, Cost, best, cost


def rows(lines: int, folder: Path) -> Iterator[str]:
    """The table, line by line as it is measured."""
    tree, cache = folder / "tree", str(folder / "cache")
    written = grow(tree, lines)
    reference = best(RUFF, tree).seconds
    yield f"{written:,} lines; ruff takes {reference:.2f} s\n"
    yield "| what | CPU s | of ruff | peak MiB |"
    yield "|---|--:|--:|--:|"

    def row(what: str, spent: Cost) -> str:
        return f"| {what} | {spent.seconds:.3f} | {spent.seconds / reference:.2f} | {spent.mebibytes:.0f} |"

    yield row("--version", best([*PORTER[:3], "--version"], tree, 5))
    yield row("one file without CUDA", best([*PORTER, "--no-cache", "pkg0/module1.py"], tree, 5))
    yield row("one file with CUDA", best([*PORTER, "--no-cache", f"pkg0/module{EVERY}.py"], tree, 5))
    for jobs in ("1", "2"):
        yield row(f"check, cold, {jobs} processes", best([*PORTER, "--no-cache", "--jobs", jobs], tree))
    cached = [*PORTER, "--cache-dir", cache]
    yield row("check, first run with a cache", cost(cached, tree))
    yield row("check, nothing changed", best(cached, tree, 5))
    with (tree / "pkg0" / "module0.py").open("a", encoding="utf-8") as file:
        file.write("\nx = 1\n")
    yield row("check, one file changed", cost(cached, tree))
    yield row("rewrite, cold", best([*PORTER[:3], "rewrite", *PORTER[4:], "--no-cache"], tree))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000, help="size of the tree")
    with tempfile.TemporaryDirectory(prefix="porter-benchmark-") as folder:
        for line in rows(parser.parse_args().lines, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
