"""What goes with a patch: for each hunk the rule, the reason, the evidence and its source, and what to check."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from porter.catalog import Catalogue
from porter.model import Finding, Verdict
from porter.report import markup
from porter.report.address import of_rule
from porter.report.explain import EVIDENCE, answer_of
from porter.report.lookup import row_of
from porter.report.words import MEANINGS, first_sentence, plural, tally, visible
from porter.rewrite.patch import Hunk, carried, hunks
from porter.rewrite.series import Part, Patch

_ADDRESS = re.compile(r"https?://\S+")
_FENCE = re.compile(r"`{3,}")


CHECK = "**Check:**"


class Explained(NamedTuple):
    """A hunk of a patch, and what it is there for: the findings whose own change it shows, with the lines of those."""

    hunk: Hunk
    findings: list[tuple[int, Finding]]
    codes: set[str]  # of all that it is part of
    others: set[int]  # lines of other hunks that change together with this one


def render(patches: Sequence[tuple[str, Patch]], target: str, what: str, catalogue: Catalogue) -> Iterator[str]:
    """Yield Markdown. ``patches`` come with the names of their files; ``what`` tells what the target is."""
    parts = [part for _, patch in patches for part in patch.parts]
    findings = [finding for part in parts for piece in part.pieces for finding in piece.findings]
    explained = {id(part): _explained(part) for part in parts}
    facts = _Facts(catalogue, target, findings)
    yield f"# Port to `{target}`: what changes, and why\n\n"
    yield f"Made by `porter rewrite` for the target {target}: {what}.\n\n"
    yield from _overview(findings, len({part.file.path for part in parts}), facts)
    yield from _to_check(parts, explained)
    for name, patch in patches:
        if len(patches) > 1:
            yield f"# {markup.code(name)}\n\n"
        for part in patch.parts:
            yield f"## {markup.code(part.file.path)}\n\n"
            if not any(piece.findings for piece in part.pieces):
                yield f"{'A new file' if part.created else 'A file'}, which the others use.\n\n"
            for one in explained[id(part)]:
                yield from _section(one, facts)
    yield from facts.sources()


class _Facts:
    """What the catalogue knows behind findings: where from, and against which versions it was checked."""

    def __init__(self, catalogue: Catalogue, target: str, findings: Iterable[Finding]):
        self._catalogue, self._target = catalogue, target
        self._keys: dict[tuple[str, str | None], tuple[str, ...]] = {}
        self.checked: dict[str, None] = {}
        for finding in findings:
            row = row_of(finding, catalogue)
            if row is not None and (finding.name, finding.symbol) not in self._keys:
                self._keys[finding.name, finding.symbol] = answer_of(row, target).source
                if checked := catalogue.checked(row, target):
                    self.checked[checked] = None
        self._noted: set[str] = set()

    def evidence(self, finding: Finding) -> str:
        """``evidence A ([D-RN], [SDK-OV])``, the keys being links."""
        if finding.evidence is None:
            return "no evidence on record"
        keys = ", ".join(f"[{key}]" for key in self._keys.get((finding.name, finding.symbol), ()))
        return f"evidence {finding.evidence}{f' ({keys})' if keys else ''}"

    def is_new(self, note: str) -> bool:
        """Whether this note is told for the first time."""
        known = note in self._noted
        self._noted.add(note)
        return not known

    def sources(self) -> Iterator[str]:
        """What the keys stand for, and where their links lead: to this list where there is no address."""
        keys = sorted({key for some in self._keys.values() for key in some})
        if not keys:
            return
        texts = {key: self._catalogue.sources.get(key, key) for key in keys}
        yield "## Sources\n\n"
        yield from (f"- {key}: {_linked(text)}\n" for key, text in texts.items())
        yield "\n"
        for key, text in texts.items():
            match = _ADDRESS.match(text)
            yield f"[{key}]: {match[0] if match else '#sources'}\n"


def _linked(text: str) -> str:
    match = _ADDRESS.match(text)
    return f"<{match[0]}>{markup.text(text[match.end() :])}" if match else markup.text(text)


def _overview(findings: Sequence[Finding], files: int, facts: _Facts) -> Iterator[str]:
    yield f"{plural(len(findings), 'CUDA use')} in {plural(files, 'file')}.\n\n"
    yield markup.row(("verdict", "uses", "means")) + "\n"
    yield markup.row(("---", "---:", "---")) + "\n"
    for verdict, count in tally(findings).items():
        edited = verdict in (Verdict.AUTO, Verdict.REVIEW)
        means = MEANINGS[verdict] if edited else f"{MEANINGS[verdict]}: a comment is left, nothing else"
        yield markup.row((str(verdict), f"{count:,}", means)) + "\n"
    letters = sorted({finding.evidence for finding in findings if finding.evidence is not None})
    yield "\n"
    if letters:
        yield f"Evidence: {'; '.join(f'**{letter}** {EVIDENCE[letter]}' for letter in letters)}."
    if facts.checked:
        yield f" Checked against {'; '.join(map(markup.text, facts.checked))}."
    yield "\n\n"


def _to_check(parts: Iterable[Part], explained: dict[int, list[Explained]]) -> Iterator[str]:
    """The list of what behaves differently, the same advice once."""
    places: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for part in parts:
        for one in explained[id(part)]:
            for line, finding in one.findings:
                if finding.verdict is Verdict.REVIEW and finding.fix is not None:
                    key = finding.code, finding.name, _check(finding)
                    place = f"{part.file.path}:{line}"
                    if place not in places[key]:
                        places[key].append(place)
    if not places:
        return
    yield "## To check by hand\n\n"
    for (code, name, check), where in sorted(places.items(), key=lambda item: (item[0][0], -len(item[1]))):
        shown = ", ".join(markup.code(place) for place in where[:3])
        more = f" and {len(where) - 3:,} more" if len(where) > 3 else ""
        yield f"- [ ] **{code} {name}**, {shown}{more}: {markup.text(check)}\n"
    yield "\n"


def _section(one: Explained, facts: _Facts) -> Iterator[str]:
    yield f"### From line {one.hunk.line}\n\n"
    if one.codes and not one.findings:
        yield f"Needed by other changes of this file: {', '.join(sorted(one.codes))}.\n\n"
    told: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for line, finding in sorted(one.findings, key=lambda pair: pair[0]):
        told[_told(finding, facts)].add(line)
    for (head, reason, check), lines in told.items():
        yield f"- {_lines(lines).capitalize()}: {head}: {reason}\n"
        if check and (check.startswith(CHECK) or facts.is_new(check)):
            yield f"  {check}\n"
    yield "\n" if one.findings else ""
    if one.others:
        yield f"Changes together with {_lines(one.others)}, or not at all.\n\n"
    yield from _diff(one.hunk)


def _lines(numbers: Iterable[int]) -> str:
    """``line 3``, ``lines 3, 7``."""
    ordered = sorted(numbers)
    return f"line{'s' if len(ordered) > 1 else ''} {', '.join(map(str, ordered))}"


def _told(finding: Finding, facts: _Facts) -> tuple[str, str, str]:
    """A finding as the head of an item, what is the case, and what to check or note."""
    rule, address = f"{finding.code} {finding.name}", of_rule(finding.name)
    head = f"**{f'[{rule}]({address})' if address else rule}**, {finding.verdict}, {facts.evidence(finding)}"
    reason = markup.text(_sentence(finding.message))
    if finding.fix is None:
        return head, f"{reason} Left to a person.", markup.text(finding.advice or _sentence(MEANINGS[finding.verdict]))
    label = CHECK if finding.verdict is Verdict.REVIEW else "Note:"
    check = _check(finding)
    return (
        head,
        f"{reason} {markup.text(first_sentence(finding.advice))}",
        f"{label} {markup.text(check)}" if check else "",
    )


def _check(finding: Finding) -> str:
    """What its advice says beyond what to write. Where it says no more, a review is of that."""
    written = first_sentence(finding.advice)
    rest = finding.advice[len(written) :].strip()
    return rest or (f"{written} Numerics, order or semantics may differ." if finding.verdict is Verdict.REVIEW else "")


def _sentence(text: str) -> str:
    return f"{text[:1].upper() if text[:1].isalpha() else text[:1]}{text[1:].rstrip('.')}."


def _diff(hunk: Hunk) -> Iterator[str]:
    text = hunk.text.decode(errors="replace")
    fence = "`" * max(3, max((len(run) + 1 for run in _FENCE.findall(text)), default=0))
    lines = ("\t".join(map(visible, line.rstrip("\r").split("\t"))) for line in text.rstrip("\n").split("\n"))
    yield f"{fence}diff\n" + "\n".join(lines) + f"\n{fence}\n\n"


def _explained(part: Part) -> list[Explained]:
    """The hunks of a part with what they are there for."""
    found = [Explained(hunk, [], set(), set()) for hunk in hunks(part.before, part.changes)]
    starts = [one.hunk.start for one in found]

    def at(place: int) -> Explained:
        return found[max(bisect_right(starts, carried(place, part.made)) - 1, 0)]

    for piece in part.pieces if found else ():
        for unit in piece.units:
            lines = {at(place).hunk.line for place in (*unit.places, *(change.start for change in unit.changes))}
            for place, finding in zip(unit.places, unit.findings, strict=True):
                line = part.before.count(b"\n", 0, carried(place, part.made)) + 1
                at(place).findings.append((line, finding))
                at(place).others.update(lines - {at(place).hunk.line})
            for change in unit.changes:
                at(change.start).codes.update(f"{finding.code} {finding.name}" for finding in unit.findings)
    return found
