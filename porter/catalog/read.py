"""Catalogue files as people write them: TOML in, checked rows out, and errors that say what to do.

The built-in files are read here only when they are compiled (or have changed since); users' files always are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Set
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from porter.catalog import parse_argument, read_sources, spelling
from porter.catalog.schema import ACTIONS, Answer, CatalogueError, CatalogueFile, Row
from porter.index.site import KINDS
from porter.model import TARGETS, Effort, Evidence, Verdict
from porter.reading import read_regular

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

_ENUMS: dict[str, type[Enum]] = {"verdict": Verdict, "evidence": Evidence, "effort": Effort}
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_RELEASE = re.compile(r"\d+\.\d+")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<word>[^`]*)`")
_NO_MEMBER = re.compile(r"Invalid enum value '(?P<word>[^']*)'")


def parse(path: Path) -> dict[str, Any]:
    """A TOML file as plain data. Raises CatalogueError where it cannot be read."""
    try:
        data: dict[str, Any] = tomllib.loads(read_regular(path).decode())
        return data
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CatalogueError(f"{path}: not valid TOML: {error}") from None


def read_files(paths: Iterable[Path]) -> tuple[CatalogueFile, ...]:
    """The built-in files. Raises CatalogueError on the first defect, a name with two rows included."""
    sources = read_sources().keys()
    files = []
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        data = parse(path)
        rows = tuple(
            row
            for i, raw in enumerate(data.pop("row", []), 1)
            for row in _with_requirement(_row(raw, f"{path}: row {i}", sources, None))
        )
        for row in rows:
            for name in (row.name, *row.also):
                key = (row.kind, spelling(row.kind, name))
                if key in seen:
                    raise CatalogueError(f"{path}: {row.kind} `{name}` has a row in {seen[key].name} already")
                seen[key] = path
        files.append(_convert({**data, "row": rows}, CatalogueFile, str(path)))
    return tuple(files)


def read_user_file(path: Path, rules: Set[str]) -> CatalogueFile:
    """A user's rows: the same format, where a target may be left out (its verdict is then ``manual``).

    ``title`` and ``checked`` are optional, and an answer without ``evidence`` counts as a report (C).

    Args:
        path: the TOML file.
        rules: names of the rules that a row may name.

    Raises:
        CatalogueError: naming the file, the row and the remedy.
    """
    data = {"title": path.name, "checked": {}, **parse(path)}
    sources = read_sources().keys()
    rows: list[Row] = []
    for i, raw in enumerate(data.pop("row", []), 1):
        where = f"{path}: row {i}"
        rows.extend(_with_requirement(_row(_completed(raw, path, where), where, sources, rules)))
    return _convert({**data, "row": tuple(rows)}, CatalogueFile, str(path))


def _completed(raw: Any, path: Path, where: str) -> Any:
    if not isinstance(raw, dict):
        return raw
    answers = [raw[target] for target in TARGETS if target in raw]
    if not answers:
        raise CatalogueError(f"{where}: has no answer: add at least one of {_listed(TARGETS)}")
    absent = {
        "verdict": "manual",
        "advice": f"{path.name} does not say: add an answer for this target, or port it by hand.",
    }
    missing = {target: absent for target in TARGETS if target not in raw}
    given = {
        target: {"evidence": Evidence.C, **raw[target]} if isinstance(raw[target], dict) else raw[target]
        for target in TARGETS
        if target in raw
    }
    return {**raw, **given, **missing}


def _row(raw: Any, where: str, sources: Set[str], rules: Set[str] | None) -> Row:
    if isinstance(raw, dict) and isinstance(raw.get("name"), str):
        where = f"{where} `{raw['name']}`"
    row = _convert(raw, Row, where)
    if row.kind not in KINDS and row.kind != "idiom":
        raise CatalogueError(f"{where}: unknown kind `{row.kind}`{_hint(row.kind, KINDS)}")
    if rules is not None and row.rule not in rules:
        raise CatalogueError(f"{where}: unknown rule `{row.rule}`{_hint(row.rule, rules)}")
    if row.kind == "argument":
        try:
            for name in (row.name, *row.also):
                parse_argument(name, row)
        except ValueError as error:
            raise CatalogueError(f"{where}: {error}") from None
    for target in TARGETS:
        if defect := _defect(getattr(row, target), sources):
            raise CatalogueError(f"{where}: {target}: {defect}")
    return row


def _with_requirement(row: Row) -> tuple[Row, ...]:
    """A row, and for a package the row of the lines that require it. The work is where the package is used."""
    if not row.distributions:
        return (row,)
    name, *also = row.distributions
    answers = {t: _required(row, t) for t in TARGETS}
    requirement = msgspec.structs.replace(
        row,
        name=name,
        kind="requirement",
        rule="cuda-requirement",
        also=tuple(also),
        distributions=(),
        needs_cuda=False,
        imports=_modules(row.name, *row.also),
        covers=(),
        **answers,
    )
    return row, requirement


def _modules(*names: str) -> tuple[str, ...]:
    """The top-level modules of a package's names; its operators are looked up in torch, which it does not bring."""
    return tuple(dict.fromkeys(n.partition(".")[0] for n in names if not n.startswith("torch.")))


