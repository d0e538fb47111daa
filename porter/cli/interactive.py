"""``porter rewrite --interactive``: one question for each change, on standard error, as `git add -p` has them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from porter.cli.output import Talk
from porter.cli.patches import divide
from porter.engine import FileChange
from porter.report.paint import VERDICT_STYLES, Paint
from porter.report.patch import colorize
from porter.report.words import file_name, plural, sentences, visible
from porter.rewrite.choose import ANSWERS, Question, choose
from porter.rewrite.patch import hunks, splice
from porter.rewrite.pieces import changes_of


def check_terminal() -> None:
    """Raise `click.UsageError` where nobody is there to answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("--interactive asks questions: standard input must be a terminal")


def pick(files: Sequence[FileChange], talk: Talk) -> tuple[list[FileChange], bool]:
    """The files with what the user takes of their changes; and whether one of them would be broken, and stays."""
    chosen = {file.path: file for file in choose(divide(files), lambda question: _ask(question, talk.paint))}
    picked, refused = [], False
    for file in files:
        pieces = chosen[file.path].pieces if file.path in chosen else ()
        changes = changes_of(pieces)
        after = splice(file.before, changes)
        if pieces and (reason := chosen[file.path].broken(after)):
            talk.error(f"{file.path}: left as it is: with these changes alone, {reason}")
            pieces, changes, after, refused = (), (), file.before, True
        units = tuple(unit for piece in pieces for unit in piece.units)
        applied = [finding for piece in pieces for finding in piece.findings if finding.fix is not None]
        picked.append(FileChange(file.path, file.before, after, changes, applied, file.dropped, units))
    return picked, refused


def _ask(question: Question, paint: Paint) -> str:
    for line in _shown(question, paint):
        _say(line)
    prompt = f"({question.number}/{question.total}) Take this change [{','.join(ANSWERS)},?]? "
    while True:
        _say(paint(prompt, "bold blue"), ends=False)
        answer = sys.stdin.readline()
        if not answer:  # end of input
            _say("")
            return "q"
        answer = answer.strip().lower()[:1]
        if answer in ANSWERS:
            return answer
        for key, meaning in ANSWERS.items():
            _say(paint(f"{key} - {meaning}", "bold red"))


def _say(line: str, *, ends: bool = True) -> None:
    click.echo(line, err=True, nl=ends, color=True)


def _shown(question: Question, paint: Paint) -> list[str]:
    """What a person has to see of a piece: where, why, and what would change."""
    file, piece = question.file, question.piece
    lines = ["", paint(file_name(file.path), "bold")]
    told: dict[str, int] = {}
    for finding in piece.findings:
        verdict = paint(str(finding.verdict), VERDICT_STYLES[finding.verdict])
        line = f"{paint(finding.code, 'bold')} {finding.name} ({verdict}): {sentences(finding)}"
        told[line] = told.get(line, 0) + 1
    lines += [line if count == 1 else f"{line} [{plural(count, 'time')}]" for line, count in told.items()]
    for hunk in hunks(file.before, changes_of([piece])):
        text = hunk.text.decode(errors="replace").rstrip("\n").split("\n")
        safe = "\n".join("\t".join(map(visible, line.rstrip("\r").split("\t"))) for line in text)
        lines.append(colorize(safe.encode(), paint).decode() if paint.enabled else safe)
    return lines
