"""Jupyter notebooks: the code cells as one Python text, and edits of it as edits of the JSON strings on disk."""

from __future__ import annotations

import ast
import codecs
import json
import re
import warnings
from array import array as numbers
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from porter.model import Edit, Problem
from porter.sources.jsonspan import Span, array, document, members, span
from porter.sources.magics import Masked, comment, mask
from porter.sources.source import Fragment, Source

_NOTEBOOK = members(cells=array(members(source=array(span))))
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.")


class Literal(msgspec.Struct, frozen=True):
    """A JSON string: ``start:end`` in the text is ``span`` on disk. As a rule it is a line of a cell."""

    start: int
    end: int
    span: Span


class CodeCell(msgspec.Struct, frozen=True):
    """A code cell: ``start:end`` in the text, and the JSON strings that it is made of.

    ``joint`` stands between two of them on disk (quotes, comma, indentation); empty where the cell is one string.
    ``masks`` are the parts of the text that differ from what they stand for.
    """

    index: int
    start: int
    end: int
    literals: tuple[Literal, ...]
    joint: str
    masks: tuple[tuple[int, int], ...]

    def written(self, raw: bytes) -> bytes:
        """The cell as it is on disk, whose bytes are ``raw``: nothing masked."""
        return b"".join(_unescape(raw[literal.span.start : literal.span.end]) for literal in self.literals)


class Notebook(msgspec.Struct, frozen=True):
    """The layout of a notebook."""

    cells: tuple[CodeCell, ...]

    def cell_at(self, offset: int) -> CodeCell | None:
        """The code cell that holds ``offset``."""
        at = bisect_right(self.cells, offset, key=lambda cell: cell.start)
        return self.cells[at - 1] if at else None

    def encode(self, text: str) -> bytes:
        """Notebooks are UTF-8."""
        return text.encode()

    def to_disk(self, source: Source, start: int, end: int, text: str) -> Edit | None:
        """The edit as JSON; None where it leaves its cell, or cuts a magic in two."""
        cell = self.cell_at(start)
        if cell is None or not cell.literals:
            return None
        if end == cell.end + 1:  # the newline that ends a cell is not on disk
            start, end, text = min(start, cell.end), cell.end, text.removesuffix("\n")
        if end > cell.end or any(_cuts(start, end, *masked) for masked in cell.masks):
            return None
        first = _literal(cell, start)
        last = first if start == end else _literal(cell, end - 1)
        at = _on_disk(source.raw, cell.literals[first], start)
        to = _on_disk(source.raw, cell.literals[last], end)
        at_end_of_line = end == cell.literals[last].end
        if at_end_of_line and start < end and not text.endswith("\n") and last + 1 < len(cell.literals):
            to = cell.literals[last + 1].span.start  # the line's newline goes, so the next line joins this one
            at_end_of_line = False
        lines = re.split(r"(?<=\n)", text) if cell.joint else [text]
        if at_end_of_line and len(lines) > 1 and not lines[-1]:
            lines.pop()
        escaped = (json.dumps(line, ensure_ascii=source.raw.isascii())[1:-1] for line in lines)
        return Edit(at, to, cell.joint.join(escaped))


def decode_notebook(raw: bytes, display: str) -> Source | Problem:
    """Make a `Source` of a notebook. Cells that are no Python are masked and named in ``Source.problems``."""
    try:
        raw.decode()
        mark = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
        content = document(raw.decode("latin-1"), _NOTEBOOK, mark)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Problem(display, "is not UTF-8, as a notebook must be; open it in Jupyter and save it", line)
    except json.JSONDecodeError as error:
        return Problem(display, f"is not valid JSON ({error.msg.lower()}); repair it or restore it", error.lineno)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        advice = "convert it with `jupyter nbconvert --to notebook --inplace`"
        return Problem(display, f"is not a notebook of format 4; {advice}")
    found = list(_code(raw, content))
    masked = [mask(cell.text) for cell in found]
    problems: list[Problem] = []
    if _error("\n".join(cell.text.decode() for cell in masked)) is not None:
        for i, cell in enumerate(found):
            if (reason := _error(masked[i].text.decode())) is not None:
                why = f"cell {cell.index + 1} is not Python ({reason}); porter left it out"
                problems.append(Problem(display, why, cell=cell.index))
                masked[i] = _leave_out(masked[i])
    return _assemble(raw, display, found, masked, tuple(problems))


class _Code(msgspec.Struct, frozen=True):
    """A code cell as it stands in the JSON: its strings, and what each says."""

    index: int
    spans: list[Span]
    parts: list[bytes]
    listed: bool  # the strings are a list, not one string

    @property
    def text(self) -> bytes:
        return b"".join(self.parts)