def _required(row: Row, target: str) -> Answer:
    """What a target makes of requiring a package: what needs CUDA goes, but where CUDA may be the device."""
    answer: Answer = getattr(row, target)
    goes = row.needs_cuda and target != "portable" and answer.verdict in (Verdict.MANUAL, Verdict.BLOCKED)
    changes = {"verdict": Verdict.REVIEW, "action": "delete"} if goes else {}
    return msgspec.structs.replace(answer, effort=Effort.MINUTES, **changes)


def _defect(answer: Answer, sources: Set[str]) -> str | None:
    """What is wrong with an answer that has the right shape, or None."""
    edits = answer.verdict in (Verdict.AUTO, Verdict.REVIEW)
    if answer.action and answer.action not in ACTIONS:
        return f"unknown action `{answer.action}`{_hint(answer.action, ACTIONS)}"
    if unknown := [key for key in answer.source if key not in sources]:
        return f"unknown source `{unknown[0]}`{_hint(unknown[0], sources)}"
    if answer.verdict in (Verdict.MANUAL, Verdict.BLOCKED) and not answer.advice:
        return f"verdict `{answer.verdict}` needs `advice`: what should the reader do?"
    if answer.verdict is Verdict.AUTO and answer.evidence is Evidence.D:
        return "verdict `auto` needs better evidence than D: say where it is known from, or use `review`"
    if edits and not answer.replacement and answer.action not in ("argument", "delete", "rule"):
        return f"verdict `{answer.verdict}` needs `replacement`, or `action` delete or rule"
    if answer.since and not _RELEASE.fullmatch(answer.since):
        return f"`since` is a release of PyTorch, `2.9`, not `{answer.since}`"
    if answer.older and not answer.since:
        return "`older` is for a PyTorch before `since`: say since when there is `replacement`"
    if answer.action == "rename" and not _DOTTED.fullmatch(answer.replacement):
        return f"action `rename` needs a dotted name as `replacement`, not `{answer.replacement}`"
    return None


def _convert(raw: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{where}: {_explained(str(error), kind)}") from None


def _explained(message: str, kind: type[Any]) -> str:
    """A message of msgspec in the words of this page, with a suggestion where a word is misspelt."""
    place = _PLACE.search(message)
    keys = place["place"].split(".") if place and place["place"] else []
    if match := _UNKNOWN.match(message):
        fields = Answer.__struct_fields__ if keys and keys[-1] in TARGETS else kind.__struct_fields__
        keys.append(match["word"])
        return f"unknown key `{'.'.join(keys)}`{_hint(match['word'], fields)}"
    if match := _NO_MEMBER.match(message):
        return f"unknown {keys[-1]} `{match['word']}`{_hint(match['word'], [e.value for e in _ENUMS[keys[-1]]])}"
    if place:
        return f"`{place['place']}`: {message[: place.start()].lower()}"
    return message[0].lower() + message[1:]


def _hint(word: str, known: Iterable[str]) -> str:
    words = sorted(known)
    if close := get_close_matches(word, words, n=1):
        return f"; did you mean `{close[0]}`?"
    return f"; one of {_listed(words)}" if len(words) <= 20 else ""


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
