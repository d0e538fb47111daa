"""What porter costs on real trees, beside the tools that people use for the like: ``make bench``

CPU seconds (user and system, children included) of the cheapest of some runs, wall clock and peak memory; ratios are to
`ruff check` on the same tree in the same run. The budgets: 3 times ruff cold, 0.3 times with nothing changed.
"""

from __future__ import annotations

import argparse
import platform

import msgspec

import porter
from tests.benchmarks import page
from tests.benchmarks.contenders import PACKAGES, contenders
from tests.benchmarks.measure import measure
from tests.benchmarks.page import Measured
from tests.benchmarks.plot import draw
from tests.benchmarks.trees import TREES, Tree
from tests.ecosystem.projects import cache_folder


def machine(processor: str) -> str:
    """What the figures were measured on."""
    peers = ", ".join(package.replace("==", " ") for package in PACKAGES)
    return f"{processor}, Python {platform.python_version()}: porter {porter.__version__}, {peers}"


def main() -> None:
    """Measure, print, and with --update write page and plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [tree.name for tree in TREES]
    parser.add_argument("--tree", action="append", choices=names, help="only this tree (may be repeated)")
    parser.add_argument("--project", action="append", help="a tree of this project instead (may be repeated)")
    parser.add_argument("--only", action="append", help="only contenders with this in their names (may be repeated)")
    parser.add_argument("--cache", help="where packages and peers are kept (default: $PORTER_ECOSYSTEM, ~/.cache)")
    parser.add_argument("--machine", default=platform.machine(), help="what to call this machine")
    parser.add_argument("--update", action="store_true", help="write page and plot")
    parser.add_argument("--render", action="store_true", help="measure nothing; write page and plot again")
    arguments = parser.parse_args()
    if arguments.render:
        render()
        return
    trees = [tree for tree in TREES if tree.name in (arguments.tree or names)]
    if arguments.project:
        trees = [Tree(project, (project,)) for project in arguments.project]
    cache = cache_folder(arguments.cache)
    chosen = [
        contender
        for contender in contenders(cache / "peers")
        if not arguments.only or any(word in contender.name for word in arguments.only)
    ]
    figures = []
    for figure in measure(trees, chosen, cache):
        if not figures or figures[-1].tree != figure.tree:
            print(f"\n{figure.tree}: {figure.lines:,} lines", flush=True)
        figures.append(figure)
        spent = f"{figure.cost.seconds:8.2f} s" if figure.cost else "  left out"
        print(f"{spent}  {figure.contender}", flush=True)
    measured = Measured(machine(arguments.machine), figures)
    print(f"\n{page.checks(measured)}")
    if arguments.update:
        page.MEASURED.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")
        render()


def render() -> None:
    """Write page and plot of what was measured."""
    measured = msgspec.json.decode(page.MEASURED.read_bytes(), type=Measured)
    page.write("checks", page.checks(measured))
    page.PLOT.write_text(draw(measured.figures), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
