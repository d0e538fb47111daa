"""Run a literate case through porter and say, readably, where the two disagree."""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from porter import engine
from porter.config import Settings, load
from porter.model import Finding
from tests.ecosystem.invariants import working_in
from tests.literate import Case, File, cells, unpack

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass
class Outcome:
    """What is wrong with a case, as text for people, and what its ``fixed`` blocks should say by ordinal."""

    failures: list[str] = field(default_factory=list)
    fixed: dict[int, str] = field(default_factory=dict)


def prove(case: Case, folder: Path) -> Outcome:
    """Scan and rewrite ``case`` in the empty ``folder``."""
    outcome = Outcome()
    with working_in(folder):
        _write({file.path: file.content for file in case.files})
        outcome.failures += _scan(case, _settings())
        for target in sorted({"neuron"}.union(*(file.fixed for file in case.files))):
            _write({file.path: file.content for file in case.files})
            _rewrite(case, target, outcome)
    return outcome


def style_of(message: str) -> str | None:
    """What is wrong with the style of a finding's message, if anything."""
    if message[:1].isupper() and not message.split()[0].isupper() and not message.startswith("CUDA"):
        return "a message starts in lower case"
    if message.endswith("."):
        return "a message ends without a full stop"
    return None


def _scan(case: Case, settings: Settings) -> Iterator[str]:
    report = engine.run((".",), settings)
    wanted = [(file.path, part) for file in case.files for part in file.problems]
    for problem in report.problems:
        known = [(path, part) for path, part in wanted if path == problem.path and part in problem.message]
        if not known:
            yield f"{problem.path}: {problem.message}"
        wanted = [other for other in wanted if other not in known]
    yield from (f"{path}: no problem says {part!r}" for path, part in wanted)
    for file in case.files:
        found = [finding for finding in report.findings if finding.path == file.path]
        if notes := _disagreements(file, found):
            yield _annotated(file, notes)
        for finding in found:
            if complaint := style_of(finding.message):
                yield f"{file.path}:{finding.line}: {complaint}: {finding.message!r}"


def _disagreements(file: File, found: Sequence[Finding]) -> dict[int, list[str]]:
    """Notes by line of the block: what was expected and not found, and the other way round."""
    starts = [start for start, _, _ in cells(file.text)] if file.language == "ipynb-py" else []
    open_ = [(f.line if f.cell is None else starts[f.cell] + f.line - 1, f) for f in found]
    notes: dict[int, list[str]] = {}
    # The most specific first, so that `[rule] auto` and `[rule]` on one line each get their own.
    for wanted in sorted(file.expected, key=lambda e: e.verdict is None):
        for match in open_:
            line, finding = match
            if (line, finding.name) == (wanted.line, wanted.rule) and wanted.verdict in (None, str(finding.verdict)):
                open_.remove(match)
                break
        else:
            notes.setdefault(wanted.line, []).append(f"expected  [{wanted.rule}] {wanted.verdict or ''}".rstrip())
    for line, finding in open_:
        if finding.verdict != "portable" or line in notes:
            notes.setdefault(line, []).append(f"found     [{finding.name}] {finding.verdict}  ({finding.message})")
    return notes


def _rewrite(case: Case, target: str, outcome: Outcome) -> None:
    settings = _settings(target=target)
    changes = {change.path: change for change in engine.rewrite((".",), settings).files}
    for file in case.files:
        after = file.content
        if file.path in changes:
            after = changes[file.path].after.decode()
            Path(file.path).write_bytes(changes[file.path].after)
            if error := _syntax_error(file, after):
                outcome.failures.append(f"{file.path}: does not parse once rewritten: {error}\n{after}")
        if target in file.fixed:
            _compare(file, target, after, outcome)
    for change in engine.rewrite((".",), settings).files:
        if change.before == change.after:
            continue
        diff = _diff(change.before.decode(), change.after.decode(), "rewritten", "rewritten again")
        outcome.failures.append(f"{change.path}: a second rewrite to {target} changes it again\n{diff}")


def _compare(file: File, target: str, after: str, outcome: Outcome) -> None:
    """Hold the rewritten file against its ``fixed`` block."""
    actual = unpack(after) if file.language == "ipynb-py" else after
    expected = file.fixed[target]
    if actual != expected.text:
        outcome.fixed[expected.ordinal] = actual
        diff = _diff(expected.text, actual, "expected", "rewritten")
        outcome.failures.append(f"{file.path}: rewritten to {target}, this is not the `fixed` block\n{diff}")


def _syntax_error(file: File, text: str) -> str | None:
    """Why ``text`` is no longer what its name promises; None if it is, or if no parser is at hand."""
    try:
        if file.language == "py":
            ast.parse(text)
        elif file.language == "ipynb-py":
            for _, is_code, source in cells(unpack(text)):
                if is_code and not any(line.lstrip().startswith(("%", "!", "?")) for line in source.splitlines()):
                    ast.parse(source)
        elif file.language == "json":
            json.loads(text)
        elif file.language == "toml":
            tomllib.loads(text)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def _annotated(file: File, notes: dict[int, list[str]]) -> str:
    """The block with line numbers, and the notes under the lines they are about."""
    out = [file.path]
    for number, line in enumerate(file.text.splitlines(), start=1):
        out.append(f"{number:4} | {line}")
        out += [f"   >      {note}" for note in notes.pop(number, ())]
    out += [f"{number:4} > {note}" for number, late in notes.items() for note in late]
    return "\n".join(out)


def _diff(before: str, after: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=2)
    return "\n".join(lines)


def _settings(**overrides: object) -> Settings:
    """The settings of the case in the working directory. Nothing is cached, and one process does it all."""
    return load(Path.cwd(), overrides={"jobs": 1, "cache": False, **overrides})


def _write(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
