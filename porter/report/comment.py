"""A comment for a pull request: what matters in a few lines, everything else behind a click.

Never longer than a comment of GitHub's may be. What had to be left out is counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.model import Finding, Severity
from porter.report import markup
from porter.report.address import of_rule
from porter.report.rank import telling
from porter.report.statistics import counts
from porter.report.words import MEANINGS, first_sentence, is_file, location, place, plural, tally, unreported
from porter.targets import TARGETS

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

MARK = "<!-- porter check -->"  # by which a workflow finds its comment again
LIMIT = 65_536  # characters of a comment on GitHub; here bytes, which are never fewer
ROOM = 500  # of these for the end
MOST_KINDS = 6
MOST_PROBLEMS = 5
MOST_FILES = 10
FEW = 30  # findings that need no tables
_WORDS = {Severity.ERROR: ("fails", "fail"), Severity.WARNING: ("warns", "warn"), Severity.NOTE: ("needs", "need")}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the comment."""
    written = 0
    for line in (MARK, *_top(report, view)):
        written += len(line.encode()) + 1
        yield line + "\n"
    if report.findings:
        yield from _all(report.findings, LIMIT - ROOM - written)
    yield f"<sub>{' '.join(_end(view))}</sub>\n"


def _top(report: Report, view: View) -> Iterator[str]:
    """What everybody should read."""
    findings = report.findings
    yield f"### porter check: {_headline(findings, view)}"
    yield ""
    uses = [finding for finding in findings if not is_file(finding)]
    if uses:
        yield markup.row(("verdict", "findings", "which means"))
        yield markup.row(("---", "---:", "---"))
        yield from (markup.row((str(v), f"{count:,}", MEANINGS[v])) for v, count in tally(uses).items())
        yield ""
    if fixable := sum(finding.fix is not None for finding in findings):
        marked = f"{fixable:,} of them, marked :wrench: below; the others are for a person"
        yield f"`porter rewrite` changes {'all of them' if fixable == len(findings) else marked}."
        yield ""
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for at in telling(findings, view.settings.weigh):
        kinds[findings[at].code, findings[at].advice].append(findings[at])
    yield from (_kind(members) for members in list(kinds.values())[:MOST_KINDS])
    if len(kinds) > MOST_KINDS:
        yield f"- and {plural(len(kinds) - MOST_KINDS, 'more kind')} below"
    problems = unreported(report)
    for problem in problems[:MOST_PROBLEMS]:
        yield f"- **not looked at:** {markup.code(problem.path)} {markup.text(problem.message)}"
    if len(problems) > MOST_PROBLEMS:
        yield f"- and {plural(len(problems) - MOST_PROBLEMS, 'more file')} not looked at"
    yield ""
    if len(findings) > FEW:
        yield from _tables(findings)


def _tables(findings: list[Finding]) -> Iterator[str]:
    """Where many findings are: by rule, and the files that have most of them."""
    yield "<details><summary>By rule, and the files with the most</summary>"
    yield ""
    yield markup.row(("rule", "findings", "files", "verdicts"))
    yield markup.row(("---", "---:", "---:", "---"))
    for rule in counts(findings):
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in rule.verdicts.items())
        yield markup.row((f"{rule.code} {rule.name}", f"{rule.count:,}", f"{rule.files:,}", told))
    yield ""
    yield markup.row(("file", "findings"))
    yield markup.row(("---", "---:"))
    files = Counter(finding.path for finding in findings)
    for path, count in sorted(files.items(), key=lambda item: (-item[1], item[0]))[:MOST_FILES]:
        yield markup.row((markup.code(path), f"{count:,}"))
    yield ""
    yield "</details>"
    yield ""


def _headline(findings: list[Finding], view: View) -> str:
    if not findings:
        return f"no CUDA use that {view.target} cannot take :white_check_mark:"
    files = plural(len({finding.path for finding in findings}), "file")
    weights = [view.settings.weigh(finding) for finding in findings]
    parts = []
    for severity, (one, many) in _WORDS.items():
        if count := weights.count(severity):
            what = "no change" if severity is Severity.NOTE else ""
            parts.append(f"{plural(count, 'finding')} {one if count == 1 else many} {what}".rstrip())
    return f"{', '.join(parts)}, in {files}"


def _kind(members: list[Finding]) -> str:
    """One kind of finding: how often, what, what to do, where first."""
    first = members[0]
    title = f"{first.code} {first.name}"
    page = of_rule(first.name)
    linked = f"[{title}]({page})" if page else title
    told = first_sentence(first.advice) or (first.message if is_file(first) else MEANINGS[first.verdict])
    where = markup.code(location(first))
    return f"- **{len(members):,} x {linked}** ({first.verdict}), first at {where}: {markup.text(told)}"


def _all(findings: list[Finding], room: int) -> Iterator[str]:
    """Every finding by file, as far as there is room."""
    files = len({finding.path for finding in findings})
    opening = f"<details><summary>All of them, by file ({files:,})</summary>\n"
    yield opening
    room -= len(opening.encode())
    path = ""
    for told, finding in enumerate(findings):
        heading = "" if finding.path == path else f"\n{markup.code(finding.path)}\n\n"
        line = f"{heading}{_line(finding)}\n"
        room -= len(line.encode())
        if room < 0:
            rest = plural(len(findings) - told, "more finding")
            yield f"\nand {rest}, for which a comment has no room: run `porter check`\n"
            break
        yield line
        path = finding.path
    yield "\n</details>\n\n"


def _line(finding: Finding) -> str:
    star = " :wrench:" if finding.fix else ""
    return f"- {place(finding)} {finding.code} {finding.verdict}: {markup.text(finding.message)}{star}"


def _end(view: View) -> Iterator[str]:
    yield f"Target {view.target}: {TARGETS[view.target].versions}."
    yield "porter reads the code and does not run it."
    yield "<code>porter explain CODE</code> opens a rule's page."
