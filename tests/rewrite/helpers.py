"""What several tests of the rewrite package need: calls and sites found with `ast`, edits applied the plain way."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from porter.index.site import Argument, Call
from porter.model import Edit, Effort, Finding, Fix, Verdict
from porter.rules.base import TextEdit
from porter.sources.decode import decode
from porter.sources.source import Source


def offset(text: bytes, line: int, column: int) -> int:
    return sum(len(row) for row in text.splitlines(keepends=True)[: line - 1]) + column


def span(text: bytes, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return offset(text, node.lineno, node.col_offset), offset(text, node.end_lineno, node.end_col_offset)


def call_in(text: bytes) -> Call:
    """The outermost call of a module that is one expression statement or assignment, as the index would give it."""
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.Expr | ast.Assign)
    node = statement.value
    assert isinstance(node, ast.Call)
    passed = [("*", a.value) if isinstance(a, ast.Starred) else (None, a) for a in node.args]
    passed += [(keyword.arg or "**", keyword.value) for keyword in node.keywords]
    found = []
    for keyword, value in passed:
        is_none = isinstance(value, ast.Constant) and value.value is None
        found.append(Argument(keyword, *span(text, value), is_literal=is_none))
    return Call(*span(text, node), arguments=tuple(sorted(found, key=lambda a: a.start)))


def applied(text: bytes, edits: Iterable[TextEdit]) -> bytes:
    """The text after the edits, which must not overlap."""
    out, at = b"", 0
    for edit in sorted(set(edits)):
        assert edit.start >= at, f"overlap at {edit}"
        out += text[at : edit.start] + edit.text.encode()
        at = edit.end
    return out + text[at:]


def finding(
    edits: Iterable[tuple[int, int, str]] = (),
    *,
    verdict: Verdict = Verdict.AUTO,
    line: int = 1,
    cell: int | None = None,
    code: str = "PRT201",
    advice: str = "Do it.",
) -> Finding:
    """A finding with a fix of these edits, if any."""
    made = tuple(sorted(Edit(*edit) for edit in edits))
    fix = Fix("unsafe" if verdict is Verdict.REVIEW else "safe", made) if made else None
    return Finding(
        path="m.py",
        line=line,
        column=1,
        end_line=line,
        end_column=2,
        cell=cell,
        code=code,
        name="n",
        symbol=None,
        verdict=verdict,
        message="m",
        advice=advice,
        guarded=False,
        effort=Effort.NONE,
        evidence=None,
        fix=fix,
        fingerprint="",
    )


def source_of(raw: bytes, kind: str = "python") -> Source:
    source = decode(raw, "m.py", kind)
    assert isinstance(source, Source)
    return source
