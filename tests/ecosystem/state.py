"""What porter made of the pinned projects, as committed: one line for each package and target.

Counts by rule and verdict, and a digest each of the findings and of the patch, so that a change of either shows. Which
ones they are is `diff.py`'s to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from porter.model import Finding
from tests.ecosystem.invariants import Proof

PATH = Path(__file__).with_name("state.txt")
_HEAD = """\
# What porter makes of the pinned projects: `make ecosystem` compares, `make ecosystem UPDATE=1` writes.
# package target findings (digest) patch (digest) files and hunks that change, findings that fail a check, all findings
# by rule and verdict
"""

Key = tuple[str, str]  # package as name==version, target


class Line(msgspec.Struct, frozen=True):
    """One package on one target."""

    package: str
    target: str
    findings: str  # digest of where they are and what the verdict is; not of what they say
    patch: str  # digest
    files: int
    hunks: int
    errors: int  # findings that fail a check
    counts: Mapping[str, int]  # "PRT101:auto" -> how many

    @property
    def key(self) -> Key:
        """What the line is about."""
        return self.package, self.target

    def __str__(self) -> str:
        numbers = {"files": self.files, "hunks": self.hunks, "errors": self.errors, **dict(sorted(self.counts.items()))}
        fields = [*self.key, self.findings, self.patch, *(f"{name}={count}" for name, count in numbers.items())]
        return " ".join(fields)


def line(package: str, target: str, proof: Proof) -> Line:
    """What is kept of a proof."""
    found = sorted(map(_place, proof.findings))
    counts = Counter(f"{finding.code}:{finding.verdict}" for finding in proof.findings)
    hunks = len(re.findall(rb"^@@ ", proof.patch, re.MULTILINE))
    digests = _digest(repr(found).encode()), _digest(proof.patch)
    return Line(package, target, *digests, len(proof.changes), hunks, proof.errors, counts)


def _place(finding: Finding) -> tuple[object, ...]:
    place = finding.path, -1 if finding.cell is None else finding.cell, finding.line, finding.column
    return (*place, finding.code, finding.symbol or "", str(finding.verdict))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=6).hexdigest()


def parse(text: str) -> dict[Key, Line]:
    """The lines of a state. Raises ValueError where one is none."""
    lines = {}
    for row in text.splitlines():
        if row and not row.startswith("#"):
            package, target, findings, patch, *fields = row.split()
            counts = {name: int(count) for name, count in (field.split("=") for field in fields)}
            totals = [counts.pop(name) for name in ("files", "hunks", "errors")]
            lines[package, target] = Line(package, target, findings, patch, *totals, counts)
    return lines


def write(lines: Iterable[Line], packages: Iterable[str]) -> None:
    """Bring the committed state up to date; only lines of ``packages`` stay."""
    known = parse(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    known |= {line.key: line for line in lines}
    rows = [str(known[key]) for key in sorted(known) if key[0] in set(packages)]
    PATH.write_text(_HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def changes(old: Line | None, new: Line) -> Iterator[str]:
    """How a line differs from the one that is committed."""
    if old is None:
        yield "not in the state yet"
        return
    for name in sorted({*old.counts, *new.counts}):
        before, after = old.counts.get(name, 0), new.counts.get(name, 0)
        if before != after:
            yield f"{name.replace(':', ' ')} {before} -> {after}"
    if old.findings != new.findings and old.counts == new.counts:
        yield "the same number of findings in other places, or of other symbols"
    if old.errors != new.errors:
        yield f"{old.errors} -> {new.errors} findings that fail a check"
    if (old.files, old.hunks) != (new.files, new.hunks):
        yield f"{old.hunks} -> {new.hunks} hunks in {old.files} -> {new.files} files"
    elif old.patch != new.patch:
        yield "other hunks"
