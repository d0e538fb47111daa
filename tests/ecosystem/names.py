"""Do porter and libcst read the same names? ``python -m tests.ecosystem.names [--project NAME] [--files N] [--seed N]``

For files in which porter has sites, drawn from all projects in turn: what porter's index says that a name stands for,
and through which import or assignment, against a second opinion that shares nothing with it (`second.py`); also what
only one of the two sees. Exit status 1 on a disagreement. Rewrites have their own check: `renames.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from porter import rules
from porter.catalog.types import load_types
from porter.config import Settings
from porter.index.analyse import Lens, analyse, lens
from porter.index.facts import PYTHON, Setup, Task, sites_of
from porter.index.site import Receiver, Site
from porter.index.watch import Watch
from porter.model import Problem
from porter.sources import decode, discover
from tests.ecosystem.download import provide
from tests.ecosystem.invariants import working_in
from tests.ecosystem.projects import add_arguments, cache_folder, load
from tests.ecosystem.sample import draw
from tests.ecosystem.second import SecondOpinion, opinion_on

DISAGREEMENTS = {
    "name": "libcst reads another name there",
    "sure": "libcst sees more that it may be, and porter is certain",
    "alias": "libcst has it from another import or assignment",
    "nothing": "libcst sees no name there",
    "receiver": "libcst reads another class of the receiver, or that it is none",
    "missed": "the catalogue knows the name, and porter has no site there",
}


class Disagreement(NamedTuple):
    """One place of which porter and libcst say different things."""

    path: str
    line: int
    kind: str
    porter: str
    libcst: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: porter {self.porter or 'nothing'}; libcst {self.libcst or '-'}"


class Compared(NamedTuple):
    """What came of one file."""

    path: str
    sites: int = 0  # 0: porter has none, so the file does not count
    agreed: Counter[str] = Counter()
    disagreements: tuple[Disagreement, ...] = ()
    unread: str = ""  # why libcst could not read it


@lru_cache(maxsize=1)
def through() -> Lens:
    """What porter looks at files through: with every rule, and into every file that mentions CUDA."""
    return lens(Setup((), frozenset(rules.load()), "neuron", True))


def compare(tree: Path, task: Task) -> Compared:
    """Ask both about one file of ``tree``."""
    path = f"{tree.name}/{task.display}"
    task = task._replace(path=str(tree / task.path))
    sites = sites_of(analyse(task, through()))
    raw = task.read()
    source = raw if isinstance(raw, Problem) else decode.decode(raw, task.display, task.kind)
    if not sites or isinstance(source, Problem):
        return Compared(path)
    try:
        opinion = opinion_on(source)
    except (cst.ParserSyntaxError, RecursionError, ValueError) as error:
        return Compared(path, len(sites), unread=str(error).splitlines()[0])
    agreed: Counter[str] = Counter()
    disagreements: list[Disagreement] = []
    for start, kind, said, other in _answers(sites, opinion, through().watch, source.text):
        if kind in DISAGREEMENTS:
            disagreements.append(Disagreement(path, source.line(start), kind, said, other))
        else:
            agreed[kind] += 1
    return Compared(path, len(sites), agreed, tuple(disagreements))


Answer = tuple[int, str, str, str]  # where, what came of it, what porter says, what libcst says


def _answers(sites: Iterable[Site], opinion: SecondOpinion, watch: Watch, text: bytes) -> Iterator[Answer]:
    seen: set[int] = set()  # starts of what porter has sites for
    for site in sites:
        if site.kind not in ("symbol", "method"):
            continue
        by_string = site.role == "import" and text.startswith((b'"', b"'"), site.start)  # import_module("apex")
        if by_string or not site.editable:  # whose offsets are those of the string around it
            yield site.start, "in a string", site.name, ""
            continue
        seen.add(site.start)
        if site.receiver is not None:
            yield site.start, *_received(site, site.receiver, opinion, watch)
        elif site.role == "import":
            name = opinion.imports.get((site.start, site.end), "")
            yield site.start, "import" if site.name in _watched([name], watch) else "name", site.name, name
        elif site.role != "dynamic":
            yield site.start, *_named(site, opinion, watch)
    for start, end in opinion.read:
        meaning = opinion.meaning(opinion.chains[start, end])
        if start not in seen and (known := {name for name in map(watch.match, meaning.imported) if name}):
            yield start, "missed", "", ", ".join(sorted(known))
    for (start, _), name in opinion.imports.items():
        if start not in seen and watch.match(name):
            yield start, "missed", "", name


def _named(site: Site, opinion: SecondOpinion, watch: Watch) -> tuple[str, str, str]:
    """A name that porter follows to where it comes from."""
    chain = opinion.chains.get((site.start, site.end))
    if chain is None:
        return "nothing", site.name, ""
    meaning = opinion.meaning(chain)
    several = len(meaning.names) > 1 or bool(meaning.others)
    if site.name not in _watched(meaning.names, watch):
        return "name", site.name, str(meaning)
    if site.certain and several:
        return "sure", site.name, str(meaning)
    if site.alias is not None and site.alias not in meaning.origins:
        return "alias", f"{site.name} from {site.alias}", ", ".join(map(str, sorted(meaning.origins)))
    return "one of several" if several else "name itself", site.name, ""


def _received(site: Site, receiver: Receiver, opinion: SecondOpinion, watch: Watch) -> tuple[str, str, str]:
    """A method: what it is called on is a value, and of the class that porter says, where libcst can tell."""
    chain = opinion.chains.get((receiver.start, receiver.end))
    if chain is None:
        return "method of an expression", site.name, ""
    meaning = opinion.meaning(chain)
    if meaning.imported and not meaning.others and any(map(watch.match, meaning.imported)):
        return "receiver", site.name, str(meaning)
    types = load_types()
    made = {types.canonical(types.returns(name) or name) for name in opinion.maker(chain)}
    known = {name for name in made if name in ("torch.Tensor", "torch.nn.Module") or types.returns(name)}
    if receiver.type is None or not known:
        return "method of a value", site.name, ""
    return "method of a known class" if receiver.type in known else "receiver", receiver.type, ", ".join(sorted(known))


def _watched(names: Iterable[str], watch: Watch) -> set[str]:
    """The part of each name that the catalogue knows; all of it where it knows none, as porter has it."""
    return {part for name in names for part in (name, watch.match(name)) if part}


def files(trees: Iterable[Path], seed: int) -> Iterator[tuple[Path, Task]]:
    """The Python files of all trees: one of each in turn, in an order drawn by lot."""
    groups = []
    for tree in trees:
        with working_in(tree):
            found = discover.discover(["."], Settings()).candidates
        groups.append([(tree, task) for task in (Task(*c) for c in found) if task.kind in PYTHON])
    yield from draw(groups, sum(map(len, groups)), seed)


def compare_all(trees: list[Path], count: int, seed: int, jobs: int, limit: float) -> Iterator[Compared]:
    """The first ``count`` files with sites, as far as one gets in ``limit`` seconds."""
    end = time.monotonic() + limit
    drawn = list(files(trees, seed))
    with ProcessPoolExecutor(jobs, initializer=partial(os.nice, 10)) as pool:
        for compared in pool.map(compare, *zip(*drawn, strict=True), chunksize=8):
            if compared.sites:
                yield compared
                count -= 1
            if not count or time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)
                return


def report(results: list[Compared]) -> Iterator[str]:
    """What came of it, for the reader."""
    agreed = sum((result.agreed for result in results), Counter[str]())
    disagreements = [d for result in results for d in result.disagreements]
    unread = [result for result in results if result.unread]
    sites = sum(result.sites for result in results)
    yield f"{len(results):,} files with {sites:,} sites, {len(unread)} not read by libcst"
    yield from (f"  {result.path}: {result.unread}" for result in unread)
    yield f"agreed {sum(agreed.values()):,}: " + ", ".join(f"{kind} {n:,}" for kind, n in agreed.most_common())
    yield f"disagreed {len(disagreements)}"
    for kind, meaning in DISAGREEMENTS.items():
        found = sorted(d for d in disagreements if d.kind == kind)
        if found:
            yield f"\n{kind}, {len(found)}: {meaning}"
            yield from (f"  {d}" for d in found)


def main() -> None:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--files", type=int, default=600, help="files with sites to compare (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    projects, cache = load(arguments.project), cache_folder(arguments.cache)
    for failure in provide(projects, cache):
        print(f"left out: {failure}", file=sys.stderr)
    trees = [project.tree(cache) for project in projects if project.tree(cache).is_dir()]
    results = list(compare_all(trees, arguments.files, arguments.seed, arguments.jobs, arguments.limit))
    print("\n".join(report(results)))
    sys.exit(any(result.disagreements for result in results))


if __name__ == "__main__":
    main()