def _code(raw: bytes, content: dict[str, Any]) -> Iterator[_Code]:
    """The Python cells."""
    if not _is_python(content):
        return
    for index, cell in enumerate(content["cells"]):
        if _member(cell, "cell_type") == "code" and _language(cell) not in _FOREIGN:
            source = cell.get("source")
            strings = source if isinstance(source, list) else [source]
            spans = [string for string in strings if isinstance(string, Span)]
            parts = [_unescape(raw[place.start : place.end]) for place in spans]
            yield _Code(index, spans, parts, isinstance(source, list))


def _assemble(
    raw: bytes, display: str, found: list[_Code], masked: list[Masked], problems: tuple[Problem, ...]
) -> Source:
    """Put the cells one after the other, each with a newline."""
    lists = (code.spans for code in found if code.listed and len(code.spans) > 1)
    joint = next((raw[spans[0].end : spans[1].start].decode() for spans in lists), "")
    text = bytearray()
    cells: list[CodeCell] = []
    fragments: list[Fragment] = []
    for code, cell in zip(found, masked, strict=True):
        start = len(text)
        starts = accumulate(map(len, code.parts), initial=start)
        literals = tuple(Literal(*place, span) for place, span in zip(pairwise(starts), code.spans, strict=True))
        masks = tuple((start + a, start + b) for a, b in cell.spans)
        text += cell.text + b"\n"
        cells.append(CodeCell(code.index, start, len(text) - 1, literals, joint if code.listed else "", masks))
        fragments += (Fragment(f.kind, start + f.start, f.text) for f in cell.fragments)
    return Source(display, raw, bytes(text), "notebook", Notebook(tuple(cells)), tuple(fragments), problems)


# What an editor may say of a cell that other kernels run. "plaintext" and the like are the editor's ignorance.
_FOREIGN = frozenset(
    {
        *("bash", "bat", "c", "cpp", "csharp", "css", "fsharp", "go", "html", "java", "javascript", "json", "julia"),
        *("kql", "latex", "lua", "markdown", "mermaid", "perl", "php", "powershell", "r", "ruby", "rust", "scala"),
        *("shellscript", "sql", "swift", "typescript", "xml", "yaml"),
    }
)


def _is_python(content: dict[str, Any]) -> bool:
    """Whether the notebook's kernel runs Python. Where it does not say, it does."""
    info, kernel = (_member(content, "metadata", part) for part in ("language_info", "kernelspec"))
    language = _member(kernel, "language") or _member(info, "name") or "python"
    return "python" in str(language).lower()


def _language(cell: object) -> object:
    """The language of one cell in a notebook of several."""
    return _member(cell, "metadata", "vscode", "languageId")


def _member(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _leave_out(cell: Masked) -> Masked:
    return Masked(comment(cell.text), ((0, len(cell.text)),), cell.fragments)


def _error(code: str) -> str | None:
    """Why ``code`` is not Python; None where it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return f"{error.msg}, line {error.lineno}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return None


def _literal(cell: CodeCell, offset: int) -> int:
    """Which of the cell's strings holds the byte at ``offset``: the last that starts there or before."""
    return bisect_right(cell.literals, offset, key=lambda literal: literal.start) - 1


def _cuts(start: int, end: int, mask_start: int, mask_end: int) -> bool:
    """Whether ``start:end`` overlaps a mask without lying inside it."""
    return start < mask_end and end > mask_start and not (mask_start <= start and end <= mask_end)


def _on_disk(raw: bytes, literal: Literal, offset: int) -> int:
    """Where the byte at ``offset`` of the text stands in the file."""
    wanted = offset - literal.start
    starts, ends, disk = _escapes(raw, literal.span)
    if not (passed := bisect_left(starts, wanted)):
        return literal.span.start + wanted
    return disk[passed - 1] + wanted - ends[passed - 1]


@lru_cache(maxsize=1)  # a cell may be one long string, with an edit in every line
def _escapes(raw: bytes, span: Span) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Where the escapes of a string start and end in what it says, and where they end in the file."""
    starts, ends, disk = numbers("Q"), numbers("Q"), numbers("Q")
    text, at = 0, span.start
    for escape in _ESCAPE.finditer(raw, span.start, span.end):
        text += escape.start() - at
        starts.append(text)
        text += len(_unescape(escape[0]))
        ends.append(text)
        at = escape.end()
        disk.append(at)
    return starts, ends, disk


def _unescape(literal: bytes) -> bytes:
    """What the inside of a JSON string says, as UTF-8."""
    if b"\\" not in literal:
        return literal
    value: str = json.loads(f'"{literal.decode()}"')
    return value.encode("utf-8", "replace")
